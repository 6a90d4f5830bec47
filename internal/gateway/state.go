package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"causeway/config"
)

// What outlives the process, in gateway.state_directory.

// stateDirectory is where it is kept; empty: nowhere.
func stateDirectory(cfg *config.Config) string {
	if d := cfg.Gateway.StateDirectory; d != "" {
		return d
	}
	return os.Getenv("STATE_DIRECTORY") // systemd's, for StateDirectory=
}

const (
	crashSecretFile = "crash-detection.key"
	crashSecretLen  = 32
)

// crashSecret is the key of the tokens of RFC 6290, made at the first start. It is
// not derived from anything that is configured: tokens are shown to strangers,
// who could then try keys that people chose. Without a directory there is none,
// and peers find a crash by silence.
func (g *Gateway) crashSecret(cfg *config.Config) []byte {
	dir := stateDirectory(cfg)
	if dir == "" {
		return nil
	}
	secret, err := loadSecret(filepath.Join(dir, crashSecretFile))
	if err != nil {
		g.log.Warn("peers will find a crash of this gateway by its silence only", zap.Error(err))
		return nil
	}
	return secret
}

// loadSecret reads a random key from a file, which is made if it is not there.
func loadSecret(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("gateway: state: %w", err)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newSecret(path)
	}
	if err != nil {
		return nil, fmt.Errorf("gateway: state: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("gateway: %s can be read by others: delete it, and it is made anew", path)
	}
	if info.Size() != crashSecretLen {
		return nil, fmt.Errorf("gateway: %s has %d bytes and not %d: delete it, and it is made anew", path, info.Size(), crashSecretLen)
	}
	secret, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("gateway: state: %w", err)
	}
	return secret, nil
}

// newSecret makes the file whole or not at all.
func newSecret(path string) ([]byte, error) {
	secret := make([]byte, crashSecretLen)
	rand.Read(secret)
	file, err := replace(path, secret, nil)
	if err != nil {
		return nil, fmt.Errorf("gateway: state: %w", err)
	}
	defer file.drop()
	if err := file.commit(); err != nil {
		return nil, fmt.Errorf("gateway: state: %w", err)
	}
	return secret, nil
}

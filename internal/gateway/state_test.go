package gateway

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"causeway/config"
)

// TestCrashSecret: the secret is made once, kept, and not used if others could
// have read it.
func TestCrashSecret(t *testing.T) {
	g := &Gateway{log: zap.NewNop()}
	t.Setenv("STATE_DIRECTORY", "")
	cfg := &config.Config{}
	if s := g.crashSecret(cfg); s != nil {
		t.Errorf("without a directory the secret is %x", s)
	}
	dir := filepath.Join(t.TempDir(), "causeway")
	t.Setenv("STATE_DIRECTORY", dir)
	first := g.crashSecret(cfg)
	if len(first) != crashSecretLen {
		t.Fatalf("the secret has %d bytes", len(first))
	}
	if again := g.crashSecret(cfg); !bytes.Equal(first, again) {
		t.Error("the second start has another secret")
	}
	cfg.Gateway.StateDirectory = filepath.Join(dir, "other")
	if other := g.crashSecret(cfg); other == nil || bytes.Equal(first, other) {
		t.Errorf("another directory has the secret %x", other)
	}
	path := filepath.Join(cfg.Gateway.StateDirectory, crashSecretFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if s := g.crashSecret(cfg); s != nil {
		t.Error("a secret that others can read is used")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	if s := g.crashSecret(cfg); s != nil {
		t.Error("a secret of 3 bytes is used")
	}
	left, _ := filepath.Glob(path + ".*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

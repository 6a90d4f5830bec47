package gateway

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// TestKeyLogLines: the lines as Wireshark's tables have them; test/lab has
// tshark read them.
func TestKeyLogLines(t *testing.T) {
	secret := func(b ...byte) auth.Secret { return auth.NewSecret(b) }
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := openKeyLog(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	gcm := transform.Transform{Type: transform.Encryption, ID: transform.AESGCM16, KeyBits: 256}
	cbc := transform.Transform{Type: transform.Encryption, ID: transform.AESCBC, KeyBits: 128}
	sha := transform.Transform{Type: transform.Integrity, ID: transform.HMACSHA256128}
	tell := k.told()
	tell(sa.IKEKeys{SPIi: 1, SPIr: 0xab, Suite: transform.Suite{Encryption: gcm}, EncryptionI: secret(1, 2), EncryptionR: secret(3, 4)})
	tell(sa.IKEKeys{SPIi: 2, SPIr: 3, Suite: transform.Suite{Encryption: cbc, Integrity: sha},
		EncryptionI: secret(1), EncryptionR: secret(2), IntegrityI: secret(3), IntegrityR: secret(4)})
	k.child(&sa.Child{
		Suite: transform.Suite{Encryption: cbc, Integrity: sha}, SPIIn: 0x11, SPIOut: 0x22,
		EncryptionIn: secret(5), IntegrityIn: secret(6), EncryptionOut: secret(7), IntegrityOut: secret(8),
		Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500"),
	})
	k.close()
	for name, want := range map[string]string{
		keyLogIKE: `0000000000000001,00000000000000ab,0102,0304,"AES-GCM-256 with 16 octet ICV [RFC5282]",,,"NONE [RFC4306]"
0000000000000002,0000000000000003,01,02,"AES-CBC-128 [RFC3602]",03,04,"HMAC_SHA2_256_128 [RFC4868]"
`,
		keyLogESP: `"IPv4","192.0.2.2","192.0.2.1","0x00000011","AES-CBC [RFC3602]","0x05","HMAC-SHA-256-128 [RFC4868]","0x06"
"IPv4","192.0.2.1","192.0.2.2","0x00000022","AES-CBC [RFC3602]","0x07","HMAC-SHA-256-128 [RFC4868]","0x08"
`,
	} {
		if got := read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if none, err := openKeyLog("", zap.NewNop()); none != nil || err != nil || none.told() != nil {
		t.Error("without a directory there is a key log")
	}
	if _, err := openKeyLog("/dev/null/keys", zap.NewNop()); err == nil {
		t.Error("a directory that cannot be made")
	}
}

// TestKeyLogOfOthers: keys are not written to where others may read them.
func TestKeyLogOfOthers(t *testing.T) {
	for what, prepare := range map[string]func(path string) error{
		"a file that all can read": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o644))
		},
		"a file of another user": func(path string) error {
			if os.Geteuid() != 0 {
				return os.WriteFile(path, nil, 0o444) // which cannot be written
			}
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, 65534))
		},
		"a symbolic link": func(path string) error {
			return errors.Join(os.WriteFile(path+".other", nil, 0o600), os.Symlink(path+".other", path))
		},
		"a second name": func(path string) error {
			return errors.Join(os.WriteFile(path+".other", nil, 0o600), os.Link(path+".other", path))
		},
		"a pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for _, name := range []string{keyLogIKE, keyLogESP} {
			dir := t.TempDir()
			if err := prepare(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := openKeyLog(dir, zap.NewNop()); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s in the place of %s: %v", what, name, err)
			}
		}
	}
	dir := t.TempDir()
	for range 2 { // also where the files are there
		k, err := openKeyLog(dir, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		k.close()
	}
}

package gateway

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

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

package lab

import (
	"testing"

	"causeway/test/lab/link"
)

// TestSuite is every Diffie-Hellman group and every kind of cipher, each once
// for IKE and once for ESP, and begun by either end in turn.
func TestSuite(t *testing.T) {
	t.Parallel()
	for i, suite := range []struct{ ike, esp string }{
		{"aes128gcm16-prfsha256-modp2048", "aes128gcm16"},
		{"aes192gcm16-prfsha384-modp3072", "aes192gcm16"},
		{"aes256gcm16-prfsha512-modp4096", "aes256gcm16-modp2048"},
		{"aes128-sha256-ecp256", "aes128-sha256"},
		{"aes192-sha384-ecp384", "aes192-sha384"},
		{"aes256-sha384-ecp521", "aes256-sha512"},
		{"aes256-sha512-x25519", "aes256-sha256-x25519"},
		{"aes256-sha256-modp8192", "aes256-sha384-ecp384"},
		{"aes128-sha1-modp1024", "aes128-sha1"},
	} {
		t.Run(suite.ike+" "+suite.esp, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a.IKE, a.ESP = []string{suite.ike}, []string{suite.esp}
			a.Start = i%2 == 0
			s.joined(a, a.Peer())
		})
	}
}

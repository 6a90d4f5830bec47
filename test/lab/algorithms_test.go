package lab

import (
	"testing"

	"causeway/test/lab/link"
)

// TestAlgorithm is the ciphers that TestSuite leaves out, for IKE and for ESP
// and begun by either end in turn. strongSwan's userspace ESP has no AES-GMAC.
func TestAlgorithm(t *testing.T) {
	for i, suite := range []struct{ ike, esp string }{
		{"chacha20poly1305-prfsha256-x25519", "chacha20poly1305"},
		{"aes128ccm16-prfsha256-ecp256", "aes128ccm16"},
		{"aes192ccm12-prfsha384-ecp384", "aes192ccm12"},
		{"aes256ccm8-prfsha512-ecp256", "aes256ccm8"},
		{"aes256ccm16-prfsha256-ecp256", "aes256ccm16"},
		{"aes128gcm12-prfsha256-ecp256", "aes128gcm12"},
		{"aes256gcm8-prfsha384-ecp384", "aes256gcm8"},
		{"aes256gcm12-prfsha384-ecp384", "null-sha256"},
		{"aes128gcm8-prfsha256-x25519", "null-sha1"},
		{"aes128ccm8-prfsha256-x25519", "aes128gcm8-x25519"},
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

package lab

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"causeway/test/lab/link"
)

// TestAlgorithm is the ciphers that TestSuite leaves out, for IKE and for ESP
// and begun by either end in turn. TestUserspaceESP has every suite of ESP.
func TestAlgorithm(t *testing.T) {
	t.Parallel()
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

// userspaceLacks are the suites that strongSwan's userspace ESP has not, with the
// reason that its log gives: AES-GMAC, and extended sequence numbers with any
// cipher.
var userspaceLacks = map[string]string{
	"aes128gmac":        "unsupported AEAD algorithm NULL_AES_GMAC",
	"aes192gmac":        "unsupported AEAD algorithm NULL_AES_GMAC",
	"aes256gmac":        "unsupported AEAD algorithm NULL_AES_GMAC",
	"aes128gcm16-esn":   "ESN not supported",
	"aes128-sha256-esn": "ESN not supported",
}

// TestUserspaceESP is every suite of ESP against strongSwan's userspace ESP. Those
// that it has not are refused by it, whatever it agreed to before.
func TestUserspaceESP(t *testing.T) {
	s := newScene(t)
	var has, lacks []link.End
	for i, suite := range append(espSuites(), "aes128gcm16-esn", "aes128-sha256-esn") {
		c := suiteCase(suite, byte(100+i))
		if _, lack := userspaceLacks[suite]; lack {
			lacks = append(lacks, c)
		} else {
			has = append(has, c)
		}
	}
	cases := slices.Concat(has, lacks)
	s.addNetworks(func(script string) error { return s.GatewayB.Shell(s.ctx, script) }, cases)
	ours, theirs := bothEnds(cases)
	d := s.strongswan(s.GatewayB, theirs...)
	g := s.causeway(s.GatewayA, ours...)
	s.eachSuite(g, d, has)
	for _, end := range lacks {
		s.sub(end.Name+" is not there", func(s *scene) {
			before, err := os.ReadFile(d.Log())
			s.must(err)
			if d.InitiateChild(s.ctx, end.Name) == nil {
				s.t.Error("strongSwan has it: take it off the list")
			}
			after, err := os.ReadFile(d.Log())
			s.must(err)
			if reason := userspaceLacks[end.Name]; !bytes.Contains(after[len(before):], []byte(reason)) {
				s.t.Errorf("its log does not say %q", reason)
			}
			s.command(g, 0, "down", end.Name)
		})
	}
}

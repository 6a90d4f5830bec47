package lab

import (
	"testing"

	"causeway/test/lab/link"
)

// pairv1 is the two ends of a tunnel that IKEv1 negotiates, for one network of
// each site: a Child SA of IKEv1 has one range of addresses on either side.
func pairv1() link.End {
	a, _ := link.Pair()
	a = networks(a, 0)
	a.Version, a.PolicyBased = 1, true
	a.IKE, a.ESP = []string{"aes256-sha256-modp2048"}, []string{"aes256gcm16"}
	return a
}

// TestIKEv1 is Main Mode with pre-shared keys, begun by either end, with and
// without perfect forward secrecy.
func TestIKEv1(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name string
		make func(*link.End)
	}{
		{"main mode", func(*link.End) {}},
		{"pfs", func(e *link.End) { e.ESP = []string{"aes128-sha256-modp2048"} }},
		{"sha1", func(e *link.End) { e.IKE, e.ESP = []string{"aes128-sha1-modp1024"}, []string{"aes256-sha1"} }},
		{"curve", func(e *link.End) { e.IKE, e.ESP = []string{"aes192-sha384-ecp384"}, []string{"aes256gcm16-ecp256"} }},
		{"addresses as identities", func(e *link.End) { e.LocalIdentity, e.RemoteIdentity = "", "" }},
	} {
		a := pairv1()
		shape.make(&a)
		t.Run("initiator/"+shape.name, func(t *testing.T) { newScene(t).joined(a, a.Peer()) })
		t.Run("responder/"+shape.name, func(t *testing.T) {
			b := a
			b.Start = false
			newScene(t).joined(b, b.Peer())
		})
	}
}

package lab

import "testing"

// TestIKEv1OldAlgorithms is what only devices of the last century need, begun by
// either end.
func TestIKEv1OldAlgorithms(t *testing.T) {
	for _, shape := range []struct{ name, ike, esp string }{
		{"3des", "3des-sha1-modp1024", "3des-sha1"},
		{"3des with sha2 and pfs", "3des-sha256-modp1536", "3des-sha256-modp1024"},
	} {
		a := pairv1()
		a.IKE, a.ESP = []string{shape.ike}, []string{shape.esp}
		t.Run("initiator/"+shape.name, func(t *testing.T) { newScene(t).joined(a, a.Peer()) })
		t.Run("responder/"+shape.name, func(t *testing.T) {
			a.Start = false
			newScene(t).joined(a, a.Peer())
		})
	}
}

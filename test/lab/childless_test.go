package lab

import (
	"testing"

	"causeway/test/lab/link"
)

// TestChildless: IKE SAs that begin without a Child SA (RFC 6023), with every
// policy of the two ends that goes together, begun by either.
func TestChildless(t *testing.T) {
	s := newScene(t)
	for _, c := range []struct {
		begins, ours, theirs string
		childless            bool
	}{
		{"we", "prefer", "allow", true},
		{"we", "force", "force", true},
		{"we", "prefer", "never", false},
		{"we", "allow", "allow", false},
		{"it", "allow", "force", true},
		{"it", "force", "force", true},
		{"it", "never", "allow", false},
	} {
		s.sub(c.begins+" begins, "+c.ours+" and "+c.theirs, func(s *scene) {
			a, _ := link.Pair()
			a = networks(a, 0)
			a.ESP = []string{"aes256gcm16-ecp256"}
			a.Start = c.begins == "we"
			b := a.Peer()
			a.IKEKeys, b.SwanKeys = []string{"childless: " + c.ours}, []string{"childless = " + c.theirs}
			g, _ := s.joined(a, b)
			// Only a Child SA of CREATE_CHILD_SA has a key exchange of its own.
			if group := s.status(g, link.Name).Children[0].Suite; (group == "aes256gcm16-ecp256") != c.childless {
				t.Errorf("the Child SA has suite %s", group)
			}
		})
	}
}

// TestChildlessDemanded: strongSwan takes no Child SA in IKE_AUTH, and ours sends
// one; and the other way round.
func TestChildlessDemanded(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	a = networks(a, 0)
	b := a.Peer()
	a.IKEKeys, b.SwanKeys = []string{"childless: force"}, []string{"childless = never"}
	s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	if e := s.failure(g, link.Name, "peer_error"); e.Hint == "" {
		t.Errorf("%+v", e)
	}
}

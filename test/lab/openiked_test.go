package lab

import (
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/openiked"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
)

// TestOpenIKED is OpenIKED with the kernel's ESP by PF_KEY: begun by either end,
// rekeyed by us on command and by it when its lifetimes end. It gives the kernel an
// SA after it has answered for it, which in an emulated machine is long after: what
// is sent meanwhile is lost, and not counted.
func TestOpenIKED(t *testing.T) {
	requireRoot(t, roots.OpenIKED)
	s, guest := newMachineScene(t)
	join := func(s *scene, own link.End, lifetime time.Duration) *gateway.Gateway {
		own.ESP = openiked.ESP
		return s.joinForeign(own, func(peer link.End) (foreign, error) {
			peer.ESPLifetime = lifetime
			return openiked.At(guest.In(roots.OpenIKED), peer)
		})
	}
	a, _ := link.Pair()
	a = networks(a, 0)
	s.sub("responder", func(s *scene) {
		g := join(s, a, 20*time.Second)
		before := s.status(g, link.Name)
		s.rekeyed(g, before, false, true)
		s.eventually("an answer through the new Child SA", func() error { return s.reaches(s.ClientA, world.ClientIn(a.RemoteNetworks[0])) })
	})
	s.sub("initiator", func(s *scene) {
		a := a
		a.Start = true
		g := join(s, a, 0)
		for _, kind := range []string{"--child", "--ike"} {
			before := s.status(g, link.Name)
			_, err := g.Command(s.ctx, "rekey", link.Name, kind)
			s.must(err)
			s.rekeyed(g, before, kind == "--ike", kind == "--child")
			s.eventually("an answer after rekey "+kind, func() error { return s.reaches(s.ClientA, world.ClientIn(a.RemoteNetworks[0])) })
		}
	})
}

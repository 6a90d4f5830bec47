package lab

import (
	"fmt"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestBlackHole has a path that loses large packets and says nothing of it: the
// gateway finds out by probes (RFC 8899), TCP goes on, and the IKE SA of the
// probes lives.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	t.Run("ours", func(t *testing.T) {
		s := newScene(t)
		s.narrow()
		left, _ := s.ours()
		s.blackHole(left)
	})
	t.Run("strongSwan", func(t *testing.T) {
		s := newScene(t)
		s.narrow()
		g, _ := s.joined(link.Pair())
		s.blackHole(g)
	})
}

// narrow is what the way to gateway B carries, of which the router says nothing.
const narrow = 1400

func (s *scene) narrow() {
	s.t.Helper()
	s.must(s.Silence(s.ctx))
	s.must(s.Router.Shell(s.ctx, fmt.Sprintf("ip link set dev %s mtu %d", world.SiteB.Name, narrow)))
}

// blackHole wants the gateway on A to find out.
func (s *scene) blackHole(g *gateway.Gateway) {
	s.t.Helper()
	before := s.up(g)
	s.must(s.transfer(s.ClientA, s.ClientB, world.ClientIn(world.SiteB.Networks[0]), 4<<20))
	s.eventually("the path MTU", func() error {
		switch mtu := s.status(g, link.Name).PathMTU; {
		case mtu > narrow:
			return fmt.Errorf("a path MTU of %d is believed, it is %d", mtu, narrow)
		case mtu < narrow-50:
			return fmt.Errorf("a path MTU of %d is believed, and %d is far more", mtu, narrow)
		}
		return nil
	})
	s.sameSAs(g, before)
	if lost := s.status(g, link.Name).Drops["replay"]; lost != 0 {
		s.t.Errorf("%d replays", lost)
	}
}

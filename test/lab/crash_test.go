package lab

import (
	"errors"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestCrash: our gateway, which only answers, is killed and started again under
// traffic. The other one finds out by its token (RFC 6290) and comes back at once,
// although its liveness checks are an hour apart.
func TestCrash(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	a = networks(a, 0)
	a.DPD = time.Hour
	b := a.Peer()
	victim := s.causeway(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	before := s.status(g, link.Name)
	s.stream(s.ClientA, world.ClientIn(a.RemoteNetworks[0]))
	victim.Kill()
	s.must(s.bounded(victim.Start))
	back := time.Now()
	s.eventually("another IKE SA", func() error {
		if c := s.status(g, link.Name); c.State != "up" || c.IKE == nil || c.IKE.SPIi == before.IKE.SPIi {
			return errors.New(describe(c))
		}
		return nil
	})
	t.Logf("up again %v after the restart", time.Since(back).Round(10*time.Millisecond))
	s.up(victim)
	s.pingBoth(a)
	s.must(inLog(g.Log(), `"peer_restarted"`))
}

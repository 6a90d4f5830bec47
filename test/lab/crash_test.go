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

// TestLostWithoutProof: our gateway is killed and started again, and shows no tokens: it
// only denies to know the IKE SA. The other one notices within its liveness interval, with
// traffic and without, and begins anew.
func TestLostWithoutProof(t *testing.T) {
	for name, talks := range map[string]bool{"traffic": true, "silence": false} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a = networks(a, 0)
			a.DPD = 8 * time.Second
			a.IKEKeys = []string{"crash_detection: false"}
			victim := s.causeway(s.GatewayB, a.Peer())
			g := s.causeway(s.GatewayA, a)
			s.up(g)
			s.pingBoth(a)
			before := s.status(g, link.Name)
			if talks {
				s.stream(s.ClientA, world.ClientIn(a.RemoteNetworks[0]))
			}
			victim.Kill()
			lost := time.Now()
			s.must(s.bounded(victim.Start))
			s.eventually("another IKE SA", func() error {
				if c := s.status(g, link.Name); c.State != "up" || c.IKE == nil || c.IKE.SPIi == before.IKE.SPIi {
					return errors.New(describe(c))
				}
				return nil
			})
			took := time.Since(lost).Round(10 * time.Millisecond)
			t.Logf("up again %v after it was killed", took)
			if took > a.DPD+2*time.Second {
				t.Errorf("the loss was noticed after %v, the liveness interval is %v", took, a.DPD)
			}
			s.must(inLog(g.Log(), `"peer_restarted"`))
			s.pingBoth(a)
		})
	}
}

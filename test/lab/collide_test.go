package lab

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// rekeyRound is how often both ends rekey their Child SAs on purpose at once;
// every other time they rekey the IKE SA, too.
const rekeyRound = 5 * time.Second

// collisions is how long that goes on: ten minutes in the long form.
func collisions() time.Duration {
	if os.Getenv("CAUSEWAY_LONG") != "" {
		return 10 * time.Minute
	}
	return 40 * time.Second
}

// TestCollidingRekeys has both ends rekey Child SAs and IKE SAs at the same
// moments under pings of 50 a second both ways, which lose nothing.
func TestCollidingRekeys(t *testing.T) {
	t.Parallel()
	a, _ := link.Pair()
	t.Run("with strongSwan", func(t *testing.T) {
		s := newScene(t)
		s.lastFor(collisions())
		g, d := s.joined(a, a.Peer())
		s.collide(g, d.RekeyChild, d.RekeyIKE)
		s.agree(g, d, a, a.Peer())
	})
	t.Run("with ourselves", func(t *testing.T) {
		s := newScene(t)
		s.lastFor(collisions())
		g, h := s.ours()
		other := func(what string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := h.Command(ctx, "rekey", link.Name, what)
				return err
			}
		}
		s.collide(g, other("--child"), other("--ike"))
		s.agreeOurs(g, h, a)
	})
}

// collide has g and the other end rekey at the same moments. What a command says
// is not looked at: the SA that it was to replace may be the other end's by then.
func (s *scene) collide(g *gateway.Gateway, child, ike func(context.Context) error) {
	s.t.Helper()
	own := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := g.Command(ctx, "rekey", link.Name, what)
			return err
		}
	}
	seen, ikes, rounds := map[string]bool{}, map[string]bool{}, 0
	s.under(func() {
		end := time.NewTimer(collisions())
		round := time.NewTicker(rekeyRound)
		defer round.Stop()
		for {
			s.atOnce(own("--child"), child)
			if rounds%2 == 1 {
				s.atOnce(own("--ike"), ike)
			}
			rounds++
			if c := s.renewed(g, seen); c.IKE != nil && len(c.Children) > 0 {
				seen[c.Children[0].SPIIn], ikes[c.IKE.SPIi] = true, true
			}
			select {
			case <-round.C:
			case <-end.C:
				return
			}
		}
	})
	s.t.Logf("%d rounds: %d Child SAs and %d IKE SAs seen after them", rounds, len(seen), len(ikes))
	if len(seen) < rounds*3/4 || len(ikes) < rounds/4 {
		s.t.Errorf("%d Child SAs and %d IKE SAs in %d rounds: too few were rekeyed", len(seen), len(ikes), rounds)
	}
}

// renewed gives the connection once its newest Child SA is none of those seen
// before: on a busy machine a rekey ends later than the command that began it. If
// the collision left it without a new one, it gives it as it is when the round is
// over.
func (s *scene) renewed(g *gateway.Gateway, seen map[string]bool) (c *gateway.Connection) {
	ctx, cancel := context.WithTimeout(s.ctx, rekeyRound)
	defer cancel()
	_ = world.Eventually(ctx, "a new Child SA", func() error {
		if c = s.status(g, link.Name); len(c.Children) == 0 || seen[c.Children[0].SPIIn] {
			return errors.New("none yet")
		}
		return nil
	})
	return c
}

// atOnce starts commands at the same moment and waits for all, but not for ever.
func (s *scene) atOnce(commands ...func(context.Context) error) {
	ctx, cancel := context.WithTimeout(s.ctx, 2*rekeyRound/5)
	defer cancel()
	var group sync.WaitGroup
	for _, command := range commands {
		group.Go(func() {
			if err := command(ctx); err != nil {
				s.t.Logf("a rekey says: %v", err)
			}
		})
	}
	group.Wait()
}

// lastFor makes room in the test's time for something that takes so long.
func (s *scene) lastFor(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), sceneTimeout+d)
	s.t.Cleanup(cancel)
	s.ctx = ctx
}

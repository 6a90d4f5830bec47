package simnet

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// connect gives both hosts a connection to each other; a starts it.
func connect(t *testing.T, n *Network, change func(*sa.Settings)) {
	t.Helper()
	for _, h := range []*Host{n.a, n.b} {
		s := &sa.Settings{
			Name: "peer", PSK: auth.NewSecret([]byte("a key that both hosts share")),
			RemoteAddresses: []netip.Addr{n.other(h).address},
			IKEProposals:    proposals(t, transform.IKE, "aes256gcm16-prfsha256-x25519"),
			ESPProposals:    proposals(t, transform.ESP, "aes256gcm16-x25519"),
			Children:        []sa.ChildSettings{{Name: "net", Local: selector.Any(), Remote: selector.Any()}},
			IKELifetime:     8 * time.Hour,
			ChildLifetime:   sa.Lifetime{Time: time.Hour},
			DPD:             30 * time.Second,
		}
		if change != nil {
			change(s)
		}
		c := ike.Connection{Settings: s, Remotes: []string{n.other(h).address.String()}, Start: ike.StartOnDemand}
		if h == n.a {
			c.Start = ike.StartAlways
		}
		h.Engine.Set(t.Context(), []ike.Connection{c})
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
	if len(n.a.outbound) == 0 || len(n.b.outbound) == 0 {
		t.Fatalf("not up after 10 s: %v %v", n.a.failures, n.b.failures)
	}
}

func proposals(t *testing.T, p transform.Protocol, keywords string) []transform.Proposal {
	t.Helper()
	out, err := transform.ParseProposal(p, keywords)
	if err != nil {
		t.Fatal(err)
	}
	return []transform.Proposal{out}
}

// run plays a test on two hosts and ends them.
func run(t *testing.T, seed uint64, loss float64, test func(*testing.T, *Network)) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(seed, loss)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			n.a.Engine.Close(ctx)
			n.b.Engine.Close(ctx)
		}()
		test(t, n)
	})
}

// wantWhole holds that nothing was lost that the network did not lose.
func wantWhole(t *testing.T, n *Network, p ping) {
	t.Helper()
	synctest.Wait()
	t.Logf("%d sent, %d answered, %d lost by the network; %d and %d rekeys of Child SAs, %d and %d of IKE SAs",
		p.sent, p.answered, p.lost, n.a.replaced, n.b.replaced, n.a.renewed, n.b.renewed)
	inFlight := len(p.toA) + len(p.toB)
	if p.unsent > 0 || p.unknown > 0 || p.answered+p.lost+inFlight != p.sent {
		t.Errorf("%d found no SA to leave by, %d no SA to arrive at", p.unsent, p.unknown)
	}
	for _, h := range []*Host{n.a, n.b} {
		for _, f := range h.failures {
			t.Errorf("%v: %v", h.address, f)
		}
	}
}

// TestDayOfRekeys is 24 hours at usual lifetimes on a network that loses one
// datagram of a hundred: 50 pings a second lose nothing that it did not lose.
func TestDayOfRekeys(t *testing.T) {
	for name, reauth := range map[string]time.Duration{"rekeys": 0, "and reauthentication": 5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			run(t, 1, 0.01, func(t *testing.T, n *Network) {
				connect(t, n, func(s *sa.Settings) { s.Reauthentication = reauth })
				n.Ping()
				time.Sleep(24 * time.Hour)
				p := n.Pinged()
				wantWhole(t, n, p)
				if p.sent != 24*3600*50 || n.a.replaced < 20 || reauth == 0 && n.a.renewed < 3 {
					t.Errorf("%d pings, %d and %d rekeys: this was no day", p.sent, n.a.replaced, n.a.renewed)
				}
			})
		})
	}
}

// TestCollidingRekeys is ten minutes in which both ends rekey all Child SAs every
// five seconds and the IKE SA every ten, at the same moments.
func TestCollidingRekeys(t *testing.T) {
	for name, loss := range map[string]float64{"whole network": 0, "lossy network": 0.01} {
		t.Run(name, func(t *testing.T) {
			run(t, 2, loss, func(t *testing.T, n *Network) {
				connect(t, n, nil)
				n.Ping()
				for second := 0; second < 600; second += 5 {
					rekey(t, n, second%10 == 0)
					time.Sleep(5 * time.Second)
				}
				wantWhole(t, n, n.Pinged())
				if n.a.replaced < 100 || n.a.renewed < 50 {
					t.Errorf("%d and %d rekeys: they did not happen", n.a.replaced, n.a.renewed)
				}
			})
		})
	}
}

// rekey starts rekeys at both ends and does not wait for them.
func rekey(t *testing.T, n *Network, ikeSA bool) {
	for _, h := range []*Host{n.a, n.b} {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			_ = h.Engine.Rekey(ctx, "peer", ikeSA, true) // who loses a collision may wait in vain
		}()
	}
}

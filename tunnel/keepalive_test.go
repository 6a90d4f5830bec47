package tunnel

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
)

// kept is how many keepalives went to remote since it was asked last.
func (g *gateway) kept(remote netip.AddrPort) (n int) {
	synctest.Wait()
	g.wire.mu.Lock()
	defer g.wire.mu.Unlock()
	g.wire.keepalives = slices.DeleteFunc(g.wire.keepalives, func(to netip.AddrPort) bool {
		if to == remote {
			n++
		}
		return to == remote
	})
	return n
}

// keeps fails the test unless so many keepalives went to remote in that time.
func (g *gateway) keeps(t *testing.T, remote netip.AddrPort, in time.Duration, want int, when string) {
	t.Helper()
	g.kept(remote)
	time.Sleep(in)
	if n := g.kept(remote); n != want {
		t.Errorf("%s: %d keepalives to %v in %v, want %d", when, n, remote, in, want)
	}
}

// speaks has a send a packet every 15 s for so long.
func (p *pair) speaks(t *testing.T, to string, rounds int) {
	for range rounds {
		time.Sleep(15 * time.Second)
		p.a.device.Inject(udpPacket(t, "10.1.0.1", to, 10, ipOptions{}))
		p.b.next(t)
	}
}

func TestKeepalives(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		peer := p.b.outer
		p.a.keeps(t, peer, 5*time.Minute, 0, "not behind a NAT")
		p.a.SetKeepalive("peer", IKESA{1, 2}, p.a.outer, peer)
		p.speaks(t, "10.2.0.1", 60)
		if n := p.a.kept(peer); n != 0 {
			t.Fatalf("%d keepalives although there was traffic", n)
		}
		p.a.keeps(t, peer, 101*time.Second, 5, "in silence")
		p.b.dropped(t, DropKeepalive, 5)
		for range 20 { // IKE alone
			time.Sleep(15 * time.Second)
			p.a.SentIKE(100, p.a.outer, peer)
		}
		if n := p.a.kept(peer); n != 0 {
			t.Errorf("%d keepalives although IKE messages went there", n)
		}
		p.a.SetKeepalive("peer", IKESA{1, 2}, netip.AddrPort{}, netip.AddrPort{})
		p.a.keeps(t, peer, 5*time.Minute, 0, "the NAT is gone")
	})
}

// Of several peers on one connection each has its NAT mapping kept alive, whatever is
// sent to the others, until its own IKE SA ends.
func TestKeepalivesOfSeveralPeers(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		busy, idle := p.b.outer, netip.MustParseAddrPort("192.0.2.3:4500")
		first, second := IKESA{1, 2}, IKESA{3, 4}
		p.other(t, idle)
		p.a.SetKeepalive("peer", first, p.a.outer, busy)
		p.a.SetKeepalive("peer", second, p.a.outer, idle)
		p.speaks(t, "10.2.0.1", 8)
		if n := p.a.kept(idle); n != 6 {
			t.Errorf("%d keepalives in two minutes to a peer that nothing was sent to, want 6", n)
		}
		if n := p.a.kept(busy); n != 0 {
			t.Errorf("%d keepalives to a peer that was sent to", n)
		}
		p.a.EndKeepalive(first)
		p.a.keeps(t, idle, 101*time.Second, 5, "the other peer's IKE SA ended")

		moved := netip.MustParseAddrPort("192.0.2.3:61000")
		p.a.MoveKeepalive(second, p.a.outer, moved)
		p.a.keeps(t, idle, 2*time.Minute, 0, "the peer moved")
		p.a.keeps(t, moved, 101*time.Second, 5, "the peer moved")
		p.a.MoveKeepalive(IKESA{5, 6}, p.a.outer, idle)
		p.a.keeps(t, idle, 2*time.Minute, 0, "an IKE SA moved that has none")
		p.a.RemoveConnection("peer")
		p.a.keeps(t, moved, 2*time.Minute, 0, "the connection is gone")
		if n := len(p.a.keepalives.of) + len(p.a.keepalives.paths); n != 0 {
			t.Errorf("%d of what was kept is still there", n)
		}
	})
}

// other gives a another Child SA of its connection, with a peer that is not there.
func (p *pair) other(t *testing.T, remote netip.AddrPort) (spi uint32) {
	t.Helper()
	spi, err := p.a.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	only := selector.Compile(selector.Any(), selector.List{selector.FromPrefix(netip.MustParsePrefix("10.3.0.0/16"))})
	in, err := esp.NewInbound(parameters(spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.InstallInbound("peer", in, only, p.a.outer, remote); err != nil {
		t.Fatal(err)
	}
	out, err := esp.NewOutbound(parameters(spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.ActivateOutbound("peer", out, only, spi, p.a.outer, remote); err != nil {
		t.Fatal(err)
	}
	return spi
}

// The IKE SA that takes the place of another goes on where that one was: one mapping is
// kept once.
func TestKeepalivesOfASuccessor(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		peer := p.b.outer
		p.a.SetKeepalive("peer", IKESA{1, 2}, p.a.outer, peer)
		time.Sleep(15 * time.Second)
		p.a.SetKeepalive("peer", IKESA{3, 4}, p.a.outer, peer)
		p.a.EndKeepalive(IKESA{1, 2})
		p.a.keeps(t, peer, 6*time.Second, 1, "after 20 s that began with the first")
		p.a.SetKeepalive("peer", IKESA{5, 6}, p.a.outer, peer)
		p.a.keeps(t, peer, 100*time.Second, 5, "two IKE SAs")
	})
}

// A Child SA that outlives its IKE SA, as in IKEv1, has the mapping kept alive
// (RFC 3948 §4).
func TestKeepalivesOfAChildAlone(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		peer := netip.MustParseAddrPort("192.0.2.3:4500")
		spi := p.other(t, peer)
		p.a.SetKeepalive("peer", IKESA{1, 2}, p.a.outer, peer)
		time.Sleep(2 * time.Second)
		p.a.EndKeepalive(IKESA{1, 2})
		p.a.keeps(t, peer, 101*time.Second, 5, "a Child SA is there")
		p.a.RemoveChild(spi)
		p.a.keeps(t, peer, 2*time.Minute, 0, "nothing is there")
		if n := len(p.a.keepalives.of) + len(p.a.keepalives.paths); n != 0 {
			t.Errorf("%d of what was kept is still there", n)
		}
	})
}

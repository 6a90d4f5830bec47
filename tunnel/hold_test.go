package tunnel

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp/selector"
	"causeway/routing/translate"
	"causeway/tunnel/tun/tuntest"
)

// holding is a pair whose connections wait for traffic.
var holding = pairConfig{noChild: true, connection: ConnectionConfig{Hold: true}}

// numbered is n packets of one flow that can be told apart.
func numbered(t testing.TB, n, size int) (out [][]byte) {
	for i := range n {
		out = append(out, udpPacket(t, "10.1.0.1", "10.2.0.1", size, ipOptions{id: uint16(i)}))
	}
	return out
}

// TestFirstPingIsAnswered: the packet that brings the connection up arrives, and
// so does its answer, although the other end has its SA to send on later.
func TestFirstPingIsAnswered(t *testing.T) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
			request := pingPacket(t, ends[0], ends[1], []byte("abcdefgh"))
			p.a.device.Inject(request)
			p.a.nothing(t)
			p.b.nothing(t)
		}
		time.Sleep(2 * time.Second) // a message of the negotiation was lost
		p.child(t, selector.Any(), selector.Any(), nil)
		for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
			wantPacket(t, p.b.next(t), pingPacket(t, ends[0], ends[1], []byte("abcdefgh")))
			reply := pingPacket(t, ends[1], ends[0], []byte("abcdefgh"))
			p.b.device.Inject(reply)
			wantPacket(t, p.a.next(t), reply)
		}
		want := Counters{PacketsOut: 2, BytesOut: 36 + 56, PacketsIn: 2, BytesIn: 36 + 56}
		got, _ := p.a.ConnectionCounters("peer")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestHeldGoFirst: what was held arrives in order and before what came later,
// while packets keep coming and the SA becomes known. A rekey afterwards finds
// nothing held.
func TestHeldGoFirst(t *testing.T) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		packets := numbered(t, maxHeld/2+100, 100)
		p.a.device.Inject(packets[:maxHeld/2]...)
		synctest.Wait()
		for _, b := range packets[maxHeld/2 : len(packets)-1] {
			p.a.device.Inject(b)
		}
		p.child(t, selector.Any(), selector.Any(), nil) // while the workers read
		p.a.device.Inject(packets[len(packets)-1])
		synctest.Wait()
		refused := p.a.TotalCounters().Drops[DropNoSA]
		for range min(refused, icmpSourceBurst) {
			p.a.next(t)
		}
		last := -1
		for range uint64(len(packets)) - refused {
			b := p.b.next(t)
			if id := int(b[4])<<8 | int(b[5]); id <= last {
				t.Fatalf("packet %d after %d", id, last)
			} else {
				last = id
			}
		}
		if last != len(packets)-1 {
			t.Errorf("the last to arrive is %d", last)
		}
		p.child(t, selector.Any(), selector.Any(), nil)
		p.b.nothing(t)
	})
}

// TestHeldInCount and TestHeldInBytes: what does not fit is answered at once,
// and what was there before is kept.
func TestHeldInCount(t *testing.T) { heldWithin(t, maxHeld, 100) }
func TestHeldInBytes(t *testing.T) { heldWithin(t, maxHeldBytes/1428, 1400) }

func heldWithin(t *testing.T, room, size int) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		packets := numbered(t, room+3, size)
		p.a.device.Inject(packets...)
		for _, b := range packets[room:] {
			wantICMP(t, p.a.next(t), b, "10.2.0.1", icmpWant{v4: [2]uint8{3, 1}})
		}
		p.a.nothing(t)
		p.a.dropped(t, DropNoSA, 3)
		p.child(t, selector.Any(), selector.Any(), nil)
		for _, b := range packets[:room] {
			wantPacket(t, p.b.next(t), b)
		}
		p.b.nothing(t)
	})
}

// TestHeldInAge: what has been held for too long is answered and not sent, and
// makes room; meanwhile the control plane hears again and again that there is
// traffic.
func TestHeldInAge(t *testing.T) {
	var asked atomic.Int64
	cfg := holding
	cfg.a = func(c *Config) {
		c.OnTrafficNeeded = func(string, selector.Flow) { asked.Add(1) }
	}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		asked.Store(0)
		packets := numbered(t, maxHeld+1, 100)
		p.a.device.Inject(packets[0])
		time.Sleep(maxHeldTime - time.Millisecond)
		p.a.nothing(t)
		if got, want := asked.Load(), int64(maxHeldTime/askInterval); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
		p.a.device.Inject(packets[1])
		synctest.Wait()
		time.Sleep(time.Millisecond)
		wantICMP(t, p.a.next(t), packets[0], "10.2.0.1", icmpWant{v4: [2]uint8{3, 1}})
		p.a.device.Inject(packets[2:]...)
		p.a.nothing(t)
		p.a.dropped(t, DropNoSA, 1)
		p.child(t, selector.Any(), selector.Any(), nil)
		for _, b := range packets[1:] {
			wantPacket(t, p.b.next(t), b)
		}
		time.Sleep(2 * maxHeldTime)
		p.a.nothing(t)
	})
}

// TestHeldForAnotherChild: an SA takes what its selectors include; the others
// wait for theirs, and are answered when none comes.
func TestHeldForAnotherChild(t *testing.T) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		first := udpPacket(t, "10.1.0.1", "10.2.5.1", 50, ipOptions{})
		second := udpPacket(t, "10.1.0.1", "10.2.6.1", 50, ipOptions{})
		never := udpPacket(t, "10.1.0.1", "10.2.7.1", 50, ipOptions{})
		p.a.device.Inject(never, second, first)
		synctest.Wait()
		p.child(t, list(t, "10.1.0.0/16"), list(t, "10.2.5.0/24"), nil)
		wantPacket(t, p.b.next(t), first)
		p.b.nothing(t)
		p.child(t, list(t, "10.1.0.0/16"), list(t, "10.2.6.0/24"), nil)
		wantPacket(t, p.b.next(t), second)
		p.a.nothing(t)
		time.Sleep(maxHeldTime)
		wantICMP(t, p.a.next(t), never, "10.2.7.1", icmpWant{v4: [2]uint8{3, 13}})
		p.a.dropped(t, DropNoSA, 1)
	})
}

// TestHeldAreAsOthers: what was held is clamped, cut, refused as too big, and
// translated, as if it came now.
func TestHeldAreAsOthers(t *testing.T) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		syn := layers.TCP{SYN: true, Options: []layers.TCPOption{mssIs(1460)}}
		opening := tcpPacket(t, "10.1.0.1", "10.2.0.1", syn, nil, ipOptions{})
		large := udpPacket(t, "10.1.0.1", "10.2.0.1", 2000, ipOptions{})
		tooBig := udpPacket(t, "10.1.0.1", "10.2.0.1", 1450, ipOptions{df: true})
		p.a.device.Inject(opening, large, tooBig)
		synctest.Wait()
		p.child(t, selector.Any(), selector.Any(), nil)
		if got := p.b.next(t); bytes.Equal(got, opening) || len(got) != len(opening) {
			t.Errorf("the MSS was not lowered: % x", got)
		}
		if first, second := p.b.next(t), p.b.next(t); len(first)+len(second) != len(large)+20 {
			t.Errorf("fragments of %d and %d bytes", len(first), len(second))
		}
		wantICMP(t, p.a.next(t), tooBig, "10.2.0.1", icmpWant{v4: [2]uint8{3, 4}, mtu: 1438})
		p.a.dropped(t, DropTooBig, 1)
	})
	inBubble(t, holding, func(t *testing.T, p *pair) {
		p.a.device.Inject(udpPacket(t, "10.1.0.7", "10.2.0.9", 100, ipOptions{}))
		synctest.Wait()
		p.overlap(t)
		wantPacket(t, p.b.next(t), udpPacket(t, "10.5.0.7", "10.1.0.9", 100, ipOptions{}))
	})
}

// TestHeldSuperpacket: a superpacket is held as the packets that it stands for.
func TestHeldSuperpacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := holding
		cfg.super = true
		p := newPair(t, cfg).run(t)
		o, super := superOf(t, tcpPacket(t, "10.1.0.1", "10.2.0.1", layers.TCP{ACK: true}, noise(20_000), ipOptions{}), 1000)
		want, err := tuntest.Segments(o, super)
		if err != nil {
			t.Fatal(err)
		}
		p.a.device.(*tuntest.Super).InjectSuper(o, super)
		synctest.Wait()
		p.child(t, selector.Any(), selector.Any(), nil)
		for _, w := range want {
			wantPacket(t, p.b.next(t), w)
		}
		p.a.dropped(t, DropNoSA, 0)
	})
}

// TestHeldOfNobody: a connection that is removed, or is not the destination's any
// more, sends nothing of what it held.
func TestHeldOfNobody(t *testing.T) {
	inBubble(t, holding, func(t *testing.T, p *pair) {
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{})
		p.a.device.Inject(b)
		synctest.Wait()
		p.a.RemoveConnection("peer")
		wantICMP(t, p.a.next(t), b, "10.2.0.1", icmpWant{v4: [2]uint8{3, 1}})
		p.a.dropped(t, DropNoSA, 1)

		p.a.AddConnection("peer", holding.connection)
		p.a.SetRoutes(routesTo(t, "peer", "10.2.0.0/16"))
		p.a.device.Inject(b)
		synctest.Wait()
		p.a.SetRoutes(routesTo(t, "peer", "10.3.0.0/16"))
		p.child(t, selector.Any(), selector.Any(), nil)
		p.b.nothing(t)
		p.a.next(t)
		p.a.dropped(t, DropNoSA, 2)
	})
}

// TestHeldIsLookedAtWhileItLeaves: the round does not read what its sender rewrites.
// Run it with -race.
func TestHeldIsLookedAtWhileItLeaves(t *testing.T) {
	p := newPair(t, holding)
	table := translation(t, translate.Rule{
		Inside: netip.MustParsePrefix("10.1.0.0/16"), Outside: netip.MustParsePrefix("10.5.0.0/16"), Direction: translate.Egress,
	})
	p.a.AddConnection("peer", ConnectionConfig{Hold: true, Translate: table})
	w := newOutboundWorker(p.a.Tunnel, 0)
	b := udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{})
	for range cap(p.b.wire.inbox) {
		w.begin()
		w.one(bytes.Clone(b))
		var left atomic.Bool
		var rounds sync.WaitGroup
		looking := make(chan struct{})
		rounds.Go(func() {
			close(looking)
			for !left.Load() {
				p.a.roundHeld(p.a.now())
			}
		})
		<-looking
		spi, _ := p.child(t, selector.Any(), selector.Any(), nil)
		left.Store(true)
		rounds.Wait()
		p.a.RemoveChild(spi)
	}
}

// TestNothingIsHeldOtherwise: a connection that does not wait for traffic
// answers at once and sends nothing later.
func TestNothingIsHeldOtherwise(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{})
		p.a.device.Inject(b)
		wantICMP(t, p.a.next(t), b, "10.2.0.1", icmpWant{v4: [2]uint8{3, 1}})
		p.child(t, selector.Any(), selector.Any(), nil)
		p.b.nothing(t)
		p.a.dropped(t, DropNoSA, 1)
	})
}

// TestHoldingAllocatesForTheHeldOnly: not for a packet that has an SA, and not
// for one that finds no room.
func TestHoldingAllocatesForTheHeldOnly(t *testing.T) {
	s := newStage(t, nil)
	s.AddConnection("peer", ConnectionConfig{Hold: true})
	carry := func() {
		if err := s.carry(); err != nil {
			t.Fatal(err)
		}
	}
	s.load(numbered(t, 10, 100)...)
	if n := testing.AllocsPerRun(50, carry); n != 0 {
		t.Errorf("with an SA: %v allocations a batch", n)
	}
	for spi := range s.children {
		s.RemoveChild(spi)
	}
	s.load(numbered(t, maxHeld, 100)...)
	carry()
	h := &s.forwarding.Load().connections["peer"].held
	if len(h.packets) != maxHeld || h.bytes != maxHeld*128 {
		t.Errorf("%d packets of %d bytes are held", len(h.packets), h.bytes)
	}
	if n := testing.AllocsPerRun(50, carry); n != 0 {
		t.Errorf("without room: %v allocations a batch", n)
	}
}

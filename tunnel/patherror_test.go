package tunnel

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"causeway/tunnel/udp"
)

// TestBelievedPathErrors: only ICMP about a packet that was sent lately lowers
// the path MTU, and inner senders are told at once.
func TestBelievedPathErrors(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		large := udpPacket(t, "10.1.0.1", "10.2.0.1", 1438-28, ipOptions{df: true})
		for range 3 {
			p.a.device.Inject(large)
			p.b.next(t)
		}
		sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
		good := udp.PathError{MTU: 1400, Length: 1500, Local: p.a.outer, Remote: p.b.outer, SPI: sa.out.SPI(), Sequence: 3}
		forged := map[string]func(*udp.PathError){
			"another SPI":            func(e *udp.PathError) { e.SPI++ },
			"a number not sent yet":  func(e *udp.PathError) { e.Sequence = 4 },
			"the number 0":           func(e *udp.PathError) { e.Sequence = 0 },
			"a number of long ago":   func(e *udp.PathError) { e.Sequence = 1 << 31 },
			"another peer":           func(e *udp.PathError) { e.Remote = netip.MustParseAddrPort("192.0.2.9:4500") },
			"another port":           func(e *udp.PathError) { e.Remote = netip.AddrPortFrom(e.Remote.Addr(), 0) },
			"a packet that fits":     func(e *udp.PathError) { e.MTU = 1500 },
			"no MTU and no length":   func(e *udp.PathError) { e.MTU, e.Length = 0, 0 },
			"more than the path has": func(e *udp.PathError) { e.MTU = 1 << 16 },
		}
		for name, change := range forged {
			e := good
			change(&e)
			p.a.wire.icmp <- e
			synctest.Wait()
			if got := sa.fits(p.a.now()); got != 1438 {
				t.Errorf("%s: the inner MTU became %d", name, got)
			}
		}
		p.a.dropped(t, DropForgedICMP, uint64(len(forged)))
		p.a.wire.icmp <- good
		synctest.Wait()
		p.a.device.Inject(large)
		wantICMP(t, p.a.next(t), large, "10.2.0.1", icmpWant{v4: [2]uint8{3, 4}, mtu: 1338})
	})
}

// TestOldRouters: a router that does not say the MTU has the next plateau taken;
// one that says an absurd one does not stop traffic.
func TestOldRouters(t *testing.T) {
	for said, want := range map[int]int{0: 1492, 68: minMTU4, 1281: 1281} {
		inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
			p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 1438-28, ipOptions{df: true}))
			p.b.next(t)
			sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
			p.a.wire.icmp <- udp.PathError{MTU: said, Length: 1500, Local: p.a.outer, Remote: p.b.outer, SPI: sa.out.SPI(), Sequence: 1}
			synctest.Wait()
			if got := sa.conn.path.load(p.a.now()); got != want {
				t.Errorf("a router that says %d: path MTU %d, want %d", said, got, want)
			}
		})
	}
}

func TestSentLately(t *testing.T) {
	for _, c := range []struct {
		sent uint64
		low  uint32
		want bool
	}{
		{0, 0, false}, {1, 1, true}, {1, 0, false}, {1, 2, false},
		{1 << 20, 1 << 20, true}, {1 << 20, 1<<20 - recentPackets + 1, true}, {1 << 20, 1<<20 - recentPackets, false},
		{1<<32 + 5, 5, true}, {1<<32 + 5, 6, false}, {1<<32 + 5, 1<<32 - 1, true}, {10, 1<<32 - 1, false},
	} {
		if got := sentLately(c.sent, c.low); got != c.want {
			t.Errorf("%d of %d sent: %v", c.low, c.sent, got)
		}
	}
}

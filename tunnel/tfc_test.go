package tunnel

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
)

// sizes are the lengths of the ESP packets that a gateway has sent.
func (w *wire) sizes() (out []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		out = append(append(out, slices.Repeat([]int{r.Size}, r.Segments-1)...), r.Last)
	}
	return out
}

// TestPadding: with padding, lengths on the wire are those of multiples, none is
// above the path MTU, and every packet arrives as it was.
func TestPadding(t *testing.T) {
	for padding, want := range map[int]func(n int) int{
		1:     func(n int) int { return n },
		256:   func(n int) int { return min((n+255)/256*256, 1438) },
		65535: func(int) int { return 1438 },
	} {
		inBubble(t, pairConfig{connection: ConnectionConfig{TFC: TFC{Padding: padding}}}, func(t *testing.T, p *pair) {
			for _, size := range []int{0, 1, 100, 228, 229, 1000, 1409, 1410} {
				for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
					b := udpPacket(t, ends[0], ends[1], min(size, 1390), ipOptions{})
					p.a.device.Inject(b)
					wantPacket(t, p.b.next(t), b)
					sent := p.a.wire.sizes()
					sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
					if got := sent[len(sent)-1]; got != sa.out.SealedLen(want(len(b))) {
						t.Errorf("padding %d: a packet of %d bytes is %d as ESP, want that of %d", padding, len(b), got, want(len(b)))
					}
				}
			}
			p.b.dropped(t, DropDummy, 0)
		})
	}
}

// TestPaddingOfSuperpackets: every segment of a superpacket is padded, too.
func TestPaddingOfSuperpackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true, connection: ConnectionConfig{TFC: TFC{Padding: 65535}}}).run(t)
		sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
		for name, b := range bulk(t, 5*1000+7) {
			o, super := superOf(t, b, 1000)
			p.a.device.(*tuntest.Super).InjectSuper(o, super)
			synctest.Wait()
			sent := p.a.wire.sizes()
			if len(sent) != 6 || slices.ContainsFunc(sent, func(n int) bool { return n != sa.out.SealedLen(1438) }) {
				t.Errorf("%s: sizes %v", name, sent)
			}
			p.a.wire.runs = nil
		}
	})
}

// TestPaddingRefused: a peer that does not know to cut padding off gets none.
func TestPaddingRefused(t *testing.T) {
	cfg := pairConfig{connection: ConnectionConfig{TFC: TFC{Padding: 65535}}, noChild: true}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		p.child(t, selector.Any(), selector.Any(), func(p *esp.Parameters) { p.NoTFC = true })
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 100, ipOptions{})
		p.a.device.Inject(b)
		wantPacket(t, p.b.next(t), b)
		sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
		if got := p.a.wire.sizes(); got[0] != sa.out.SealedLen(len(b)) {
			t.Errorf("sizes %v", got)
		}
	})
}

// TestDummies: so many a second on average, of every length or all of one, each
// authentic and thrown away by the peer without a trace.
func TestDummies(t *testing.T) {
	for _, padding := range []int{0, 65535} {
		inBubble(t, pairConfig{connection: ConnectionConfig{TFC: TFC{Dummies: 50, Padding: padding}}}, func(t *testing.T, p *pair) {
			time.Sleep(20 * time.Second)
			p.a.nothing(t)
			n := p.b.TotalCounters().Drops[DropDummy]
			if n < 700 || n > 1300 {
				t.Errorf("%d dummies in 20 seconds", n)
			}
			p.b.dropped(t, DropDummy, n)
			lengths := map[int]bool{}
			for _, size := range p.a.wire.sizes() {
				lengths[size] = true
			}
			if padding == 0 && len(lengths) < 100 || padding != 0 && len(lengths) != 1 {
				t.Errorf("%d lengths", len(lengths))
			}
			if c := p.a.TotalCounters(); c.PacketsOut != 0 || c.BytesOut != 0 {
				t.Errorf("dummies count as packets: %+v", c)
			}
			sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
			if c, ok := p.a.ChildCounters(sa.spiIn); !ok || c.PacketsOut != 0 || c.BytesOut != 0 || sa.out.Packets() == 0 {
				t.Errorf("the Child SA counts dummies: %+v", c)
			}
			p.a.AddConnection("peer", ConnectionConfig{})
			p.b.AddConnection("peer", ConnectionConfig{})
			time.Sleep(idleTick)
			n = p.b.TotalCounters().Drops[DropDummy]
			time.Sleep(20 * time.Second)
			p.b.dropped(t, DropDummy, n)
		})
	}
}

// TestTransfersWithTFC: real TCP and UDP pass with padding and dummies.
func TestTransfersWithTFC(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	a, b := joined(t, offloadCase{backend: tun.Native})
	for _, h := range []*host{a, b} {
		h.AddConnection("peer", ConnectionConfig{TFC: TFC{Padding: 512, Dummies: 100}})
	}
	transfer(t, a, b, "10.2.0.1")
	transfer(t, b, a, "fd01::1")
	echoes(t, a, b, "10.2.0.1", true)
	for _, h := range []*host{a, b} {
		n := h.TotalCounters().Drops
		n[DropNoRoute], n[DropDummy] = 0, 0
		if n != (Drops{}) {
			t.Errorf("drops: %v", n)
		}
	}
}

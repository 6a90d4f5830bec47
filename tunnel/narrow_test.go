package tunnel

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"

	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
)

// narrow has the path from a carry packets of outer bytes only, and a know it.
func (p *pair) narrow(outer int) {
	p.a.wire.mu.Lock()
	p.a.wire.limit = outer
	p.a.wire.mu.Unlock()
	p.a.forwarding.Load().connections["peer"].path.lower(p.a.now(), 1500, outer)
}

// TestPathBelowTheLeastMTU: a packet of a size that every path has to carry is cut
// after it was sealed where ours does not; a larger one is refused, and a smaller one
// goes as ever.
func TestPathBelowTheLeastMTU(t *testing.T) {
	tests := map[string]struct {
		src, dst     string
		header       int
		outer, least int
		o            ipOptions
	}{
		"IPv6": {"fd01::1", "fd02::1", 48, 1300, minMTU6, ipOptions{}},
		"IPv4": {"10.1.0.1", "10.2.0.1", 28, minMTU4, minMTU4, ipOptions{df: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
				p.narrow(tt.outer)
				fits := tt.outer - 64 // 1438 of 1500, rounded down to what ESP aligns to
				for size, cut := range map[int]bool{fits - 8: false, fits + 8: true, tt.least: true} {
					b := udpPacket(t, tt.src, tt.dst, size-tt.header, tt.o)
					p.a.device.Inject(b)
					wantPacket(t, p.b.next(t), b)
					if last := p.a.wire.runs[len(p.a.wire.runs)-1]; last.MayFragment != cut || last.Segments != 1 {
						t.Errorf("a packet of %d: %+v", size, last)
					}
				}
				p.a.dropped(t, DropTooBig, 0)
				p.a.device.Inject(udpPacket(t, tt.src, tt.dst, tt.least+1-tt.header, tt.o))
				p.a.next(t) // the answer
				p.a.dropped(t, DropTooBig, 1)
			})
		})
	}
}

// TestPathBelowTheLeastMTUOfFragments: what is cut before it is sealed is cut again
// after that, no sooner than it must.
func TestPathBelowTheLeastMTUOfFragments(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		p.narrow(minMTU4)
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 1000, ipOptions{}))
		if first, second := p.b.next(t), p.b.next(t); len(first)+len(second) != 20+8+1000+20 {
			t.Errorf("fragments of %d and %d bytes", len(first), len(second))
		}
		if runs := p.a.wire.runs; len(runs) != 2 || !runs[0].MayFragment || runs[1].MayFragment {
			t.Errorf("%+v", runs)
		}
	})
}

// TestPathBelowTheLeastMTUOfStreams: a TCP connection that begins is told a size that
// fits; one that has begun goes on with that of its segments.
func TestPathBelowTheLeastMTUOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		p.narrow(1300)
		p.a.device.Inject(tcpPacket(t, "fd01::1", "fd02::1", layers.TCP{SYN: true, Options: []layers.TCPOption{mssIs(1440)}}, nil, ipOptions{}))
		if b := p.b.next(t); int(b[62])<<8|int(b[63]) > 1300-62-60 {
			t.Errorf("an MSS of %d", int(b[62])<<8|int(b[63]))
		}
		o, super := superOf(t, tcpPacket(t, "fd01::1", "fd02::1", layers.TCP{ACK: true, Seq: 5}, noise(5000), ipOptions{}), minMTU6-60)
		want, err := tuntest.Segments(o, super)
		if err != nil {
			t.Fatal(err)
		}
		p.a.device.(*tuntest.Super).InjectSuper(o, super)
		for _, w := range want {
			wantPacket(t, p.b.later(t), w)
		}
		p.a.dropped(t, DropTooBig, 0)
	})
}

// TestReleasedBelowTheLeastMTU: the same of a packet that waited for the line.
func TestReleasedBelowTheLeastMTU(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		p.limited(true, 1e6)
		for range 12 {
			p.a.device.Inject(udpPacket(t, "fd01::1", "fd02::1", minMTU6-48, ipOptions{}))
		}
		p.narrow(1300)
		for range 12 {
			p.b.later(t)
		}
		p.a.dropped(t, DropTooBig, 0)
	})
}

// TestStreamOnANarrowPath: a TCP connection goes on when its path becomes so narrow
// that packets of the least MTU do not fit it.
func TestStreamOnANarrowPath(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	tests := map[string]struct {
		address string
		outer   int
		c       offloadCase
	}{
		"IPv6 in IPv4":          {"fd02::1", 1300, offloadCase{}},
		"IPv6 in IPv6":          {"fd02::1", 1300, offloadCase{six: true}},
		"IPv6 in ESP over IPv4": {"fd02::1", 1300, offloadCase{bare: true}},
		"IPv4 in IPv4":          {"10.2.0.1", 600, offloadCase{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.c.backend = tun.Native
			a, b := joined(t, tt.c)
			shrink := func() error {
				link, err := netlink.LinkByName("cwt-outer")
				if err != nil {
					return err
				}
				return netlink.LinkSetMTU(link, tt.outer)
			}
			transferAfter(t, 8<<20, a, b, tt.address, func() error {
				b.do(t, shrink)
				for _, h := range []*host{a, b} {
					h.forwarding.Load().connections["peer"].path.lower(h.now(), 1500, tt.outer)
				}
				return shrink()
			})
		})
	}
}

package tunnel

import (
	"net/netip"
	"testing"

	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

// TestBareIsTakenOnEverySA: RFC 7296 §2.23 has each end take ESP with and
// without UDP on the same SA; without, it proves life and moves nothing.
func TestBareIsTakenOnEverySA(t *testing.T) {
	var moved []netip.AddrPort
	cfg := pairConfig{a: func(c *Config) {
		c.OnEndpoint = func(_ string, _ uint32, _, remote netip.AddrPort) { moved = append(moved, remote) }
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		for _, from := range []string{"192.0.2.2:0", "198.51.100.9:0"} {
			p.b.wire.onSend(func(m udp.Message) []udp.Message {
				m.Remote, m.Local = netip.MustParseAddrPort(from), netip.AddrPortFrom(m.Local.Addr(), 0)
				m.Bare, m.Encapsulated = true, false
				return []udp.Message{m}
			})
			p.b.device.Inject(udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{}))
			p.a.next(t)
		}
		if len(moved) != 0 || p.a.lastInbound().IsZero() {
			t.Errorf("moved to %v, last heard at %v", moved, p.a.lastInbound())
		}
	})
}

// TestBareBeforeActivation: an SA without UDP that is not sent on yet stays without,
// both ways, when its peer moves.
func TestBareBeforeActivation(t *testing.T) {
	p := newPair(t, pairConfig{bare: true, noChild: true})
	spi, err := p.a.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	any := selector.Compile(selector.Any(), selector.Any())
	p.install(t, p.a, p.b, spi, 0, any, nil)
	elsewhere := netip.MustParseAddr("198.51.100.9")
	p.a.MoveChildren(p.a.all(), netip.AddrPortFrom(p.a.outer.Addr(), 4500), netip.AddrPortFrom(elsewhere, 4500))
	if in := p.a.sad.lookup(spi); in.remote != netip.AddrPortFrom(elsewhere, 0) || in.local != p.a.outer {
		t.Errorf("received from %v at %v", in.remote, in.local)
	}
	p.b.outer = netip.AddrPortFrom(elsewhere, 0) // what control says of it then
	p.activate(t, p.a, p.b, spi, 0x01020304, any, nil)
	out := p.a.children[spi].out
	if out.remote != netip.AddrPortFrom(elsewhere, 0) || out.local != p.a.outer || out.mtu != 1446 {
		t.Errorf("sent from %v to %v with %d bytes", out.local, out.remote, out.mtu)
	}
}

// TestBareChildren: an SA without UDP has eight bytes more for what it carries,
// takes its peer's packets in UDP, and stays without when its peer moves.
func TestBareChildren(t *testing.T) {
	var moved []netip.AddrPort
	cfg := pairConfig{
		bare: true,
		a: func(c *Config) {
			c.OnEndpoint = func(_ string, _ uint32, _, remote netip.AddrPort) { moved = append(moved, remote) }
		},
	}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		const largest = 1446 // of 1500 bytes IP takes 20, ESP 8+8+2+16, to four octets
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", largest-28, ipOptions{df: true}))
		p.b.next(t)
		p.b.wire.onSend(func(m udp.Message) []udp.Message {
			m.Remote, m.Local = netip.MustParseAddrPort("198.51.100.9:4500"), netip.AddrPortFrom(m.Local.Addr(), 4500)
			m.Bare, m.Encapsulated = false, true
			return []udp.Message{m}
		})
		p.b.device.Inject(udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{}))
		p.a.next(t)
		if len(moved) != 0 {
			t.Errorf("moved to %v", moved)
		}
		p.a.MoveChildren(p.a.all(), p.a.outer, netip.MustParseAddrPort("198.51.100.9:4500"))
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.next(t)
		runs := p.a.wire.runs
		if got, want := runs[len(runs)-1].Remote, netip.MustParseAddrPort("198.51.100.9:0"); got != want {
			t.Errorf("sent to %v, want %v", got, want)
		}
	})
}

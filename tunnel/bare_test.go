package tunnel

import (
	"net/netip"
	"testing"

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
		if len(moved) != 0 || p.a.LastInbound("peer").IsZero() {
			t.Errorf("moved to %v, last heard at %v", moved, p.a.LastInbound("peer"))
		}
	})
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
		p.a.MoveChildren("peer", p.a.outer, netip.MustParseAddrPort("198.51.100.9:4500"))
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.next(t)
		runs := p.a.wire.runs
		if got, want := runs[len(runs)-1].Remote, netip.MustParseAddrPort("198.51.100.9:0"); got != want {
			t.Errorf("sent to %v, want %v", got, want)
		}
	})
}

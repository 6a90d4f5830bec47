package transcript

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestRandomRebinding has a NAT give one end another port again and again, while both
// rekey on a bad network, with MOBIKE and without: in the end each IKE SA and each Child
// SA is with where the peer is (RFC 7296 §2.23, RFC 4555 §3.8).
func TestRandomRebinding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomPair(t, 1)
		defer explain(t, lines)
		w.A.Settings.MOBIKE, w.B.Settings.MOBIKE = rapid.Bool().Draw(t, "MOBIKE at a"), rapid.Bool().Draw(t, "MOBIKE at b")
		w.NAT, w.NATShift, w.NATForgets = netip.MustParseAddr("198.51.100.9"), 10000, true
		hold := w.HoldWork
		w.HoldWork = false
		w.Stand()
		w.HoldWork = hold
		misfortune(t, w, []string{"rebind", "rebind", "rekey a", "rekey b", "rekey ike a", "rekey ike b", "reauth a", "worker a", "advance"}, false)
		converge(t, w)
		where := netip.AddrPortFrom(w.NAT, 4500+w.NATShift)
		s := w.B.Snapshot()
		if at := s.IKE[0].Remote; at != where {
			t.Fatalf("b has a at %v, and it is at %v", at, where)
		}
		for _, c := range s.Children {
			if at := c.Child.Remote; at != where {
				t.Fatalf("b has a Child SA with %v, and a is at %v", at, where)
			}
			if at := w.B.goesTo(c.Child.SPIIn); at != where {
				t.Fatalf("b sends ESP to %v, and a is at %v", at, where)
			}
		}
	})
}

// goesTo is where the data path sends on a Child SA.
func (h *Host) goesTo(spi uint32) netip.AddrPort {
	if at, moved := h.Moved[spi]; moved {
		return at
	}
	return h.Inbound[spi].Remote
}

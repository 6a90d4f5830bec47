package transcript

import (
	"net/netip"
	"slices"
	"testing"

	"causeway/ike/sa"
)

// TestEndpointFollowsAuthenticESP is RFC 7296 §2.23: a peer behind a NAT is
// where its authentic ESP comes from; one that is not behind a NAT stays.
func TestEndpointFollowsAuthenticESP(t *testing.T) {
	for name, behindNAT := range map[string]bool{"behind a NAT": true, "without a NAT": false} {
		t.Run(name, func(t *testing.T) {
			a, b := Pair()
			w := New(a, b, nil)
			if behindNAT {
				w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 1000
			}
			w.A.Up()
			w.DeliverAll()
			child := w.B.Snapshot().Children[0].Child
			moved := netip.MustParseAddrPort("198.51.100.9:60123")
			actions := w.B.machine.Step(nil, w.Now, sa.EndpointSeen{SPI: child.SPIIn, Local: child.Local, Remote: moved})
			follows := slices.ContainsFunc(actions, func(a sa.Action) bool {
				m, ok := a.(sa.MoveChildren)
				return ok && m.Local == child.Local && m.Remote == moved && slices.Equal(m.SPIsIn, []uint32{child.SPIIn})
			})
			if follows != behindNAT {
				t.Errorf("actions %v; want the Child SAs moved: %v", actions, behindNAT)
			}
			if got := w.B.Snapshot().IKE[0].Remote; (got == moved) != behindNAT {
				t.Errorf("the IKE SA is with %v", got)
			}
			if got := w.B.machine.Step(nil, w.Now, sa.EndpointSeen{SPI: child.SPIIn + 1, Local: child.Local, Remote: moved}); len(got) != 0 {
				t.Errorf("an unknown Child SA moved something: %v", got)
			}
		})
	}
}

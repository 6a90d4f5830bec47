package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A peer without NAT traversal, whose IKE_SA_INIT has no NAT detection, is spoken to on
// the IKE port, and its ESP does not go in UDP, which it would not understand
// (RFC 7296 §2.23); nothing but IKE goes from the IKE port.
func TestPeerWithoutNATTraversal(t *testing.T) {
	without := func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKESAInit {
			return ps
		}
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
			n, ok := p.(*wire.Notify)
			return ok && (n.NotifyType == wire.NotifyNATDetectionSourceIP || n.NotifyType == wire.NotifyNATDetectionDestinationIP)
		})
	}
	for _, initiates := range []bool{true, false} {
		a, b := transcript.Pair()
		a.ForceEncapsulation, b.ForceEncapsulation = true, true
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		old, ours := w.A, w.B
		if !initiates {
			old, ours = w.B, w.A
		}
		old.Faulty = without
		w.A.Up()
		w.DeliverAll()
		w.A.Step(sa.Rekey{IKE: true})
		w.DeliverAll()
		w.A.Step(sa.Rekey{Children: true})
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Fatal(err)
		}
		if c := ours.Sends("net"); !c.Bare || c.Rekeys == 0 {
			t.Errorf("to an old peer that initiates %v: %+v", initiates, c)
		}
		if i := w.A.Machine.Snapshot().IKE[0]; !initiates && i.Remote.Port() != 500 {
			t.Errorf("an old responder is asked at %v", i.Remote)
		}
	}
}

// A peer that stays on the IKE port gets ESP without UDP: on that port there may be
// none in UDP (§2.23).
func TestPeerThatStaysOnTheIKEPort(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	auth := w.Drop(0)
	w.B.Receive(sa.Datagram{Raw: auth.Bytes, Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
	if c := w.B.Sends("net"); c == nil || !c.Bare {
		t.Errorf("b sends in UDP from the IKE port: %+v", c)
	}
}

package ikev2_test

import (
	"net/netip"
	"testing"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// translating delivers what is on the network, the requests of a to b as if a NAT had
// changed their source, so many times, and gives how many those were.
func translating(w *transcript.World, times int) (translated int) {
	other := netip.MustParseAddrPort("203.0.113.9:4500")
	for range 200 {
		if len(w.Network) == 0 {
			return translated
		}
		p := w.Network[0]
		if p.From != w.A || translated == times {
			w.Deliver(0)
			continue
		}
		w.Drop(0)
		translated++
		w.B.Receive(sa.Datagram{Raw: p.Bytes, Local: p.Destination, Remote: other})
		for i, answer := range w.Network {
			if answer.Destination == other {
				w.Drop(i)
				w.A.Receive(sa.Datagram{Raw: answer.Bytes, Local: p.Source, Remote: p.Destination})
				break
			}
		}
	}
	return translated
}

// Who forbids NATs and hears that there is one on an update tries again with new
// requests, since somebody may have changed that datagram only; and stops after a few,
// with the reason (RFC 4555 §3.9).
func TestUpdateIsRetriedUnderNAT(t *testing.T) {
	for _, c := range []struct {
		times, want int
		failed      bool
	}{{2, 2, false}, {100, 6, true}} {
		a, b := transcript.Pair()
		a.MOBIKE, b.MOBIKE, a.ForbidNAT = true, true, true
		a.LocalAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9")}
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.DeliverAll()
		before := w.B.Snapshot().IKE[0].Remote
		w.A.Addr = netip.MustParseAddr("192.0.2.9")
		w.A.Step(sa.LocalAddress{Addr: w.A.Addr, Others: a.LocalAddresses[:1]})
		n := translating(w, c.times)
		f := w.A.Snapshot().LastFailure
		if n != c.want || (f != nil && f.Reason == sa.ReasonNATForbidden) != c.failed {
			t.Errorf("a tried %d times and says %v", n, f)
		}
		now := w.B.Snapshot().IKE[0].Remote
		if moved := now.Addr() == netip.MustParseAddr("192.0.2.9"); moved == c.failed || c.failed && now != before {
			t.Errorf("after %d changed requests b has a at %v", n, now)
		}
	}
}

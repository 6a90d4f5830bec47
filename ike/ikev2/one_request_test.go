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

// While a request is not answered none other is sent on the IKE SA, whatever is wanted (RFC
// 7296 §2.3).
func TestOneRequestAtATime(t *testing.T) {
	w := tunnel(t)
	w.A.Step(sa.Rekey{Children: true})
	for _, ev := range []sa.Event{sa.Rekey{IKE: true}, sa.Rekey{Children: true}, sa.Doubted{SPI: w.A.Sends("net").SPIOut}, sa.Down{}} {
		w.A.Step(ev)
		if n := len(w.Network); n != 1 {
			t.Fatalf("%d requests are on their way after %T", n, ev)
		}
	}
}

// A peer that asks something shows that it lives, and is not asked (RFC 7296 §2.4).
func TestRequestsProveLife(t *testing.T) {
	a, b := transcript.Pair()
	b.DPD = 0
	w := transcript.New(a, b, nil)
	w.Stand()
	for range 20 {
		w.Advance(a.DPD/4, false)
		if len(w.Network) > 0 {
			t.Fatalf("a sends %v to a peer that has just asked something", w.Network[0])
		}
		for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeInformational) {
			if s, ok := act.(sa.Send); ok {
				w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
			}
		}
		w.DeliverAll()
	}
}

// A Notify that is about no SPI has no Protocol ID (RFC 7296 §3.10).
func TestProtocolOfNotifies(t *testing.T) {
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE, a.MessageIDSync, b.MessageIDSync = true, true, true, true
	w := transcript.New(a, b, nil)
	seen := 0
	look := func(h wire.Header, ps []wire.Payload) []wire.Payload {
		for _, p := range ps {
			if n, ok := p.(*wire.Notify); ok {
				if seen++; len(n.SPI) == 0 && n.Protocol != 0 {
					t.Errorf("%v has protocol %v and no SPI", n.NotifyType, n.Protocol)
				}
			}
		}
		return ps
	}
	w.A.Faulty, w.B.Faulty = look, look
	w.Stand()
	w.A.Step(sa.Rekey{Children: true})
	w.Advance(2*time.Minute, true)
	if seen < 8 {
		t.Errorf("%d notifies were seen", seen)
	}
}

// What somebody answers of INVALID_SPI is no hint: an answer is never answered (RFC 7296
// §2.21.4).
func TestInvalidSPIInAnAnswer(t *testing.T) {
	w := crashing(t)
	raw := invalidSPI(t, 1, w.A.Outbound[0].SPIOut)
	raw[19] |= byte(wire.FlagResponse)
	w.A.Receive(sa.Datagram{Raw: raw, Local: atA, Remote: netip.MustParseAddrPort("192.0.2.2:6666")})
	if len(w.Network) != 0 {
		t.Errorf("a sends %v", w.Network[0])
	}
}

// What a peer may send in pieces, an IKE SA that a rekey makes may, too (RFC 7383 §2.3).
// Fragments fit every path once nobody answers, and the answers to those as well (§2.4,
// §2.5.2).
func TestPiecesAfterSilence(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		a, b := transcript.Pair()
		a.FragmentSize, b.FragmentSize = 1400, 1400
		a.DPD, b.DPD = 0, 0
		w := transcript.New(a, b, nil)
		most := 576 - 20 - 8 - 4
		if v6 {
			w.A.Addr, w.B.Addr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
			most = 1280 - 40 - 8 - 4
		}
		w.Stand()
		w.A.Step(sa.Rekey{IKE: true})
		w.Advance(5*time.Second, true)
		long := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			return append(slices.Clone(ps), &wire.VendorID{Data: make([]byte, 3000)})
		}
		w.A.Faulty, w.B.Faulty = long, long
		w.A.Step(sa.Rekey{Children: true})
		whole := len(w.Network)
		if whole < 3 {
			t.Fatalf("a long request after a rekey goes in %d datagrams", whole)
		}
		for len(w.Network) > 0 && w.Network[0].From == w.A { // b's answer is lost
			w.Deliver(0)
		}
		w.Network = nil
		for range 60 {
			if w.Advance(500*time.Millisecond, false); len(w.Network) > whole {
				break
			}
			w.Network = nil
		}
		pieces := slices.Clone(w.Network)
		w.Network = nil
		if len(pieces) <= whole {
			t.Fatalf("a does not cut its request anew")
		}
		for _, p := range pieces {
			if len(p.Bytes) > most {
				t.Errorf("IPv6 %v: a piece of %d octets, and %d fit every path", v6, len(p.Bytes), most)
			}
		}
		w.B.Receive(sa.Datagram{Raw: slices.Clone(pieces[0].Bytes), Local: pieces[0].Destination, Remote: pieces[0].Source})
		if len(w.Network) < 3 {
			t.Errorf("IPv6 %v: b sends %d pieces of its answer", v6, len(w.Network))
		}
		for _, p := range w.Network {
			if len(p.Bytes) > most {
				t.Errorf("IPv6 %v: a piece of %d octets of the answer", v6, len(p.Bytes))
			}
		}
	}
}

// A message that was put together is known by its first fragment, which brings the answer
// again, and by no other, not by the one that came last (RFC 7383 §2.6.1).
func TestRepeatIsKnownByItsFirstFragment(t *testing.T) {
	a, b := transcript.Pair()
	a.FragmentSize, b.FragmentSize = 1280, 1280
	w := transcript.New(a, b, nil)
	w.Stand()
	w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), &wire.VendorID{Data: make([]byte, 3000)})
	}
	w.A.Step(sa.Rekey{Children: true})
	pieces := slices.Clone(w.Network)
	give := func(p *transcript.Packet) (answered bool) {
		w.Network = nil
		w.B.Receive(sa.Datagram{Raw: slices.Clone(p.Bytes), Local: p.Destination, Remote: p.Source})
		return len(w.Network) > 0
	}
	for i, p := range pieces {
		if give(p) != (i == len(pieces)-1) {
			t.Fatalf("fragment %d of %d", i+1, len(pieces))
		}
	}
	for i, p := range slices.Backward(pieces) {
		if give(p) != (i == 0) {
			t.Errorf("a copy of fragment %d of %d brings the answer: %v", i+1, len(pieces), i != 0)
		}
	}
}

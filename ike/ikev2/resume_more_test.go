package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// What an initiator shows with a ticket has to be what the ticket is for: another method of
// AUTH, or another responder asked for, is refused (RFC 5723 §4.3.3).
func TestWhatIsShownWithATicket(t *testing.T) {
	for name, change := range map[string]func([]wire.Payload) []wire.Payload{
		"nothing else": func(ps []wire.Payload) []wire.Payload { return ps },
		"another method": func(ps []wire.Payload) []wire.Payload {
			out := slices.Clone(ps)
			for i, p := range out {
				if a, ok := p.(*wire.Authentication); ok {
					out[i] = &wire.Authentication{Method: wire.AuthRSASignature, Data: a.Data}
				}
			}
			return out
		},
		"another responder": func(ps []wire.Payload) []wire.Payload {
			return append(slices.Clone(ps), transcript.Identity("other.example").Payload(false))
		},
		"the responder": func(ps []wire.Payload) []wire.Payload {
			return append(slices.Clone(ps), transcript.Identity("b.example").Payload(false))
		},
	} {
		w := resumable(t, nil)
		w.A.Faulty = onlyIn(wire.ExchangeIKEAuth, false, change)
		w.A.Up()
		for range 3 {
			w.Deliver(0)
		}
		good := name == "nothing else" || name == "the responder"
		if n := len(w.B.Snapshot().IKE); (n == 1) != good {
			t.Errorf("%s: b has %d IKE SAs", name, n)
		}
	}
}

// A resumed IKE SA cuts messages where both ends said again that they can (RFC 5723 §5).
func TestResumedIKESACutsMessages(t *testing.T) {
	w := resumable(t, func(a, b *sa.Settings) { a.FragmentSize, b.FragmentSize = 1280, 1280 })
	w.A.Up()
	w.DeliverAll()
	if !resumed(w) {
		t.Fatal("not resumed")
	}
	w.Advance(10*time.Second, true)
	long := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), &wire.VendorID{Data: make([]byte, 3000)})
	}
	w.A.Faulty, w.B.Faulty = long, long
	w.A.Step(sa.Rekey{Children: true})
	if n := len(w.Network); n < 3 {
		t.Errorf("a long request goes in %d datagrams", n)
	}
	for len(w.Network) > 0 && w.Network[0].From == w.A {
		w.Deliver(0)
	}
	if n := len(w.Network); n < 3 {
		t.Errorf("a long answer goes in %d datagrams", n)
	}
}

// MOBIKE is not used where one end has it switched off, whatever the other says (RFC 4555
// §3.2).
func TestMOBIKEThatIsOff(t *testing.T) {
	a, b := transcript.Pair()
	b.MOBIKE = true
	w := transcript.New(a, b, nil)
	w.B.Faulty = onlyIn(wire.ExchangeIKEAuth, true, func(ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), notify(wire.NotifyMOBIKESupported, 0, nil))
	})
	w.Stand()
	w.A.Addr = w.A.Addr.Next().Next().Next()
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	if len(w.Network) != 0 {
		t.Error("a moves without MOBIKE")
	}
}

// IKE_INTERMEDIATE is announced by an end whose proposals have additional key exchanges, and
// by no other (RFC 9242 §3.1).
func TestWhoAnnouncesIntermediate(t *testing.T) {
	for _, has := range []bool{false, true} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		if has {
			w = hybrid(t)
		}
		w.A.Up()
		for range 2 { // the request and its answer
			m, err := wire.ParseMessage(w.Network[0].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if said := wire.FindNotify(m.Payloads, wire.NotifyIntermediateExchangeSupported) != nil; said != has {
				t.Errorf("with additional key exchanges %v: it is announced %v by %v", has, said, m.Header)
			}
			w.Deliver(0)
		}
	}
	a, b := transcript.Pair() // an initiator that announces it without need is not told so
	w := transcript.New(a, b, nil)
	w.A.Faulty = onlyIn(wire.ExchangeIKESAInit, false, func(ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), notify(wire.NotifyIntermediateExchangeSupported, 0, nil))
	})
	w.A.Up()
	w.Deliver(0)
	m, err := wire.ParseMessage(w.Network[0].Bytes)
	if err != nil || wire.FindNotify(m.Payloads, wire.NotifyIntermediateExchangeSupported) != nil {
		t.Errorf("b answers %s: %v", m.Summary(), err)
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

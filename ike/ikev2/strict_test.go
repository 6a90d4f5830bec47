package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// The tests in this file are named after the sentences of RFC 7296 that
// docs/conformance.md maps to them.

// A request is answered to where it came from, from where it arrived (§2.11), also
// when a NAT moved the peer between two copies of it (§2.23) and when it is not behind a
// NAT.
func TestAnswersGoWhereTheRequestCameFrom(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := tunnel(t)
		raw := w.A.Machine.ForgeRaw(wire.ExchangeInformational, wire.PayloadNone, nil)
		if lost {
			w.B.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
			w.Network = nil
		}
		answeredBack(t, w, raw)
		if ike := w.B.Machine.Snapshot().IKE[0]; ike.Remote.Addr() != w.A.Addr {
			t.Error("a peer that is not behind a NAT was followed")
		}
	}
}

// answeredBack gives b the request raw at another of its addresses, from another of the
// peer's, and looks that the answer goes the same way back.
func answeredBack(t *testing.T, w *transcript.World, raw []byte) {
	t.Helper()
	from, at := netip.MustParseAddrPort("198.51.100.9:34500"), netip.MustParseAddrPort("198.51.100.77:4500")
	w.Network = nil
	w.B.Receive(sa.Datagram{Raw: slices.Clone(raw), Local: at, Remote: from})
	if len(w.Network) != 1 || w.Network[0].Destination != from || w.Network[0].Source != at {
		t.Errorf("b sends %v, and not one answer from %v to %v", w.Network, at, from)
		for _, p := range w.Network {
			t.Logf("%v goes from %v to %v", p, p.Source, p.Destination)
		}
	}
}

// So are those before there is an IKE SA: to IKE_INTERMEDIATE, and to an IKE_AUTH that is
// refused, each the first time and again.
func TestAnswersBeforeAuthGoWhereTheRequestCameFrom(t *testing.T) {
	a, b := transcript.Pair()
	a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem512")
	b.IKEProposals = a.IKEProposals
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		return append(slices.Clone(ps), &wire.Unknown{PayloadType: 200, Critical: true})
	}
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	for _, ex := range []wire.ExchangeType{wire.ExchangeIKEIntermediate, wire.ExchangeIKEAuth} {
		request := w.Network[0]
		if h, err := wire.ParseHeader(request.Bytes); err != nil || h.Exchange != ex {
			t.Fatalf("a sends %v", request)
		}
		answeredBack(t, w, request.Bytes)
		first := w.Network
		answeredBack(t, w, request.Bytes)
		if len(first) == 1 {
			w.A.Receive(sa.Datagram{Raw: first[0].Bytes, Local: request.Source, Remote: request.Destination})
			w.Drop(0)
		}
	}
}

// INVALID_SYNTAX in an answer is fatal in both peers (§2.21.3): nobody deletes
// the IKE SA, and it is not there any more.
func TestInvalidSyntaxInAnAnswerIsFatal(t *testing.T) {
	for _, ask := range []sa.Rekey{{IKE: true}, {Children: true}} {
		w := tunnel(t)
		w.A.Step(ask)
		w.Network = nil
		raw := w.B.Machine.ForgeAnswer(wire.ExchangeCreateChildSA, notify(wire.NotifyInvalidSyntax, 0, nil))
		w.A.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
		if up(w.A) || len(w.A.Inbound) != 0 {
			t.Errorf("%+v: a is %v with %d Child SAs", ask, w.A.Machine.Snapshot().State, len(w.A.Inbound))
		}
	}
}

// The responder's choice has the initiator's first selectors, if its policy
// allows them (§2.9): they may be those of the packet that waits.
func TestFirstSelectorsAreKept(t *testing.T) {
	a, b := transcript.Pair()
	b.Children = []sa.ChildSettings{
		{Name: "one", Local: transcript.Networks("10.2.1.0/24"), Remote: transcript.Networks("10.1.0.0/16")},
		{Name: "two", Local: transcript.Networks("10.2.2.0/24"), Remote: transcript.Networks("10.1.0.0/16")},
	}
	a.Children[0].Local = transcript.Networks("10.1.0.7/32", "10.1.0.0/16")
	a.Children[0].Remote = transcript.Networks("10.2.2.9/32", "10.2.0.0/16")
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	children := w.A.Machine.Snapshot().Children
	if len(children) != 1 || !children[0].Child.RemoteSelectors.Contains(transcript.Networks("10.2.2.9/32")) {
		t.Errorf("a has %v, which leaves the first selector of its offer out", children[0].Child.RemoteSelectors)
	}
}

// Somebody without the key closes no IKE SA of those who have it, however many
// these are.
func TestStrangersCloseNothing(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	for i := range 17 {
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
	}
	count := func() int { return len(w.B.Machine.Snapshot().IKE) }
	before := count()
	wrong := *a
	wrong.PSK = auth.NewSecret([]byte("a guess"))
	w.A.Settings = &wrong
	w.A.Crash()
	w.A.Reseed(99)
	w.A.Up()
	w.DeliverAll()
	if before != 16 || count() != before { // the seventeenth took the place of the oldest
		t.Errorf("b had %d IKE SAs and has %d after a wrong key", before, count())
	}
}

// A Child SA whose answer is not acceptable is deleted at the peer, which
// believes in it (§2.9: the answer is a subset of the offer).
func TestUnacceptableAnswerIsDeleted(t *testing.T) {
	a, b := transcript.Pair()
	second := sa.ChildSettings{Name: "second", Local: transcript.Networks("10.8.0.0/16"), Remote: transcript.Networks("10.9.0.0/16")}
	a.Children = append(a.Children, second)
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	for range 4 {
		w.Deliver(0)
	}
	w.Network = nil
	raw := w.B.Machine.ForgeAnswer(wire.ExchangeCreateChildSA, childOffer(77)...) // other selectors than asked for
	w.A.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
	if got := answer(w.A); got != "D(ESP)" || len(w.A.Inbound) != 1 {
		t.Errorf("a sends %q and receives on %d SPIs", got, len(w.A.Inbound))
	}
}

// A peer that deletes a Child SA as soon as it is there gets another, but not
// in a circle.
func TestDeletedAtOnce(t *testing.T) {
	w := tunnel(t)
	made := func() (n int) {
		for _, r := range w.A.Reports {
			if _, ok := r.(sa.ChildEstablished); ok {
				n++
			}
		}
		return n
	}
	before := made()
	for range 60 {
		if c := w.B.Sends("net"); c != nil {
			spi := c.SPIIn
			for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolESP,
				SPIs: [][]byte{{byte(spi >> 24), byte(spi >> 16), byte(spi >> 8), byte(spi)}}}) {
				if s, ok := act.(sa.Send); ok {
					w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
				}
			}
			w.DeliverAll()
		}
		w.Advance(100*time.Millisecond, true)
	}
	if n := made() - before; n < 1 || n > 4 {
		t.Errorf("made %d times in 6 s", n)
	}
}

// A NAT that moves the peer in the middle of a rekey moves the Child SA that is
// installed and not sent on yet, too.
func TestRebindingDuringARekey(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 20000
	w.A.Up()
	w.DeliverAll()
	w.A.Step(sa.Rekey{Children: true})
	w.Deliver(0) // b installs, and answers to the old port
	w.NATShift = 30000
	w.Network[0].Destination = netip.AddrPortFrom(w.A.Addr, 4500)
	w.DeliverAll() // b hears the DELETE of the old one, and moves outbound
	want := netip.AddrPortFrom(w.NAT, 34500)
	if c := w.B.Sends("net"); c == nil || c.Rekeys == 0 || c.Remote != want {
		t.Errorf("b sends to %v after the rekey, the peer is at %v", c.Remote, want)
	}
	for _, c := range w.B.Machine.Snapshot().Children {
		if c.Child.Remote != want {
			t.Errorf("status shows the Child SA at %v", c.Child.Remote)
		}
	}
}

// While a request of the peer waits for work nothing else can begin, so nothing
// is due: a deadline in the past would be asked about again and again.
func TestNothingIsDueDuringWork(t *testing.T) {
	a, b := transcript.Pair()
	a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519")
	b.ESPProposals = a.ESPProposals
	a.DPD = 0
	a.Children = append(a.Children, sa.ChildSettings{Name: "refused",
		Local: transcript.Networks("10.8.0.0/16"), Remote: transcript.Networks("10.9.0.0/16")})
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	if w.A.Machine.Snapshot().NextRetry.IsZero() {
		t.Fatal("nothing is to be tried again")
	}
	w.B.Step(sa.Rekey{Children: true})
	w.HoldWork = true
	w.Deliver(0)
	w.Now = w.Now.Add(time.Hour)
	w.A.Step(sa.TimerDue{})
	if d := w.A.Machine.Deadline(); !d.IsZero() && !d.After(w.Now) {
		t.Errorf("due %v ago", w.Now.Sub(d))
	}
}

package ikev2_test

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// refusing lets time pass while b answers every CREATE_CHILD_SA of a's first IKE SA
// with n. It tells how many there were, and how long that IKE SA lived.
func refusing(t *testing.T, w *transcript.World, n wire.NotifyType, d time.Duration) (refused int, lived time.Duration) {
	t.Helper()
	first := w.A.Machine.Snapshot().IKE[0].SPIi
	began := w.Now
	for end := w.Now.Add(d); w.Now.Before(end); w.Advance(time.Second, false) {
		for len(w.Network) > 0 {
			p := w.Network[0]
			h, err := wire.ParseHeader(p.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if h.Exchange != wire.ExchangeCreateChildSA || h.Flags.Response() || h.InitiatorSPI != first || p.From != w.A {
				w.Deliver(0)
				continue
			}
			w.Drop(0)
			refused++
			w.A.Receive(sa.Datagram{Raw: w.B.Machine.Refuse(h.Exchange, notify(n, 0, nil)), Local: p.Source, Remote: p.Destination})
		}
		for _, i := range w.A.Machine.Snapshot().IKE {
			if i.SPIi == first {
				lived = w.Now.Sub(began)
			}
		}
	}
	return refused, lived
}

// A peer that answers TEMPORARY_FAILURE is asked again, but not at once; when that
// is all it says for minutes, the IKE SA is closed (RFC 7296 §2.25).
func TestTemporaryFailureForEver(t *testing.T) {
	for _, ask := range []sa.Rekey{{Children: true}, {IKE: true}} {
		w := tunnel(t)
		w.A.Step(ask)
		n, lived := refusing(t, w, wire.NotifyTemporaryFailure, 5*time.Minute)
		if lived < 2*time.Minute || lived > 4*time.Minute || n > int(lived/time.Second) {
			t.Errorf("%+v: the IKE SA went after %v and %d answers", ask, lived, n)
		}
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

// An end that only answers closes the IKE SA then: the peer may begin anew.
func TestTemporaryFailureToWhoOnlyAnswers(t *testing.T) {
	a, b := transcript.Pair()
	a.RespondOnly = true
	w := transcript.New(a, b, nil)
	w.B.Up()
	w.DeliverAll()
	w.Echo()
	w.A.Step(sa.Rekey{Children: true})
	_, lived := refusing(t, w, wire.NotifyTemporaryFailure, 5*time.Minute)
	if lived < 2*time.Minute || lived > 4*time.Minute || up(w.A) || up(w.B) {
		t.Errorf("the IKE SA went after %v; a is %v, and b %v", lived, w.A.Snapshot().State, w.B.Snapshot().State)
	}
}

// TEMPORARY_FAILURE now and then is none of that.
func TestTemporaryFailureNowAndThen(t *testing.T) {
	w := tunnel(t)
	for range 10 {
		w.A.Step(sa.Rekey{Children: true})
		w.Network = nil
		w.A.Receive(sa.Datagram{Raw: w.B.Machine.Refuse(wire.ExchangeCreateChildSA, notify(wire.NotifyTemporaryFailure, 0, nil)),
			Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
		w.Advance(30*time.Second, true)
	}
	if i := w.A.Machine.Snapshot().IKE; len(i) != 1 || w.Now.Sub(i[0].EstablishedAt) < 5*time.Minute {
		t.Errorf("a has %d IKE SAs, the first since %v", len(i), i[0].EstablishedAt)
	}
}

// What the peer said before it was silent for more than a minute counts no more.
func TestTemporaryFailureAfterSilence(t *testing.T) {
	for silence, disagrees := range map[time.Duration]bool{20 * time.Second: true, 70 * time.Second: false} {
		a, b := transcript.Pair()
		a.DPD, b.DPD = 0, 0 // nothing else is asked
		w := transcript.New(a, b, nil)
		w.A.Retransmit = sa.RetransmitPolicy{First: time.Second, Factor: 2, Max: 30 * time.Second, Tries: 10}
		w.A.Crash()
		w.Stand()
		w.A.Step(sa.Rekey{Children: true})
		told := false
		for end := w.Now.Add(5 * time.Minute); w.Now.Before(end) && !told; {
			w.Advance(silence, false)
			w.Network = nil
			w.A.Receive(sa.Datagram{Raw: w.B.Machine.Refuse(wire.ExchangeCreateChildSA, notify(wire.NotifyTemporaryFailure, 0, nil)),
				Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
			w.Advance(5*time.Second, false) // it is tried again
			f := w.A.Snapshot().LastFailure
			told = f != nil && f.Reason == sa.ReasonPeerError
		}
		if told != disagrees {
			t.Errorf("silent for %v at a time: a believes that the ends disagree: %v", silence, told)
		}
	}
}

// A peer that refuses every CREATE_CHILD_SA with NO_ADDITIONAL_SAS gets an IKE SA
// from scratch in place of the old one (RFC 7296 §4), at once.
func TestNoAdditionalSAs(t *testing.T) {
	for _, ask := range []sa.Rekey{{Children: true}, {IKE: true}} {
		w := tunnel(t)
		w.A.Step(ask)
		if n, lived := refusing(t, w, wire.NotifyNoAdditionalSAs, time.Minute); n != 1 || lived > 5*time.Second {
			t.Errorf("%+v: the IKE SA went after %v and %d answers", ask, lived, n)
		}
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

// A Child SA that is missing is made by IKE_AUTH where CREATE_CHILD_SA is refused.
func TestMissingChildWithoutAdditionalSAs(t *testing.T) {
	w := tunnel(t)
	spi := w.B.Sends("net").SPIIn
	for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolESP,
		SPIs: [][]byte{{byte(spi >> 24), byte(spi >> 16), byte(spi >> 8), byte(spi)}}}) {
		if s, ok := act.(sa.Send); ok {
			w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
		}
	}
	w.B.Machine.LoseChildren()
	if n, lived := refusing(t, w, wire.NotifyNoAdditionalSAs, time.Minute); n != 1 || lived > 20*time.Second {
		t.Errorf("the IKE SA went after %v and %d answers", lived, n)
	}
	if s := w.A.Machine.Snapshot(); len(s.IKE) != 1 || len(s.Children) != 1 {
		t.Errorf("a has %d IKE SAs and %d Child SAs", len(s.IKE), len(s.Children))
	}
}

// An IKE SA whose rekey is refused for another reason is tried again, and then made
// from scratch (RFC 7296 §2.8).
func TestRefusedRekeyOfTheIKESA(t *testing.T) {
	w := tunnel(t)
	w.A.Step(sa.Rekey{IKE: true})
	if n, lived := refusing(t, w, wire.NotifyNoProposalChosen, 5*time.Minute); n != 3 || lived < 20*time.Second || lived > 2*time.Minute {
		t.Errorf("the IKE SA went after %v and %d answers", lived, n)
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// Where the next try would come too late, the IKE SA is made from scratch after the first.
func TestRefusedRekeyShortBeforeTheEnd(t *testing.T) {
	a, b := transcript.Pair()
	a.ChildLifetime.Time = 2 * time.Minute
	w := transcript.New(a, b, nil)
	w.Stand()
	if n, lived := refusing(t, w, wire.NotifyNoProposalChosen, 132*time.Second); n != 1 || lived > 121*time.Second {
		t.Errorf("the IKE SA went after %v and %d answers", lived, n)
	}
}

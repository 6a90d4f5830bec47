package transcript

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// patient is a peer that sends again after 4, 11, 24, 47 and 89 s, as strongSwan
// does.
var patient = sa.RetransmitPolicy{First: 4 * time.Second, Factor: 1.8, Tries: 6}

// TestUnheard loses the responder's first answer to IKE_AUTH, and then copies of
// the request or the answers to them, in every combination that leaves the last
// copy alone, while the responder has a path to probe and a Child SA to rekey, and a
// liveness interval that is longer than the 89 s in which nothing may arrive. The
// IKE SA that it made first is the one that both have in the end, and it asks nothing
// before the wait is over.
func TestUnheard(t *testing.T) {
	for n := range 81 { // what becomes of four copies
		fates := []fate{answerLost}
		for rest := n; len(fates) < 5; rest /= 3 {
			fates = append(fates, fate(rest%3))
		}
		t.Run(fmt.Sprint(fates), func(t *testing.T) { unheard(t, fates) })
	}
}

// fate is what becomes of a copy of IKE_AUTH.
type fate int

const (
	arrives fate = iota
	answerLost
	asksLost
)

func (f fate) String() string { return [...]string{"arrives", "answer lost", "lost"}[f] }

func unheard(t *testing.T, fates []fate) {
	a, b := Pair()
	b.DPD = 2 * time.Minute
	w := New(a, b, func(line string) { t.Log(line) })
	w.A.Retransmit, w.B.Retransmit = patient, sa.DefaultRetransmit
	w.A.Restart(cookie.Config{})
	w.B.Restart(cookie.Config{})
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	var madeAt, askedAt time.Time
	for len(w.B.Snapshot().Children) == 0 || len(w.A.Snapshot().Children) == 0 {
		if w.Now.Sub(Epoch) > 100*time.Second {
			t.Fatal("the last copy came to nothing")
		}
		for len(w.Network) > 0 {
			if w.Network[0].From == w.B && isRequest(w.Network[0]) && askedAt.IsZero() {
				askedAt = w.Now
			}
			fates = w.meet(fates)
		}
		if madeAt.IsZero() && len(w.B.Snapshot().Children) > 0 {
			madeAt = w.Now
			w.B.Step(sa.ProbePath{Size: 1400, Most: 1500})
			w.B.Step(sa.Rekey{Children: true})
			continue // with what that sent
		}
		w.Advance(100*time.Millisecond, false)
	}
	if !askedAt.IsZero() && askedAt.Sub(madeAt) < 5*time.Second {
		t.Errorf("b asks %v after it answered", askedAt.Sub(madeAt))
	}
	w.Advance(3*time.Minute, true)
	if err := Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatalf("%v, faults %v", err, w.Faults)
	}
	if w.B.Sends("net").Rekeys == 0 {
		t.Error("b did not rekey")
	}
	for _, r := range w.B.Reports {
		if closed, ok := r.(sa.IKEClosed); ok {
			t.Errorf("b closed the IKE SA: %+v", closed)
		}
	}
}

// TestUnheardCopies has a stranger send copies of an IKE_AUTH for ever, whose sender
// is gone: they keep the IKE SA for no longer than the repeats of a peer could.
func TestUnheardCopies(t *testing.T) {
	a, b := Pair()
	w := New(a, b, nil)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	raw := w.Network[0].Bytes
	from, to := w.Network[0].Source, w.Network[0].Destination
	w.Deliver(0)
	w.A.Crash()
	w.Network = nil
	const limit = 3*time.Minute + 31*time.Second // and the request that is not answered then
	for w.Now.Sub(Epoch) < limit {
		if len(w.B.Snapshot().IKE) != 1 {
			t.Fatalf("the IKE SA is gone after %v", w.Now.Sub(Epoch))
		}
		w.B.Receive(sa.Datagram{Raw: bytes.Clone(raw), Local: to, Remote: from})
		w.Advance(time.Second, false)
		w.Network = nil
	}
	if len(w.B.Snapshot().IKE) != 0 {
		t.Errorf("after %v of copies the IKE SA is still there", w.Now.Sub(Epoch))
	}
}

// TestUnheardV1 loses the last message of Main Mode for 40 s, while the initiator
// asks for it: the responder keeps the ISAKMP SA, and what it asked meanwhile.
func TestUnheardV1(t *testing.T) {
	a, b := PairV1()
	b.DPD = 5 * time.Second
	w := New(a, b, func(line string) { t.Log(line) })
	w.A.Retransmit, w.B.Retransmit = patient, Retransmit // gives up after 31 s
	w.A.Restart(cookie.Config{})
	w.B.Restart(cookie.Config{})
	w.A.Up()
	for range 4 {
		w.Deliver(0)
	}
	w.B.Step(sa.Up{}) // it wants a Child SA, too
	for w.Now.Sub(Epoch) < 40*time.Second {
		switch {
		case len(w.Network) == 0:
			w.Advance(100*time.Millisecond, false)
		case w.Network[0].From == w.B:
			w.Drop(0)
		default:
			w.Deliver(0)
		}
	}
	w.Advance(time.Minute, true)
	if err := Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatalf("%v, faults %v", err, w.Faults)
	}
	for _, r := range w.B.Reports {
		if closed, ok := r.(sa.IKEClosed); ok {
			t.Errorf("b closed the ISAKMP SA: %+v", closed)
		}
	}
}

func isRequest(p *Packet) bool {
	h, err := wire.ParseHeader(p.Bytes)
	return err == nil && !h.Flags.Response()
}

// meet delivers the oldest datagram, or loses it if it is an IKE_AUTH whose fate
// that is. What the fates are of later copies remains.
func (w *World) meet(fates []fate) []fate {
	p := w.Network[0]
	h, err := wire.ParseHeader(p.Bytes)
	if err != nil || h.Exchange != wire.ExchangeIKEAuth || len(fates) == 0 {
		w.Deliver(0)
		return fates
	}
	switch {
	case isRequest(p) && fates[0] == asksLost, !isRequest(p) && fates[0] == answerLost:
		w.logf("lost: %v of %s", p, p.From.Name)
		w.Drop(0)
		return fates[1:]
	case !isRequest(p):
		fates = fates[1:]
	}
	w.Deliver(0)
	return fates
}

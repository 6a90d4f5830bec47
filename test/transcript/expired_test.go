package transcript

import (
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/sa"
)

// TestHardLifetimeInCollision lets the hard lifetime of a's IKE SA end while both ends
// replace it and a does not know yet which of the two new ones stays: the Child SAs go
// over to it, whichever it is, and nothing is reported as too old.
func TestHardLifetimeInCollision(t *testing.T) {
	for _, c := range []struct {
		name string
		seed uint64
		ours bool           // a's new IKE SA stays
		then func(w *World) // what happens before the lifetime ends
	}{
		{"undecided", 1, true, func(w *World) { w.Deliver(0) }},
		{"undecided, the other wins", 5, false, func(w *World) { w.Deliver(0) }},
		{"b uses its own", 1, false, func(w *World) {
			w.Deliver(1) // b has a's answer,
			w.Drop(1)    // its DELETE of the old one is lost,
			w.B.Step(sa.Rekey{Children: true})
			w.Deliver(1) // and it asks for another Child SA on the new one
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := lateCollision(t, c.seed)
			c.then(w)
			w.Advance(11*time.Minute+5*time.Second-w.Now.Sub(Epoch), false)
			noGapNow(t, w)
			for len(w.Network) > 0 {
				w.Deliver(0)
				noGapNow(t, w)
			}
			w.Advance(time.Minute, true)
			if err := Agree(w); err != nil || len(w.Faults) > 0 {
				t.Errorf("%v, faults %v", err, w.Faults)
			}
			if ours := w.A.Snapshot().IKE[0].Initiator; ours != c.ours {
				t.Errorf("a's own IKE SA stays: %v, want %v", ours, c.ours)
			}
			for _, r := range w.A.Reports {
				if f, ok := r.(sa.Failed); ok {
					t.Errorf("%+v", f.Failure)
				}
			}
		})
	}
}

// lateCollision is a rekey of a's whose requests are lost for as long as its IKE SA may
// live, and one of b's at the end of that. A request of a is on the network, and its answer
// to b.
func lateCollision(t *testing.T, seed uint64) *World {
	a, b := Pair()
	a.IKELifetime, a.DPD, b.DPD = 10*time.Minute, 0, 0
	w := New(a, b, func(s string) { t.Log(s) })
	w.A.Retransmit.Tries = 20
	w.A.Restart(cookie.Config{})
	w.Stand()
	w.A.Reseed(seed)
	w.B.Reseed(seed + 1)
	w.Advance(8*time.Minute+50*time.Second, true)
	w.Advance(11*time.Minute-time.Second-w.Now.Sub(Epoch), false)
	for len(w.Network) > 1 { // all are a's
		w.Drop(0)
	}
	w.B.Step(sa.Rekey{IKE: true})
	w.Deliver(1)
	return w
}

func noGapNow(t *testing.T, w *World) {
	t.Helper()
	if err := w.Gap(); err != nil {
		t.Fatal(err)
	}
}

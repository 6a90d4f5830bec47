package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// An IKE SA that was replaced waits for its DELETE: that its lifetime ends meanwhile is
// no failure.
func TestSupersededDoesNotExpire(t *testing.T) {
	a, b := transcript.Pair()
	b.IKELifetime = 20 * time.Second
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.Advance(17*time.Second, true)
	w.A.Step(sa.Rekey{IKE: true})
	w.Deliver(0)
	w.Deliver(0)
	for range 7 {
		for len(w.Network) > 0 {
			w.Drop(0)
		}
		w.Advance(time.Second, false)
	}
	for _, r := range w.B.Reports {
		if f, ok := r.(sa.Failed); ok {
			t.Errorf("b fails with %+v", f.Failure)
		}
	}
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// Both ends replace the IKE SA, and that of b wins. It has the Child SAs at a, since b uses
// it, and ends, before a has the answer to its own request: what a makes of that is not
// left over.
func TestClaimedRivalEndsEarly(t *testing.T) {
	wins := 0
	for seed := range uint64(20) {
		a, b := transcript.Pair()
		a.RespondOnly = true
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.B.Up()
		w.DeliverAll()
		w.Advance(6*time.Second, true)
		w.A.Reseed(seed)
		w.B.Reseed(seed + 100)
		w.A.Step(sa.Rekey{IKE: true})
		w.B.Step(sa.Rekey{IKE: true})
		w.Deliver(0) // b answers
		w.Deliver(0) // and so does a; b's answer stays where it is
		w.Deliver(1)
		after := w.B.Machine.Snapshot()
		if !slices.ContainsFunc(after.IKE, func(i sa.IKEStatus) bool { return i.Initiator && i.SPIi == after.Children[0].IKE }) {
			continue // they are with what a made
		}
		wins++
		w.Drop(1) // b's DELETE of the old one
		w.B.Step(sa.Rekey{Children: true})
		w.B.Step(sa.Down{})
		for len(w.Network) > 1 {
			w.Deliver(1)
		}
		if n := len(w.A.Machine.Snapshot().Children); n != 0 {
			t.Fatalf("seed %d: a has %d Child SAs", seed, n)
		}
		w.B.Crash()
		w.Deliver(0)
		w.Advance(10*time.Second, true)
		if left := w.A.Machine.Snapshot().IKE; len(left) != 0 || len(w.Faults) != 0 {
			t.Errorf("seed %d: a has %d IKE SAs, %v; %v", seed, len(left), left, w.Faults)
		}
	}
	if wins == 0 {
		t.Error("b never won")
	}
}

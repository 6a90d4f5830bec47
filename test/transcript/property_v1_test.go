package transcript

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/ike/sa"
	"causeway/ike/transform"
)

// TestRandomStartV1 is TestRandomStart for IKEv1.
func TestRandomStartV1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomV1(t)
		defer explain(t, lines)
		misfortune(t, w, []string{"up a", "up b", "restart a", "restart b", "down a"}, false)
		convergeV1(t, w)
	})
}

// TestRandomRekeyV1 is TestRandomRekey for IKEv1: what an end sends the other
// receives, whatever happens to the datagrams.
func TestRandomRekeyV1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomV1(t)
		defer explain(t, lines)
		hold := w.HoldWork
		w.HoldWork = false
		w.A.Up()
		w.DeliverAll()
		w.HoldWork = hold
		misfortune(t, w, []string{"rekey a", "rekey b", "rekey ike a", "rekey ike b", "rekey both a", "decline a", "decline b", "work"}, true)
		convergeV1(t, w)
	})
}

// TestRandomReloadV1 is TestRandomReload for IKEv1.
func TestRandomReloadV1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomV1(t)
		defer explain(t, lines)
		w.disrupted = true // a DELETE may be lost
		takesAny(w.B)
		reload := *w.A.Settings
		reload.Children = reload.Children[:1]
		w.A.Settings = &reload
		w.A.machine.Reconfigure(&reload)
		misfortune(t, w, []string{"up a", "up b", "reload a", "reload a", "reload a", "rekey a", "rekey b", "rekey ike a", "rekey ike b", "advance"}, false)
		settleV1(t, w)
		noGap(t, w) // b may have another, which it never sends on
		wantCurrent(t, w.A)
	})
}

// randomV1 is two hosts of IKEv1 that agree on one or two Child SAs.
func randomV1(t *rapid.T) (*World, *[]string) {
	a, b := PairV1()
	if rapid.Bool().Draw(t, "pfs") {
		a.ESPProposals = ProposalsV1(transform.ESP, "aes256gcm16-ecp256")
		b.ESPProposals = a.ESPProposals
	}
	if rapid.Bool().Draw(t, "two children") {
		a.Children = append(a.Children, sa.ChildSettings{Name: "more", Local: Networks("10.3.0.0/16"), Remote: Networks("10.4.0.0/16")})
		b.Children = append(b.Children, sa.ChildSettings{Name: "more", Local: Networks("10.4.0.0/16"), Remote: Networks("10.3.0.0/16")})
	}
	lines := &[]string{}
	w := New(a, b, func(s string) { *lines = append(*lines, s) })
	seed := rapid.Uint64().Draw(t, "seed")
	w.A.Reseed(seed)
	w.B.Reseed(seed + 1)
	w.HoldWork = rapid.Bool().Draw(t, "hold work")
	return w, lines
}

// convergeV1 lets the network be well and checks that both ends agree.
func convergeV1(t *rapid.T, w *World) {
	settleV1(t, w)
	if err := Agree(w); err != nil {
		t.Fatal(err)
	}
}

// settleV1 lets the network be well. Informationals are not answered in IKEv1: where a
// delete was lost, one end has a Child SA that the other does not have until a packet on
// it tells.
func settleV1(t *rapid.T, w *World) {
	w.HoldWork = false
	w.A.Declines, w.B.Declines = 0, 0
	w.Work()
	w.logf("--- all is well now")
	for range 30 {
		for _, h := range []*Host{w.A, w.B} {
			h.Up()
			w.Advance(35*time.Second, true)
			for _, c := range h.Settings.Children {
				h.Ping(c.Name, 0)
			}
			w.DeliverAll()
		}
	}
	w.Advance(2*time.Minute, true)
	if len(w.Faults) > 0 {
		t.Fatalf("broken invariants: %v", w.Faults)
	}
}

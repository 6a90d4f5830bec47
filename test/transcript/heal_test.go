package transcript

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/ike/sa"
)

// TestRandomHealing lets one end lose Child SAs without a word, after rekeys on a
// bad network: within one liveness interval packets pass both ways again, whether
// or not the end that lost them looks at what arrives for them, and both agree.
func TestRandomHealing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		live(t, w)
		w.A.Deaf, w.B.Deaf = rapid.Bool().Draw(t, "a is deaf"), rapid.Bool().Draw(t, "b is deaf")
		loser := w.A
		if rapid.Bool().Draw(t, "b loses") {
			loser = w.B
		}
		chat(w, rapid.IntRange(0, 40).Draw(t, "seconds of traffic before"))
		lose(t, loser)
		var since int
		for since = 0; w.Gap() != nil; since++ {
			if since > 30 {
				t.Fatalf("nothing passes %d s later: %v", since, w.Gap())
			}
			chat(w, 1)
		}
		chat(w, 80)
		err := Agree(w)
		for range 5 { // one of a rekey's is received on for a while
			if err != nil {
				w.Advance(6*time.Second, true)
				err = Agree(w)
			}
		}
		if err != nil || len(w.Faults) > 0 {
			t.Fatal(err, w.Faults)
		}
	})
}

// live brings two hosts up and has them rekey on a bad network, until all is well.
func live(t *rapid.T, w *World) {
	w.HoldWork = false
	w.A.Up()
	w.DeliverAll()
	misfortune(t, w, []string{"rekey a", "rekey b", "rekey ike a", "rekey ike b"}, true)
	converge(t, w)
}

// noticed is how long it takes at most until a crash is noticed with nothing but
// liveness checks: the interval.
const noticed = 30 * time.Second

// TestRandomCrash lets one end lose everything without a word: the other one notices
// in time, whether the first denies what it is asked or says nothing, and what either then
// makes anew is what both agree on.
func TestRandomCrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		live(t, w)
		lost, other := w.A, w.B
		if rapid.Bool().Draw(t, "b crashes") {
			lost, other = w.B, w.A
		}
		lost.Deaf = rapid.Bool().Draw(t, "deaf")
		talks := rapid.Bool().Draw(t, "there is traffic")
		mute := rapid.Bool().Draw(t, "it denies nothing")
		if lost.Crash(); mute {
			w.Mute = lost
		}
		since := w.Now
		for len(other.Snapshot().IKE) > 0 {
			if w.Now.Sub(since) > noticed {
				t.Fatalf("%s has an IKE SA that the other does not have %v later", other.Name, w.Now.Sub(since))
			}
			if talks {
				chat(w, 1)
			} else {
				w.Advance(time.Second, true)
			}
		}
		w.Mute = nil
		again := rapid.SampledFrom([]*Host{w.A, w.B}).Draw(t, "who begins anew")
		again.Up()
		w.Advance(10*time.Second, true)
		if err := w.Gap(); err != nil {
			t.Fatalf("10 s after %s began anew: %v", again.Name, err)
		}
		if err := Agree(w); err != nil || len(w.Faults) > 0 {
			t.Fatal(err, w.Faults)
		}
	})
}

// lose makes a host forget its Child SAs: a DELETE that says nothing.
func lose(t *rapid.T, h *Host) {
	h.world.logf("--- %s loses its Child SAs", h.Name)
	h.world.disrupted = true
	if err := h.Alter("mute-delete"); err != nil {
		t.Fatal(err)
	}
	for _, c := range h.Snapshot().Children {
		h.Step(sa.LifetimeHit{SPI: c.Child.SPIIn, Hard: true})
		h.world.DeliverAll()
		_ = h.Alter("mute-delete")
	}
	h.alter = nil
}

// chat is a second of traffic both ways on every Child SA, some times.
func chat(w *World, seconds int) {
	for range seconds {
		for _, h := range []*Host{w.A, w.B} {
			for _, c := range h.Settings.Children {
				h.Ping(c.Name, 0)
			}
		}
		w.Advance(time.Second, true)
	}
}

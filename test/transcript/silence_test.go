package transcript

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/ike/cookie"
	"causeway/ike/sa"
)

// TestRandomSilence has both ends hear nothing of each other any more, from any moment on
// and whatever is on its way or is begun then: within the liveness interval neither has an
// IKE SA.
func TestRandomSilence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		dpd := rapid.SampledFrom([]time.Duration{15 * time.Second, 20 * time.Second, 30 * time.Second, 45 * time.Second, 2 * time.Minute}).Draw(t, "interval")
		resumes := rapid.Bool().Draw(t, "sessions are resumed")
		childless := rapid.SampledFrom([]sa.Childless{sa.ChildlessAllow, sa.ChildlessPrefer}).Draw(t, "childless")
		w.HoldWork = false
		for _, h := range []*Host{w.A, w.B} {
			h.Settings.DPD, h.Retransmit = dpd, sa.DefaultRetransmit
			h.Settings.SessionResumption, h.Settings.Childless = resumes, childless
			h.Restart(cookie.Config{})
		}
		w.Stand()
		requests := []string{"rekey a", "rekey b", "rekey ike a", "rekey ike b", "reauth a", "soft a", "soft b", "worker a", "worker b", "probe a", "probe b", "doubt a"}
		prelude(t, w, requests)
		lost := w.Now
		w.logf("--- nothing arrives any more")
		for w.Now.Sub(lost) < dpd {
			w.Network = nil
			if rapid.IntRange(0, 9).Draw(t, "something is begun") == 0 {
				begin(w, rapid.SampledFrom(requests).Draw(t, "what"))
			}
			w.Advance(min(time.Second, lost.Add(dpd).Sub(w.Now)), false)
		}
		for _, h := range []*Host{w.A, w.B} {
			if s := made(h); len(s) > 0 {
				t.Fatalf("%s has IKE SAs %v after it was heard last, and %v is the interval: %+v", h.Name, w.Now.Sub(lost), dpd, s)
			}
		}
		if len(w.Faults) > 0 {
			t.Fatal(w.Faults)
		}
	})
}

// prelude lets requests begin, time pass and datagrams arrive, and leaves what is on its
// way there.
func prelude(t *rapid.T, w *World, requests []string) {
	for range rapid.IntRange(0, 12).Draw(t, "steps before") {
		switch what := rapid.SampledFrom(append([]string{"deliver", "deliver", "deliver", "wait", "chat", "heard"}, requests...)).Draw(t, "before"); what {
		case "wait":
			w.Advance(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms"))*time.Millisecond, true)
		case "chat":
			chat(w, 1)
		case "heard":
			w.A.Hears()
			w.B.Hears()
		case "deliver":
			if len(w.Network) > 0 {
				w.Deliver(0)
			}
		default:
			begin(w, what)
		}
	}
}

// begin has an end ask for something.
func begin(w *World, what string) {
	w.logf("--- %s", what)
	switch what {
	case "probe a":
		w.A.Step(sa.ProbePath{Size: 1400, Most: 1500})
	case "probe b":
		w.B.Step(sa.ProbePath{Size: 1400, Most: 1500})
	case "doubt a":
		for _, c := range w.A.Outbound {
			w.A.Step(sa.Doubted{SPI: c.SPIOut})
		}
	default:
		disturb(w, what, 0)
	}
}

// made are the states of the IKE SAs of a host that are, or were, up.
func made(h *Host) (states []string) {
	for _, s := range h.Snapshot().IKE {
		if slices.Contains([]string{"established", "rekeying", "superseded", "deleting"}, s.State) {
			states = append(states, s.State)
		}
	}
	return states
}

// TestSlowPeerIsKept has a peer that answers 600 ms later, and one that answers only the
// fourth send of anything: neither is given up, however short the interval is.
func TestSlowPeerIsKept(t *testing.T) {
	for _, dpd := range []time.Duration{time.Second, 2 * time.Second, 8 * time.Second, 10 * time.Second, 30 * time.Second} {
		for name, arrives := range map[string]func(at time.Duration, send int) bool{
			"600 ms":      func(at time.Duration, _ int) bool { return at >= 600*time.Millisecond },
			"fourth send": func(_ time.Duration, send int) bool { return send >= 4 },
		} {
			a, b := Pair()
			a.DPD, b.DPD = dpd, 0
			w := New(a, b, func(line string) { t.Log(line) })
			w.A.Retransmit = sa.DefaultRetransmit
			w.A.Restart(cookie.Config{})
			w.Stand()
			slowly(w, 5*time.Minute, arrives)
			if s := made(w.A); len(s) != 1 || len(w.Faults) > 0 {
				t.Errorf("%v, %s: a has %v after 5 min, faults %v", dpd, name, s, w.Faults)
			}
			for _, r := range w.A.Reports {
				if closed, ok := r.(sa.IKEClosed); ok {
					t.Errorf("%v, %s: a closed the IKE SA: %+v", dpd, name, closed.Failure)
					break
				}
			}
		}
	}
}

// slowly lets time pass with a network that delivers a request, and at once the answer,
// when arrives says so: that long after it was sent first, and sent so often.
func slowly(w *World, d time.Duration, arrives func(at time.Duration, send int) bool) {
	first, sends, seen := w.Now, 0, 0
	for until := w.Now.Add(d); w.Now.Before(until); w.Advance(50*time.Millisecond, false) {
		for _, p := range w.Network {
			if p.Number <= seen {
				continue
			}
			if seen = p.Number; sends == 0 {
				first = w.Now
			}
			sends++
		}
		if sends > 0 && arrives(w.Now.Sub(first), sends) {
			w.DeliverAll()
			sends = 0
		}
	}
}

// A peer that speaks IKEv1 and is silent is given up within the liveness interval, too,
// and not before it was asked five times.
func TestSilenceV1(t *testing.T) {
	for _, dpd := range []time.Duration{7500 * time.Millisecond, 10 * time.Second, 30 * time.Second, 2 * time.Minute} {
		for seed := range uint64(20) {
			a, b := PairV1()
			a.DPD, b.DPD = dpd, 0
			w := New(a, b, nil)
			w.A.Retransmit = sa.DefaultRetransmit
			w.A.Restart(cookie.Config{})
			w.A.Reseed(seed)
			w.Stand()
			w.Advance(time.Duration(seed)*dpd/5, true)
			w.A.Hears()
			asked := 0
			for lost := w.Now; w.Now.Sub(lost) < dpd; w.Advance(100*time.Millisecond, false) {
				if asked += len(w.Network); w.Now.Sub(lost) < dpd/2 && len(made(w.A)) == 0 {
					t.Fatalf("%v: given up after %v", dpd, w.Now.Sub(lost))
				}
				w.Network = nil
			}
			if asked != 5 || len(made(w.A)) > 0 {
				t.Errorf("%v: a asked %d times, and has IKE SAs %v when the interval is over", dpd, asked, made(w.A))
			}
		}
	}
}

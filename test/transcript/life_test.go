package transcript

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRandomLife lets two ends live with lifetimes of minutes on a network that
// loses, repeats and delays: Child SAs and IKE SAs are rekeyed by both, often at
// once. Each end always sends what the other receives, unless a lifetime ended or
// silence closed an IKE SA first, and in the end both agree.
func TestRandomLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, lines := randomWorld(t)
		defer explain(t, lines)
		for _, h := range []*Host{w.A, w.B} {
			h.Settings.ChildLifetime.Time = time.Duration(rapid.IntRange(300, 500).Draw(t, "child life")) * time.Second
			h.Settings.IKELifetime = time.Duration(rapid.IntRange(350, 900).Draw(t, "ike life")) * time.Second
			h.Settings.DPD = time.Minute
		}
		w.HoldWork = false
		w.A.Up()
		w.DeliverAll()
		loss := rapid.IntRange(0, 25).Draw(t, "loss in percent")
		broken := false
		for range rapid.IntRange(700, 3000).Draw(t, "seconds") {
			w.Advance(time.Second, false)
			for range len(w.Network) {
				weather(t, w, loss)
				broken = broken || w.Broken()
				if !broken {
					noGap(t, w)
				}
				if len(w.Faults) > 0 {
					t.Fatalf("broken invariants: %v", w.Faults)
				}
			}
		}
		settle(t, w)
	})
}

// weather does one thing to one datagram.
func weather(t *rapid.T, w *World, loss int) {
	if len(w.Network) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.Network)-1).Draw(t, "which")
	switch chance := rapid.IntRange(0, 99).Draw(t, "chance"); {
	case chance < loss:
		w.logf("--- lost: %v of %s", w.Network[i], w.Network[i].From.Name)
		w.Drop(i)
	case chance < loss+10:
		w.Duplicate(i)
	case chance < loss+20: // it stays where it is
	default:
		w.Deliver(i)
	}
}

// settle waits for a moment between rekeys at which both ends agree.
func settle(t *rapid.T, w *World) {
	w.logf("--- all is well now")
	w.Advance(3*time.Minute, true)
	var err error
	for range 60 {
		w.A.Up()
		w.Advance(3700*time.Millisecond, true)
		if err = Agree(w); err == nil {
			break
		}
	}
	if err != nil || len(w.Faults) > 0 {
		t.Fatal(err, w.Faults)
	}
}

// TestTwoDays is two days of rekeys with a little loss, at usual lifetimes:
// nothing is ever closed for a reason, and no moment passes without a pair.
func TestTwoDays(t *testing.T) {
	a, b := Pair()
	for _, s := range []struct{ life, ike *time.Duration }{{&a.ChildLifetime.Time, &a.IKELifetime}, {&b.ChildLifetime.Time, &b.IKELifetime}} {
		*s.life, *s.ike = time.Hour, 4*time.Hour
	}
	var lines []string
	w := New(a, b, func(l string) { lines = append(lines, l) })
	w.A.Up()
	w.DeliverAll()
	rekeys := 0
	for second := range 48 * 3600 {
		w.Advance(time.Second, false)
		for n := 0; len(w.Network) > 0; n++ {
			if (second+n)%97 == 0 {
				w.Drop(0)
				continue
			}
			w.Deliver(0)
		}
		for _, h := range []*Host{w.A, w.B} {
			if out := h.Sends("net"); out == nil || w.Other(h).Inbound[out.SPIOut] == nil {
				t.Fatalf("%s sends nothing that the other receives\n%s", h.Name, tail(lines))
			}
		}
	}
	rekeys = len(w.A.Reports)
	if w.Broken() || len(w.Faults) > 0 || rekeys < 48 {
		t.Fatalf("faults %v, %d reports\n%s", w.Faults, rekeys, tail(lines))
	}
}

func tail(lines []string) string {
	return fmt.Sprint(lines[max(0, len(lines)-60):])
}

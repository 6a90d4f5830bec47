package transcript

import (
	"os"
	"testing"
	"time"

	"causeway/ike/sa"
)

// TestCrossing lets both ends begin something at once and plays every order in
// which the datagrams may arrive, lost ones aside. In each, what either end sends
// is received by the other at every moment, and both agree in the end.
func TestCrossing(t *testing.T) {
	child, ike := sa.Rekey{Children: true}, sa.Rekey{IKE: true}
	for _, c := range []struct {
		name   string
		a, b   sa.Event
		seed   uint64
		atMost int // orders to play; CAUSEWAY_LONG plays all
	}{
		{"child and child", child, child, 1, 100},
		{"child and child, the other wins", child, child, 3, 100},
		{"IKE and IKE", ike, ike, 1, 100},
		{"IKE and IKE, the other wins", ike, ike, 5, 100},
		{"child and IKE", child, ike, 1, 100},
		{"both and both", sa.Rekey{IKE: true, Children: true}, sa.Rekey{IKE: true, Children: true}, 1, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := everyOrder(t, c.atMost, func() *World {
				a, b := Pair()
				w := New(a, b, nil)
				w.Stand()
				w.A.Reseed(c.seed)
				w.B.Reseed(c.seed + 1)
				w.A.Step(c.a)
				w.B.Step(c.b)
				return w
			}, true)
			t.Logf("%d orders", n)
		})
	}
	t.Run("both start", func(t *testing.T) {
		n := everyOrder(t, 100, func() *World {
			a, b := Pair()
			w := New(a, b, nil)
			w.A.Up()
			w.B.Up()
			return w
		}, false)
		t.Logf("%d orders", n)
	})
}

// everyOrder plays the conversation that begin starts in every order of arrival,
// by replaying it with another choice each time; the first atMost of them unless
// CAUSEWAY_LONG is set.
func everyOrder(t *testing.T, atMost int, begin func() *World, steady bool) (orders int) {
	var choices []int // which datagram arrives at each step
	for {
		w := begin()
		var width []int
		for step := 0; len(w.Network) > 0; step++ {
			if step == len(choices) {
				choices = append(choices, 0)
			}
			width = append(width, len(w.Network))
			w.Deliver(choices[step])
			if steady {
				crossGap(t, w, choices[:step+1])
			}
		}
		w.Advance(100*time.Second, true)
		if err := Agree(w); err != nil || len(w.Faults) > 0 {
			t.Fatalf("order %v: %v, faults %v", choices, err, w.Faults)
		}
		if orders++; orders >= atMost && os.Getenv("CAUSEWAY_LONG") == "" {
			return orders
		}
		last := len(width) - 1
		for last >= 0 && choices[last]+1 >= width[last] {
			last--
		}
		if last < 0 {
			return orders
		}
		choices = append(choices[:last:last], choices[last]+1)
	}
}

func crossGap(t *testing.T, w *World, order []int) {
	if err := w.Gap(); err != nil {
		t.Fatalf("order %v: %v", order, err)
	}
}

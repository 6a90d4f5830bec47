package relay

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDrawNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		if d := (&Faults{}).draw(random, 100); d != (fate{flip: -1}) {
			t.Fatalf("the zero Faults drew %+v", d)
		}
	}
}

func TestDrawEverything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	f := Faults{Loss: 1, Duplicate: 1, Corrupt: 1, Reorder: 1, Hold: time.Second, Delay: time.Minute}
	for size := range 200 {
		d := f.draw(random, size)
		if !d.lost || !d.duplicate || !d.reordered || d.wait != time.Minute+time.Second {
			t.Fatalf("certain faults drew %+v", d)
		}
		if (size == 0) != (d.flip < 0) || d.flip >= size*8 {
			t.Fatalf("of %d bytes bit %d is flipped", size, d.flip)
		}
	}
}

func TestDrawHold(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	if d := (&Faults{Reorder: 1}).draw(random, 1); d.wait != DefaultHold {
		t.Errorf("a reordered datagram waits %s, want %s", d.wait, DefaultHold)
	}
}

// TestDrawProbability holds the counts to five standard deviations.
func TestDrawProbability(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	f := Faults{Loss: 0.2, Duplicate: 0.01, Corrupt: 0.5, Reorder: 0.05}
	var lost, duplicate, corrupted, reordered int
	const draws = 100_000
	for range draws {
		d := f.draw(random, 10)
		lost += count(d.lost)
		duplicate += count(d.duplicate)
		corrupted += count(d.flip >= 0)
		reordered += count(d.reordered)
	}
	for _, c := range []struct {
		name               string
		got, want, ofRange int
	}{
		{"lost", lost, draws / 5, 640},
		{"duplicate", duplicate, draws / 100, 160},
		{"corrupted", corrupted, draws / 2, 800},
		{"reordered", reordered, draws / 20, 350},
	} {
		if c.got < c.want-c.ofRange || c.got > c.want+c.ofRange {
			t.Errorf("%s: %d of %d, want about %d", c.name, c.got, draws, c.want)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

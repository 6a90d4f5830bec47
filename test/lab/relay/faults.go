package relay

import (
	"math/rand/v2"
	"time"
)

// Faults is what happens to the datagrams of one direction. The probabilities
// are from 0 to 1 and independent of each other; the zero value does nothing.
type Faults struct {
	Loss      float64
	Duplicate float64
	Corrupt   float64       // one bit is flipped
	Reorder   float64       // the datagram waits for Hold, so that later ones overtake it
	Hold      time.Duration // 0: DefaultHold
	Delay     time.Duration // of every datagram
}

// DefaultHold lets a good number of datagrams overtake one that waits, yet is
// shorter than any retransmission timer.
const DefaultHold = 3 * time.Millisecond

// fate is what Faults decided for one datagram.
type fate struct {
	lost      bool
	wait      time.Duration
	reordered bool
	duplicate bool
	flip      int // the number of the bit that is flipped; negative: none
}

// draw decides the fate of a datagram of that many bytes. It takes the same
// number of random values whatever it decides.
func (f *Faults) draw(random *rand.Rand, size int) fate {
	loss, duplicate, corrupt, reorder, bit := random.Float64(), random.Float64(), random.Float64(), random.Float64(), random.Float64()
	d := fate{
		lost:      loss < f.Loss,
		wait:      f.Delay,
		reordered: reorder < f.Reorder,
		duplicate: duplicate < f.Duplicate,
		flip:      -1,
	}
	if d.reordered {
		hold := f.Hold
		if hold == 0 {
			hold = DefaultHold
		}
		d.wait += hold
	}
	if corrupt < f.Corrupt && size > 0 {
		d.flip = int(bit * float64(size*8))
	}
	return d
}

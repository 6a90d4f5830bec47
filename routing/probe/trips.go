package probe

import "time"

const (
	// leastPatience covers what a processor or a queue on the way may be busy
	// with, however short the line. With it and the default of three requests 10 ms
	// apart, a failure is found within 90 ms.
	leastPatience = 60 * time.Millisecond
	leastSpread   = 30 * time.Millisecond
)

// trips is what round trips took so far (RFC 6298 §2).
type trips struct {
	known             bool
	smooth, variation time.Duration
}

func (t *trips) add(took time.Duration) {
	if !t.known {
		*t = trips{true, took, took / 2}
		return
	}
	t.variation += ((took - t.smooth).Abs() - t.variation) / 4
	t.smooth += (took - t.smooth) / 8
}

// patience is how long an answer is waited for in a hurry; very long before
// there was one.
func (t *trips) patience() time.Duration {
	if !t.known {
		return time.Hour
	}
	return max(leastPatience, t.smooth+max(leastSpread, t.smooth/2, 4*t.variation))
}

package sansio

import "time"

// Deadline is the earliest of some times; zero times do not count.
type Deadline struct{ At time.Time }

// By takes t into account.
func (d *Deadline) By(t time.Time) {
	if !t.IsZero() && (d.At.IsZero() || t.Before(d.At)) {
		d.At = t
	}
}

// Throttle bounds what strangers can make us write to the log: a burst of
// failures is reported, and then one a second.
type Throttle struct {
	spent float64
	at    time.Time
}

const throttleBurst = 30

// Allow reports whether another failure is to be reported at now.
func (t *Throttle) Allow(now time.Time) bool {
	t.spent, t.at = max(0, t.spent-now.Sub(t.at).Seconds()), now
	if t.spent+1 > throttleBurst {
		return false
	}
	t.spent++
	return true
}

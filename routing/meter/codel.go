package meter

import (
	"math"
	"time"
)

const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
)

// codel is the controller of RFC 8289 §5, for a queue whose owner asks it about
// each packet that leaves.
type codel struct {
	target    time.Duration
	above     time.Duration // when the delay will have been above the target for an interval; 0: it is not
	next      time.Duration // the next signal while signalling
	count     int           // of signals since signalling began
	lastCount int
	signals   bool
}

// signal tells whether a packet that waited for so long, with so many bytes
// behind it, is to be marked or dropped.
func (c *codel) signal(now, waited time.Duration, behind int) bool {
	standing := c.standing(now, waited, behind)
	switch {
	case !standing:
		c.signals = false
		return false
	case c.signals && now < c.next:
		return false
	case c.signals:
		c.count++
		c.next = c.after(c.next)
		return true
	}
	c.signals = true
	// A queue that stood a moment ago needs about the signals it needed then.
	recent := c.count - c.lastCount
	c.count = 1
	if recent > 1 && now-c.next < 16*codelInterval {
		c.count = recent
	}
	c.lastCount = c.count
	c.next = c.after(now)
	return true
}

// standing tells whether the delay has been above the target for an interval.
func (c *codel) standing(now, waited time.Duration, behind int) bool {
	if waited < c.target || behind < fullPacket {
		c.above = 0
		return false
	}
	if c.above == 0 {
		c.above = now + codelInterval
		return false
	}
	return now >= c.above
}

// after is the control law: the more signals there were, the sooner the next.
func (c *codel) after(t time.Duration) time.Duration {
	return t + time.Duration(float64(codelInterval)/math.Sqrt(float64(c.count)))
}

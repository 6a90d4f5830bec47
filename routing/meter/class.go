package meter

import (
	"sync/atomic"
	"time"
)

// Share is what a class may have, in bits a second of outer IP packets.
type Share struct {
	Guarantee uint64 // 0: none
	Ceiling   uint64 // 0: the line's rate
	Weight    int    // its part of what is lent; less than 1 counts as 1
}

// Packet is one packet that has to wait. Its bytes are copied.
type Packet struct {
	Data    []byte
	Cost    int  // its length as an outer IP packet
	Control bool // goes before the others of its class
	ECT     bool // can be marked instead of dropped (RFC 3168)
}

// Class is the part that one connection has of a line. Its methods may be
// called from any goroutine.
type Class struct {
	line  *Line
	owner any

	ceiling bucket
	control bucket       // the allowance of control traffic
	waiting atomic.Int64 // packets queued, or given out and not settled
	urgent  atomic.Int64 // those of control

	// ---- guarded by line.mu
	guarantee bucket
	weight    float64
	tag       float64 // start tag of the next packet in virtual time
	packets   queue
	first     queue // control traffic
	codel     codel
	limit     int           // of packets, in bytes
	longest   time.Duration // that a packet may wait
	closed    bool

	lending, owed, throttled bool // which of the line's orders it is in

	waits   bool          // it has packets in its queues
	since   time.Duration // when that began
	limited time.Duration // how long it waited before that
}

// Owner is what NewClass was given.
func (c *Class) Owner() any { return c.owner }

// Admit charges a batch of outer IP bytes and reports whether it may pass at
// once. If not, its packets must be given to Enqueue.
func (c *Class) Admit(now time.Duration, bytes int, control bool) bool {
	l := c.line
	if c.waiting.Load() == 0 && !l.contended.Load() && c.ceiling.take(now, bytes) {
		if l.rate.take(now, bytes) {
			return true
		}
		c.ceiling.refund(bytes)
	}
	if !control || c.urgent.Load() != 0 || !c.spare(now, bytes) {
		return false
	}
	c.ceiling.charge(now, bytes)
	l.rate.charge(now, bytes)
	return true
}

// spare takes from the allowance of control traffic. What that is follows the line's
// and the class's rates here, where it is rarely needed, and not for all classes
// whenever one comes or goes.
func (c *Class) spare(now time.Duration, bytes int) bool {
	rate := c.line.part.Load()
	if ceiling := c.ceiling.rate.Load() / controlPart; ceiling > 0 && (rate == 0 || ceiling < rate) {
		rate = ceiling
	}
	if rate != c.control.rate.Load() {
		c.control.set(rate)
	}
	return c.control.take(now, bytes)
}

// Enqueue lets a packet wait. It reports whether there was room; if not, the
// packet is to be dropped. The line's Wake is called if Dequeue is due earlier
// than it said last.
func (c *Class) Enqueue(now time.Duration, p *Packet) bool {
	l := c.line
	l.mu.Lock()
	wake, ok := l.enqueue(c, now, p)
	l.mu.Unlock()
	if wake && l.Wake != nil {
		l.Wake()
	}
	return ok
}

// Limited is how long the class has had packets waiting, which is how long it
// used all that it may have.
func (c *Class) Limited(now time.Duration) time.Duration {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if c.waits {
		return c.limited + max(0, now-c.since)
	}
	return c.limited
}

// Set changes what the class may have, from now on and for what waits.
func (c *Class) Set(share Share) {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	c.ceiling.set(share.Ceiling)
	c.guarantee.set(share.Guarantee)
	c.weight = float64(max(1, share.Weight))
	c.line.fit(c)
	if c.waits {
		c.line.owe(c)
	}
	c.line.wakeSoon()
}

// Close takes the class from the line with all that waits. Nothing is admitted
// any more, and nothing can be enqueued.
func (c *Class) Close() {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	for _, q := range []*queue{&c.first, &c.packets} {
		for q.count > 0 {
			if _, spent := q.pop(); spent != nil {
				l.spent = append(l.spent, spent) // what was given out may lie in it
			}
		}
	}
	c.waits = false
	delete(l.classes, c)
	l.share()
}

// backlogged tells whether anything waits.
func (c *Class) backlogged() bool { return c.first.count+c.packets.count > 0 }

// rest notes that nothing waits any more.
func (c *Class) rest(now time.Duration) {
	c.waits = false
	c.limited += max(0, now-c.since)
}

// next is the packet that leaves, and what becomes of it.
func (c *Class) next(now time.Duration) (item, Verdict, *chunk) {
	if c.first.count > 0 {
		first, spent := c.first.pop()
		return first, Pass, spent
	}
	first, spent := c.packets.pop()
	waited, behind := now-first.since, c.packets.bytes
	switch {
	case waited > c.longest && behind > 2*fullPacket:
		return first, Drop, spent
	case !c.codel.signal(now, waited, behind):
		return first, Pass, spent
	case first.ect:
		return first, Mark, spent
	}
	return first, Drop, spent
}

package meter

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// controlPart of the line, and of a class's ceiling, is what control
	// traffic of all classes may use without waiting.
	controlPart = 8
	// turnTime is how much of the line's time a class has in one turn, at least
	// one packet and at most maxTurn bytes. Longer turns make longer runs.
	turnTime = 250 * time.Microsecond
	maxTurn  = 64 << 10

	// A queue holds queueTime of the line or of its ceiling, within bounds, and
	// no packet waits for longer than longestWait, unless the line is so slow
	// that few packets take that long.
	queueTime          = 50 * time.Millisecond
	minQueue, maxQueue = 32 << 10, 4 << 20
	longestWait        = 100 * time.Millisecond
	longestTargets     = 4
	slowPackets        = 2
	never              = time.Duration(math.MaxInt64)
)

// bytesIn is what a rate in bits a second carries in a time.
func bytesIn(d time.Duration, rate uint64) uint64 { return rate / 8 * uint64(d) / uint64(time.Second) }

// Verdict is what becomes of a packet that waited.
type Verdict uint8

// The verdicts.
const (
	Pass Verdict = iota
	Mark         // pass, with congestion experienced
	Drop
)

// Released is a packet whose time has come. Its bytes are valid until Settle.
type Released struct {
	Class   *Class
	Data    []byte
	Verdict Verdict
	control bool
}

// Line is one direction of the interface that all connections share. Any
// goroutine may call its methods, but one only calls Dequeue and Settle.
type Line struct {
	// Wake is called when a packet waits whose time comes before what Dequeue
	// said last. It must not call the line. Set it before anything is enqueued.
	Wake func()

	rate      bucket
	beside    bucket        // what Charge may take
	contended atomic.Bool   // somebody waits for the line's tokens
	part      atomic.Uint64 // bits a second of control traffic for each class; 0: unlimited

	mu        sync.Mutex
	pool      pool
	spent     []*chunk // free when settled
	classes   map[*Class]struct{}
	virtual   float64       // the start tag of what was served last
	highest   float64       // of all tags
	planned   time.Duration // when Dequeue will be called; 0: soon
	turn      int           // bytes
	lending   order         // of classes that wait and are below their ceilings, by tag
	owed      order         // of those with a guarantee, by when more of it is due
	throttled order         // of classes at their ceilings, by when that ends
}

// NewLine makes a line of that many bits a second; 0 is unlimited.
func NewLine(rate uint64) *Line {
	l := &Line{classes: map[*Class]struct{}{}, planned: never}
	l.Set(rate)
	return l
}

// Set changes the rate, from now on and for what waits.
func (l *Line) Set(rate uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate.set(rate)
	l.beside.set(rate / controlPart)
	l.turn = maxTurn
	if rate > 0 {
		l.turn = int(min(maxTurn, bytesIn(turnTime, rate)+1))
	}
	for c := range l.classes {
		l.fit(c)
	}
	l.share()
	l.wakeSoon()
}

// Rate is what Set set.
func (l *Line) Rate() uint64 { return l.rate.rate.Load() }

// Charge counts outer IP bytes that pass in any case, such as IKE: others make
// room for them, but for an eighth of the line at most. Anybody can send what
// looks like IKE, and is not to stop the connections by that.
func (l *Line) Charge(now time.Duration, bytes int) {
	if l.beside.take(now, bytes) {
		l.rate.charge(now, bytes)
	}
}

// NewClass adds a class. Its owner is kept for the caller.
func (l *Line) NewClass(share Share, owner any) *Class {
	c := &Class{line: l, owner: owner}
	c.Set(share)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.classes[c] = struct{}{}
	l.share()
	return c
}

// share divides what control traffic may use between the classes.
func (l *Line) share() {
	part := uint64(0)
	if rate := l.rate.rate.Load(); rate > 0 {
		part = max(1, rate/controlPart/uint64(max(1, len(l.classes))))
	}
	l.part.Store(part)
}

// fit makes the bounds of the class's queue fit the rates.
func (l *Line) fit(c *Class) {
	rate := l.rate.rate.Load()
	if ceiling := c.ceiling.rate.Load(); ceiling > 0 && (rate == 0 || ceiling < rate) {
		rate = ceiling
	}
	c.limit, c.codel.target, c.longest = maxQueue, codelTarget, longestWait
	if rate > 0 {
		c.limit = int(min(maxQueue, max(minQueue, bytesIn(queueTime, rate))))
		c.codel.target = max(codelTarget, duration(slowPackets*fullPacket, rate))
		c.longest = max(longestWait, longestTargets*c.codel.target)
	}
}

// wakeSoon makes Dequeue look again: rates have changed.
func (l *Line) wakeSoon() {
	if l.planned != never && l.Wake != nil {
		l.planned = 0
		l.Wake()
	}
}

func (l *Line) enqueue(c *Class, now time.Duration, p *Packet) (wake, ok bool) {
	q := &c.packets
	if p.Control {
		q = &c.first
	}
	// A class may hold its own limit, and a half of what memory is left.
	if c.closed || q.bytes+p.Cost > c.limit || q.bytes > l.pool.left()/2 || !q.push(&l.pool, now, p) {
		return false, false
	}
	c.waiting.Add(1)
	if p.Control {
		c.urgent.Add(1)
	}
	if !c.waits {
		c.waits, c.since = true, now
		if !c.throttled {
			l.activate(c)
		}
	}
	if c.ceiling.has(now) && !l.rate.has(now) {
		l.contended.Store(true)
	}
	if due := max(l.rate.at(), c.ceiling.at(), 1); due < l.planned {
		l.planned = due
		return true, true
	}
	return false, true
}

// activate lets a class that waits compete.
func (l *Line) activate(c *Class) {
	c.tag = max(c.tag, l.virtual)
	if !c.lending {
		c.lending = true
		l.lending.push(c.tag, c)
	}
	l.owe(c)
}

// owe lets it have its guarantee.
func (l *Line) owe(c *Class) {
	if !c.owed && c.guarantee.rate.Load() > 0 {
		c.owed = true
		l.owed.push(float64(c.guarantee.at()), c)
	}
}

// Dequeue appends to out, within its capacity, the packets that may leave now,
// and tells when it has to be called again; that is never if nothing waits.
// Settle has to follow.
func (l *Line) Dequeue(now time.Duration, out []Released) ([]Released, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reclaim() // what classes left that were closed
	for len(l.throttled) > 0 && time.Duration(l.throttled[0].key) <= now {
		c := l.throttled.pop().class
		c.throttled = false
		if c.backlogged() {
			l.activate(c)
		}
	}
	for len(out) < cap(out) && l.rate.has(now) {
		more, served := l.serve(now, out)
		if !served {
			break
		}
		out = more
	}
	l.planned = l.due(now)
	l.contended.Store(len(l.lending) > 0 && l.rate.rate.Load() > 0)
	return out, l.planned
}

// due is when there is something to do.
func (l *Line) due(now time.Duration) time.Duration {
	due := never
	if len(l.lending) > 0 {
		due = max(now, l.rate.at())
	}
	if len(l.throttled) > 0 {
		due = min(due, time.Duration(l.throttled[0].key))
	}
	return due
}

// Settle says that what Dequeue gave out has been used.
func (l *Line) Settle(out []Released) {
	for i := range out {
		c := out[i].Class
		if out[i].control {
			c.urgent.Add(-1)
		}
		c.waiting.Add(-1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reclaim()
}

// reclaim takes back the memory of packets that are gone. None is in use.
func (l *Line) reclaim() {
	for i, c := range l.spent {
		l.pool.put(c)
		l.spent[i] = nil
	}
	l.spent = l.spent[:0]
}

// serve gives one class its turn; false if none can have one.
func (l *Line) serve(now time.Duration, out []Released) ([]Released, bool) {
	for len(l.owed) > 0 && time.Duration(l.owed[0].key) <= now {
		c := l.owed.pop().class
		c.owed = false
		if !c.backlogged() || c.throttled || !l.below(c, now) {
			continue
		}
		out, _ = l.release(c, now, out, true)
		if c.backlogged() {
			l.owe(c)
		}
		return out, true
	}
	for len(l.lending) > 0 {
		first := l.lending.pop()
		c := first.class
		switch {
		case !c.backlogged():
			c.lending = false
			continue
		case first.key < c.tag: // it was idle in between
			l.lending.push(c.tag, c)
			continue
		}
		c.lending = false
		if !l.below(c, now) {
			continue
		}
		l.virtual = first.key
		var bytes int
		out, bytes = l.release(c, now, out, false)
		c.tag += float64(bytes) / c.weight
		l.highest = max(l.highest, c.tag)
		if c.backlogged() {
			c.lending = true
			l.lending.push(c.tag, c)
		}
		return out, true
	}
	l.virtual = l.highest // nobody competes: who comes next owes nobody
	return out, false
}

// below tells whether the class is below its ceiling; else it is put aside
// until it is.
func (l *Line) below(c *Class, now time.Duration) bool {
	if c.ceiling.has(now) {
		return true
	}
	if !c.throttled {
		c.throttled = true
		l.throttled.push(float64(c.ceiling.at()), c)
	}
	return false
}

// release takes packets out of a class for one turn and charges them.
func (l *Line) release(c *Class, now time.Duration, out []Released, guaranteed bool) ([]Released, int) {
	bytes := 0
	for c.backlogged() && len(out) < cap(out) && bytes < l.turn && l.rate.has(now) && c.ceiling.has(now) {
		if guaranteed && !c.guarantee.has(now) {
			break
		}
		control := c.first.count > 0
		first, verdict, spent := c.next(now)
		out = append(out, Released{Class: c, Data: first.data, Verdict: verdict, control: control})
		if spent != nil {
			l.spent = append(l.spent, spent)
		}
		if verdict == Drop {
			continue
		}
		bytes += first.cost
		l.rate.charge(now, first.cost)
		c.ceiling.charge(now, first.cost)
		if guaranteed {
			c.guarantee.charge(now, first.cost)
		}
	}
	if !c.backlogged() {
		c.rest(now)
	}
	return out, bytes
}

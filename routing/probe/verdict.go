// Package probe tells whether a path works: it asks an address behind it again
// and again (ICMP echo, RFC 792 and RFC 4443 §4.1) and counts what comes back.
//
// A Verdict is the counting alone, without clock and socket. A Prober runs one
// over a Line, which carries the packets.
package probe

import "time"

// Settings say when a path is down and when it is up again.
type Settings struct {
	Interval time.Duration // between two requests
	Timeout  time.Duration // for an answer; 0: the interval
	// Busy is the interval while packets pass on a path that is up, whose loss
	// would be theirs. An answer may then take as long as the round trips so far
	// let expect, and no longer than Timeout. 0: as always.
	Busy time.Duration
	// Lost requests in a row make the path down, Recovered answers in a row
	// make it up.
	Lost, Recovered int
}

// timeout is the answer's time.
func (s Settings) timeout() time.Duration {
	if s.Timeout == 0 {
		return s.Interval
	}
	return s.Timeout
}

// mostOutstanding bounds how many requests may wait for their answers. With a
// timeout of many intervals the oldest count as lost early.
const mostOutstanding = 64

// Verdict is what the answers so far say of a path.
type Verdict struct {
	settings Settings
	up       bool
	answered int // in a row, while down
	lost     int // in a row, while up
	next     uint16
	waiting  []request // the oldest first
	due      time.Time // of the next request
	busy     bool
	trips    trips
}

type request struct {
	sequence       uint16
	sent, deadline time.Time
}

// NewVerdict makes one that sends its first request at once; up is what it
// begins with.
func NewVerdict(s Settings, up bool) *Verdict { return &Verdict{settings: s, up: up} }

// Up tells whether the path works.
func (v *Verdict) Up() bool { return v.up }

// SetBusy says whether packets pass on the path.
func (v *Verdict) SetBusy(busy bool, now time.Time) {
	v.busy = busy
	if !v.hurried() {
		return
	}
	if soon := now.Add(v.interval()); soon.Before(v.due) {
		v.due = soon
	}
	soon := now.Add(v.timeout())
	for i := range v.waiting {
		if r := &v.waiting[i]; soon.Before(r.deadline) {
			r.deadline = soon
		}
	}
}

// hurried tells whether a failure is to be found quickly.
func (v *Verdict) hurried() bool { return v.busy && v.up && v.settings.Busy > 0 }

func (v *Verdict) interval() time.Duration {
	if v.hurried() {
		return min(v.settings.Busy, v.settings.Interval)
	}
	return v.settings.Interval
}

func (v *Verdict) timeout() time.Duration {
	if v.hurried() {
		return min(v.trips.patience(), v.settings.timeout())
	}
	return v.settings.timeout()
}

// Deadline is when Tick has something to do next.
func (v *Verdict) Deadline() time.Time {
	if len(v.waiting) > 0 && v.waiting[0].deadline.Before(v.due) {
		return v.waiting[0].deadline
	}
	return v.due
}

// Tick gives up what was not answered by now, and tells which request is to be
// sent, if one is due.
func (v *Verdict) Tick(now time.Time) (sequence uint16, send bool) {
	v.forgive(now)
	for len(v.waiting) > 0 && !now.Before(v.waiting[0].deadline) {
		v.waiting = v.waiting[1:]
		v.miss()
	}
	if now.Before(v.due) {
		return 0, false
	}
	if len(v.waiting) >= mostOutstanding {
		v.waiting = v.waiting[1:]
		v.miss()
	}
	sequence = v.next
	v.next++
	v.waiting = append(v.waiting, request{sequence, now, v.deadline(now)})
	// What the clock jumped over is not made up for.
	if v.due = v.due.Add(v.interval()); !v.due.After(now) {
		v.due = now.Add(v.interval())
	}
	return sequence, true
}

// deadline is that of a request sent now; those of earlier ones are no later.
func (v *Verdict) deadline(now time.Time) time.Time {
	t := now.Add(v.timeout())
	if n := len(v.waiting); n > 0 && t.Before(v.waiting[n-1].deadline) {
		t = v.waiting[n-1].deadline
	}
	return t
}

// mostLate is how late Tick may be for no reason that matters.
const mostLate = 10 * time.Millisecond

// forgive gives requests the time that a hurried Tick comes too late: who got no
// processor could not take answers either.
func (v *Verdict) forgive(now time.Time) {
	late := now.Sub(v.Deadline())
	if !v.hurried() || late < mostLate {
		return
	}
	for i := range v.waiting {
		v.waiting[i].deadline = v.waiting[i].deadline.Add(late)
	}
}

// Failed says that the request could not even be sent.
func (v *Verdict) Failed(sequence uint16) {
	if _, ok := v.take(sequence); ok {
		v.miss()
	}
}

// Answer says that a request was answered now. One that is not waited for counts
// nothing: it was answered before, came too late, or was never sent.
func (v *Verdict) Answer(sequence uint16, now time.Time) {
	r, ok := v.take(sequence)
	if !ok {
		return
	}
	v.trips.add(now.Sub(r.sent))
	v.lost = 0
	if v.up {
		return
	}
	if v.answered++; v.answered >= v.settings.Recovered {
		v.up, v.answered = true, 0
	}
}

// Cut says that nothing can be answered now: the path is down, and requests on
// their way count for nothing.
func (v *Verdict) Cut() {
	v.up, v.lost, v.answered, v.waiting = false, 0, 0, nil
}

func (v *Verdict) miss() {
	v.answered = 0
	if !v.up {
		return
	}
	if v.lost++; v.lost >= v.settings.Lost {
		v.up, v.lost = false, 0
	}
}

// take ends the waiting for a request.
func (v *Verdict) take(sequence uint16) (request, bool) {
	for i, r := range v.waiting {
		if r.sequence == sequence {
			v.waiting = append(v.waiting[:i:i], v.waiting[i+1:]...)
			return r, true
		}
	}
	return request{}, false
}

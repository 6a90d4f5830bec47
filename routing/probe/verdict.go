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
}

type request struct {
	sequence uint16
	deadline time.Time
}

// NewVerdict makes one that sends its first request at once; up is what it
// begins with.
func NewVerdict(s Settings, up bool) *Verdict { return &Verdict{settings: s, up: up} }

// Up tells whether the path works.
func (v *Verdict) Up() bool { return v.up }

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
	v.waiting = append(v.waiting, request{sequence, now.Add(v.settings.timeout())})
	// What the clock jumped over is not made up for.
	if v.due = v.due.Add(v.settings.Interval); !v.due.After(now) {
		v.due = now.Add(v.settings.Interval)
	}
	return sequence, true
}

// Failed says that the request could not even be sent.
func (v *Verdict) Failed(sequence uint16) {
	if v.take(sequence) {
		v.miss()
	}
}

// Answer says that a request was answered. One that is not waited for counts
// nothing: it was answered before, came too late, or was never sent.
func (v *Verdict) Answer(sequence uint16) {
	if !v.take(sequence) {
		return
	}
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
func (v *Verdict) take(sequence uint16) bool {
	for i, r := range v.waiting {
		if r.sequence == sequence {
			v.waiting = append(v.waiting[:i:i], v.waiting[i+1:]...)
			return true
		}
	}
	return false
}

package ikev2

import (
	"bytes"
	"math"
	"time"
)

// RetransmitPolicy is the schedule of repeated requests: the n-th wait is
// First*Factor^n, at most Max, less a random part of up to Jitter of it. After
// Tries sends without an answer the last wait ends the exchange.
type RetransmitPolicy struct {
	First  time.Duration
	Factor float64
	Max    time.Duration
	Jitter float64
	Tries  int
}

// DefaultRetransmit gives up after about 100 seconds (RFC 7296 §2.4 leaves the
// numbers to the implementation).
var DefaultRetransmit = RetransmitPolicy{First: time.Second, Factor: 1.8, Max: 30 * time.Second, Jitter: 0.1, Tries: 8}

// wait is the pause after the send with number attempt, the first being 0;
// jitter is in [0,1).
func (p RetransmitPolicy) wait(attempt int, jitter float64) time.Duration {
	d := float64(p.First) * math.Pow(p.Factor, float64(attempt))
	if p.Max > 0 {
		d = math.Min(d, float64(p.Max))
	}
	return time.Duration(d * (1 - p.Jitter*jitter))
}

// window keeps the message IDs of one IKE SA: one request at a time each way
// (RFC 7296 §2.2, §2.3), ours with its retransmission schedule, the peer's
// with the answer to be repeated. It sees messages as bytes only.
type window struct {
	policy RetransmitPolicy
	// tries overrides the policy's for the request on its way; 0: it holds.
	tries int

	nextID  uint32 // of our next request
	request []byte // ours on its way, nil when there is none
	attempt int    // how often request was repeated
	dueAt   time.Time

	expectID uint32 // of the peer's next request
	working  bool   // it has come and is not answered yet
	asked    []byte // the peer's last request
	answer   []byte // ours to it
}

// open starts the schedule of our next request.
func (w *window) open(now time.Time, request []byte, jitter float64) {
	w.request, w.attempt, w.tries = request, 0, 0
	w.dueAt = now.Add(w.policy.wait(0, jitter))
}

// expects reports whether id answers the request on its way.
func (w *window) expects(id uint32) bool { return w.request != nil && id == w.nextID }

// close ends the request on its way: it was answered.
func (w *window) close() {
	w.request, w.dueAt = nil, time.Time{}
	w.nextID++
}

// replace drops the request on its way in favour of another with the same
// message ID: only IKE_SA_INIT does so (RFC 7296 §2.6).
func (w *window) replace() { w.request, w.dueAt = nil, time.Time{} }

// repeat gives the request to be sent again at now, or tells that the tries are
// used up.
func (w *window) repeat(now time.Time, jitter func() float64) (again []byte, exhausted bool) {
	if w.request == nil || now.Before(w.dueAt) {
		return nil, false
	}
	tries := w.policy.Tries
	if w.tries > 0 {
		tries = w.tries
	}
	if w.attempt+1 >= tries {
		return nil, true
	}
	w.attempt++
	w.dueAt = now.Add(w.policy.wait(w.attempt, jitter()))
	return w.request, false
}

// arrival is what a request of the peer is to the window.
type arrival uint8

const (
	arrivalNew    arrival = iota // the next one
	arrivalBusy                  // the one that is being answered
	arrivalRepeat                // the last one, bit by bit: answer again
	arrivalStray                 // outside of the window
)

// judge tells what the peer's request raw with message ID id is. The answer to
// repeat comes with arrivalRepeat.
func (w *window) judge(id uint32, raw []byte) (arrival, []byte) {
	switch {
	case id == w.expectID && w.working:
		return arrivalBusy, nil
	case id == w.expectID:
		return arrivalNew, nil
	case id == w.expectID-1 && w.answer != nil && bytes.Equal(raw, w.asked):
		return arrivalRepeat, w.answer
	}
	return arrivalStray, nil
}

// accept notes that raw is the peer's next request: authentic, not answered.
func (w *window) accept(raw []byte) { w.working, w.asked, w.answer = true, raw, nil }

// answered keeps the answer to the request that was accepted last.
func (w *window) answered(answer []byte) {
	w.working, w.answer = false, answer
	w.expectID++
}

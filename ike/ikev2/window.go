package ikev2

import (
	"bytes"
	"time"

	"causeway/ike/sa"
)

// window keeps the message IDs of one IKE SA: one request at a time each way
// (RFC 7296 §2.2, §2.3), ours with its retransmission schedule, the peer's
// with the answer to be repeated. It sees messages as bytes only.
type window struct {
	policy sa.RetransmitPolicy
	// tries overrides the policy's for the request on its way; 0: it holds.
	tries int

	nextID  uint32   // of our next request
	request [][]byte // ours on its way, its datagrams; nil when there is none
	attempt int      // how often request was repeated
	sentAt  time.Time
	dueAt   time.Time
	// begunAt is when request was first sent, and sends how often since, in any form.
	begunAt time.Time
	sends   int
	// denials is how many sends of it the peer denied to know, and denied the last of
	// them, counted from 1 (denied.go).
	denials, denied int

	expectID uint32   // of the peer's next request
	working  bool     // it has come and is not answered yet
	asked    []byte   // the peer's last request, or its first fragment
	answer   [][]byte // ours to it
}

// open starts the schedule of our next request.
func (w *window) open(now time.Time, request [][]byte, jitter float64) {
	w.request, w.tries = request, 0
	w.begunAt, w.sends = now, 1
	w.begin(now, jitter)
}

// begin is the first send of the request on its way.
func (w *window) begin(now time.Time, jitter float64) {
	w.attempt, w.denials, w.denied = 0, 0, 0
	w.sentAt, w.dueAt = now, now.Add(w.policy.Wait(0, jitter))
}

// restart puts another form of the request on its way in its place, and begins its
// schedule anew.
func (w *window) restart(now time.Time, request [][]byte, jitter float64) {
	w.request = request
	w.begin(now, jitter)
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
// used up. The wait for the answer is no longer than longest; 0: than the policy has it.
func (w *window) repeat(now time.Time, longest time.Duration, jitter func() float64) (again [][]byte, exhausted bool) {
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
	w.sends++
	w.sentAt = now
	wait := w.policy.Wait(w.attempt, jitter())
	if longest > 0 {
		wait = min(wait, longest)
	}
	w.dueAt = now.Add(wait)
	return w.request, false
}

// renew begins the schedule of the request on its way anew.
func (w *window) renew(now time.Time, jitter float64) {
	if w.request != nil {
		w.begunAt, w.sends = now, 1
		w.begin(now, jitter)
	}
}

// arrival is what a request of the peer is to the window.
type arrival uint8

const (
	arrivalNew    arrival = iota // the next one
	arrivalBusy                  // the one that is being answered
	arrivalRepeat                // the last one, bit by bit: answer again
	arrivalStray                 // outside of the window
)

// judge tells what the datagram raw of the peer's request with message ID id
// is. The answer to repeat comes with arrivalRepeat.
func (w *window) judge(id uint32, raw []byte) (arrival, [][]byte) {
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
func (w *window) answered(answer [][]byte) {
	w.working, w.answer = false, answer
	w.expectID++
}

package ikev1

import (
	"bytes"
	"time"

	"causeway/ike/sa"
)

// repeater keeps the two messages that may be repeated in one exchange: ours,
// which the peer may have missed, and the peer's last one, whose repeat tells
// that it did. IKEv1 has no message numbers within an exchange, so a repeat is
// known by being the same octets (RFC 2408 §5.1).
type repeater struct {
	sent    []byte
	summary string
	attempt int       // how often sent was repeated by time
	dueAt   time.Time // zero: not by time
	heard   []byte
	answers int // how often sent was repeated because heard was
}

// maxAnswers bounds how often one message of the peer, sent again and again,
// is answered: what repeats by time for longer has ended at the peer.
const maxAnswers = 12

// say notes the message that was sent last. timed says that we are to repeat
// it until the peer goes on.
func (r *repeater) say(now time.Time, p sa.RetransmitPolicy, raw []byte, summary string, timed bool, jitter func() float64) {
	r.sent, r.summary, r.attempt, r.answers, r.dueAt = raw, summary, 0, 0, time.Time{}
	if timed {
		r.dueAt = now.Add(p.Wait(0, jitter()))
	}
}

// hear notes the peer's message that took the exchange on: ours was not lost.
func (r *repeater) hear(raw []byte) { r.heard, r.dueAt = raw, time.Time{} }

// repeat gives our message to be sent again at now, or tells that the tries are
// used up.
func (r *repeater) repeat(now time.Time, p sa.RetransmitPolicy, jitter func() float64) (again []byte, exhausted bool) {
	if r.dueAt.IsZero() || now.Before(r.dueAt) {
		return nil, false
	}
	if r.attempt+1 >= p.Tries {
		return nil, true
	}
	r.attempt++
	r.dueAt = now.Add(p.Wait(r.attempt, jitter()))
	return r.sent, false
}

// again reports whether raw is the peer's last message once more, and gives
// what answers it, if it is to be answered still.
func (r *repeater) again(raw []byte) (answer []byte, repeated bool) {
	if r.heard == nil || !bytes.Equal(raw, r.heard) {
		return nil, false
	}
	if r.answers >= maxAnswers {
		return nil, true
	}
	r.answers++
	return r.sent, true
}

package ikev1

import "time"

// The last message of Main Mode is the responder's: it has the ISAKMP SA then, and
// the initiator has not where that message is lost. It reads nothing else under it,
// and repeats its own last message, with the pauses of some peers for minutes. A
// repeat says that the peer is there: it puts off what we have to ask until the
// next would have come, and what we asked begins anew. Anybody may send copies, so
// they count for confirmTime, and only while nothing else came; repeater bounds
// their number.

const (
	// confirmTime is how long a peer may take to get our last message of phase 1:
	// retransmission ends in less.
	confirmTime = 3 * time.Minute
	// answerWait is how long a peer's first repeat may take.
	answerWait = 5 * time.Second
)

// unheard reports whether the peer asks for our last message of phase 1, and the
// time for its next repeat has not passed.
func (s *ikeSA) unheard() bool {
	return s.heardAt.Equal(s.establishedAt) && s.m.now.Before(s.unheardUntil)
}

// asksAgain is called when the peer's last message of phase 1 came once more. With
// all peers that are known its next pause is at most twice as long as this one was.
func (s *ikeSA) asksAgain() {
	m, end := s.m, s.establishedAt.Add(confirmTime)
	if s.state != established || !s.heardAt.Equal(s.establishedAt) || !m.now.Before(end) {
		return
	}
	s.unheardUntil = m.now.Add(max(answerWait, 2*m.now.Sub(later(s.establishedAt, s.askedAt))))
	if end.Before(s.unheardUntil) {
		s.unheardUntil = end
	}
	s.askedAt = m.now
	s.dpd.answered()
	if s.asked != nil {
		s.asked.repeat.renew(m)
	}
	for _, q := range m.quicks {
		if q.s == s {
			q.repeat.renew(m)
		}
	}
}

// renew begins the schedule of a message that is repeated by time anew.
func (r *repeater) renew(m *Machine) {
	if !r.dueAt.IsZero() {
		r.attempt, r.dueAt = 0, m.now.Add(m.cfg.Retransmit.Wait(0, m.random.Fraction()))
	}
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

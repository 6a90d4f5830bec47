package ikev2

import "time"

// The responder has a new IKE SA before the initiator does: the answer that made
// it may be lost. Until the initiator has it, it ignores all requests on that IKE
// SA, and repeats its own; with the pauses of some peers that takes minutes. So
// nothing is asked until the peer shows that it has the answer: by a new request,
// by an answer, or by ESP on a Child SA that the same answer made.
//
// Many peers have it and say nothing. So a pause that is longer than the peer's
// next repeat would be counts as a yes, and where one came, what is not answered then is
// repeated for longer than otherwise (silence.go). A repeat of the request says that the peer is there
// and that the answer was lost, so what we asked begins anew. It may as well be a
// stranger's copy (RFC 7296 §2.4): copies count for confirmTime, and a peer from
// which nothing else comes is asked then, and given up.
//
// DELETE of the IKE SA waits for nothing: it ends here anyway.

const (
	// answerWait is how long the peer's first repeat may take.
	answerWait = 5 * time.Second
	// lookWait is how often to look for ESP meanwhile.
	lookWait = 2 * time.Second
)

// unheard is what the responder knows of an IKE SA as long as the peer may not have
// the answer that made it.
type unheard struct {
	copyAt time.Time // of the peer's last copy of the request
	lost   bool      // there was one, so the answer was lost
	until  time.Time // we ask nothing before
	lookAt time.Time // when to look again; zero: we may ask
	endAt  time.Time // copies count until then
}

// grants notes that our answer on s made n, which may be s itself.
func (s *ikeSA) grants(n *ikeSA) {
	now := s.m.now
	s.granted = n
	n.unheard = &unheard{copyAt: now, endAt: now.Add(confirmTime)}
	n.unheard.wait(now, answerWait)
}

// wait puts off what we have to ask.
func (u *unheard) wait(now time.Time, d time.Duration) {
	if t := now.Add(d); t.After(u.until) {
		u.until = t
	}
	if u.endAt.Before(u.until) {
		u.until = u.endAt
	}
	u.lookAt = now.Add(lookWait)
}

// muted reports whether nothing is to be asked on s yet.
func (s *ikeSA) muted() bool { return s.unheard != nil && !s.unheard.lookAt.IsZero() }

// patience is how often to send a request that otherwise is sent that often; 0: as
// long as any. Where the peer decides about addresses it needs time for that, too (RFC
// 4555 §3.11).
func (s *ikeSA) patience(tries int) int {
	if s.unheard != nil || s.mobike && !s.origin {
		return 0
	}
	return tries
}

// heard notes that the peer has the answer that made s.
func (s *ikeSA) heard() { s.unheard = nil }

// wentOn notes that the peer asks something new on s: with a window of one it has
// the answer before.
func (s *ikeSA) wentOn() {
	if s.granted != nil {
		s.granted.heard()
		s.granted = nil
	}
}

// asksAgain is called when the peer's last request on s came once more. Its next
// pause is at most twice as long as this one was, with all peers that are known.
func (s *ikeSA) asksAgain() {
	n, now := s.granted, s.m.now
	if n == nil || n.unheard == nil || n.state >= lingering || !now.Before(n.unheard.endAt) {
		return
	}
	u := n.unheard
	u.wait(now, max(answerWait, 2*now.Sub(u.copyAt)))
	u.copyAt, u.lost = now, true
	n.window.renew(now, n.m.random.Fraction())
	if s.state == superseded { // it is what the answer goes by
		s.lingerUntil = u.endAt
	}
}

// listen looks whether the peer's ESP shows that it has the answer, or whether the
// wait is over.
func (s *ikeSA) listen() {
	u := s.unheard
	switch {
	case u == nil || u.lookAt.IsZero():
	case s.granted == s && s.receives():
		s.heard()
	case s.m.now.Before(u.until):
		if u.lookAt = s.m.now.Add(lookWait); u.until.Before(u.lookAt) {
			u.lookAt = u.until
		}
	default:
		u.lookAt = time.Time{}
	}
}

// receives reports whether ESP came on a Child SA of s.
func (s *ikeSA) receives() bool {
	if s.m.cfg.Carried == nil {
		return false
	}
	return find(s.children, func(c *child) bool { in, _ := s.m.cfg.Carried(c.SPIIn); return in > 0 }) != nil
}

package ikev2

import (
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/sansio"
)

// A peer that says nothing (RFC 7296 §2.4). With liveness checks, an IKE SA ends when
// nothing authentic was heard for the liveness interval, neither IKE nor ESP on its Child
// SAs, and the peer was asked for some time meanwhile: by a liveness check, which begins
// early enough to be over by then, or by any other request that is on its way, for the
// peer would have answered it as well.
//
// ESP that comes is a sign of life, and no answer: then a request has the whole schedule of
// the policy before it.
//
// A responder that is to leave addresses to its peer is patient (RFC 4555 §3.11), and so is
// one that knows that the answer which made the IKE SA was lost (unheard.go).

// livenessAt is when the peer's silence is to be questioned. One that never showed that
// it has the IKE SA is asked in any case.
func (s *ikeSA) livenessAt() time.Time {
	var d sansio.Deadline
	if s.state == superseded {
		return d.At
	}
	if dpd := s.m.settings.DPD; dpd > 0 {
		d.By(s.heardAt.Add(s.window.policy.Liveness(dpd, checkTries).Asks))
	}
	if s.unheard != nil {
		d.By(s.unheard.endAt)
	}
	return d.At
}

// endReplaced ends the IKE SAs whose place s had, which ends over silence: nobody is there
// who would delete them, and the connection is not down before they are gone.
func (s *ikeSA) endReplaced() {
	for _, o := range slices.Clone(s.m.sas) {
		if o.state == superseded && s.proven && o.samePeer(s) && !o.heardAt.After(s.heardAt) {
			o.drop(causeFailed, ending{replaced: true})
		}
	}
}

// hearESP looks when ESP came last on a Child SA of the IKE SA: that is a sign of life of
// this peer, and of no other (RFC 7296 §2.4).
func (s *ikeSA) hearESP() {
	if s.m.cfg.LastInbound == nil {
		return
	}
	for _, c := range s.children {
		if at := s.m.cfg.LastInbound(c.SPIIn); at.After(s.heardAt) {
			s.heardAt = at
			if s.granted == s { // the answer that made both arrived (unheard.go)
				s.heard()
			}
		}
	}
}

// questions reports whether a request of ours is a question after the peer's life, how
// often it has to be sent as one, and what the interval has for it.
func (s *ikeSA) questions() (l sa.Liveness, sends int, ok bool) {
	dpd := s.m.settings.DPD
	if dpd == 0 || s.state < established || s.state > deleting || s.mobike && !s.origin || s.unheard != nil && s.unheard.lost {
		return l, 0, false
	}
	sends = checkTries
	if _, probing := s.current.(*probeExchange); probing {
		sends = probeSends
	} else if s.state == deleting {
		sends = deleteTries
	}
	return s.window.policy.Liveness(dpd, sends), sends, true
}

// longestWait bounds the wait behind the next send of a request while it was not sent
// often enough; 0: nothing does.
func (s *ikeSA) longestWait(w *window) time.Duration {
	if l, sends, ok := s.questions(); ok && w.sends+1 < sends {
		return l.Longest
	}
	return 0
}

// silentAt is when the request on its way in w is over because nothing is heard; zero:
// that is not to be said yet. A host that slept waits for the answer to its last question,
// too, and the peer that may not have the IKE SA is not asked before it can answer.
func (s *ikeSA) silentAt(w *window) time.Time {
	l, sends, ok := s.questions()
	if !ok || w.request == nil || w.sends < sends {
		return time.Time{}
	}
	at := later(s.heardAt.Add(s.m.settings.DPD), w.begunAt.Add(l.Lasts))
	if w.sends == sends {
		at = later(at, w.sentAt.Add(l.Longest/2))
	}
	if s.unheard != nil {
		at = later(at, s.unheard.until.Add(l.Lasts))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// silent reports whether the peer was silent for so long.
func (s *ikeSA) silent(w *window) bool {
	if !s.m.due(s.silentAt(w)) {
		return false
	}
	s.hearESP()
	return s.m.due(s.silentAt(w))
}

// givesSigns lets a liveness check go on like any request where ESP tells that the peer
// lives.
func (s *ikeSA) givesSigns() {
	w := &s.window
	if _, sends, ok := s.questions(); !ok || s.state == deleting || w.tries != sends || !s.m.due(w.dueAt) {
		return
	}
	if s.hearESP(); s.heardAt.After(w.begunAt) {
		w.tries = 0
	}
}

package ikev2

import (
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/sansio"
)

// retry is the back-off of one missing Child SA.
type retry struct {
	at       time.Time
	failures int
}

const (
	retryFirst = 5 * time.Second
	retryMax   = 5 * time.Minute
	// temporaryWait is the pause after TEMPORARY_FAILURE: shorter than
	// everything else, as the peer asks for (RFC 7296 §2.25).
	temporaryWait = 4 * time.Second
	// rekeyWait is the pause after a rekey that failed otherwise.
	rekeyWait = 30 * time.Second
	// responderPatience is how long the original responder leaves a missing
	// Child SA to the original initiator, so that they do not both make it.
	responderPatience = 10 * time.Second
	waitJitter        = 0.5
)

// proceed starts the next exchange of every IKE SA that is free to. None starts
// while a request of the peer waits for work: what it asks for would change
// under it. While the peer has more to say only its silence may be questioned, for that
// changes nothing.
func (m *Machine) proceed() {
	m.reauthenticated()
	m.planChildren()
	for _, s := range slices.Clone(m.sas) {
		s.hasten()
		switch {
		case s.state < established || s.state >= deleting:
		case (s.idle() || s.wantDelete && s.free()) && !s.decides():
			s.proceed()
		case s.idle() && s.wantCheck && s.state == established:
			s.check()
		}
	}
}

// free reports whether nothing is on its way on the IKE SA and nothing of the peer is
// being answered, idle whether something may be asked then.
func (s *ikeSA) free() bool { return s.current == nil && s.sync == nil && !s.window.working }
func (s *ikeSA) idle() bool { return s.free() && !s.muted() }

// decides reports whether the peer is about to say what becomes of the IKE SA or its
// Child SAs.
func (s *ikeSA) decides() bool { return s.serving() || s.contest() != nil }

// proceed is the order of what waits: ends before replacements before new
// things, and questions last.
func (s *ikeSA) proceed() {
	switch {
	case s.wantDelete:
		s.deleteIKE()
	case s.deleteChildren():
	case s.state != established:
	case s.wantUpdate:
		s.update()
	case s.wantAddresses:
		s.tellAddresses()
	case s.rekeyNextChild():
	case s.createMissingChild():
	case s.wantRekey && !s.m.now.Before(s.rekeyAfter):
		s.rekeyIKE()
	case s.wantRedirect:
		s.redirect()
	case s.wantReauth:
		s.reauthenticate()
		s.proceed() // that was no exchange of this IKE SA
	case s.wantTicket:
		s.askForTicket()
	case s.wantCheck || s.wantProbe.Size > 0 && s.tooLateToProbe():
		s.check()
	case s.wantProbe.Size > 0:
		s.probe()
	}
}

func (s *ikeSA) rekeyNextChild() bool {
	for _, c := range s.children {
		if c.wantRekey && c.state == childInstalled && !s.m.now.Before(c.rekeyAfter) {
			s.rekeyChild(c)
			return true
		}
	}
	return false
}

// createMissingChild makes one Child SA that is wanted and not there. Only the
// newest IKE SA does, and one that is to take the place of another.
func (s *ikeSA) createMissingChild() bool {
	for _, w := range s.m.settings.Children {
		if at, lacks := s.lacks(w); lacks && !s.m.now.Before(at) {
			s.createChild(w, 0)
			return true
		}
	}
	if s != s.m.current() {
		return false
	}
	for _, w := range s.m.settings.Children {
		if r := s.m.retries[slot{w.Name, 0}]; s.m.wanted && r != nil && s.m.due(r.at) && s.m.missing(slot{w.Name, 0}) {
			s.createChild(w, 0)
			return true
		}
	}
	return s.createForWorker()
}

// missing reports whether no Child SA of a slot is there.
func (m *Machine) missing(of slot) bool {
	for _, s := range m.sas {
		if !s.leaving() && slices.ContainsFunc(s.children, func(c *child) bool { return c.slot() == of && !c.wantDelete }) {
			return false
		}
	}
	return true
}

// planChildren plans Child SAs that are newly missing.
func (m *Machine) planChildren() {
	s := m.current()
	if s == nil || !m.wanted {
		return
	}
	for _, w := range m.settings.Children {
		of := slot{w.Name, 0}
		if m.retries[of] != nil || !m.missing(of) {
			continue
		}
		r := &retry{at: m.soonest(of)}
		if !s.initiator {
			r.at = m.now.Add(responderPatience)
		}
		m.retries[of] = r
	}
}

// soonest is when a Child SA of a slot may be made. One that went twice as soon as it
// was made is not made again at once, or a peer that deletes it and we would keep
// each other busy.
func (m *Machine) soonest(of slot) time.Time {
	if made := m.made[of]; m.now.Sub(made[1]) < retryFirst {
		return made[0].Add(retryFirst)
	}
	return m.now
}

// nextChild is when the next missing Child SA is to be made; the zero time is
// never.
func (m *Machine) nextChild() time.Time {
	var d sansio.Deadline
	for _, w := range m.settings.Children {
		if r := m.retries[slot{w.Name, 0}]; m.wanted && r != nil && m.missing(slot{w.Name, 0}) {
			d.By(r.at)
		}
	}
	return d.At
}

// postpone plans the next try of a missing Child SA after a failure.
func (m *Machine) postpone(of slot, temporary bool) {
	r := m.retries[of]
	if r == nil {
		r = &retry{}
		m.retries[of] = r
	}
	wait := temporaryWait
	if !temporary {
		wait = min(retryFirst<<min(r.failures, 10), retryMax)
		r.failures++
	}
	r.at = m.later(wait, waitJitter)
}

// trafficNeeded makes a missing Child SA at once, whatever its back-off.
func (m *Machine) trafficNeeded(ev sa.TrafficNeeded) {
	s := m.current()
	switch {
	case s == nil:
		return
	case ev.Resource > 0:
		s.workerNeeds(ev)
		return
	}
	for _, w := range m.settings.Children {
		of := slot{w.Name, 0}
		if m.missing(of) && selector.Compile(w.Local, w.Remote).Outbound(&ev.Flow) {
			m.retries[of] = &retry{at: m.now}
			m.wanted = true
		}
	}
}

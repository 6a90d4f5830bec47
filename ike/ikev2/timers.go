package ikev2

import (
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/wire"
)

// Deadline is when the machine wants sa.TimerDue next; the zero time is never.
func (m *Machine) Deadline() time.Time {
	var d sansio.Deadline
	for _, r := range m.removals {
		d.By(r.at)
	}
	for _, s := range m.sas {
		s.deadlines(&d)
	}
	if s := m.current(); s != nil && s.usable() && s.current == nil && s.sync == nil && !s.serving() && !s.muted() {
		d.By(m.nextChild())
		s.forWorkers(func(_ sa.ChildSettings, _ int, at time.Time) bool { d.By(at); return false })
	}
	return d.At
}

func (s *ikeSA) deadlines(d *sansio.Deadline) {
	d.By(s.window.dueAt)
	d.By(s.silentAt(&s.window))
	if s.sync != nil {
		d.By(s.sync.window.dueAt)
		d.By(s.silentAt(&s.sync.window))
	}
	d.By(s.lingerUntil)
	d.By(s.duplicateAt)
	d.By(s.requests.endAt)
	d.By(s.answers.endAt)
	if s.followed != nil && !s.window.working {
		d.By(s.followed.endAt)
	}
	if s.state < established || s.state >= deleting {
		return
	}
	d.By(s.expireAt)
	d.By(s.unprovenAt)
	d.By(s.endAt)
	d.By(s.tidyAt)
	if s.unheard != nil {
		d.By(s.unheard.lookAt)
	}
	for _, c := range s.children {
		d.By(c.expireAt)
		d.By(c.carryAt)
		d.By(c.auditAt)
		d.By(c.idleAt)
	}
	if !s.idle() {
		return // the next exchange waits for that
	}
	d.By(s.livenessAt())
	if s.state != established || s.decides() {
		return
	}
	if s.wantRekey {
		d.By(s.rekeyAfter)
	} else {
		d.By(s.rekeyAt)
	}
	d.By(s.reauthAt)
	d.By(s.ticketAt)
	for _, w := range s.m.settings.Children {
		if at, lacks := s.lacks(w); lacks {
			d.By(at)
		}
	}
	for _, c := range s.children {
		c.deadlines(d)
	}
}

// deadlines are when a Child SA may or must be spoken of.
func (c *child) deadlines(d *sansio.Deadline) {
	switch {
	case c.wantDelete:
		d.By(c.confirmedAt)
	case c.state != childInstalled || c.redundant:
	case c.wantRekey:
		d.By(c.rekeyAfter)
	default:
		d.By(c.RekeyAt)
	}
}

// due reports whether t is set and has come.
func (m *Machine) due(t time.Time) bool { return !t.IsZero() && !m.now.Before(t) }

// runTimers does what is due.
func (m *Machine) runTimers() {
	m.removals = slices.DeleteFunc(m.removals, func(r removal) bool {
		if m.due(r.at) {
			m.uninstall(r.child)
			return true
		}
		return false
	})
	for _, s := range slices.Clone(m.sas) {
		if s.state != gone {
			s.runTimers()
		}
	}
}

// repeat sends the request on its way again if that is due, or tells that the
// tries are used up.
func (s *ikeSA) repeat() (exhausted bool) {
	s.givesSigns()
	again, exhausted := s.window.repeat(s.m.now, s.longestWait(&s.window), s.m.random.Fraction)
	if again != nil {
		attempt := s.window.attempt
		again = s.recut()
		h, _ := wire.ParseHeader(again[0])
		s.transmit(h, again, s.requestSummary, attempt, s.path())
		s.seekPaths()
	}
	return exhausted
}

func (s *ikeSA) runTimers() {
	if s.repeatSync() {
		return
	}
	if s.silent(&s.window) || s.repeat() {
		s.exhausted()
		return
	}
	for _, p := range []*assembly{&s.requests, &s.answers} {
		if s.m.due(p.endAt) {
			p.clear()
		}
	}
	if s.followed != nil && !s.window.working && s.m.due(s.followed.endAt) {
		s.forgetFollowUps()
	}
	if s.m.due(s.lingerUntil) {
		s.lingered()
		return
	}
	if s.m.due(s.duplicateAt) {
		s.duplicateAt = time.Time{}
		s.endDuplicate()
	}
	if s.state < established || s.state >= deleting {
		return
	}
	if s.m.due(s.endAt) {
		s.deletedByRequest()
		return
	}
	s.listen()
	if s.m.due(s.expireAt) {
		s.expireAt = time.Time{}
		s.expire()
		return
	}
	if s.m.due(s.rekeyAt) || s.window.nextID >= lastMessageID || s.window.expectID >= lastMessageID {
		s.wantRekey, s.rekeyAt = true, time.Time{}
	}
	if s.m.due(s.tidyAt) {
		s.tidy()
	}
	if s.m.due(s.unprovenAt) {
		s.unprovenAt = time.Time{}
		s.unproven()
		return
	}
	if s.m.due(s.reauthAt) && s.state == established {
		s.wantReauth, s.reauthAt = true, time.Time{}
	}
	if s.m.due(s.ticketAt) && s.state == established {
		s.wantTicket, s.ticketAt = true, time.Time{}
	}
	if s.m.due(s.livenessAt()) {
		s.hearESP()
	}
	s.wantCheck = s.wantCheck || s.m.due(s.livenessAt())
	for _, c := range slices.Clone(s.children) {
		if !slices.Contains(s.children, c) {
			continue // another one's end was that of all
		}
		if s.m.due(c.auditAt) {
			s.audit(c)
		}
		if s.m.due(c.idleAt) {
			s.judgeIdle(c)
		}
		if s.m.due(c.carryAt) {
			s.lookForProof(c)
		}
		if s.m.due(c.expireAt) {
			if t := s.unconfirmed(c); c.state == childRekeyed && s.m.now.Before(t) {
				c.expireAt = t
				continue
			}
			s.expireChild(c)
		} else if c.state == childInstalled && s.m.due(c.RekeyAt) && !c.redundant {
			c.wantRekey = true
		}
	}
}

// lingered ends a wait that has no request on its way.
func (s *ikeSA) lingered() {
	s.lingerUntil = time.Time{}
	switch s.state {
	case adopted:
		s.drop(causeFailed, ending{failure: &sa.Failure{
			Reason: sa.ReasonTimeout, Message: "the peer did not finish IKE_AUTH",
			Local: s.local.String(), Remote: s.remote.String(),
			Hint: "check that UDP port 4500 passes both ways, and whether the peer gave up for a reason that its own log has",
		}})
	case superseded:
		s.wantDelete = true
	case lingering:
		s.turn(causeFinished)
		s.forget()
	}
}

// undecidedWait is how often to look whether a collision is decided.
const undecidedWait = 2 * time.Second

// expire ends an IKE SA that was not replaced in time. One that both ends replace was, and
// ends with our request: which of the two new ones has its Child SAs the answer tells.
func (s *ikeSA) expire() {
	if s.rival != nil {
		s.expireAt = s.m.now.Add(undecidedWait)
		return
	}
	s.endOver(&sa.Failure{
		Reason:  sa.ReasonLifetime,
		Message: "the IKE SA reached its hard lifetime before it was replaced",
		Local:   sa.Lifetime{Time: s.m.now.Sub(s.establishedAt)}.String(), Remote: s.remote.String(),
		Hint: "rekeys fail or take too long: see the failures before this one",
	})
}

// endOver ends an IKE SA over a failure of its own, and has the peer delete it. A
// public value in an answer that RFC 6989 §2.5 forbids is one.
func (s *ikeSA) endOver(f *sa.Failure) {
	s.m.fail(s.remote, f)
	s.removeChildren(ending{failure: f})
	s.wantDelete = true
}

// exhausted ends an IKE SA whose peer answers no more (RFC 7296 §2.4).
func (s *ikeSA) exhausted() {
	f := s.silence()
	if s.state == authSent && s.resumed != nil {
		s.m.forgetTicket() // somebody may have made the answer up
	}
	switch {
	case s.state == initSent && s.resumed != nil:
		s.startAnew()
	case s.state == deleting:
		s.drop(causeFinished, ending{})
	case s.state == authSent && s.wantDelete && !s.abandoned:
		s.abandoned, s.window.dueAt = true, s.m.now.Add(lateTime)
	case s.state == authSent && s.wantDelete:
		s.drop(causeFailed, ending{})
	case s.lesser && s.m.current() != nil && s.m.current() != s:
		s.drop(causeFailed, ending{}) // the peer may never have known it
	default:
		s.drop(causeFailed, ending{failure: f})
	}
	s.endReplaced()
}

// silence explains a request that was never answered.
func (s *ikeSA) silence() *sa.Failure {
	if x, ok := s.current.(*initExchange); ok && x.hint != nil {
		return x.hint
	}
	f := &sa.Failure{Reason: sa.ReasonTimeout, Local: s.local.String(), Remote: s.remote.String()}
	switch {
	case s.state == initSent:
		f.Message = "no answer to IKE_SA_INIT from " + s.remote.String()
		f.Hint = "check that the peer runs, its address, and that UDP ports 500 and 4500 pass every firewall both ways"
	case s.state == intermediate:
		f.Message = "no answer to IKE_INTERMEDIATE from " + s.remote.String() + ", though it answered IKE_SA_INIT"
		f.Hint = "check that UDP port 4500 passes both ways, and fragments too if ike.fragment_size is off"
	case s.state == authSent:
		f.Message = "no answer to IKE_AUTH from " + s.remote.String() + ", though it answered IKE_SA_INIT"
		f.Hint = "check that UDP port 4500 passes both ways; some peers also stay silent when the key or an identity is wrong"
	case s.unheard != nil && !s.window.lost():
		f.Reason = sa.ReasonLivenessTimeout
		f.Message = "the peer at " + s.remote.String() + " never showed that it received the answer which made the IKE SA"
		f.Hint = "its requests arrived here: check the way back, for UDP port 4500 and for long datagrams (ike.fragment_size), and whether the peer still runs"
	case s.window.lost():
		f.Reason = sa.ReasonPeerRestarted
		f.Message = "the peer at " + s.remote.String() + " says that it has no such IKE SA, and nothing else"
		f.Local, f.Remote = "IKE SA since "+s.establishedAt.UTC().Format(time.RFC3339), wire.NotifyInvalidIKESPI.String()
		f.Hint = "it was restarted without taking its SAs down, or crashed; the connection comes back by itself"
	default:
		f.Reason = sa.ReasonLivenessTimeout
		f.Message = "the peer at " + s.remote.String() + " answers no more"
		f.Hint = "check the path to the peer and whether it runs"
	}
	return f
}

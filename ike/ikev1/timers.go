package ikev1

import (
	"slices"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
)

// Deadline is when the machine wants sa.TimerDue next; the zero time is never.
func (m *Machine) Deadline() time.Time {
	var d sansio.Deadline
	d.By(m.renewAt)
	for _, r := range m.removals {
		d.By(r.at)
	}
	for _, s := range m.sas {
		s.deadlines(&d)
	}
	for _, q := range m.quicks {
		d.By(q.repeat.dueAt)
		d.By(q.doneAt)
	}
	for _, c := range m.children {
		d.By(c.activateAt)
		d.By(c.expireAt)
	}
	m.scheduled(&d)
	return d.At
}

// scheduled are the times that only count while proceed can act on them.
func (m *Machine) scheduled(d *sansio.Deadline) {
	s := m.current()
	if s == nil {
		return
	}
	for _, c := range m.children {
		d.By(c.deleteAt)
		if c.state != childInstalled || m.asking() || s.unheard() {
			continue
		}
		if c.wantRekey {
			d.By(c.rekeyAfter)
		} else {
			d.By(c.RekeyAt)
		}
	}
	if s.state == established && !m.negotiating() {
		if s.wantRekey {
			d.By(s.rekeyAfter)
		} else {
			d.By(s.rekeyAt)
		}
	}
	switch {
	case s.unheard():
		d.By(s.unheardUntil)
	case !m.asking():
		d.By(m.nextChild())
	}
}

func (s *ikeSA) deadlines(d *sansio.Deadline) {
	d.By(s.repeat.dueAt)
	if s.asked != nil {
		d.By(s.asked.repeat.dueAt)
	}
	d.By(s.lingerUntil)
	d.By(s.expireAt)
	d.By(s.dpd.dueAt)
	d.By(s.livenessAt())
}

// runTimers does what is due.
func (m *Machine) runTimers() {
	m.removals = slices.DeleteFunc(m.removals, func(r removal) bool {
		if m.due(r.at) {
			m.uninstall(r.child)
			return true
		}
		return false
	})
	m.hearESP()
	for _, s := range slices.Clone(m.sas) {
		if s.state != gone {
			s.runTimers()
		}
	}
	for _, q := range slices.Clone(m.quicks) {
		q.runTimers()
	}
	for _, c := range slices.Clone(m.children) {
		switch {
		case m.due(c.expireAt):
			m.expireChild(c)
		case m.due(c.activateAt):
			m.activate(c)
		}
		if c.state == childInstalled && m.due(c.RekeyAt) && !c.wantRekey && !m.asking() {
			c.wantRekey = true
		}
	}
}

func (q *quick) runTimers() {
	s := q.s
	if s.m.due(q.doneAt) {
		s.m.forgetQuick(q)
		return
	}
	raw, exhausted := q.repeat.repeat(s.m.now, s.m.cfg.Retransmit, s.m.random.Fraction)
	switch {
	case exhausted:
		q.exhausted()
	case raw != nil:
		s.resend(raw, q.repeat.summary, q.repeat.attempt, path{s.local, s.remote})
	}
}

func (s *ikeSA) runTimers() {
	policy := s.m.cfg.Retransmit
	if s.firstTries > 0 && s.cookieR == 0 { // nobody answered yet
		policy.Tries = s.firstTries
	}
	raw, exhausted := s.repeat.repeat(s.m.now, policy, s.m.random.Fraction)
	switch {
	case exhausted:
		s.exhausted()
		return
	case raw != nil:
		s.resend(raw, s.repeat.summary, s.repeat.attempt, path{s.local, s.remote})
	}
	if s.runTransaction(); s.state == gone {
		return
	}
	if s.m.due(s.lingerUntil) {
		s.lingered()
		return
	}
	if s.m.due(s.expireAt) {
		s.expire()
		return
	}
	if s.state == established && s.m.due(s.rekeyAt) {
		s.wantRekey, s.rekeyAt = true, time.Time{}
	}
	if s.m.due(s.livenessAt()) || s.m.due(s.dpd.dueAt) {
		if s.dpd.tries >= sa.CheckSends {
			s.silent()
			return
		}
		s.ask()
	}
}

// lingered ends a wait.
func (s *ikeSA) lingered() {
	s.lingerUntil = time.Time{}
	if s.state == adopted {
		s.drop(causeFailed, ending{failure: &sa.Failure{Reason: sa.ReasonTimeout, Message: "the peer did not finish phase 1",
			Local: s.local.String(), Remote: s.remote.String(),
			Hint: "check that UDP ports 500 and 4500 pass both ways, and whether the peer gave up for a reason that its own log has"}})
		return
	}
	if s.state == established && !s.completed {
		s.sayDeleted()
		s.drop(causeFinished, ending{failure: s.unfinished()})
		return
	}
	if s.state == superseded {
		s.sayDeleted()
	}
	s.drop(causeFinished, ending{replaced: true})
}

// expire ends an ISAKMP SA that was not replaced in time. Its Child SAs stay,
// and another is made for them.
func (s *ikeSA) expire() {
	f := &sa.Failure{Reason: sa.ReasonLifetime, Message: "the ISAKMP SA reached its lifetime before it was replaced",
		Local: sa.Lifetime{Time: s.life}.String(), Remote: s.remote.String(),
		Hint: "the peer did not answer a new phase 1: see the failures before this one"}
	s.sayDeleted()
	m, initiator := s.m, s.initiator
	s.drop(causeFinished, ending{failure: f})
	m.renew(initiator)
}

// exhausted ends a phase 1 whose peer answers no more. Child SAs that have no
// other ISAKMP SA end with it if nothing was heard on them either.
func (s *ikeSA) exhausted() {
	m := s.m
	f := s.silence()
	if s.doubted != nil { // whoever answered thinks that all is well
		s.iv = s.doubted
		s.sayDeleted()
	}
	s.drop(causeFailed, ending{failure: f})
	if m.current() == nil && !m.negotiating() && len(m.children) > 0 {
		m.loseChildren(f)
	}
}

// silence explains a phase 1 that was never finished.
func (s *ikeSA) silence() *sa.Failure {
	if s.hint != nil {
		return s.hint
	}
	f := &sa.Failure{Reason: sa.ReasonTimeout, Local: s.local.String(), Remote: s.remote.String()}
	switch {
	case s.kind == isakmp.ExchangeAggressive:
		f.Message = "no answer to Aggressive Mode from " + s.remote.String()
		f.Hint = "many peers stay silent where they do not allow it, or do not know our identity; check as well that UDP ports 500 and 4500 pass every firewall both ways"
	case s.state == proposed:
		f.Message = "no answer to Main Mode from " + s.remote.String()
		f.Hint = "check that the peer runs, its address, that it speaks IKEv1, and that UDP ports 500 and 4500 pass every firewall both ways"
	case s.state == shared:
		f.Message = "no answer to our key share from " + s.remote.String() + ", though it took our proposal"
		f.Hint = "check for a firewall that drops large or fragmented UDP"
	default:
		f.Message = "no answer to our identity from " + s.remote.String() + ", though it took our key share"
		f.Hint = "check that UDP port 4500 passes both ways; many peers also stay silent when the key or an identity is wrong"
	}
	return f
}

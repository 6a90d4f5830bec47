package ikev1

import (
	"slices"
	"time"
)

// Several ISAKMP SAs with one peer. IKEv1 has no rekey of an ISAKMP SA: a new
// phase 1 takes the old one's place, and Child SAs stay (RFC 2408 §4.3 leaves
// the rest open). When both ends make one at once, both ends keep the one whose
// initiator's cookie is higher.

// supersede settles what a new ISAKMP SA means for the older ones. After
// INITIAL-CONTACT they are gone at the peer, with all that belongs to them
// (RFC 2407 §4.6.3.3).
func (m *Machine) supersede(s *ikeSA) {
	if s.contact {
		m.forgetBefore(s)
	}
	for _, o := range slices.Clone(m.sas) {
		switch {
		case o == s || o.state != established || s.state != established:
		case !o.establishedAt.Before(s.createdAt) && lesserOf(o, s) == s:
			s.replacedBy(o) // made at once, and the other is the one to stay
		default:
			o.replacedBy(s)
		}
	}
}

// lesserOf is which of two ISAKMP SAs made at once goes.
func lesserOf(a, b *ikeSA) *ikeSA {
	if a.cookieI < b.cookieI {
		return a
	}
	return b
}

// replacedBy leaves the ISAKMP SA to be deleted: soon by who made the
// successor, later by the other end.
func (s *ikeSA) replacedBy(by *ikeSA) {
	wait := supersededTime
	if by.initiator {
		wait = ownSupersededTime
	}
	s.turn(causeReplaced)
	s.replaced, s.wantRekey = true, false
	s.lingerUntil, s.expireAt = earlier(s.m.now.Add(wait), s.expireAt), time.Time{}
}

// forgetBefore ends what was made before s began, at this end only.
func (m *Machine) forgetBefore(s *ikeSA) {
	for _, o := range slices.Clone(m.sas) {
		if o != s && o.proven && o.establishedAt.Before(s.createdAt) {
			o.drop(causeFinished, ending{remote: true})
		}
	}
	for _, c := range slices.Clone(m.children) {
		if c.EstablishedAt.Before(s.createdAt) {
			m.removeChild(c, ending{remote: true})
		}
	}
}

// renew plans another ISAKMP SA for Child SAs that have none any more: the peer
// deleted it early. Whoever may start one does; who made the last goes first.
func (m *Machine) renew(initiator bool) {
	if m.current() != nil || m.negotiating() || len(m.children) == 0 || m.settings.RespondOnly || !m.path.remote.IsValid() {
		return
	}
	wait := 2 * closingTime
	if !initiator {
		wait = 10 * time.Second
	}
	m.renewAt = m.later(wait, waitJitter)
}

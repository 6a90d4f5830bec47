package ikev2

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Reauthentication, make before break (RFC 7296 §2.8.3): a rekey proves that the
// peer still has the keys, not that it may still be here. So the peer is
// authenticated anew, in an IKE SA made from scratch with Child SAs of its own,
// and the old IKE SA is deleted once the new one carries all that the old did.
// A rekey in between inherits the time.
//
// Whoever may start does it. An end that only responds tells the peer when with
// AUTH_LIFETIME (RFC 4478), and closes an IKE SA whose peer does not come.

// proveBy plans the reauthentication of an IKE SA that was just authenticated.
func (s *ikeSA) proveBy(life time.Duration) {
	if life <= 0 {
		return
	}
	s.unprovenAt = s.m.now.Add(life + life/10)
	if !s.m.settings.RespondOnly {
		s.reauthAt = s.m.later(life, lifetimeJitter)
	}
}

// heed takes the peer's AUTH_LIFETIME on, where it is the shorter (RFC 4478 §3).
func (s *ikeSA) heed(msg *message) {
	n := msg.notify(wire.NotifyAuthLifetime)
	if n == nil || len(n.Data) != 4 || s.m.settings.RespondOnly {
		return
	}
	life := time.Duration(binary.BigEndian.Uint32(n.Data)) * time.Second
	if life < minAuthLifetime {
		life = minAuthLifetime
	}
	if at := s.m.later(life, lifetimeJitter); s.reauthAt.IsZero() || at.Before(s.reauthAt) {
		s.reauthAt = at
	}
}

// minAuthLifetime bounds how often a peer can make us start anew.
const minAuthLifetime = 10 * time.Second

// authLifetime is what a peer is told that is to start, or nil.
func (s *ikeSA) authLifetime() []wire.Payload {
	life := s.m.settings.Reauthentication
	if life <= 0 || !s.m.settings.RespondOnly {
		return nil
	}
	if s.resumed != nil { // the peer was authenticated before
		life = max(0, min(life, s.unprovenAt.Sub(s.m.now)*10/11))
	}
	seconds := uint32(min(life/time.Second, 1<<32-1))
	return []wire.Payload{notify(wire.NotifyAuthLifetime, binary.BigEndian.AppendUint32(nil, seconds))}
}

// reauthenticate starts the IKE SA that is to take the place of s.
func (s *ikeSA) reauthenticate() {
	s.wantReauth, s.reauthAt = false, time.Time{}
	if s.m.settings.RespondOnly { // since a reload
		return
	}
	if n := s.m.successorOf(s); n != nil && n.joins { // which proves nothing
		n.stayApart()
	}
	if n := s.m.successorOf(s); n != nil { // under way
		if n.quiet { // and nobody minds if it comes to nothing
			s.reauthAt = s.m.later(rekeyWait, waitJitter)
		}
		return
	}
	n := s.m.connect(s.local, s.remote)
	if n == nil {
		s.reauthAt = s.m.later(rekeyWait, waitJitter)
		return
	}
	n.reauthenticates, n.expected, n.configured = s, s.expected, s.configured
}

// moveTo is a reauthentication with another address of the peer. That it fails is
// no news: the address may be away for long.
func (m *Machine) moveTo(ev sa.MoveTo) {
	s := m.current()
	if s == nil || !s.usable() || m.successorOf(s) != nil || s.remote.Addr() == ev.Remote.Addr() {
		return
	}
	if n := m.connect(ev.Local, ev.Remote); n != nil {
		n.reauthenticates, n.quiet = s, true
	}
}

// successorOf is the IKE SA that reauthenticates s, or nil.
func (m *Machine) successorOf(s *ikeSA) *ikeSA {
	if i := slices.IndexFunc(m.sas, func(n *ikeSA) bool { return n.reauthenticates == s && n.state < deleting }); i >= 0 {
		return m.sas[i]
	}
	return nil
}

// leaving reports whether s was reauthenticated: its Child SAs count no more, unless
// what takes its place is itself the lesser of two.
func (s *ikeSA) leaving() bool {
	n := s.m.successorOf(s)
	return n != nil && n.proven && !n.lesser
}

// reauthenticated ends the IKE SAs whose place is taken.
func (m *Machine) reauthenticated() {
	for _, n := range m.sas {
		old := n.reauthenticates
		switch {
		case old == nil || n.state != established && n.state != rekeying:
		case old.state >= deleting || old.wantDelete:
			n.reauthenticates, n.joins = nil, false
		case n.covers(old):
			old.replaced, old.wantDelete = true, true
			n.reauthenticates, n.joins = nil, false
			n.takeOver()
		}
	}
}

// lacks reports whether s has yet to get the Child SA w to take the place of another, and
// when it may be made. That a third IKE SA has one does not count: both ends may
// reauthenticate at once, and each has to come to an end.
func (s *ikeSA) lacks(w sa.ChildSettings) (at time.Time, lacks bool) {
	old, of := s.reauthenticates, slot{w.Name, 0}
	if old == nil || !s.usable() || s.keeps(of) || !old.keeps(of) {
		return time.Time{}, false
	}
	if r := s.m.retries[of]; r != nil {
		return r.at, true
	}
	return s.m.soonest(of), true
}

// keeps reports whether s has a Child SA of a slot that nothing ends yet.
func (s *ikeSA) keeps(of slot) bool {
	return find(s.children, func(c *child) bool { return c.slot() == of && c.stays() }) != nil
}

// takeOver sends on the Child SAs of s from now on, before those of another IKE
// SA go.
func (s *ikeSA) takeOver() {
	for _, c := range s.children {
		if c.outbound == outboundActive {
			s.activate(c)
		}
	}
}

// reauthFailed plans another try of an IKE SA that could not be reauthenticated:
// the old one goes on meanwhile.
func (s *ikeSA) reauthFailed() {
	old := s.reauthenticates
	s.stayApart()
	if s.reauthenticates == nil {
		return
	}
	s.reauthenticates = nil
	switch {
	case old.state >= deleting || old.wantDelete:
	case s.replaced:
		old.duplicateAt = s.m.now.Add(duplicateForeign) // the peer reauthenticates, too
	case s.quiet:
		old.lesser = false
	default:
		old.lesser = false
		old.reauthAt = s.m.later(rekeyWait, waitJitter)
	}
}

// unproven ends an IKE SA whose peer was not authenticated anew in time.
func (s *ikeSA) unproven() {
	s.endOver(&sa.Failure{
		Reason:  sa.ReasonLifetime,
		Message: "the peer was not authenticated anew in time",
		Local:   "ike.reauth: " + s.m.settings.Reauthentication.String(), Remote: "identity " + s.remoteIdentity,
		Hint: "let the peer reauthenticate sooner than ike.reauth of this side, or see why its attempts fail",
	})
}

// carry moves outbound to a Child SA that the peer asked for in a new exchange.
// Where another is sent on that it would take over from, the peer may not have
// our answer yet: it receives once it asks for something else, or sends on it, or
// answers a check.
func (s *ikeSA) carry(c *child, inAuth bool) {
	if !s.m.sendsInstead(c) {
		s.activate(c)
		return
	}
	c.inAuth, c.carryAt = inAuth, s.m.now.Add(carryWait)
}

// carryWait is how long to wait for proof that the peer knows a Child SA before it
// is looked for.
const carryWait = 2 * time.Second

// lookForProof is what to do when carryWait has passed. Whoever answers a check
// was authenticated, so the answer to its IKE_AUTH came.
func (s *ikeSA) lookForProof(c *child) {
	carries := false
	if s.m.cfg.Carried != nil {
		in, _ := s.m.cfg.Carried(c.SPIIn)
		carries = in > 0
	}
	if carries || !s.m.now.Before(c.EstablishedAt.Add(confirmTime)) {
		s.activate(c)
		return
	}
	s.wantCheck = s.wantCheck || c.inAuth
	c.carryAt = s.m.now.Add(carryWait)
}

// checked is called when the peer answered a check.
func (s *ikeSA) checked() {
	for _, c := range s.children {
		if c.inAuth && !c.carryAt.IsZero() {
			s.activate(c)
		}
	}
}

// sendsInstead reports whether a Child SA is sent on whose traffic, or some of
// it, c could carry. Peers may ask for several of one name, each for a part.
func (m *Machine) sendsInstead(c *child) bool {
	for _, s := range m.sas {
		if find(s.children, func(o *child) bool { return o.Name == c.Name && o.outbound == outboundActive && o.overlaps(c) }) != nil {
			return true
		}
	}
	return false
}

func (c *child) overlaps(o *child) bool {
	return len(c.LocalSelectors.Narrow(o.LocalSelectors)) > 0 && len(c.RemoteSelectors.Narrow(o.RemoteSelectors)) > 0
}

package ikev2

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// INFORMATIONAL: deletion of Child SAs and of the IKE SA, liveness checks, and
// notifies (RFC 7296 §1.4).

// check asks the peer for a sign of life: an empty request (RFC 7296 §2.4).
func (s *ikeSA) check() {
	s.wantCheck = false
	x := &checkExchange{}
	ps := x.payloads(s)
	if s.wantToken {
		s.wantToken = false
		ps = append(ps, s.m.crashTokenFor(&s.association)...)
	}
	s.request(x, ps)
	s.window.tries = s.patience(checkTries)
}

type checkExchange struct {
	cookie []byte // COOKIE2 to be given back; nil: none
}

func (*checkExchange) kind() wire.ExchangeType { return wire.ExchangeInformational }
func (*checkExchange) abandon(*ikeSA)          {}

func (x *checkExchange) respond(s *ikeSA, msg *message) {
	s.checked()
	s.takeCrashToken(msg)
	x.moving(s, msg)
}

// deleteExchange is our DELETE of Child SAs, or of the IKE SA.
type deleteExchange struct {
	children []*child
	ike      bool
}

func (*deleteExchange) kind() wire.ExchangeType { return wire.ExchangeInformational }
func (*deleteExchange) abandon(*ikeSA)          {}

// respond ends what was to be deleted, whatever the answer says.
func (x *deleteExchange) respond(s *ikeSA, _ *message) {
	if x.ike {
		s.drop(causeFinished, ending{replaced: s.replaced})
		return
	}
	for _, c := range x.children {
		s.removeChild(c, ending{replaced: c.replaced})
	}
}

// deleteIKE deletes the IKE SA at the peer.
func (s *ikeSA) deleteIKE() {
	s.turn(causeDelete)
	s.lingerUntil, s.duplicateAt = time.Time{}, time.Time{}
	s.request(&deleteExchange{ike: true}, []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}})
	s.window.tries = deleteTries
}

// deleteChildren deletes the Child SAs that are to go, in one request.
func (s *ikeSA) deleteChildren() bool {
	x := &deleteExchange{}
	d := &wire.Delete{Protocol: wire.ProtocolESP, SPIs: s.orphans}
	for _, c := range s.children {
		if len(d.SPIs) < wire.MaxDeleteSPIs && c.wantDelete && !s.m.now.Before(c.confirmedAt) {
			c.state = childDeleting
			x.children = append(x.children, c)
			d.SPIs = append(d.SPIs, spiBytes(c.SPIIn))
		}
	}
	if len(d.SPIs) == 0 {
		return false
	}
	s.orphans = nil
	for _, c := range x.children {
		// The peer stops receiving before we hear that it did.
		if c.outbound == outboundActive && c.replaced {
			c.outbound = outboundRegistered
			s.m.promote(c.slot())
			s.stopAlone(c)
		}
	}
	s.request(x, []wire.Payload{d})
	return true
}

// serveInformational does what the peer's payloads ask for, and answers.
func (s *ikeSA) serveInformational(msg *message) error {
	if n := msg.notify(wire.NotifyAuthenticationFailed); n != nil {
		// RFC 7296 §2.21.2: the initiator did not believe our IKE_AUTH.
		s.m.forgetTicket()
		s.answer(wire.ExchangeInformational, nil)
		s.drop(causePeerDeleted, ending{remote: true, failure: &sa.Failure{
			Reason:  sa.ReasonAuthenticationFailed,
			Message: "the peer does not accept our identity or key",
			Local:   "identity " + s.localIdentity,
			Remote:  "identity " + s.remoteIdentity,
			Hint:    "compare at both ends: the pre-shared key, and our identity with the one the peer expects of us",
		}})
		return nil
	}
	if n := s.disbelieved(msg); n != nil {
		s.m.forgetTicket()
		s.answer(wire.ExchangeInformational, nil)
		s.drop(causePeerDeleted, ending{remote: true, failure: peerError("our IKE_AUTH", n)})
		return nil
	}
	if s.mobike && translated(msg) {
		s.answer(wire.ExchangeInformational, append([]wire.Payload{notify(wire.NotifyUnexpectedNATDetected, nil)}, cookie2Of(msg)...))
		return nil
	}
	s.takeCrashToken(msg)
	s.skipAhead(msg)
	s.redirectedUp(msg)
	answer := append(s.serveMobile(msg), s.ticketFor(msg)...)
	gone := &wire.Delete{Protocol: wire.ProtocolESP}
	for _, p := range msg.Payloads {
		d, ok := p.(*wire.Delete)
		switch {
		case !ok:
		case d.Protocol == wire.ProtocolIKE:
			switch {
			case s.state != deleting && s.succeed():
				s.endAt = s.m.now.Add(drainTime)
			case !s.rekeysFirst():
				s.deletedByRequest()
			}
			return nil
		case d.Protocol == wire.ProtocolESP:
			s.claim()
			gone.SPIs = append(gone.SPIs, s.deletedByPeer(d)...)
		}
	}
	if len(gone.SPIs) > 0 {
		answer = append(answer, gone)
	}
	s.answer(wire.ExchangeInformational, answer)
	return nil
}

// endsIKE reports whether a request of the peer has a DELETE of the IKE SA.
func endsIKE(msg *message) bool {
	return slices.ContainsFunc(msg.Payloads, func(p wire.Payload) bool {
		d, ok := p.(*wire.Delete)
		return ok && d.Protocol == wire.ProtocolIKE
	})
}

// deletedByRequest answers the peer's DELETE of the IKE SA, and ends it.
func (s *ikeSA) deletedByRequest() {
	s.endAt = time.Time{}
	s.answer(wire.ExchangeInformational, nil)
	s.drop(causePeerDeleted, ending{remote: true, replaced: s.replaced || s.rival != nil && s.rival.sa != nil || s.covered()})
}

// disbelieved is the error with which the initiator ends an IKE SA, right behind
// IKE_AUTH, whose answer it could not read; or nil (RFC 7296 §2.21.2).
func (s *ikeSA) disbelieved(msg *message) *wire.Notify {
	if s.authID == 0 || msg.MessageID != s.authID+1 {
		return nil
	}
	if n := msg.notify(wire.NotifyInvalidSyntax); n != nil {
		return n
	}
	return msg.notify(wire.NotifyUnsupportedCriticalPayload)
}

// deletedByPeer ends the Child SAs of a Delete payload and gives our SPIs of
// them. One that we are deleting ourselves is not named again (RFC 7296 §1.4.1).
func (s *ikeSA) deletedByPeer(d *wire.Delete) [][]byte {
	var ours [][]byte
	for _, spi := range d.SPIs {
		if len(spi) != 4 {
			continue
		}
		c := s.childByOut(binary.BigEndian.Uint32(spi))
		if c == nil {
			continue
		}
		if !s.isDeleting(c) {
			ours = append(ours, spiBytes(c.SPIIn))
		}
		replaced := s.succeeded(c)
		s.removeChild(c, ending{remote: true, replaced: replaced})
		if !replaced {
			s.takeBack(c)
		}
	}
	return ours
}

// isDeleting reports whether our DELETE of c is on its way.
func (s *ikeSA) isDeleting(c *child) bool {
	x, ok := s.current.(*deleteExchange)
	return ok && find(x.children, func(o *child) bool { return o == c }) != nil
}

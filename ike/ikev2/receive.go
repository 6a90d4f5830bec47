package ikev2

import (
	"cmp"
	"fmt"
	"net/netip"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// receive takes a message that names this IKE SA.
func (s *ikeSA) receive(outer *wire.Message, d sa.Datagram) {
	switch {
	case s.crashed(outer, d):
		s.bury()
	case s.denies(outer):
		s.deniedBy(outer, d)
	case s.receiveSync(outer, d):
	case s.state == initSent:
		s.receiveInit(outer, d)
	case s.state == nascent || s.state == initAnswered || outer.Exchange == wire.ExchangeIKESAInit || outer.Exchange == wire.ExchangeIKESessionResume:
		// Late copies of answers that were taken already.
	case outer.Flags.Response():
		s.receiveResponse(outer, d)
	default:
		s.receiveRequest(outer, d)
	}
}

func (s *ikeSA) receiveResponse(outer *wire.Message, d sa.Datagram) {
	if s.state == lingering || !s.window.expects(outer.MessageID) || s.current == nil || s.current.kind() != outer.Exchange {
		return // late or repeated
	}
	msg, authentic, err := s.open(outer, d, s.m.now)
	switch {
	case err == errPartial:
		return
	case !authentic:
		s.hint(outer, d, err)
		return
	}
	s.witness(msg)
	s.answeredBy(msg)
	if err == nil {
		err = checkPayloads(msg)
	}
	s.window.close()
	if err != nil {
		s.badAnswer(err)
		return
	}
	if n := msg.notify(wire.NotifyInvalidSyntax); n != nil && s.proven && s.state != deleting {
		// RFC 7296 §2.21.3: fatal in both peers, so the peer's side is gone.
		s.drop(causeFailed, ending{remote: true, failure: peerError(msg.Exchange.String(), n)})
		return
	}
	x := s.current
	s.current = nil
	x.respond(s, msg)
}

// badAnswer ends an IKE SA whose peer answered what makes no sense. The peer believes
// that all is well, so it is told: with the error behind IKE_AUTH, and with a DELETE
// later (RFC 7296 §2.21, §2.21.2).
func (s *ikeSA) badAnswer(err error) {
	x, why := s.current, dispose(err, true, false)
	s.current = nil
	x.abandon(s)
	switch s.state {
	case authSent:
		s.distrust(why.failure, cmp.Or(why.reply, notify(wire.NotifyInvalidSyntax, nil)))
	case established, rekeying, superseded:
		s.endOver(why.failure)
	default:
		s.drop(causeFailed, ending{failure: why.failure})
	}
}

// hint is all that a message without protection is: anyone may have sent it,
// so it closes nothing (RFC 7296 §2.21.4).
func (s *ikeSA) hint(outer *wire.Message, d sa.Datagram, err error) {
	detail := fmt.Sprintf("%v: %v", outer.Header, err)
	if err == errNotEncrypted {
		detail = fmt.Sprintf("%v in the clear: %s", outer.Header, outer.Summary())
	}
	s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, detail)
}

func (s *ikeSA) receiveRequest(outer *wire.Message, d sa.Datagram) {
	arrival, answer := s.window.judge(outer.MessageID, d.Raw)
	if arrival == arrivalStray && s.cutAnew(outer, d) {
		arrival, answer = arrivalRepeat, s.window.answer
	}
	switch {
	case arrival == arrivalRepeat:
		// A NAT may have moved the peer since it asked first. A copy moves only
		// its own answer: anybody may have sent it.
		s.transmit(s.header(outer.Exchange, true, outer.MessageID), answer, s.answerSummary, 1, path{d.Local, d.Remote})
		s.asksAgain()
		return
	case arrival == arrivalNew && s.state == lingering:
		s.sayFarewell(outer, d)
		return
	case arrival != arrivalNew || !s.hears(outer.Exchange):
		return
	}
	msg, authentic, err := s.open(outer, d, s.m.now)
	switch {
	case err == errPartial:
		return
	case !authentic:
		s.hint(outer, d, err)
		return
	}
	s.take(msg, err)
}

// take accepts the peer's next request, which is authentic, and performs it; err
// is what is wrong with it so far.
func (s *ikeSA) take(msg *message, err error) {
	s.window.accept(msg.raw)
	s.wentOn()
	s.shrink(len(msg.raw), msg.fragments, msg.remote.Addr())
	s.asked = path{msg.local, msg.remote}
	s.witness(msg)
	if err == nil && !s.takes(msg.Exchange) {
		err = misplaced(msg.Exchange)
	}
	if err == nil {
		err = checkPayloads(msg)
	}
	if err == nil {
		if !endsIKE(msg) {
			s.peerReceives()
		}
		err = s.serve(msg)
	}
	if err != nil {
		s.object(msg.Exchange, err)
	}
}

// hears reports whether a request of an exchange is answered, if only with an error:
// once the peer is authenticated, all are (RFC 7296 §2.21.3). Before, ours may be on
// its way to what the peer has already.
func (s *ikeSA) hears(ex wire.ExchangeType) bool {
	return s.takes(ex) || s.proven && s.state != lingering
}

// takes reports whether the state allows requests of an exchange.
func (s *ikeSA) takes(ex wire.ExchangeType) bool {
	switch s.state {
	case adopted:
		return ex == wire.ExchangeIKEAuth
	case established, rekeying, superseded, deleting:
		return ex == wire.ExchangeCreateChildSA || ex == wire.ExchangeInformational || ex == wire.ExchangeIKEFollowupKE
	}
	return false
}

// serve performs a request. It answers, now or after work, unless it returns an
// error.
func (s *ikeSA) serve(msg *message) error {
	switch msg.Exchange {
	case wire.ExchangeIKEAuth:
		return s.serveAuth(msg)
	case wire.ExchangeCreateChildSA:
		s.claim()
		return s.serveCreateChild(msg)
	case wire.ExchangeIKEFollowupKE:
		return s.serveFollowUp(msg)
	default:
		return s.serveInformational(msg)
	}
}

// object answers a request with what its error deserves.
func (s *ikeSA) object(ex wire.ExchangeType, err error) {
	d := dispose(err, true, false)
	if d.reply != nil {
		s.refuse(ex, *d.reply)
	}
	if d.close || s.state == adopted {
		c := causeFailed
		if s.state == adopted && d.reply != nil {
			c = causeRefused // the answer may have to be repeated
		}
		s.drop(c, ending{failure: d.failure})
		return
	}
	if d.failure != nil {
		s.m.fail(s.remote, d.failure)
	}
}

// witness notes that an authentic message came: the peer is alive, and where it
// came from is where it is, if the peer is behind a NAT (RFC 7296 §2.23). With
// MOBIKE only UPDATE_SA_ADDRESSES says that, so that a message by another path tests
// it (RFC 4555 §3.8).
func (s *ikeSA) witness(msg *message) {
	s.heardAt, s.spokeAt = s.m.now, s.m.now
	s.heard()
	s.m.emit(traceReceived(s.m.settings.Name, msg))
	if s.state == adopted || s.nat.remote && !s.mobike {
		s.relocate(msg.local, msg.remote)
	}
}

// relocate sends to the peer at another address from now on. Whoever calls it
// has authentic proof that the peer is there.
func (s *ikeSA) relocate(local, remote netip.AddrPort) {
	if remote == s.remote && local == s.local {
		return
	}
	old, before := s.remote, s.local
	s.local, s.remote, s.movedAt = local, remote, s.m.now
	if !s.proven {
		return
	}
	if old != s.remote || before != s.local {
		s.m.emit(sa.EndpointChanged{Connection: s.m.settings.Name, SPIi: s.spiI, SPIr: s.spiR, Local: s.local, Old: old, New: s.remote})
	}
	s.moveChildren(func(*child) bool { return true })
}

// moveChildren gives those of the Child SAs the addresses of the IKE SA.
func (s *ikeSA) moveChildren(those func(c *child) bool) {
	var spis []uint32
	for _, c := range s.children {
		if !those(c) {
			continue
		}
		spis = append(spis, c.SPIIn)
		// In transport mode the addresses are what it is for.
		c.wantDelete = c.wantDelete || c.Transport != nil && (s.local.Addr() != c.Local.Addr() || s.remote.Addr() != c.Remote.Addr())
		c.move(s.local, s.remote) // those that are not sent on yet will be
	}
	if len(spis) > 0 {
		s.m.do(sa.MoveChildren{SPIsIn: spis, Local: s.local, Remote: s.remote})
	}
}

// endpointSeen follows a peer behind a NAT to where its authentic ESP comes
// from: the NAT gave it another port or address (RFC 7296 §2.23). A peer that is
// not behind a NAT does not move that way; with MOBIKE it is asked, since such ESP does
// not show that it knows where we are (RFC 4555 §3.12).
func (m *Machine) endpointSeen(ev sa.EndpointSeen) {
	for _, s := range m.sas {
		if s.state != established && s.state != rekeying || find(s.children, func(c *child) bool { return c.SPIIn == ev.SPI }) == nil {
			continue
		}
		switch {
		case s.nat.remote:
			s.relocate(ev.Local, ev.Remote)
		case s.mobike && ev.Remote.Addr() != s.remote.Addr() && m.now.Sub(s.doubtedAt) >= max(doubtWait, m.settings.DPD):
			s.doubtedAt, s.wantCheck = m.now, true
		}
		return
	}
}

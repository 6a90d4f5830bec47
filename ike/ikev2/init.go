package ikev2

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// IKE_SA_INIT as the initiator (RFC 7296 §1.2). The responder's side is in
// acceptor.go, since no connection is known there yet.

// initRetries bounds how often COOKIE and INVALID_KE_PAYLOAD start the exchange
// anew.
const initRetries = 5

// initExchange is IKE_SA_INIT on its way.
type initExchange struct {
	group   uint16
	private transform.PrivateKey
	public  []byte
	cookie  []byte
	retries int
	tried   []uint16             // groups that the peer refused
	offered []transform.Proposal // whatever the settings are by the time of the answer
	hint    *sa.Failure          // what an unauthenticated error said
}

func (x *initExchange) kind() wire.ExchangeType { return wire.ExchangeIKESAInit }

// respond is not used: receiveInit takes answers, which are not protected.
func (x *initExchange) respond(*ikeSA, *message) {}

func (x *initExchange) abandon(*ikeSA) {
	if x.private != nil {
		x.private.Erase()
	}
}

// up starts an IKE SA unless there is one.
func (m *Machine) up(ev sa.Up) {
	if m.settings.RespondOnly {
		m.fail(ev.Remote, &sa.Failure{Reason: sa.ReasonLocalRefused, Message: "the connection only answers",
			Hint: "let the peer start, or change the connection's mode"})
		return
	}
	m.wanted = true
	if m.busy() {
		return
	}
	if t := m.usableTicket(ev.Remote.Addr()); t != nil {
		m.resume(t, ev.Local, ev.Remote)
		return
	}
	if s := m.connect(ev.Local, ev.Remote); s != nil {
		s.initTries = ev.Tries
	}
}

// connect makes an IKE SA as the initiator, or gives nil.
func (m *Machine) connect(local, remote netip.AddrPort) *ikeSA {
	groups := transform.Groups(m.settings.IKEProposals)
	if len(groups) == 0 {
		m.fail(remote, &sa.Failure{Reason: sa.ReasonProposalMismatch, Message: "no IKE proposal has a Diffie-Hellman group",
			Local: sa.ProposalLines(m.settings.IKEProposals), Hint: "add one, such as ecp256 or modp2048, to ike.proposals"})
		return nil
	}
	s := m.add(&ikeSA{association: association{
		initiator: true, local: local, remote: remote, spiI: m.random.SPI(), nonceI: m.random.Nonce(), keyLog: m.cfg.KeyLog, held: m.cfg.Held, configured: remote.Addr(),
	}})
	m.emit(sa.Connecting{Connection: m.settings.Name, Initiator: true, Local: local, Remote: remote})
	s.shareKey(&initExchange{group: groups[0]})
	return s
}

// shareKey makes the key share of the exchange and then sends it.
func (s *ikeSA) shareKey(x *initExchange) {
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: x.group, Seed: s.m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			s.drop(causeFailed, ending{failure: internal(r.Err)})
			return
		}
		x.private, x.public = r.Private, r.Public
		s.turn(causeKeyReady)
		s.sendInit(x)
	})
}

// sendInit sends the request, again after a COOKIE: with the same SPI, nonce
// and key share (RFC 7296 §2.6).
func (s *ikeSA) sendInit(x *initExchange) {
	var ps []wire.Payload
	if x.cookie != nil {
		ps = append(ps, notify(wire.NotifyCookie, x.cookie))
	}
	x.offered = s.m.settings.IKEProposals
	ps = append(ps, toWire(transform.PreferGroup(x.offered, x.group), nil), &wire.KeyExchange{Group: x.group, Data: x.public}, &wire.Nonce{Data: s.nonceI})
	ps = append(ps, natNotifies(s.spiI, 0, s.local, s.remote, s.m.settings.ForceEncapsulation)...)
	ps = append(append(ps, extensions(s.m.settings)...), s.redirectable()...)
	s.sendClear(ps)
	s.window.tries = s.initTries
}

// sendClear sends our first request, which nothing protects.
func (s *ikeSA) sendClear(ps []wire.Payload) {
	h := s.header(s.current.kind(), false, 0)
	ps = s.m.altered(h, ps)
	raw, err := (&wire.Message{Header: h, Payloads: ps}).Append(nil)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.initRequest = raw
	s.window.replace()
	s.asking = draft{}
	s.launch(h, [][]byte{raw}, ps)
}

// receiveInit takes an answer to IKE_SA_INIT. Nothing protects it, so what
// makes no sense is dropped, and the true answer may still come. COOKIE,
// INVALID_KE_PAYLOAD and NO_PROPOSAL_CHOSEN are believed: only somebody on the
// path can make them up, since they carry our SPI, and he could as well drop
// the answer (RFC 7296 §2.21.1). Other errors are kept as the reason to report
// if no answer comes.
func (s *ikeSA) receiveInit(outer *wire.Message, d sa.Datagram) {
	if s.current == nil || outer.Exchange != s.current.kind() || !outer.Flags.Response() || outer.MessageID != 0 {
		return
	}
	msg := &message{Header: outer.Header, Payloads: outer.Payloads, raw: d.Raw, size: len(d.Raw), local: d.Local, remote: d.Remote}
	s.m.emit(traceReceived(s.m.settings.Name, msg))
	var err error
	switch x := s.current.(type) {
	case *initExchange:
		err = s.takeInit(x, msg)
	case *resumeExchange:
		err = s.takeResumed(x, msg)
	}
	if err != nil {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
}

func (s *ikeSA) takeInit(x *initExchange, msg *message) error {
	if n := msg.errorNotify(); n != nil {
		return s.initRefused(x, n)
	}
	// A responder's SPI beside one of these does not matter (RFC 7296 §2.6).
	_, whole := payload[*wire.SecurityAssociation](msg)
	if n := msg.notify(wire.NotifyCookie); n != nil && !whole {
		return s.initCookie(x, n)
	}
	if n := msg.notify(wire.NotifyRedirect); n != nil && !whole {
		return s.redirectedInit(n)
	}
	if err := checkPayloads(msg); err != nil {
		return err
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	nonce, _ := payload[*wire.Nonce](msg)
	proposal, _ := payload[*wire.SecurityAssociation](msg)
	if msg.ResponderSPI == 0 {
		return &syntaxError{"the responder's SPI is zero"}
	}
	suite, _, err := confirm(transform.IKE, proposal, 0, x.offered)
	switch {
	case err != nil:
		return err
	case suite.Group.ID != x.group || ke.Group != x.group:
		return fmt.Errorf("ikev2: the peer chose group %d and sent a share of group %d to our %d", suite.Group.ID, ke.Group, x.group)
	}
	if len(suite.Rest()) > 0 && msg.notify(wire.NotifyIntermediateExchangeSupported) == nil {
		return &syntaxError{"additional key exchanges were chosen without IKE_INTERMEDIATE"} // RFC 9370 §2.2.1
	}
	if err := s.choose(suite); err != nil {
		return err
	}
	s.window.close()
	s.turn(causeInitAnswer)
	s.spiR, s.nonceR, s.initResponse = msg.ResponderSPI, nonce.Data, msg.raw
	s.nat, s.natless = detectNAT(msg, s.spiI, s.spiR), !detectsNAT(msg)
	s.agreeExtensions(s.m.settings, msg)
	s.m.work(s, &sansio.KeyExchange{Group: x.group, Private: x.private, Peer: ke.Data}, func(r sansio.KeyExchanged) { s.agreed(x, r) })
	return nil
}

// agreed goes on to IKE_AUTH with the shared secret.
func (s *ikeSA) agreed(x *initExchange, r sansio.KeyExchanged) {
	if r.Err != nil {
		s.drop(causeFailed, ending{failure: &sa.Failure{
			Reason: sa.ReasonInvalidKE, Message: r.Err.Error(),
			Local: s.suite.String(),
			Hint:  "the peer's implementation is broken, or somebody changes messages on the path",
		}})
		return
	}
	x.private.Erase()
	err := s.deriveKeys(keymat.SKEYSEED(s.prf, s.nonceI, s.nonceR, r.Shared))
	keymat.Erase(r.Shared)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.current = nil
	if !s.natless { // such a peer may not listen there
		s.local, s.remote = s.m.toNATPort(s.local, s.remote)
	}
	left := s.suite.Rest()
	if len(left) > 0 {
		s.turn(causeMoreKeys)
	}
	s.exchangeMore(left)
}

// initCookie repeats the request with the peer's cookie.
func (s *ikeSA) initCookie(x *initExchange, n *wire.Notify) error {
	if len(n.Data) == 0 || len(n.Data) > 64 {
		return &syntaxError{"a cookie has 1 to 64 octets"} // RFC 7296 §2.6
	}
	if x.retries++; x.retries > initRetries {
		s.drop(causeFailed, ending{failure: &sa.Failure{Reason: sa.ReasonPeerError,
			Message: "the peer asks for one cookie after another", Local: fmt.Sprintf("tried %d times", x.retries), Remote: n.NotifyType.String(), Hint: "something on the path changes addresses or messages"}})
		return nil
	}
	x.cookie = slices.Clone(n.Data)
	s.sendInit(x)
	return nil
}

// initRefused takes an error notify in answer to IKE_SA_INIT.
func (s *ikeSA) initRefused(x *initExchange, n *wire.Notify) error {
	switch n.NotifyType {
	case wire.NotifyInvalidKEPayload:
		return s.initGroup(x, n)
	case wire.NotifyNoProposalChosen:
		f := noProposal("IKE SA", s.m.settings.IKEProposals, "ike.proposals")
		f.Hint += "; some peers answer so, too, when they have no connection for our address " + s.local.Addr().String()
		s.drop(causeFailed, ending{failure: f})
	case wire.NotifyInvalidMajorVersion:
		x.hint = &sa.Failure{Reason: sa.ReasonVersionMismatch, Message: "the peer does not speak IKEv2",
			Local: "IKEv2", Remote: n.NotifyType.String(), Hint: "enable IKEv2 at the peer"}
	default:
		x.hint = peerError("IKE_SA_INIT", n)
	}
	return nil
}

// initGroup starts anew with the group that the peer wants (RFC 7296 §1.2), if
// we offered it and did not try it yet.
func (s *ikeSA) initGroup(x *initExchange, n *wire.Notify) error {
	if len(n.Data) != 2 {
		return &syntaxError{"INVALID_KE_PAYLOAD without a group"}
	}
	wanted := binary.BigEndian.Uint16(n.Data)
	ours := transform.Groups(s.m.settings.IKEProposals)
	if x.tried = append(x.tried, x.group); slices.Contains(x.tried, wanted) || !slices.Contains(ours, wanted) || len(x.tried) > initRetries {
		s.drop(causeFailed, ending{failure: groupFailure("IKE_SA_INIT", x.group, wanted, s.m.settings.IKEProposals)})
		return nil
	}
	x.private.Erase()
	s.window.replace()
	s.turn(causeRetryGroup)
	x.group, x.private, x.public = wanted, nil, nil
	s.shareKey(x)
	return nil
}

// groupFailure explains that no Diffie-Hellman group suits both sides.
func groupFailure(exchange string, sent, wanted uint16, ours []transform.Proposal) *sa.Failure {
	name := func(id uint16) string {
		return transform.Transform{Type: transform.KeyExchange, ID: id}.String()
	}
	return &sa.Failure{
		Reason:  sa.ReasonInvalidKE,
		Message: fmt.Sprintf("%s: the peer refuses group %s and wants %s", exchange, name(sent), name(wanted)),
		Local:   sa.ProposalLines(ours),
		Remote:  name(wanted),
		Hint:    "add " + name(wanted) + " to our proposals, or one of our groups to the peer's",
	}
}

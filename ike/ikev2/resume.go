package ikev2

import (
	"crypto/hmac"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/ticket"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Session resumption (RFC 5723). IKE_SESSION_RESUME stands in the place of
// IKE_SA_INIT: it shows a ticket, which holds SK_d and the suite of an IKE SA that
// was, and all keys of the new one come of that SK_d and of two nonces. IKE_AUTH
// follows, where each end proves that it has them, for the identities of then. How
// tickets come to the initiator is in tickets.go, what the responder does with one in
// acceptor_resume.go.
//
// Nothing protects the answers to IKE_SESSION_RESUME, and any of them leads to
// IKE_SA_INIT at worst: a ticket that is refused is thrown away, and one that
// nobody answers is kept, since it may be the path that is lost.

// resumeTries bounds how often a ticket is shown without an answer before
// IKE_SA_INIT is tried: a peer that does not know the exchange may be silent.
const resumeTries = 3

// resumption is what an IKE SA takes over from the one that its ticket is of.
type resumption struct {
	binding  [ticket.BindingLen]byte
	idI, idR []byte // bodies of the ID payloads
	// reauthAt and unprovenAt are those of the last authentication that was more
	// than a ticket.
	reauthAt, unprovenAt time.Time

	alone bool // how the peer made its AUTH (resumedAuth)

	from path // of the initiator: where it was tried

	// Of the responder: the ticket, its connection, and the SPIs of the IKE SA.
	id         ticket.ID
	connection string
	spiI, spiR uint64
}

// resumeExchange is IKE_SESSION_RESUME on its way.
type resumeExchange struct {
	ticket  *heldTicket
	cookie  []byte
	retries int
}

func (*resumeExchange) kind() wire.ExchangeType { return wire.ExchangeIKESessionResume }

// respond is not used: receiveInit takes answers, which are not protected.
func (*resumeExchange) respond(*ikeSA, *message) {}
func (*resumeExchange) abandon(*ikeSA)           {}

// resume makes an IKE SA with a ticket.
func (m *Machine) resume(t *heldTicket, local, remote netip.AddrPort) {
	r := t.resumption
	r.from = path{local, remote}
	s := m.add(&ikeSA{association: association{
		initiator: true, local: local, remote: remote, spiI: m.random.SPI(), nonceI: m.random.Nonce(), keyLog: m.cfg.KeyLog, held: m.cfg.Held, resumed: &r, configured: remote.Addr(),
	}})
	m.emit(sa.Connecting{Connection: m.settings.Name, Initiator: true, Local: local, Remote: remote})
	if err := s.choose(t.suite); err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.turn(causeKeyReady)
	s.sendResume(&resumeExchange{ticket: t})
}

// sendResume sends the request, again after a COOKIE.
func (s *ikeSA) sendResume(x *resumeExchange) {
	var ps []wire.Payload
	if x.cookie != nil {
		ps = append(ps, notify(wire.NotifyCookie, x.cookie))
	}
	ps = append(ps, &wire.Nonce{Data: s.nonceI}, notify(wire.NotifyTicketOpaque, x.ticket.opaque))
	ps = append(ps, natNotifies(s.spiI, 0, s.local, s.remote, s.m.settings.ForceEncapsulation)...)
	ps = append(append(ps, fragmentable(s.m.settings.FragmentSize)...), s.redirectable()...)
	s.current = x
	s.sendClear(ps)
	s.window.tries = resumeTries
}

// fragmentable announces that messages may be cut (RFC 7383 §2.3).
func fragmentable(size int) []wire.Payload {
	if size == 0 {
		return nil
	}
	return []wire.Payload{notify(wire.NotifyIKEv2FragmentationSupported, nil)}
}

// takeResumed takes an answer to IKE_SESSION_RESUME.
func (s *ikeSA) takeResumed(x *resumeExchange, msg *message) error {
	switch n := msg.errorNotify(); {
	case msg.notify(wire.NotifyTicketNack) != nil:
		s.withoutTicket("it answers TICKET_NACK")
		return nil
	case n != nil:
		s.withoutTicket("it answers " + n.NotifyType.String())
		return nil
	}
	if _, whole := payload[*wire.Nonce](msg); msg.ResponderSPI == 0 || !whole {
		if n := msg.notify(wire.NotifyCookie); n != nil {
			return s.resumeCookie(x, n)
		}
		if n := msg.notify(wire.NotifyRedirect); n != nil {
			return s.redirectedInit(n)
		}
		return &syntaxError{"no nonce, or the responder's SPI is zero"}
	}
	if err := checkPayloads(msg); err != nil {
		return err
	}
	if s.m.ticket != x.ticket { // it was thrown away meanwhile, and its key overwritten
		s.startAnew()
		return nil
	}
	nonce, _ := payload[*wire.Nonce](msg)
	s.window.close()
	s.turn(causeInitAnswer)
	s.spiR, s.nonceR, s.initResponse = msg.ResponderSPI, nonce.Data, msg.raw
	s.nat, s.natless = detectNAT(msg, s.spiI, s.spiR), !detectsNAT(msg)
	s.childless = msg.notify(wire.NotifyChildlessIKEv2Supported) != nil
	if msg.notify(wire.NotifyIKEv2FragmentationSupported) != nil {
		s.fragmentSize = s.m.settings.FragmentSize
	}
	s.current = nil
	if err := s.deriveKeys(keymat.SKEYSEEDResumed(s.prf, x.ticket.skd, s.nonceI, s.nonceR)); err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return nil
	}
	s.local, s.remote = s.m.toNATPort(s.local, s.remote)
	s.turn(causeSecretReady)
	s.authenticate()
	return nil
}

// resumeCookie repeats the request with the peer's cookie.
func (s *ikeSA) resumeCookie(x *resumeExchange, n *wire.Notify) error {
	if len(n.Data) == 0 || len(n.Data) > 64 {
		return &syntaxError{"a cookie has 1 to 64 octets"} // RFC 7296 §2.6
	}
	if x.retries++; x.retries > initRetries {
		s.withoutTicket("it asks for one cookie after another")
		return nil
	}
	x.cookie = slices.Clone(n.Data)
	s.window.replace()
	s.sendResume(x)
	return nil
}

// withoutTicket throws the ticket away that the peer does not take, and makes a whole
// exchange (RFC 5723 §4.3.2).
func (s *ikeSA) withoutTicket(why string) {
	s.m.emit(sa.TicketRefused{Connection: s.m.settings.Name, Remote: s.remote, Why: why})
	s.m.forgetTicket()
	s.startAnew()
}

// startAnew gives a resumption up in favour of IKE_SA_INIT, with another SPI: the
// peer may have answered, and would take it for a part of the same attempt.
func (s *ikeSA) startAnew() {
	m, from := s.m, s.resumed.from
	s.drop(causeFailed, ending{})
	if m.wanted && !m.busy() {
		m.connect(from.local, from.remote)
	}
}

// resumedAuth is the AUTH data of one end (RFC 5723 §4.3.3): prf(SK_p, octets), the
// octets being those of RFC 7296 §2.15. libreswan takes the message alone for them,
// which proves the same: the nonces are in the key, and the identities in the ticket.
// Both are taken; a responder answers as it was asked, and an initiator that was
// refused does it the other way the next time.
func (s *ikeSA) resumedAuth(byInitiator, alone bool) []byte {
	id, key := s.resumed.idR, s.keys.PR
	if byInitiator {
		id, key = s.resumed.idI, s.keys.PI
	}
	octets := s.initResponse
	if byInitiator {
		octets = s.initRequest
	}
	if !alone {
		octets = s.authOctets(byInitiator, id, nil)
	}
	return s.prf.Sum(nil, key, octets)
}

// proveResumed sends the IKE_AUTH of a resumption: without certificates, and for
// the identity of then.
func (s *ikeSA) proveResumed() {
	id, err := auth.FromPayload(identification(s.resumed.idI))
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.localIdentity = id.String()
	s.sendAuth(id, nil, &wire.Authentication{Method: wire.AuthSharedKey, Data: s.resumedAuth(true, s.m.authAlone)}, nil)
}

// identification reads the body of an ID payload that was taken before.
func identification(body []byte) *wire.Identification {
	if len(body) < 4 {
		return &wire.Identification{}
	}
	p := &wire.Identification{IDType: wire.IDType(body[0]), Data: body[4:]}
	copy(p.Reserved[:], body[1:4])
	return p
}

// identityIn is the identity in the body of an ID payload, in words.
func identityIn(body []byte) string {
	id, err := auth.FromPayload(identification(body))
	if err != nil {
		return "a malformed identity"
	}
	return id.String()
}

// identityOf is an identity as it is shown to a person.
func identityOf(id *wire.Identification) string {
	shown, err := auth.FromPayload(id)
	if err != nil {
		return "a malformed identity"
	}
	return shown.String()
}

// checkResumed holds the identity and AUTH of the peer against the ticket.
func (s *ikeSA) checkResumed(msg *message, id *wire.Identification) *sa.Failure {
	theirs := s.resumed.idI
	if s.initiator {
		theirs = s.resumed.idR
	}
	shown, err := auth.FromPayload(id)
	if err != nil {
		return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error(), Hint: malformedIdentity}
	}
	s.remoteIdentity = shown.String()
	proof, ok := proofOf(msg, s.initiator)
	valid := ok && hmac.Equal(proof.Data, s.resumedAuth(!s.initiator, false))
	s.resumed.alone = ok && hmac.Equal(proof.Data, s.resumedAuth(!s.initiator, true))
	valid = valid || s.resumed.alone
	body, _ := id.AppendBody(nil)
	switch {
	case !slices.Equal(body, theirs):
		return &sa.Failure{Reason: sa.ReasonIdentityMismatch,
			Message: fmt.Sprintf("the peer shows identity %v with a ticket of another one", shown),
			Local:   "a ticket of " + identityIn(theirs), Remote: fmt.Sprintf("shows %v (%v)", shown, shown.Type),
			Hint: "a peer that changes its identity makes a whole exchange: it must throw its ticket away"}
	case !mayShow(s.m.settings, s.peerAddress(), s.initiator, body):
		return sa.IdentityMismatch(s.m.settings.ExpectedID(s.peerAddress(), s.initiator), shown)
	case !ok || proof.Method != wire.AuthSharedKey || !valid:
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed,
			Message: "the peer shows a ticket and does not have its keys",
			Local:   "a ticket of " + identityIn(theirs), Remote: fmt.Sprintf("identity %v", shown),
			Hint: "somebody else shows a ticket that he saw on the path, or the peer's implementation is broken"}
	}
	return nil
}

// suiteBytes lays a suite out for a ticket: type, ID and key length of each
// transform.
func suiteBytes(s transform.Suite) []byte {
	var b []byte
	for _, t := range s.Proposal().Transforms {
		b = append(b, byte(t.Type), byte(t.ID>>8), byte(t.ID), byte(t.KeyBits>>8), byte(t.KeyBits))
	}
	return b
}

// readSuite reads a suite that the proposals still allow.
func readSuite(b []byte, allowed []transform.Proposal) (transform.Suite, error) {
	p := transform.Proposal{Protocol: transform.IKE}
	for ; len(b) >= 5; b = b[5:] {
		p.Transforms = append(p.Transforms, transform.Transform{
			Type: transform.Type(b[0]), ID: uint16(b[1])<<8 | uint16(b[2]), KeyBits: uint16(b[3])<<8 | uint16(b[4]),
		})
	}
	if len(b) > 0 {
		return transform.Suite{}, fmt.Errorf("ikev2: a suite of a ticket has %d octets too many", len(b))
	}
	return transform.Confirm(transform.IKE, p, allowed)
}

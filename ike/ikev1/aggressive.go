package ikev1

import (
	"errors"
	"fmt"
	"slices"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Aggressive Mode as the initiator (RFC 2409 §5.1, §5.4; RFC 3947 §3.2), where
// PROOF is HASH, or SIG with CERT before it:
//
//	HDR, SA, KE, Ni, IDii, VID...                   -->
//	                                                <--  HDR, SA, KE, Nr, IDir, PROOF_R, NAT-D, NAT-D
//	HDR*, PROOF_I, NAT-D, NAT-D, N(INITIAL-CONTACT)  -->
//
// Both identities can be read by everybody on the path. With a pre-shared key
// PROOF_R lets whoever asks for it try keys at leisure, so a connection has to
// allow this mode by name.

// startPhaseOne makes an ISAKMP SA in the mode that the connection wants.
func (m *Machine) startPhaseOne(by path) {
	if m.settings.XAUTH.Server() {
		return // the initiator is who logs in
	}
	if m.settings.Aggressive {
		m.startAggressive(by)
		return
	}
	m.startMain(by)
}

// startAggressive makes our key share, which the first message has already. So
// there is no choice of groups: all suites on offer have the first one's.
func (m *Machine) startAggressive(by path) {
	suites, method := combinations(transform.IKE, m.settings.IKEProposals), offeredMethod(m.settings)
	if len(suites) == 0 || method == 0 {
		m.fail(by.remote, noSuites(m.settings))
		return
	}
	group := suites[0].Group
	suites = slices.DeleteFunc(suites, func(x transform.Suite) bool { return x.Group != group })
	s := m.add(&ikeSA{state: nascent, kind: isakmp.ExchangeAggressive, suites: suites, association: association{
		initiator: true, cookieI: m.random.SPI(), local: by.local, remote: by.remote,
	}})
	m.emit(sa.Connecting{Connection: m.settings.Name, Initiator: true, Local: s.local, Remote: s.remote})
	m.work(s, &sansio.KeyExchange{Group: group.ID, Seed: m.random.Seed()}, func(r sansio.KeyExchanged) { s.sendAll(r, method) })
}

// sendAll sends offer, key share and identity.
func (s *ikeSA) sendAll(r sansio.KeyExchanged, method uint16) {
	if r.Err != nil {
		s.drop(causeFailed, ending{failure: internal(r.Err)})
		return
	}
	s.private, s.publicI, s.nonceI = r.Private, r.Public, s.m.random.Nonce()
	offer := offerPhaseOne(s.suites, []uint16{method}, s.m.settings.IKELifetime)
	s.offer = isakmp.Body(offer)
	mine := s.m.settings.LocalID(s.local.Addr())
	s.localIdentity, s.ownID = mine.String(), mine.Body()
	s.turn(causeKeyReady)
	ps := []isakmp.Payload{offer, &isakmp.KeyExchange{Data: s.publicI}, &isakmp.Nonce{Data: s.nonceI}, idPayload(mine)}
	if baseMethod(method) != isakmp.AuthPSK {
		ps = append(ps, anyCertificate())
	}
	s.sayClear(append(ps, vendors(s.m.settings)...))
}

// receiveAggressive takes a message of Aggressive Mode, of either role.
func (s *ikeSA) receiveAggressive(msg *isakmp.Message, d sa.Datagram) {
	var err error
	switch {
	case s.kind != isakmp.ExchangeAggressive:
		err = errors.New("a message of Aggressive Mode in Main Mode")
	case s.state == shared:
		err = s.answeredAll(msg, d)
	case s.state == adopted:
		err = s.judgeAggressive(msg, d)
	default:
		err = fmt.Errorf("a message of Aggressive Mode, which is %v", s.state)
	}
	if err != nil && s.state != gone {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
}

// answeredAll takes the responder's choice, key share, identity and proof. It can
// only come from somebody who saw our cookie, so what is wrong with it ends the
// attempt.
func (s *ikeSA) answeredAll(msg *isakmp.Message, d sa.Datagram) error {
	answer, okSA := isakmp.Find[*isakmp.SecurityAssociation](msg.Payloads)
	ke, okKE := isakmp.Find[*isakmp.KeyExchange](msg.Payloads)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](msg.Payloads)
	if !okSA || !okKE || !okNonce || msg.Flags.Encrypted() || msg.ResponderCookie == 0 {
		return errors.New("the answer in Aggressive Mode lacks SA, KE or NONCE")
	}
	o := &opened{Header: msg.Header, payloads: msg.Payloads}
	id, shown, err := o.who()
	if err != nil {
		return err
	}
	s.traceIn(msg.Header, msg.Payloads, d)
	suite, life, failure := s.confirm(answer)
	if failure != nil {
		s.drop(causeFailed, ending{failure: failure})
		return nil
	}
	if err := s.choose(suite, methodOf(s.m.settings)); err != nil {
		return err
	}
	s.life, s.cookieR, s.peer = life, msg.ResponderCookie, abilitiesOf(msg.Payloads)
	s.publicR, s.nonceR = ke.Data, nonce.Data
	s.detectNAT(msg.Payloads)
	s.repeat.hear(d.Raw)
	s.repeat.sent = nil // until the answer is ready
	s.turn(causeAnswered)
	s.m.work(s, &sansio.KeyExchange{Group: s.suite.Group.ID, Private: s.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.agreedAll(r, o, id, shown)
	})
	return nil
}

// agreedAll derives the keys and checks the responder's proof.
func (s *ikeSA) agreedAll(r sansio.KeyExchanged, o *opened, id *isakmp.Identification, shown auth.Identity) {
	s.private.Erase()
	if r.Err != nil {
		s.drop(causeFailed, ending{failure: badValue(r.Err)})
		return
	}
	if err := s.deriveKeys(s.skeyid(s.m.settings.PSK, r.Shared), r.Shared); err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	eraseShared(r)
	s.turn(causeSecretReady)
	s.examine(o, id, shown, func(p proven) {
		if s.state != identified {
			return
		}
		s.remoteIdentity = shown.String()
		if failure := s.wrong(p, shown); failure != nil {
			s.refuse(isakmp.AuthenticationFailed)
			s.drop(causeFailed, ending{failure: failure})
			return
		}
		s.prove(s.ownID, s.confirmAll)
	})
}

// confirmAll sends the last message. The responder says nothing to it, and
// repeats its own if it did not get it.
func (s *ikeSA) confirmAll(proof []isakmp.Payload) {
	if s.nat.encapsulate {
		s.local, s.remote = s.m.toNATPort(s.local, s.remote)
	}
	ps := append(proof, s.natPayloads(s.m.settings.ForceEncapsulation)...)
	if s.m.current() == nil && len(s.m.children) == 0 {
		ps = append(ps, s.notification(isakmp.InitialContact, nil))
	}
	raw, next, err := s.seal(s.header(isakmp.ExchangeAggressive, 0), ps, s.iv)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.iv = slices.Clone(next)
	s.say(raw, ps, false)
	s.establish()
}

// judgeAggressive holds the initiator's proof of the identity in its first
// message against the settings.
func (s *ikeSA) judgeAggressive(msg *isakmp.Message, d sa.Datagram) error {
	o, err := s.openLast(msg)
	if err != nil {
		return fmt.Errorf("the peer's proof does not decrypt: %w", err)
	}
	shown, err := identityOf(s.peerID)
	if err != nil {
		return err
	}
	s.traceIn(msg.Header, o.payloads, d)
	s.repeat.hear(d.Raw)
	if s.checks++; s.checks > 1 {
		return errAnotherProof
	}
	s.examine(o, s.peerID, shown, func(p proven) {
		if s.state != adopted {
			return
		}
		s.remoteIdentity = shown.String()
		if failure := s.wrong(p, shown); failure != nil {
			s.refuse(isakmp.AuthenticationFailed)
			s.drop(causeFailed, ending{failure: failure})
			return
		}
		s.detectNAT(o.payloads)
		s.iv = o.next
		s.contact = isakmp.FindNotification(o.payloads, isakmp.InitialContact) != nil
		s.establish()
	})
	return nil
}

// openLast reads the last message of Aggressive Mode, which RFC 2409 §5 leaves it
// to the initiator to encrypt.
func (a *association) openLast(msg *isakmp.Message) (*opened, error) {
	if msg.Flags.Encrypted() {
		return a.open(msg, a.iv)
	}
	return &opened{Header: msg.Header, payloads: msg.Payloads, next: a.iv}, nil
}

package ikev1

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Main Mode as the initiator (RFC 2409 §5.4):
//
//	HDR, SA, VID...            -->
//	                           <--  HDR, SA, VID...
//	HDR, KE, Ni, NAT-D, NAT-D  -->
//	                           <--  HDR, KE, Nr, NAT-D, NAT-D
//	HDR*, IDii, HASH_I         -->
//	                           <--  HDR*, IDir, HASH_R

// startMain sends our offer.
func (m *Machine) startMain(by path) {
	suites, method := combinations(transform.IKE, m.settings.IKEProposals), offeredMethod(m.settings)
	if len(suites) == 0 || method == 0 {
		m.fail(by.remote, noSuites(m.settings))
		return
	}
	s := m.add(&ikeSA{state: proposed, kind: isakmp.ExchangeMain, suites: suites, association: association{
		initiator: true, cookieI: m.random.SPI(), local: by.local, remote: by.remote,
	}})
	m.emit(sa.Connecting{Connection: m.settings.Name, Initiator: true, Local: s.local, Remote: s.remote})
	offer := offerPhaseOne(suites, []uint16{method}, m.settings.IKELifetime)
	s.offer = isakmp.Body(offer)
	s.sayClear(append([]isakmp.Payload{offer}, vendors(s.m.settings)...))
}

// sayClear sends a message of phase 1 that is not encrypted, and repeats it
// until it is answered.
func (s *ikeSA) sayClear(ps []isakmp.Payload) {
	raw, err := clearMessage(s.header(s.kind, 0), ps)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.say(raw, ps, true)
}

// receiveMain takes the peer's next message of Main Mode. What does not fit is
// dropped: the true one may still come.
func (s *ikeSA) receiveMain(msg *isakmp.Message, d sa.Datagram) {
	var err error
	switch {
	case s.kind == isakmp.ExchangeAggressive:
		err = errors.New("a message of Main Mode in Aggressive Mode")
	case s.state == proposed:
		err = s.chosen(msg, d)
	case s.state == shared:
		err = s.keyed(msg, d)
	case s.state == identified:
		err = s.identify(msg, d)
	case s.state == adopted:
		err = s.judge(msg, d)
	default:
		err = fmt.Errorf("a message of Main Mode, which is %v", s.state)
	}
	if err != nil && s.state != gone {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
}

// chosen takes the suite that the responder chose, and makes our key share.
func (s *ikeSA) chosen(msg *isakmp.Message, d sa.Datagram) error {
	answer, ok := isakmp.Find[*isakmp.SecurityAssociation](msg.Payloads)
	if !ok || msg.Flags.Encrypted() || msg.ResponderCookie == 0 {
		return fmt.Errorf("the answer to our offer has no SA payload")
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
	s.life = life
	s.cookieR = msg.ResponderCookie
	s.peer = abilitiesOf(msg.Payloads)
	s.repeat.hear(d.Raw)
	s.turn(causeAnswered)
	s.m.work(s, &sansio.KeyExchange{Group: suite.Group.ID, Seed: s.m.random.Seed()}, s.sendKey)
	return nil
}

// confirm holds the responder's choice against our offer.
func (s *ikeSA) confirm(answer *isakmp.SecurityAssociation) (transform.Suite, time.Duration, *sa.Failure) {
	if len(answer.Proposals) != 1 || len(answer.Proposals[0].Transforms) != 1 {
		return transform.Suite{}, 0, syntaxFailure("an answer chooses exactly one transform")
	}
	p := readPhaseOne(answer.Proposals[0].Transforms[0])
	for _, suite := range s.suites {
		if got, _, err := transform.Match(transform.IKE, []transform.Proposal{p.proposal}, []transform.Proposal{suite.Proposal()}); err == nil && got == suite && p.method == offeredMethod(s.m.settings) {
			return suite, p.life, nil
		}
	}
	return transform.Suite{}, 0, &sa.Failure{Reason: sa.ReasonProposalMismatch,
		Message: "the peer chose an IKE proposal that was not offered",
		Local:   sa.ProposalLines(s.m.settings.IKEProposals), Remote: p.proposal.String(),
		Hint: "the peer's implementation is broken"}
}

// sendKey sends our key share, and what shows NATs.
func (s *ikeSA) sendKey(r sansio.KeyExchanged) {
	if r.Err != nil {
		s.drop(causeFailed, ending{failure: internal(r.Err)})
		return
	}
	s.private, s.publicI = r.Private, r.Public
	s.nonceI = s.m.random.Nonce()
	s.turn(causeKeyReady)
	ps := []isakmp.Payload{&isakmp.KeyExchange{Data: s.publicI}, &isakmp.Nonce{Data: s.nonceI}}
	ps = append(ps, s.requests()...)
	s.sayClear(append(ps, s.natPayloads(s.m.settings.ForceEncapsulation)...))
}

// keyed takes the responder's key share.
func (s *ikeSA) keyed(msg *isakmp.Message, d sa.Datagram) error {
	ke, okKE := isakmp.Find[*isakmp.KeyExchange](msg.Payloads)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](msg.Payloads)
	if !okKE || !okNonce || msg.Flags.Encrypted() {
		return fmt.Errorf("the answer to our key share lacks KE or NONCE")
	}
	s.traceIn(msg.Header, msg.Payloads, d)
	s.publicR, s.nonceR = ke.Data, nonce.Data
	s.detectNAT(msg.Payloads)
	s.repeat.hear(d.Raw)
	s.turn(causeAnswered)
	s.m.work(s, &sansio.KeyExchange{Group: s.suite.Group.ID, Private: s.private, Peer: ke.Data}, s.sendIdentity)
	return nil
}

// sendIdentity derives the keys, and says and proves who we are.
func (s *ikeSA) sendIdentity(r sansio.KeyExchanged) {
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
	if s.nat.encapsulate {
		s.local, s.remote = s.m.toNATPort(s.local, s.remote)
	}
	mine := s.m.settings.LocalID(s.local.Addr())
	s.localIdentity = mine.String()
	s.prove(mine.Body(), func(proof []isakmp.Payload) { s.identifyAs(idPayload(mine), proof) })
}

// identifyAs sends the last message of ours.
func (s *ikeSA) identifyAs(id *isakmp.Identification, proof []isakmp.Payload) {
	ps := append([]isakmp.Payload{id}, proof...)
	if s.m.current() == nil && len(s.m.children) == 0 {
		ps = append(ps, s.notification(isakmp.InitialContact, nil))
	}
	s.turn(causeSecretReady)
	raw, next, err := s.seal(s.header(isakmp.ExchangeMain, 0), ps, s.iv)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.iv = slices.Clone(next)
	s.say(raw, ps, true)
}

// identify holds the responder's identity and proof against the settings.
func (s *ikeSA) identify(msg *isakmp.Message, d sa.Datagram) error {
	o, err := s.open(msg, s.iv)
	if err != nil {
		return fmt.Errorf("the answer to our identity does not decrypt: %w", err)
	}
	id, shown, err := o.who()
	if err != nil {
		return err
	}
	if s.checks++; s.checks > maxChecks {
		return errTooManyProofs
	}
	s.examine(o, id, shown, func(r proven) { s.identified(o, d, r, shown) })
	return nil
}

// identified goes on once the responder's proof was checked. A wrong one ends
// nothing at once: anybody may have sent it, and the true one may come yet.
func (s *ikeSA) identified(o *opened, d sa.Datagram, r proven, shown auth.Identity) {
	if s.state != identified {
		return
	}
	failure := s.wrong(r, shown)
	if !r.authentic {
		if s.hint == nil {
			s.hint, s.doubted = failure, slices.Clone(o.next)
			s.hurry()
		}
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, "a proof of identity that does not hold")
		return
	}
	s.traceIn(o.Header, o.payloads, d)
	s.remoteIdentity = shown.String()
	if failure != nil { // to the responder all is well
		s.iv = o.next
		s.sayDeleted()
		s.drop(causeFailed, ending{failure: failure})
		return
	}
	s.iv = o.next
	s.repeat.hear(d.Raw)
	s.repeat.sent = nil // the responder repeats nothing of its own accord
	s.local, s.remote = d.Local, d.Remote
	s.takeLifetime(o.payloads)
	s.establish()
}

// takeLifetime follows a RESPONDER-LIFETIME about the ISAKMP SA (RFC 2407
// §4.6.3.1).
func (s *ikeSA) takeLifetime(ps []isakmp.Payload) {
	if n := isakmp.FindNotification(ps, isakmp.ResponderLifetime); n != nil && n.Protocol == isakmp.ProtocolISAKMP {
		if l, ok := readLife(n.Data); ok {
			s.life = lesser(s.life, l.Time)
		}
	}
}

package ikev2

import (
	"fmt"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// IKE_AUTH, both roles (RFC 7296 §1.2, §2.15). How each side proves who it is
// is in proof.go.

// authExchange is IKE_AUTH on its way; its first Child SA is nil where none is
// asked for (childless.go).
type authExchange struct{ child *childOffer }

func (x *authExchange) kind() wire.ExchangeType { return wire.ExchangeIKEAuth }

func (x *authExchange) abandon(s *ikeSA) { x.child.release(s.m) }

// authOctets is what the AUTH of one side covers (RFC 7296 §2.15): its own
// IKE_SA_INIT message, the other's nonce, its own identity.
// With a post-quantum key, SK_p has it mixed in (RFC 8784 §3).
func (a *association) authOctets(byInitiator bool, idBody []byte, ppk *sa.PPK) []byte {
	if byInitiator {
		return a.withIntermediates(keymat.SignedOctets(a.initRequest, a.nonceR, a.prf, a.mixed(a.keys.PI, ppk), idBody))
	}
	return a.withIntermediates(keymat.SignedOctets(a.initResponse, a.nonceI, a.prf, a.mixed(a.keys.PR, ppk), idBody))
}

// authenticate makes our proof and then sends IKE_AUTH. Where a post-quantum key
// is offered and not required, there is a proof without it as well.
func (s *ikeSA) authenticate() {
	if s.resumed != nil {
		s.proveResumed()
		return
	}
	id := s.m.settings.LocalID(s.local.Addr())
	s.localIdentity = id.String()
	ppk, f := s.proposedPPK()
	if f != nil {
		s.drop(causeFailed, ending{failure: f})
		return
	}
	s.proveOrDrop(id, ppk, func(shown []wire.Payload, proof *wire.Authentication) {
		switch {
		case ppk == nil:
			s.sendAuth(id, shown, proof, nil)
		case ppk.Required:
			s.sendAuth(id, shown, proof, []wire.Payload{notify(wire.NotifyPPKIdentity, ppkIdentity(ppk))})
		default:
			s.proveOrDrop(id, nil, func(_ []wire.Payload, plain *wire.Authentication) {
				s.sendAuth(id, shown, proof, []wire.Payload{notify(wire.NotifyPPKIdentity, ppkIdentity(ppk)), notify(wire.NotifyNoPPKAuth, plain.Data)})
			})
		}
	})
}

func (s *ikeSA) proveOrDrop(id auth.Identity, ppk *sa.PPK, then func([]wire.Payload, *wire.Authentication)) {
	s.prove(id, ppk, func(shown []wire.Payload, proof *wire.Authentication, f *sa.Failure) {
		if f != nil {
			s.drop(causeFailed, ending{failure: f})
			return
		}
		then(shown, proof)
	})
}

// sendAuth sends IKE_AUTH, its payloads in the order of RFC 7296 appendix C.2.
func (s *ikeSA) sendAuth(id auth.Identity, shown []wire.Payload, proof *wire.Authentication, more []wire.Payload) {
	settings := s.m.settings
	s.idI = id.Body()
	ps := append([]wire.Payload{id.Payload(true)}, shown...)
	if s.m.current() == nil {
		ps = append(ps, notify(wire.NotifyInitialContact, nil))
	}
	if settings.Trust != nil && s.resumed == nil {
		for _, r := range auth.Requests(settings.Trust) {
			ps = append(ps, r)
		}
	}
	// IDr is for peers with several identities; a peer with another one than a
	// defaulted address should show it, so that the failure can name it.
	if !settings.RemoteIdentity.IsZero() && s.resumed == nil {
		ps = append(ps, settings.RemoteIdentity.Payload(false))
	}
	ps = append(append(ps, proof), s.mobile()...)
	ps = append(ps, s.m.crashTokenFor(&s.association)...)
	ps = append(append(ps, syncSupported(settings.MessageIDSync, settings.MessageIDSync)...), s.ticketRequest()...)
	childless, f := s.beginsChildless()
	switch {
	case f != nil:
		s.drop(causeFailed, ending{failure: f})
		return
	case childless:
		s.request(&authExchange{}, append(ps, more...))
		return
	}
	offer, err := s.offerChild(settings.Children[0], 0, true)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.request(&authExchange{child: offer}, append(append(ps, offer.payloads(nil)...), more...))
}

// respond takes the peer's answer to IKE_AUTH.
func (x *authExchange) respond(s *ikeSA, msg *message) {
	id := msg.identity(false)
	if n := msg.errorNotify(); n != nil && id == nil {
		x.child.release(s.m)
		if s.resumed != nil {
			s.m.authAlone = !s.m.authAlone
			s.withoutTicket("it answers " + n.NotifyType.String() + " to IKE_AUTH")
			return
		}
		s.drop(causeFailed, ending{failure: s.authRefused(n)})
		return
	}
	if id == nil {
		x.child.release(s.m)
		s.distrust(&sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: "IKE_AUTH was answered without an identity",
			Remote: "sends " + wire.Summary(msg.Payloads), Hint: "the peer's implementation is broken"}, notify(wire.NotifyInvalidSyntax, nil))
		return
	}
	if s.resumed != nil {
		s.m.forgetTicket() // a ticket is shown once
		if f := s.checkResumed(msg, id); f != nil {
			x.child.release(s.m)
			s.distrust(f, notAuthentic())
			return
		}
		x.trusted(s, msg)
		return
	}
	refused := s.confirmPPK(msg)
	s.current = x // while it waits
	s.verify(msg, id, func(f *sa.Failure) {
		s.current = nil
		if refused != nil {
			f = refused
		}
		if f != nil {
			x.child.release(s.m)
			s.distrust(f, notAuthentic())
			return
		}
		x.trusted(s, msg)
	})
}

// verify holds the identity and AUTH of a responder against the settings.
func (s *ikeSA) verify(msg *message, id *wire.Identification, then func(*sa.Failure)) {
	s.remoteIdentity = identityOf(id)
	x := &examination{association: &s.association, settings: s.m.settings, address: s.peerAddress(), ppk: s.ppk, now: s.m.now,
		proven: func() bool { return true },
		start: func(job sa.Job, waits bool, then func(any)) {
			work := s.m.desk.Start(s, job, then)
			work.Waits = waits
			s.m.do(work)
		}}
	x.verify(msg, id, func(wrong verdict) {
		if wrong != nil {
			then(wrong())
			return
		}
		then(nil)
	})
}

// trusted goes on with a responder that is who it should be.
func (x *authExchange) trusted(s *ikeSA, msg *message) {
	if refused := s.natRefused(msg); refused != nil {
		x.child.release(s.m)
		s.distrust(refused.failure, notAuthentic())
		return
	}
	s.mixPPK()
	s.establish(causeAuthenticated, 0)
	s.proveBy(s.m.settings.Reauthentication)
	s.heed(msg)
	if s.resumed != nil {
		s.inheritProof()
	}
	s.idR, _ = msg.identity(false).AppendBody(nil)
	s.agreeMobile(msg)
	s.wantUpdate = s.wantUpdate || s.mobike && s.nat.local // the NAT may have us elsewhere since (mobike.go)
	s.agreeSync(msg)
	s.takeCrashToken(msg)
	s.takeTicket(msg)
	if s.wantDelete { // Down came meanwhile
		x.child.release(s.m)
		return
	}
	if s.redirectedUp(msg) {
		s.wantDelete = true
		x.child.release(s.m)
		return
	}
	s.m.supersede(s, false, s.createdAt)
	if s.state != established {
		x.child.release(s.m)
		return
	}
	if x.child == nil {
		return // the first Child SA is the next exchange
	}
	c, err := s.finishChild(x.child, msg, nil, s.nonceI, s.nonceR)
	if err != nil {
		s.childFailed(x.child, err)
		return
	}
	s.activate(c)
	s.announce(c)
}

// authRefused explains an error in answer to our IKE_AUTH.
func (s *ikeSA) authRefused(n *wire.Notify) *sa.Failure {
	if n.NotifyType == wire.NotifyUnexpectedNATDetected {
		return s.natReported()
	}
	if n.NotifyType != wire.NotifyAuthenticationFailed {
		return peerError("IKE_AUTH", n)
	}
	want := s.m.settings.ExpectedID(s.peerAddress(), true)
	f := &sa.Failure{
		Reason:  sa.ReasonAuthenticationFailed,
		Message: "the peer refuses our authentication",
		Local:   "identity " + s.localIdentity + ", peer expected to be " + want.String(),
		Remote:  "not told; its log has it",
		Hint:    "compare at both ends: the pre-shared key octet by octet, our identity with the one the peer expects of us, and the peer's own identity",
	}
	if c := s.m.settings.Credentials; c != nil {
		f.Local += "\n" + c.String()
		f.Hint = "see whether the peer trusts the authority of our certificate (or our public key), whether the certificate stands for our identity and is valid there, and which identity the peer expects of us"
	}
	return f
}

// distrust ends an IKE SA whose responder is not who it should be, or answers what
// makes no sense. The responder believes in the IKE SA, so it is told why it ends,
// which deletes it (RFC 7296 §2.21.2).
func (s *ikeSA) distrust(f *sa.Failure, why *wire.Notify) {
	s.m.fail(s.remote, f)
	s.turn(causeDistrusted)
	s.request(&deleteExchange{ike: true}, []wire.Payload{why})
	s.window.tries = deleteTries
}

// notAuthentic tells the responder that it is not who it should be.
func notAuthentic() *wire.Notify { return notify(wire.NotifyAuthenticationFailed, nil) }

// askedFor holds the IDr of the initiator against our identity.
func askedFor(mine auth.Identity, asked *wire.Identification) *sa.Failure {
	if id, err := auth.FromPayload(asked); err != nil || !mine.Matches(id) {
		return &sa.Failure{
			Reason:  sa.ReasonIdentityMismatch,
			Message: fmt.Sprintf("the peer wants to talk to identity %s, ours is %s", id, mine),
			Local:   mine.String(), Remote: "asks for " + id.String(),
			Hint: "set the connection's local identity to what the peer expects, or correct it at the peer",
		}
	}
	return nil
}

// grant answers the IKE_AUTH of a peer that is who it should be; ps are our
// identity and its proof.
func (s *ikeSA) grant(msg *message, ps []wire.Payload) {
	settings := s.m.settings
	if refused := s.natRefused(msg); refused != nil {
		s.object(wire.ExchangeIKEAuth, refused)
		return
	}
	since := s.createdAt
	s.lingerUntil = time.Time{}
	s.m.makeRoom(s.remoteIdentity)
	s.establish(causeAuthenticated, 0)
	s.proveBy(settings.Reauthentication)
	if s.resumed != nil {
		s.inheritProof()
		s.succeedTicket()
	}
	s.grants(s)
	s.noteIdentities(msg, ps)
	ps = append(ps, s.authLifetime()...)
	ps = append(ps, s.m.crashTokenFor(&s.association)...)
	s.takeCrashToken(msg)
	s.agreeSync(msg)
	ps = append(ps, syncSupported(s.synced, s.replaySynced)...)
	if s.agreeMobile(msg); s.mobike {
		ps = append(ps, s.mobile()...)
	}
	ps = append(ps, s.ticketFor(msg)...)
	s.m.supersede(s, msg.notify(wire.NotifyInitialContact) != nil, since)
	if n := s.sendsElsewhere(); n != nil {
		s.answer(wire.ExchangeIKEAuth, append(ps, n))
		s.turn(causeReplaced)
		s.replaced, s.lingerUntil = true, s.m.now.Add(supersededTime)
		return
	}
	if !asksForChild(msg) {
		s.answer(wire.ExchangeIKEAuth, ps)
		return
	}
	var c *child
	choice, refused := s.chooseInAuth(msg)
	if refused == nil {
		c, refused = s.acceptChild(choice, nil, s.nonceI, s.nonceR, 0)
	}
	if refused != nil {
		// The IKE SA is good without its first Child SA (RFC 7296 §1.2).
		s.answer(wire.ExchangeIKEAuth, append(ps, &refused.notify))
		s.m.fail(s.remote, refused.failure)
		return
	}
	c.confirmedAt = time.Time{} // the peer reads nothing else before this answer
	s.answer(wire.ExchangeIKEAuth, append(ps, choice.payloads()...))
	s.carry(c, true)
	s.announce(c)
}

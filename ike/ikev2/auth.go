package ikev2

import (
	"fmt"
	"net/netip"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// IKE_AUTH with a pre-shared key, both roles (RFC 7296 §1.2, §2.15).

// authExchange is IKE_AUTH on its way; its first Child SA is nil when none
// could be offered.
type authExchange struct{ child *childOffer }

func (x *authExchange) kind() wire.ExchangeType { return wire.ExchangeIKEAuth }

func (x *authExchange) abandon(s *ikeSA) { x.child.release(s.m) }

// localID is the identity that this side shows.
func localID(settings *sa.Settings, local netip.Addr) auth.Identity {
	if settings.LocalIdentity.IsZero() {
		return auth.FromAddr(local)
	}
	return settings.LocalIdentity
}

// expectedID is the identity that the peer must show; zero is any. Where none
// is configured it is the peer's address, unless the peer started and may come
// from anywhere.
func expectedID(settings *sa.Settings, remote netip.Addr, initiator bool) auth.Identity {
	switch {
	case settings.AnyRemoteIdentity:
		return auth.Identity{}
	case !settings.RemoteIdentity.IsZero():
		return settings.RemoteIdentity
	case initiator || len(settings.RemoteAddresses) > 0:
		return auth.FromAddr(remote)
	}
	return auth.Identity{}
}

// authOctets is what the AUTH of one side covers (RFC 7296 §2.15): its own
// IKE_SA_INIT message, the other's nonce, its own identity.
func (a *association) authOctets(byInitiator bool, idBody []byte) []byte {
	if byInitiator {
		return keymat.SignedOctets(a.initRequest, a.nonceR, a.prf, a.keys.PI, idBody)
	}
	return keymat.SignedOctets(a.initResponse, a.nonceI, a.prf, a.keys.PR, idBody)
}

// authenticate sends IKE_AUTH.
func (s *ikeSA) authenticate() {
	settings := s.m.settings
	id := localID(settings, s.local.Addr())
	s.localIdentity = id.String()
	ps := []wire.Payload{id.Payload(true)}
	if s.m.current() == nil {
		ps = append(ps, notify(wire.NotifyInitialContact, nil))
	}
	// IDr is for peers with several identities; a peer with another one than a
	// defaulted address should show it, so that the failure can name it.
	if !settings.RemoteIdentity.IsZero() {
		ps = append(ps, settings.RemoteIdentity.Payload(false))
	}
	mac := auth.PSK(s.prf, settings.PSK, s.authOctets(true, id.Body()))
	ps = append(ps, &wire.Authentication{Method: wire.AuthSharedKey, Data: mac})
	offer, err := s.m.offerChild(settings.Children[0], true)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.request(&authExchange{child: offer}, append(ps, offer.payloads(nil)...))
}

// respond takes the peer's answer to IKE_AUTH.
func (x *authExchange) respond(s *ikeSA, msg *message) {
	id := msg.identity(false)
	if n := msg.errorNotify(); n != nil && id == nil {
		x.child.release(s.m)
		s.drop(causeFailed, ending{failure: s.authRefused(n)})
		return
	}
	if id == nil {
		x.child.release(s.m)
		s.distrust(&sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: "IKE_AUTH was answered without an identity"})
		return
	}
	if f := s.verify(s.m.settings, msg, id, true); f != nil {
		x.child.release(s.m)
		s.distrust(f)
		return
	}
	s.establish(causeAuthenticated, 0)
	s.proveBy(s.m.settings.Reauthentication)
	s.heed(msg)
	s.m.supersede(s, false, s.createdAt)
	if s.state != established {
		x.child.release(s.m)
		return
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
	if n.NotifyType != wire.NotifyAuthenticationFailed {
		return peerError("IKE_AUTH", n)
	}
	want := expectedID(s.m.settings, s.remote.Addr(), true)
	return &sa.Failure{
		Reason:  sa.ReasonAuthenticationFailed,
		Message: "the peer refuses our authentication",
		Local:   "identity " + s.localIdentity + ", peer expected to be " + want.String(),
		Remote:  "not told; its log has it",
		Hint:    "compare at both ends: the pre-shared key octet by octet, our identity with the one the peer expects of us, and the peer's own identity",
	}
}

// distrust ends an IKE SA whose responder is not who it should be. The
// responder believes in the IKE SA, so it is told (RFC 7296 §2.21.2).
func (s *ikeSA) distrust(f *sa.Failure) {
	s.m.fail(s.remote, f)
	s.turn(causeDistrusted)
	s.request(&deleteExchange{ike: true}, []wire.Payload{notify(wire.NotifyAuthenticationFailed, nil)})
	s.window.tries = deleteTries
}

// verify holds the peer's identity and AUTH against settings. The failure is
// for the person at this end only.
func (s *ikeSA) verify(settings *sa.Settings, msg *message, id *wire.Identification, initiator bool) *sa.Failure {
	shown, err := auth.FromPayload(id)
	if err != nil {
		return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error()}
	}
	s.remoteIdentity = shown.String()
	proof, ok := payload[*wire.Authentication](msg)
	if !ok {
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer wants to use EAP",
			Local: "pre-shared key", Remote: "EAP", Hint: "let the peer authenticate with the pre-shared key"}
	}
	body, _ := id.AppendBody(nil)
	valid := auth.VerifyPSK(s.prf, settings.PSK, s.authOctets(!initiator, body), proof.Data)
	want := expectedID(settings, s.remote.Addr(), initiator)
	switch {
	case !want.Matches(shown):
		return identityFailure(want, shown)
	case proof.Method != wire.AuthSharedKey:
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer authenticates in another way",
			Local: "pre-shared key", Remote: proof.Method.String(), Hint: "let the peer authenticate with the pre-shared key"}
	case !valid:
		return &sa.Failure{
			Reason:  sa.ReasonAuthenticationFailed,
			Message: "the pre-shared key of the peer is another one",
			Local:   "identity " + localID(settings, s.local.Addr()).String(),
			Remote:  "identity " + shown.String(),
			Hint:    "compare the key at both ends, octet by octet: quotes, spaces, a final newline, 0x and 0s prefixes",
		}
	}
	return nil
}

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

func identityFailure(want, shown auth.Identity) *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonIdentityMismatch,
		Message: fmt.Sprintf("the peer shows identity %s, expected is %s", shown, want),
		Local:   fmt.Sprintf("expects %s (%v)", want, want.Type),
		Remote:  fmt.Sprintf("shows %s (%v)", shown, shown.Type),
		Hint:    "set the connection's remote identity to " + shown.String() + ", or correct the identity at the peer",
	}
}

// serveAuth judges the first IKE_AUTH of a peer (RFC 7296 §2.15). Whatever is
// wrong with identity or key, the peer hears AUTHENTICATION_FAILED.
func (s *ikeSA) serveAuth(msg *message) error {
	settings := s.m.settings
	id := msg.identity(true)
	f := s.verify(settings, msg, id, false)
	mine := localID(settings, s.local.Addr())
	if asked := msg.identity(false); f == nil && asked != nil {
		f = askedFor(mine, asked)
	}
	if f != nil {
		return refuse(wire.NotifyAuthenticationFailed, f)
	}
	s.localIdentity = mine.String()
	mac := auth.PSK(s.prf, settings.PSK, s.authOctets(false, mine.Body()))
	ps := []wire.Payload{mine.Payload(false), &wire.Authentication{Method: wire.AuthSharedKey, Data: mac}}

	since := s.createdAt
	s.lingerUntil = time.Time{}
	s.m.makeRoom()
	s.establish(causeAuthenticated, 0)
	s.proveBy(settings.Reauthentication)
	ps = append(ps, s.m.authLifetime()...)
	s.m.supersede(s, msg.notify(wire.NotifyInitialContact) != nil, since)
	choice, refused := s.chooseChild(msg, settings.Children, true)
	if refused != nil {
		// The IKE SA is good without its first Child SA (RFC 7296 §1.2).
		s.answer(wire.ExchangeIKEAuth, append(ps, &refused.notify))
		s.m.fail(s.remote, refused.failure)
		return nil
	}
	c, payloads := s.acceptChild(choice, nil, s.nonceI, s.nonceR, 0)
	c.confirmedAt = time.Time{} // the peer reads nothing else before this answer
	s.answer(wire.ExchangeIKEAuth, append(ps, payloads...))
	s.carry(c)
	s.announce(c)
	return nil
}

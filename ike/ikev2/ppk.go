package ikev2

import (
	"fmt"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Post-quantum pre-shared keys (RFC 8784): a secret that both ends have is mixed
// into SK_d, SK_pi and SK_pr once the exchange of IKE_AUTH shows that the other
// has it, too. Who breaks the Diffie-Hellman exchange later still lacks it.

// ppkIDFixed is the type of a PPK identity that names one key for good (RFC 8784
// §5.1).
const ppkIDFixed = 2

// ppkIdentity is the data of PPK_IDENTITY.
func ppkIdentity(p *sa.PPK) []byte { return append([]byte{ppkIDFixed}, p.ID...) }

// mixed is a key of the IKE SA with the PPK in use mixed in.
func (a *association) mixed(key []byte, p *sa.PPK) []byte {
	if p == nil {
		return key
	}
	return keymat.PRFPlus(a.prf, p.Secret.Bytes(), key, len(key))
}

// proposedPPK is the PPK that we can use with a peer that announced to have
// some.
func (s *ikeSA) proposedPPK() (*sa.PPK, *sa.Failure) {
	p := s.m.settings.PPK
	switch {
	case p == nil:
		return nil, nil
	case s.ppkAgreed:
		return p, nil
	case p.Required:
		return nil, ppkFailure(p, "the peer has no post-quantum key, which is required here", "does not announce USE_PPK")
	}
	return nil, nil
}

func ppkFailure(p *sa.PPK, message, remote string) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonPPKMismatch, Message: message,
		Local: ppkKnown(p), Remote: remote,
		Hint: "give both ends the same post-quantum key under the same ID, or set auth.ppk.required to false"}
}

// takePPK settles, as the responder, whether ours is used, by what the initiator names (RFC
// 8784 §3).
func (a *association) takePPK(ours *sa.PPK, msg *message) (used *sa.PPK, mismatch verdict) {
	named := msg.notify(wire.NotifyPPKIdentity)
	say := func(message, remote, hint string) verdict {
		return func() *sa.Failure {
			return &sa.Failure{Reason: sa.ReasonPPKMismatch, Message: message, Local: ppkKnown(ours), Remote: remote, Hint: hint}
		}
	}
	switch {
	case named != nil && ours != nil && a.ppkAgreed && string(named.Data) == string(ppkIdentity(ours)):
		return ours, nil
	case ours != nil && ours.Required:
		return nil, func() *sa.Failure {
			remote := "names none"
			if named != nil {
				remote = ppkNamed(named)
			}
			return ppkFailure(ours, "the peer does not use the post-quantum key that is required here", remote)
		}
	case named == nil && a.ppkAgreed: // what an initiator that we told of our PPK must not leave away
		return nil, say("the peer announced a post-quantum key and names none", "names none", "the peer's implementation is broken")
	case named != nil && msg.notify(wire.NotifyNoPPKAuth) == nil:
		return nil, say("the peer insists on a post-quantum key that is not known here", ppkNamed(named), "configure it with auth.ppk, under this ID")
	}
	return nil, nil
}

// ppkKnown is what we call ours.
func ppkKnown(p *sa.PPK) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("ID %q", p.ID)
}

// ppkNamed is what a peer, which is not authenticated yet, calls its PPK. Who
// reads it in a log is shown as much as one of ours can have.
func ppkNamed(n *wire.Notify) string {
	return fmt.Sprintf("ID %.64q", n.Data[min(1, len(n.Data)):])
}

// confirmPPK settles, as the initiator, whether the responder took our PPK.
func (s *ikeSA) confirmPPK(msg *message) *sa.Failure {
	s.ppk = nil
	p, f := s.proposedPPK()
	switch {
	case p == nil:
		return f
	case msg.notify(wire.NotifyPPKIdentity) != nil:
		s.ppk = p
	case p.Required:
		return ppkFailure(p, "the peer does not know our post-quantum key, which is required here", "answers without PPK_IDENTITY")
	}
	return nil
}

// proofOf is the peer's proof: AUTH, or what stands in NO_PPK_AUTH where the PPK
// that AUTH was made with is not used.
func proofOf(msg *message, withPPK bool) (*wire.Authentication, bool) {
	proof, ok := payload[*wire.Authentication](msg)
	if n := msg.notify(wire.NotifyNoPPKAuth); ok && n != nil && !withPPK {
		return &wire.Authentication{Method: proof.Method, Data: n.Data}, true
	}
	return proof, ok
}

// mixPPK takes the PPK in use into SK_d, for all keys to come (RFC 8784 §3). That
// there is one and it is not used is told (§6).
func (s *ikeSA) mixPPK() {
	if s.ppk == nil {
		if p := s.m.settings.PPK; p != nil && s.resumed == nil {
			s.m.emit(sa.PPKUnused{Connection: s.m.settings.Name, Remote: s.remote, ID: p.ID})
		}
		return
	}
	d := s.mixed(s.keys.D, s.ppk)
	keymat.Erase(s.keys.D)
	s.keys.D = d
}

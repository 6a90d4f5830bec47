package ikev1

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/wire"
)

// Identities and their proofs in phase 1 (RFC 2409 §5). The types of
// identities have the same numbers in both versions of IKE.

// idPayload is an identity as an ID payload.
func idPayload(id auth.Identity) *isakmp.Identification {
	return &isakmp.Identification{IDType: isakmp.IDType(id.Type), Data: []byte(id.Data)}
}

// identityOf is who an ID payload of phase 1 names. Port and protocol must be
// those of IKE, or none (RFC 2407 §4.6.2).
func identityOf(p *isakmp.Identification) (auth.Identity, error) {
	if p.Protocol != 0 && p.Protocol != 17 || p.Port != 0 && p.Port != ikePort && p.Port != defaultNATPort {
		return auth.Identity{}, fmt.Errorf("ikev1: identity with protocol %d and port %d", p.Protocol, p.Port)
	}
	return auth.FromPayload(&wire.Identification{IDType: wire.IDType(p.IDType), Data: p.Data})
}

func eraseShared(r sansio.KeyExchanged) { keymat.Erase(r.Shared) }

// errTooManyProofs ends the patience with a peer, or whoever speaks for it: each
// proof may cost the check of a signature.
var errTooManyProofs = errors.New("ikev1: more proofs of identity than are looked at")

// errAnotherProof is a proof that comes while one of the same peer is being checked: how
// many there are is up to a stranger, and the first that does not hold ends it all.
var errAnotherProof = errors.New("ikev1: another proof of identity while one is checked")

// provesIdentity reports whether the message has an identity and the hash that
// proves it.
func (a *association) provesIdentity(o *opened) bool {
	id, okID := isakmp.Find[*isakmp.Identification](o.payloads)
	hash, okHash := isakmp.Find[*isakmp.Hash](o.payloads)
	return okID && okHash && hmac.Equal(hash.Data, a.proof(!a.initiator, isakmp.Body(id)))
}

// who is the identity that a message shows.
func (o *opened) who() (*isakmp.Identification, auth.Identity, error) {
	id, ok := isakmp.Find[*isakmp.Identification](o.payloads)
	if !ok {
		return nil, auth.Identity{}, errors.New("ikev1: the peer sent no identity")
	}
	shown, err := identityOf(id)
	return id, shown, err
}

// wrong holds the peer's proof and identity against the settings. The failure is
// for the person at this end only.
func (s *ikeSA) wrong(r proven, shown auth.Identity) *sa.Failure {
	settings := s.m.settings
	want := settings.ExpectedID(s.remote.Addr(), s.initiator)
	ours := "identity " + settings.LocalID(s.local.Addr()).String()
	switch {
	case r.problem != nil:
		return sa.FailureOf(r.problem)
	case !r.authentic && s.method == isakmp.AuthPSK:
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer's hash is wrong: its pre-shared key is another one",
			Local: ours, Remote: "identity " + shown.String(), Hint: keyHint}
	case !r.authentic:
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer's signature could not be checked",
			Local: ours, Remote: "identity " + shown.String(), Hint: "the configuration was changed meanwhile: the next attempt uses the new one"}
	case !want.Matches(shown):
		return sa.IdentityMismatch(want, shown)
	}
	return nil
}

const keyHint = "compare the key at both ends, octet by octet: quotes, spaces, a final newline, 0x and 0s prefixes"

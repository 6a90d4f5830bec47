package ikev2

import (
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// What a refusal tells by its cost. A peer may be of one of several connections, which
// authenticate differently: by its identity one of them is chosen, or none. What refusing
// it costs goes by what it sent and by all of them, never by which it was.

// cover is what the candidates of a peer authenticate with, where there are several.
type cover struct {
	secret auth.Secret // of the first that has a pre-shared key of its peer
	trusts []*auth.Trust
	ppks   []*sa.PPK
}

func coverOf(candidates []*sa.Settings) (all cover) {
	if len(candidates) < 2 {
		return cover{}
	}
	for _, c := range candidates {
		switch {
		case c.Trust != nil:
			all.trusts = append(all.trusts, c.Trust)
		case all.secret.IsZero():
			all.secret = c.PSK
		}
		if c.PPK != nil {
			all.ppks = append(all.ppks, c.PPK)
		}
	}
	return all
}

// claim is a proof and what it is to cover.
type claim struct {
	proof  *wire.Authentication
	octets []byte
}

// claims are the peer's proof, and where it names a PPK that another candidate may have,
// what its proof would be there: with the PPK or without it (ppk.go).
func (x *examination) claims(msg *message, body []byte) (own claim, others []claim, ok bool) {
	if _, ok = payload[*wire.Authentication](msg); !ok {
		return own, nil, false
	}
	of := func(ppk *sa.PPK) claim {
		proof, _ := proofOf(msg, ppk != nil || x.initiator)
		return claim{proof, x.authOctets(!x.initiator, body, ppk)}
	}
	own = of(x.ppk)
	switch known := x.cover.ppk(msg); {
	case known == nil || !x.ppkAgreed:
	case x.ppk != nil:
		others = append(others, of(nil))
	default:
		others = append(others, of(known))
	}
	return own, others, true
}

// ppk is one of the candidates' that a message names, or nil.
func (all cover) ppk(msg *message) *sa.PPK {
	named := msg.notify(wire.NotifyPPKIdentity)
	if named == nil {
		return nil
	}
	for _, p := range all.ppks {
		if string(named.Data) == string(ppkIdentity(p)) {
			return p
		}
	}
	return nil
}

// trustFor is the trust that a signature is held against where the connection has none:
// that the peer was to sign is not to be noticed. nil: no candidate has any.
func (all cover) trustFor(own *auth.Trust) *auth.Trust {
	if own == nil && len(all.trusts) > 0 {
		return all.trusts[0]
	}
	return own
}

package transform

import "slices"

// Match chooses a suite that both sides accept, as the responder of a
// negotiation does (RFC 7296 §2.7, §3.3). The order of allowed, and of the
// transforms in it, wins over the order of offered. offeredIndex is the place
// of the chosen proposal in offered. The error is a *MismatchError.
func Match(proto Protocol, offered, allowed []Proposal) (s Suite, offeredIndex int, err error) {
	return match(proto, offered, allowed, rules{})
}

// MatchIgnoringGroup is Match for the first Child SA, which IKE_AUTH makes
// without a KE payload: groups on either side do not count (RFC 7296 §1.2), and
// the suite has none.
func MatchIgnoringGroup(proto Protocol, offered, allowed []Proposal) (s Suite, offeredIndex int, err error) {
	return match(proto, offered, allowed, rules{ignoreGroup: true})
}

// MatchPreferringGroup is Match for a request that carries a KE payload of the
// given group: where the chosen pair of proposals shares that group it is
// taken, which spares the round trip of INVALID_KE_PAYLOAD.
func MatchPreferringGroup(proto Protocol, offered, allowed []Proposal, group uint16) (s Suite, offeredIndex int, err error) {
	return match(proto, offered, allowed, rules{preferGroup: group})
}

// Confirm checks the answer of a responder against what was offered to it: one
// transform of each type, all from one proposal of the offer (RFC 7296 §2.7).
// offered is this side's own list, so the error is a *MismatchError whose
// Offered is the answer.
func Confirm(proto Protocol, answer Proposal, offered []Proposal) (Suite, error) {
	for _, typ := range answer.types() {
		if len(answer.of(typ)) != 1 {
			return Suite{}, mismatch(proto, []Proposal{answer}, offered, rules{})
		}
	}
	s, _, err := Match(proto, []Proposal{answer}, offered)
	if err != nil {
		return s, err
	}
	for _, t := range answer.Transforms { // one method twice is none of the offer (RFC 9370 §2.2.1)
		if !t.none() && !slices.Contains(s.Proposal().Transforms, t) {
			return Suite{}, &MismatchError{Protocol: proto, Offered: []Proposal{answer}, Allowed: offered, Missing: []Type{t.Type}}
		}
	}
	return s, nil
}

// rules is how a match treats groups.
type rules struct {
	ignoreGroup bool
	preferGroup uint16
}

func match(proto Protocol, offered, allowed []Proposal, r rules) (Suite, int, error) {
	for _, ours := range allowed {
		for i, theirs := range offered {
			if s, missing := pair(proto, theirs, ours, r); len(missing) == 0 {
				return s, i, nil
			}
		}
	}
	return Suite{}, -1, mismatch(proto, offered, allowed, r)
}

// pair matches one offered proposal with one of ours. missing names the
// transform types for which nothing is common.
func pair(proto Protocol, theirs, ours Proposal, r rules) (s Suite, missing []Type) {
	if theirs.Protocol != proto || ours.Protocol != proto {
		return Suite{}, []Type{Encryption}
	}
	if typ, ok := theirs.unknownType(); ok {
		// RFC 7296 §3.3.6: a type that is not understood spoils the proposal.
		return Suite{}, []Type{typ}
	}
	if r.ignoreGroup {
		theirs, ours = theirs.withoutGroups(), ours.withoutGroups()
	}
	if r.preferGroup != GroupNone {
		ours = PreferGroup([]Proposal{ours}, r.preferGroup)[0]
	}
	s.Protocol = proto
	chosen := map[Type]Transform{}
	for _, typ := range relevant(theirs, ours) {
		t, ok := common(typ, theirs.unused(typ, chosen), ours, chosen[Encryption])
		if !ok {
			missing = append(missing, typ)
			continue
		}
		chosen[typ] = t
	}
	s.Encryption, s.PRF, s.Integrity = chosen[Encryption], chosen[PseudoRandom], chosen[Integrity]
	s.Group, s.ESN = chosen[KeyExchange], chosen[SequenceNumbers].ID == ESN
	for i := range s.Additional {
		s.Additional[i] = chosen[FirstAdditional+Type(i)]
	}
	return s, missing
}

// unused is the proposal without the key exchanges of an additional type that
// are chosen for another already: no method counts twice (RFC 9370 §2.2.1).
func (p Proposal) unused(typ Type, chosen map[Type]Transform) Proposal {
	if !typ.Additional() {
		return p
	}
	p.Transforms = slices.DeleteFunc(slices.Clone(p.Transforms), func(t Transform) bool {
		if t.Type != typ || t.none() {
			return false
		}
		for other, c := range chosen {
			if (other == KeyExchange || other.Additional()) && c.ID == t.ID && c != (Transform{}) {
				return true
			}
		}
		return false
	})
	return p
}

// unknownType finds a transform type that is not of RFC 7296 or RFC 9370.
func (p Proposal) unknownType() (Type, bool) {
	for _, t := range p.Transforms {
		if t.Type < Encryption || t.Type > LastAdditional {
			return t.Type, true
		}
	}
	return 0, false
}

// relevant is the types that must be satisfied: the mandatory ones of the
// protocol (RFC 7296 §3.3.3) and whatever either side brings. A type that has
// no place in the protocol is never satisfied, since ours has none of it.
func relevant(theirs, ours Proposal) []Type {
	types := []Type{Encryption}
	switch ours.Protocol {
	case IKE:
		types = append(types, PseudoRandom, Integrity, KeyExchange)
	case ESP:
		types = append(types, Integrity, SequenceNumbers)
	}
	for _, t := range append(theirs.types(), ours.types()...) {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	slices.Sort(types) // encryption first: integrity depends on it
	return types
}

// common is the first transform of ours that the other side has as well. The
// zero Transform with ok is a type that both sides leave out.
func common(typ Type, theirs, ours Proposal, encr Transform) (t Transform, ok bool) {
	if typ == Integrity && (encr.aead() || encr == (Transform{})) {
		// RFC 7296 §3.3.2: with an AEAD integrity is left out or NONE. Without
		// a common encryption, integrity is not to blame.
		return Transform{}, encr == (Transform{}) || absent(theirs.of(typ))
	}
	mine, offers := ours.of(typ), theirs.of(typ)
	optional := typ == KeyExchange && ours.Protocol == ESP || typ.Additional()
	for _, t := range mine {
		if t.none() {
			if absent(offers) {
				return Transform{}, optional
			}
			continue
		}
		if slices.Contains(offers, t) && supported(t) {
			return t, true
		}
	}
	// A group that only the offer has is fine where it also offers NONE.
	return Transform{}, optional && len(mine) == 0 && absent(offers)
}

// absent tells whether an offer can do without the type: it has no transform
// of it, or an explicit NONE.
func absent(offers []Transform) bool {
	return len(offers) == 0 || slices.ContainsFunc(offers, Transform.none)
}

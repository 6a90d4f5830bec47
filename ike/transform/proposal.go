package transform

import (
	"slices"
	"strings"
)

// Proposal is what one side would accept: for each transform type it holds,
// one of the transforms of that type, the earlier the better (RFC 7296 §3.3).
// A proposal that was received may hold transforms unknown here.
type Proposal struct {
	Protocol   Protocol
	Transforms []Transform
}

// String is the proposal in keywords. Of an IKE proposal, PRFs that its
// integrity algorithms imply are left out, and of an ESP proposal the absence
// of extended sequence numbers, as ParseProposal fills them in.
func (p Proposal) String() string {
	var words []string
	implied := p.Protocol == IKE && slices.Equal(p.of(PseudoRandom), impliedPRFs(p.of(Integrity)))
	plain := p.Protocol == ESP && slices.Equal(p.of(SequenceNumbers), []Transform{{SequenceNumbers, NoESN, 0}})
	for _, typ := range p.types() {
		if typ == PseudoRandom && implied || typ == SequenceNumbers && plain {
			continue
		}
		for _, t := range p.of(typ) {
			if typ == Integrity && t.none() {
				continue // the keyword none is about groups
			}
			words = append(words, t.String())
		}
	}
	return strings.Join(words, "-")
}

// types is the transform types of the proposal in the order of their numbers,
// but integrity before PRF: the order in which people write keywords.
func (p Proposal) types() []Type {
	var out []Type
	for _, t := range p.Transforms {
		if !slices.Contains(out, t.Type) {
			out = append(out, t.Type)
		}
	}
	rank := func(t Type) int {
		switch t {
		case PseudoRandom:
			return int(Integrity)
		case Integrity:
			return int(PseudoRandom)
		}
		return int(t)
	}
	slices.SortStableFunc(out, func(a, b Type) int { return rank(a) - rank(b) })
	return out
}

// of is the transforms of one type, in order.
func (p Proposal) of(typ Type) []Transform {
	var out []Transform
	for _, t := range p.Transforms {
		if t.Type == typ {
			out = append(out, t)
		}
	}
	return out
}

// has tells whether the proposal holds a transform of the type.
func (p Proposal) has(typ Type) bool {
	return slices.ContainsFunc(p.Transforms, func(t Transform) bool { return t.Type == typ })
}

// Equal tells whether two proposals are the same, in the same order.
func (p Proposal) Equal(o Proposal) bool {
	return p.Protocol == o.Protocol && slices.Equal(p.Transforms, o.Transforms)
}

// without is the proposal without one transform type.
func (p Proposal) without(typ Type) Proposal {
	out := Proposal{Protocol: p.Protocol}
	for _, t := range p.Transforms {
		if t.Type != typ {
			out.Transforms = append(out.Transforms, t)
		}
	}
	return out
}

// withoutGroups is the proposal without key exchanges of any kind.
func (p Proposal) withoutGroups() Proposal {
	p = p.without(KeyExchange)
	p.Transforms = slices.DeleteFunc(p.Transforms, func(t Transform) bool { return t.Type.Additional() })
	return p
}

// Readable is the first transform of the proposal that authenticates packets
// without encrypting them; ok is false if all encrypt.
func (p Proposal) Readable() (t Transform, ok bool) {
	i := slices.IndexFunc(p.Transforms, Transform.readable)
	if i < 0 {
		return Transform{}, false
	}
	return p.Transforms[i], true
}

// Groups is the Diffie-Hellman groups of the proposals in order of preference,
// each once, without NONE. An initiator sends its KE payload for the first.
func Groups(proposals []Proposal) []uint16 {
	var out []uint16
	for _, p := range proposals {
		for _, t := range p.of(KeyExchange) {
			if !t.none() && !slices.Contains(out, t.ID) {
				out = append(out, t.ID)
			}
		}
	}
	return out
}

// additional tells whether the proposal has an Additional Key Exchange.
func (p Proposal) additional() bool {
	return slices.ContainsFunc(p.Transforms, func(t Transform) bool { return t.Type.Additional() })
}

// Additional tells whether a proposal has an Additional Key Exchange, so that
// the peer must be told of IKE_INTERMEDIATE (RFC 9370 §2.2.1).
func Additional(proposals []Proposal) bool {
	return slices.ContainsFunc(proposals, Proposal.additional)
}

// SkipAdditional makes proposals that have an Additional Key Exchange, NONE too, match
// nothing: for who did not announce IKE_INTERMEDIATE it is a transform type that is not
// known (RFC 9370 §2.2.1).
func SkipAdditional(proposals []Proposal) {
	for i, p := range proposals {
		if p.additional() {
			proposals[i].Protocol = 0
		}
	}
}

// WithoutGroups is the proposals as IKE_AUTH carries them, where no KE payload
// goes along (RFC 7296 §1.2). Proposals that become equal are sent once.
func WithoutGroups(proposals []Proposal) []Proposal {
	var out []Proposal
	for _, p := range proposals {
		p = p.withoutGroups()
		if !slices.ContainsFunc(out, p.Equal) {
			out = append(out, p)
		}
	}
	return out
}

// PreferGroup is the proposals with one group moved to the front of each, for
// the second try after INVALID_KE_PAYLOAD (RFC 7296 §1.2), and the proposals
// that hold it moved before those that do not. Nothing is added or dropped.
func PreferGroup(proposals []Proposal, group uint16) []Proposal {
	var with, rest []Proposal
	for _, p := range proposals {
		wanted := Transform{Type: KeyExchange, ID: group}
		i := slices.Index(p.Transforms, wanted)
		if i < 0 {
			rest = append(rest, p)
			continue
		}
		first := slices.IndexFunc(p.Transforms, func(t Transform) bool { return t.Type == KeyExchange })
		ts := slices.Delete(slices.Clone(p.Transforms), i, i+1)
		with = append(with, Proposal{p.Protocol, slices.Insert(ts, first, wanted)})
	}
	return append(with, rest...)
}

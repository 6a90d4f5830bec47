package transform

import (
	"fmt"
	"slices"
	"strings"
)

// What bounds a configured proposal; every keyword there is fits.
const (
	maxKeywords = 64
	maxText     = 1024
)

// ParseProposal reads a proposal as strongSwan writes it: keywords joined by
// hyphens, several of one kind being alternatives in order of preference. An
// IKE proposal without PRF takes the one that goes with each integrity
// algorithm; an ESP proposal without esn or noesn is noesn.
func ParseProposal(proto Protocol, keywords string) (Proposal, error) {
	if proto != IKE && proto != ESP {
		return Proposal{}, fmt.Errorf("transform: %s proposals are not supported, only IKE and ESP", proto)
	}
	if len(keywords) > maxText {
		return Proposal{}, fmt.Errorf("transform: proposal of %d characters: at most %d are allowed", len(keywords), maxText)
	}
	p := Proposal{Protocol: proto}
	words := strings.Split(strings.ToLower(strings.TrimSpace(keywords)), "-")
	if len(words) > maxKeywords {
		return Proposal{}, fmt.Errorf("transform: proposal of %d keywords: at most %d are allowed", len(words), maxKeywords)
	}
	var byType [LastAdditional + 1][]Transform
	for _, word := range words {
		k, err := parseKeyword(proto, keywords, word)
		if err != nil {
			return Proposal{}, err
		}
		t := k.Transform
		if slices.Contains(byType[t.Type], t) {
			return Proposal{}, fmt.Errorf("transform: proposal %q: %s is given twice", keywords, k.Name)
		}
		byType[t.Type] = append(byType[t.Type], t)
	}
	if proto == IKE && len(byType[PseudoRandom]) == 0 {
		byType[PseudoRandom] = impliedPRFs(byType[Integrity])
	}
	if proto == ESP && len(byType[SequenceNumbers]) == 0 {
		byType[SequenceNumbers] = []Transform{{SequenceNumbers, NoESN, 0}}
	}
	for _, ts := range byType {
		p.Transforms = append(p.Transforms, ts...)
	}
	if err := p.check(); err != nil {
		return Proposal{}, fmt.Errorf("transform: proposal %q: %w", keywords, err)
	}
	return p, nil
}

// parseKeyword finds one word, or says why it is none and what is allowed.
func parseKeyword(proto Protocol, all, word string) (Keyword, error) {
	if strings.TrimSpace(all) == "" {
		return Keyword{}, fmt.Errorf("transform: empty proposal: write for example %q", example(proto))
	}
	if word == "" {
		return Keyword{}, fmt.Errorf("transform: proposal %q: a keyword is missing beside a hyphen", all)
	}
	k, ok := lookup(word)
	if ok && k.allowedIn(proto) {
		return k, nil
	}
	if ok {
		return Keyword{}, fmt.Errorf("transform: proposal %q: %s", all, misplaced(proto, k))
	}
	if strings.HasSuffix(word, "!") {
		return Keyword{}, fmt.Errorf("transform: proposal %q: leave the %q out, proposals are always strict", all, "!")
	}
	if why, ok := refused[word]; ok {
		return Keyword{}, fmt.Errorf("transform: proposal %q: %s is not supported (%s); allowed: %s", all, word, why, allowed(proto))
	}
	if near := nearest(proto, word); near != "" {
		return Keyword{}, fmt.Errorf("transform: proposal %q: unknown keyword %q, did you mean %q? allowed: %s", all, word, near, allowed(proto))
	}
	return Keyword{}, fmt.Errorf("transform: proposal %q: unknown keyword %q; allowed: %s", all, word, allowed(proto))
}

// refused is keywords of strongSwan that this version does not have, and why.
var refused = map[string]string{
	"default":     "leave proposals out of the configuration for the defaults",
	"des":         "its 56-bit keys are found in hours: use aes128, and 3des only where the peer has nothing else",
	"md5":         "it is broken: use sha256, and sha1 only where the peer has nothing else",
	"prfmd5":      "it is broken: use prfsha256, and prfsha1 only where the peer has nothing else",
	"modp768":     "it can be computed in advance: use modp2048, and modp1024 only where the peer has nothing else",
	"blowfish128": "64-bit blocks", "cast128": "64-bit blocks",
	"modp1024s160": "RFC 8247 forbids it", "modp2048s224": "RFC 8247 forbids it", "modp2048s256": "RFC 8247 forbids it",
	"aes128ctr": "use aes128gcm16", "aes192ctr": "use aes192gcm16", "aes256ctr": "use aes256gcm16",
	"aesxcbc": "use sha256", "aescmac": "use sha256",
	"prfaesxcbc": "use prfsha256", "prfaescmac": "use prfsha256",
	"camellia128": "use aes128", "camellia192": "use aes192", "camellia256": "use aes256",
	"ecp192": "use ecp256", "ecp224": "use ecp256",
}

// misplaced says why a keyword has no place in proposals of proto.
func misplaced(proto Protocol, k Keyword) string {
	switch k.Transform.Type {
	case PseudoRandom:
		return fmt.Sprintf("%s is for IKE: ESP has no pseudorandom function", k.Name)
	case SequenceNumbers:
		return fmt.Sprintf("%s is for ESP: an IKE SA has no sequence numbers", k.Name)
	case KeyExchange:
		return fmt.Sprintf("%s is for ESP: an IKE SA always needs a Diffie-Hellman group", k.Name)
	case Encryption:
		return fmt.Sprintf("%s is for ESP: an IKE SA is always encrypted", k.Name)
	}
	return fmt.Sprintf("%s has no place in an %s proposal", k.Name, proto)
}

// allowed lists the keywords of proto for an error message.
func allowed(proto Protocol) string { return strings.Join(Keywords(proto), ", ") }

// example is a good proposal for messages.
func example(proto Protocol) string {
	if proto == ESP {
		return "aes256gcm16-esn"
	}
	return "aes256gcm16-prfsha384-ecp384"
}

// check tells what a configured proposal lacks to be complete (RFC 7296
// §3.3.3) and free of contradictions (RFC 7296 §3.3: AEADs and others must be
// in separate proposals).
func (p Proposal) check() error {
	encr, integ := p.of(Encryption), p.of(Integrity)
	if len(encr) == 0 {
		return fmt.Errorf("an encryption algorithm is missing, for example aes256gcm16")
	}
	aeads := 0
	for _, t := range encr {
		if t.aead() {
			aeads++
		}
	}
	switch {
	case aeads != 0 && aeads != len(encr):
		return fmt.Errorf("%s and %s need a proposal each: only one of them takes an integrity algorithm",
			encr[0], firstOther(encr))
	case aeads != 0 && len(integ) != 0:
		return p.integrityBesideAEAD(encr[0], integ[0])
	case aeads == 0 && len(integ) == 0:
		return fmt.Errorf("%s needs an integrity algorithm, for example sha256", encr[0])
	}
	if p.Protocol == ESP && p.additional() && !p.has(KeyExchange) {
		return fmt.Errorf("an additional key exchange needs one that it adds to: add for example ecp384 or mlkem768")
	}
	if p.Protocol != IKE {
		return nil
	}
	if !p.has(PseudoRandom) {
		return fmt.Errorf("%s needs a PRF, since no integrity algorithm implies one: add for example prfsha384", encr[0])
	}
	if !p.has(KeyExchange) {
		return fmt.Errorf("a Diffie-Hellman group is missing: add for example ecp384 or modp2048")
	}
	return nil
}

func (p Proposal) integrityBesideAEAD(encr, integ Transform) error {
	if prf := impliedPRFs([]Transform{integ}); p.Protocol == IKE && len(prf) == 1 {
		return fmt.Errorf("%s authenticates by itself: write %s in place of %s", encr, prf[0], integ)
	}
	return fmt.Errorf("%s authenticates by itself: leave %s out", encr, integ)
}

// firstOther is the first encryption of the other kind than the first one.
func firstOther(encr []Transform) Transform {
	for _, t := range encr {
		if t.aead() != encr[0].aead() {
			return t
		}
	}
	return encr[0]
}

// impliedPRFs is the PRF with the hash of each integrity algorithm.
func impliedPRFs(integ []Transform) []Transform {
	prf := map[uint16]uint16{
		HMACSHA1_96:   PRFHMACSHA1,
		HMACSHA256128: PRFHMACSHA256,
		HMACSHA384192: PRFHMACSHA384,
		HMACSHA512256: PRFHMACSHA512,
	}
	var out []Transform
	for _, t := range integ {
		if id, ok := prf[t.ID]; ok {
			out = append(out, Transform{Type: PseudoRandom, ID: id})
		}
	}
	return out
}

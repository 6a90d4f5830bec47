package transform

import "fmt"

// DefaultIKEv1Proposals is what is proposed and accepted for ISAKMP SAs unless
// the configuration says otherwise. In IKEv1 an offer lists every combination,
// so there are few: the first message must fit into one datagram.
func DefaultIKEv1Proposals() []Proposal {
	keys := []Transform{{Encryption, AESCBC, 256}, {Encryption, AESCBC, 128}}
	groups := ids(KeyExchange, MODP2048, ECP256, ECP384, MODP4096)
	var out []Proposal
	for _, h := range [][2]uint16{{PRFHMACSHA256, HMACSHA256128}, {PRFHMACSHA384, HMACSHA384192}} {
		out = append(out, build(IKE, keys, ids(PseudoRandom, h[0]), ids(Integrity, h[1]), groups))
	}
	return out
}

// DefaultIKEv1ESPProposals is the same for Child SAs. A Quick Mode has one group
// for all it offers; without one comes second, as most devices have none.
func DefaultIKEv1ESPProposals() []Proposal {
	gcm := []Transform{{Encryption, AESGCM16, 256}, {Encryption, AESGCM16, 128}}
	cbc := []Transform{{Encryption, AESCBC, 256}, {Encryption, AESCBC, 128}}
	hash, plain := ids(Integrity, HMACSHA256128), ids(SequenceNumbers, NoESN)
	first, others := ids(KeyExchange, MODP2048), ids(KeyExchange, ECP256, ECP384)
	return []Proposal{
		build(ESP, gcm, first, plain), build(ESP, cbc, hash, first, plain),
		build(ESP, gcm, plain), build(ESP, cbc, hash, plain),
		build(ESP, gcm, others, plain), build(ESP, cbc, hash, others, plain),
	}
}

// ParseIKEv1Proposal is ParseProposal for a connection that speaks IKEv1, which
// has fewer algorithms.
func ParseIKEv1Proposal(proto Protocol, text string) (Proposal, error) {
	p, err := ParseProposal(proto, text)
	if err != nil {
		return Proposal{}, err
	}
	for _, t := range p.Transforms {
		if !t.inIKEv1(proto) {
			return Proposal{}, fmt.Errorf("transform: proposal %q: IKEv1 has no %s; %s", text, t, ikev1Allows(proto))
		}
	}
	return p, nil
}

func (t Transform) inIKEv1(proto Protocol) bool {
	switch t.Type {
	case Encryption:
		return t.ID == AESCBC || t.ID == TripleDES || proto == ESP && (t.ID == AESGCM8 || t.ID == AESGCM12 || t.ID == AESGCM16)
	case KeyExchange:
		return t.ID <= ECP521
	}
	return true
}

func ikev1Allows(proto Protocol) string {
	if proto == IKE {
		return "allowed: aes128, aes192, aes256 or 3des with sha1, sha256, sha384 or sha512 and a group up to ecp521, for example aes256-sha256-modp2048"
	}
	return "allowed: AES-GCM, or aes128, aes192, aes256 or 3des with sha1, sha256, sha384 or sha512, and a group up to ecp521 or none"
}

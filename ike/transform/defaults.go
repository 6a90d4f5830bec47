package transform

import "slices"

// DefaultIKEProposals is what is proposed and accepted for IKE SAs unless the
// configuration says otherwise. SHA-1 and groups below 2048 bits must be
// configured, and so must the two largest MODP groups, whose exponentiation a
// peer could make us pay for before it is authenticated.
//
// The first group is one that cloud gateways have too, which spares the round
// trip of INVALID_KE_PAYLOAD.
func DefaultIKEProposals() []Proposal {
	groups := ids(KeyExchange, ECP384, X25519, ECP256, ECP521, MODP3072, MODP4096, MODP2048)
	return []Proposal{
		build(IKE, aesKeys(AESGCM16), ids(PseudoRandom, PRFHMACSHA384, PRFHMACSHA256, PRFHMACSHA512), groups),
		build(IKE, aesKeys(AESCBC), ids(PseudoRandom, PRFHMACSHA256, PRFHMACSHA384, PRFHMACSHA512), hmacSHA2(), groups),
	}
}

// DefaultESPProposals is the same for Child SAs. Perfect forward secrecy is
// preferred and not demanded: the proposals without a group come after those
// with one, in their own right, because not every peer knows the group NONE.
// Both kinds of sequence numbers are alternatives of each proposal.
func DefaultESPProposals() []Proposal {
	groups := ids(KeyExchange, ECP384, X25519, ECP256, ECP521, MODP3072, MODP4096, MODP2048)
	esn := ids(SequenceNumbers, ESN, NoESN)
	return []Proposal{
		build(ESP, aesKeys(AESGCM16), groups, esn),
		build(ESP, aesKeys(AESCBC), hmacSHA2(), groups, esn),
		build(ESP, aesKeys(AESGCM16), esn),
		build(ESP, aesKeys(AESCBC), hmacSHA2(), esn),
	}
}

func build(proto Protocol, parts ...[]Transform) Proposal {
	return Proposal{Protocol: proto, Transforms: slices.Concat(parts...)}
}

// aesKeys is one AES mode with its key lengths, the longest first.
func aesKeys(id uint16) []Transform {
	return []Transform{{Encryption, id, 256}, {Encryption, id, 192}, {Encryption, id, 128}}
}

func hmacSHA2() []Transform {
	return ids(Integrity, HMACSHA256128, HMACSHA384192, HMACSHA512256)
}

func ids(typ Type, list ...uint16) []Transform {
	out := make([]Transform, len(list))
	for i, id := range list {
		out[i] = Transform{Type: typ, ID: id}
	}
	return out
}

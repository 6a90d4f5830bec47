package keymat

import (
	"encoding/binary"

	"causeway/ike/transform"
)

// Keys of IKEv1 (RFC 2409 §5, §5.5, appendix B). prf is the HMAC of the
// negotiated hash throughout.

// SKEYIDFromPSK is SKEYID of a phase 1 with a pre-shared key.
func SKEYIDFromPSK(prf *transform.PRF, psk, ni, nr []byte) []byte {
	return prf.Sum(nil, psk, ni, nr)
}

// SKEYIDFromSignatures is SKEYID of a phase 1 with signatures.
func SKEYIDFromSignatures(prf *transform.PRF, ni, nr, shared []byte) []byte {
	return prf.Sum(nil, concat(ni, nr), shared)
}

// IKEv1Keys is the keys of an ISAKMP SA: SKEYID and what is derived from it.
type IKEv1Keys struct {
	SKEYID  []byte
	D, A, E []byte // SKEYID_d, SKEYID_a, SKEYID_e
}

// Erase overwrites all keys.
func (k *IKEv1Keys) Erase() {
	Erase(k.SKEYID, k.D, k.A, k.E)
	*k = IKEv1Keys{}
}

// DeriveIKEv1 takes the keys of an ISAKMP SA from SKEYID, which they then hold.
func DeriveIKEv1(prf *transform.PRF, skeyid, shared []byte, cookieI, cookieR uint64) IKEv1Keys {
	cookies := binary.BigEndian.AppendUint64(nil, cookieI)
	cookies = binary.BigEndian.AppendUint64(cookies, cookieR)
	k := IKEv1Keys{SKEYID: skeyid}
	k.D = prf.Sum(nil, skeyid, shared, cookies, []byte{0})
	k.A = prf.Sum(nil, skeyid, k.D, shared, cookies, []byte{1})
	k.E = prf.Sum(nil, skeyid, k.A, shared, cookies, []byte{2})
	return k
}

// IKEv1CipherKey is the encryption key of n octets: the start of SKEYID_e, or
// of what it is expanded to where it is too short (RFC 2409 appendix B).
func IKEv1CipherKey(prf *transform.PRF, skeyidE []byte, n int) []byte {
	if n <= len(skeyidE) {
		return append([]byte(nil), skeyidE[:n]...)
	}
	var out []byte
	last := []byte{0}
	for len(out) < n {
		out = prf.Sum(out, skeyidE, last)
		last = out[len(out)-prf.Size():]
	}
	clear(out[n:])
	return out[:n:n]
}

// IKEv1PhaseOneIV is the first initialisation vector of phase 1, of n octets.
func IKEv1PhaseOneIV(prf *transform.PRF, publicI, publicR []byte, n int) []byte {
	return prf.Hash(nil, publicI, publicR)[:n]
}

// IKEv1PhaseTwoIV is the first initialisation vector of an exchange of phase 2:
// lastBlock is the last block of ciphertext of phase 1.
func IKEv1PhaseTwoIV(prf *transform.PRF, lastBlock []byte, messageID uint32) []byte {
	return prf.Hash(nil, lastBlock, binary.BigEndian.AppendUint32(nil, messageID))[:len(lastBlock)]
}

// IKEv1Hash is HASH_I with the values of the initiator first, and HASH_R with
// those of the responder first (RFC 2409 §5). sa and id are the bodies of the
// initiator's SA payload and of the ID payload of the side whose hash it is.
func IKEv1Hash(prf *transform.PRF, skeyid, own, other []byte, ownCookie, otherCookie uint64, sa, id []byte) []byte {
	cookies := binary.BigEndian.AppendUint64(nil, ownCookie)
	cookies = binary.BigEndian.AppendUint64(cookies, otherCookie)
	return prf.Sum(nil, skeyid, own, other, cookies, sa, id)
}

// IKEv1Message is HASH(1) with nothing and HASH(2) with Ni_b before rest, which
// is all payloads behind the HASH payload (RFC 2409 §5.5, §5.7).
func IKEv1Message(prf *transform.PRF, skeyidA []byte, messageID uint32, before, rest []byte) []byte {
	return prf.Sum(nil, skeyidA, binary.BigEndian.AppendUint32(nil, messageID), before, rest)
}

// IKEv1Commit is HASH(3) (RFC 2409 §5.5).
func IKEv1Commit(prf *transform.PRF, skeyidA []byte, messageID uint32, ni, nr []byte) []byte {
	return prf.Sum(nil, skeyidA, []byte{0}, binary.BigEndian.AppendUint32(nil, messageID), ni, nr)
}

// IKEv1ChildKeys cuts the keys of one direction of a Child SA from KEYMAT
// (RFC 2409 §5.5). spi is the receiver's; shared is empty without perfect
// forward secrecy.
func IKEv1ChildKeys(suite transform.Suite, prf *transform.PRF, skeyidD, shared []byte, spi uint32, ni, nr []byte) (encryption, integrity []byte) {
	e, a := suite.EncryptionKeyLen(), suite.IntegrityKeyLen()
	seed := append([]byte{byte(suite.Protocol)}, binary.BigEndian.AppendUint32(nil, spi)...)
	seed = concat(shared, seed, ni, nr)
	var out, last []byte
	for len(out) < e+a {
		out = prf.Sum(out, skeyidD, last, seed)
		last = out[len(out)-prf.Size():]
	}
	clear(seed)
	clear(out[e+a:])
	encryption, out = take(out[:e+a:e+a], e)
	integrity, _ = take(out, a)
	return encryption, integrity
}

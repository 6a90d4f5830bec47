// Package keymat derives the keys of IKEv2 (RFC 7296 §2.13, §2.14, §2.17,
// §2.18) and assembles the octets that AUTH covers (RFC 7296 §2.15).
//
// It is pure functions: no state, no randomness, no transform IDs of its own.
// Whoever calls owns the keys returned and erases them with Erase. All of it is
// safe for concurrent use.
package keymat

import (
	"encoding/binary"

	"causeway/ike/transform"
)

// PRFPlus is the first n octets of prf+ (RFC 7296 §2.13). More than 255 blocks
// of output are not defined; to ask for them is a mistake of the caller and
// panics.
func PRFPlus(prf *transform.PRF, key, seed []byte, n int) []byte {
	if n > 255*prf.Size() {
		panic("keymat: prf+ has no more than 255 blocks")
	}
	out := make([]byte, 0, n+prf.Size())
	var last []byte
	for i := byte(1); len(out) < n; i++ {
		out = prf.Sum(out, key, last, seed, []byte{i})
		last = out[len(out)-prf.Size():]
	}
	clear(out[n:]) // the unused end of the last block
	return out[:n:n]
}

// SKEYSEED is the seed of a new IKE SA (RFC 7296 §2.14).
func SKEYSEED(prf *transform.PRF, ni, nr, shared []byte) []byte {
	return prf.Sum(nil, concat(ni, nr), shared)
}

// SKEYSEEDRekey is the seed of an IKE SA that replaces another, whose PRF and
// SK_d these are (RFC 7296 §2.18); more are the secrets of additional key
// exchanges (RFC 9370 §2.2.4). It is also that of an IKE SA whose keys an
// additional key exchange renews before IKE_AUTH (§2.2.2).
func SKEYSEEDRekey(prf *transform.PRF, skd, shared, ni, nr []byte, more ...[]byte) []byte {
	return prf.Sum(nil, skd, append([][]byte{shared, ni, nr}, more...)...)
}

// SKEYSEEDResumed is the seed of an IKE SA that was resumed; skd is SK_d of the one
// that its ticket is of (RFC 5723 §5.1).
func SKEYSEEDResumed(prf *transform.PRF, skd, ni, nr []byte) []byte {
	return prf.Sum(nil, skd, []byte("Resumption"), ni, nr)
}

// Intermediate is what one message of IKE_INTERMEDIATE adds to what AUTH covers:
// a chain over the messages of its sender, under the SK_p that the sender had
// (RFC 9242 §3.3.1). header is the message up to its encryption, with lengths as
// if plain followed as it is.
func Intermediate(prf *transform.PRF, skp, previous, header, plain []byte) []byte {
	return prf.Sum(nil, skp, previous, header, plain)
}

// IKEKeys is the keys of an IKE SA. The suffix I is what the initiator of the
// IKE SA sends with, R the responder.
type IKEKeys struct {
	D      []byte // SK_d
	AI, AR []byte // SK_ai, SK_ar; empty with an AEAD
	EI, ER []byte // SK_ei, SK_er
	PI, PR []byte // SK_pi, SK_pr
}

// Erase overwrites all keys.
func (k *IKEKeys) Erase() {
	Erase(k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR)
	*k = IKEKeys{}
}

// DeriveIKE takes the keys of an IKE SA from SKEYSEED (RFC 7296 §2.14). The
// suite is one that transform.Match gave, so its PRF exists; DeriveIKE panics
// for any other.
func DeriveIKE(suite transform.Suite, skeyseed, ni, nr []byte, spii, spir uint64) IKEKeys {
	prf, err := transform.NewPRF(suite.PRF.ID)
	if err != nil {
		panic("keymat: " + err.Error())
	}
	seed := concat(ni, nr)
	seed = binary.BigEndian.AppendUint64(seed, spii)
	seed = binary.BigEndian.AppendUint64(seed, spir)
	a, e, p := suite.IntegrityKeyLen(), suite.EncryptionKeyLen(), prf.KeyLen()
	stream := PRFPlus(prf, skeyseed, seed, 3*p+2*a+2*e)
	k := IKEKeys{}
	for _, part := range []struct {
		key *[]byte
		n   int
	}{{&k.D, p}, {&k.AI, a}, {&k.AR, a}, {&k.EI, e}, {&k.ER, e}, {&k.PI, p}, {&k.PR, p}} {
		*part.key, stream = take(stream, part.n)
	}
	return k
}

// ChildKeys is the keys of a Child SA pair. The suffix I is what the initiator
// of the exchange that made it sends with, R the responder of that exchange.
type ChildKeys struct {
	EncryptionI, IntegrityI []byte
	EncryptionR, IntegrityR []byte
}

// Erase overwrites all keys.
func (k *ChildKeys) Erase() {
	Erase(k.EncryptionI, k.IntegrityI, k.EncryptionR, k.IntegrityR)
	*k = ChildKeys{}
}

// DeriveChild takes the keys of a Child SA from KEYMAT (RFC 7296 §2.17). prf and
// skd are of the IKE SA; shared is empty without perfect forward secrecy, and more
// are the secrets of additional key exchanges (RFC 9370 §2.2.4).
func DeriveChild(suite transform.Suite, prf *transform.PRF, skd, shared, ni, nr []byte, more ...[]byte) ChildKeys {
	e, a := suite.EncryptionKeyLen(), suite.IntegrityKeyLen()
	seed := concat(append([][]byte{shared, ni, nr}, more...)...)
	stream := PRFPlus(prf, skd, seed, 2*e+2*a)
	clear(seed)
	k := ChildKeys{}
	k.EncryptionI, stream = take(stream, e)
	k.IntegrityI, stream = take(stream, a)
	k.EncryptionR, stream = take(stream, e)
	k.IntegrityR, _ = take(stream, a)
	return k
}

// SignedOctets is what AUTH covers (RFC 7296 §2.15): the sender's first message
// as it was on the wire, the other side's nonce, and prf(SK_p, IDBody), where
// idBody is the sender's ID payload without its generic header.
func SignedOctets(message, nonce []byte, prf *transform.PRF, skp, idBody []byte) []byte {
	return prf.Sum(concat(message, nonce), skp, idBody)
}

// Erase overwrites keys that are no longer needed.
func Erase(keys ...[]byte) {
	for _, k := range keys {
		clear(k)
	}
}

// take cuts the first n octets off, without room to grow into the rest.
func take(b []byte, n int) (first, rest []byte) { return b[:n:n], b[n:] }

func concat(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

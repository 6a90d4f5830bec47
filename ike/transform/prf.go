package transform

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

// PRF is a pseudorandom function (RFC 7296 §2.13). All of them are HMACs with a
// key of any length. A PRF holds no state.
type PRF struct {
	id   uint16
	size int
	hash func() hash.Hash
}

// NewPRF is the PRF with the transform ID id.
func NewPRF(id uint16) (*PRF, error) {
	switch id {
	case PRFHMACSHA1:
		return &PRF{id, sha1.Size, sha1.New}, nil
	case PRFHMACSHA256:
		return &PRF{id, sha256.Size, sha256.New}, nil
	case PRFHMACSHA384:
		return &PRF{id, sha512.Size384, sha512.New384}, nil
	case PRFHMACSHA512:
		return &PRF{id, sha512.Size, sha512.New}, nil
	}
	return nil, fmt.Errorf("transform: prf %d is not supported", id)
}

// ID is the transform ID.
func (p *PRF) ID() uint16 { return p.id }

// Size is the length of the output in octets.
func (p *PRF) Size() int { return p.size }

// KeyLen is the preferred key length: that of SK_d, SK_pi and SK_pr (RFC 7296
// §2.13, RFC 4868 §2.1.2).
func (p *PRF) KeyLen() int { return p.size }

// Sum appends prf(key, data[0] | data[1] | ...) to dst.
func (p *PRF) Sum(dst, key []byte, data ...[]byte) []byte {
	mac := hmac.New(p.hash, key)
	for _, d := range data {
		mac.Write(d)
	}
	return mac.Sum(dst)
}

// Hash appends the digest of data with the hash that the PRF is made of, as
// IKEv1 negotiates one algorithm for both (RFC 2409 §4).
func (p *PRF) Hash(dst []byte, data ...[]byte) []byte {
	h := p.hash()
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(dst)
}

// Observed is the same function, which tells how many octets its digests take in:
// for tests of how much work is done.
func (p *PRF) Observed(see func(octets int)) *PRF {
	out := *p
	out.hash = func() hash.Hash { return observed{p.hash(), see} }
	return &out
}

type observed struct {
	hash.Hash
	see func(octets int)
}

// Write implements hash.Hash.
func (o observed) Write(b []byte) (int, error) {
	o.see(len(b))
	return o.Hash.Write(b)
}

package transform

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// integrityHash is what an HMAC integrity transform is made of.
type integrityHash struct {
	keyLen int // octets of keying material
	icvLen int // octets of the truncated output
	hash   func() hash.Hash
}

// integrityOf finds the HMAC of a transform ID of type Integrity (RFC 2404,
// RFC 4868 §2.6).
func integrityOf(id uint16) (integrityHash, bool) {
	switch id {
	case HMACSHA1_96:
		return integrityHash{sha1.Size, 12, sha1.New}, true
	case HMACSHA256128:
		return integrityHash{sha256.Size, 16, sha256.New}, true
	case HMACSHA384192:
		return integrityHash{sha512.Size384, 24, sha512.New384}, true
	case HMACSHA512256:
		return integrityHash{sha512.Size, 32, sha512.New}, true
	}
	return integrityHash{}, false
}

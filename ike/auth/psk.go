package auth

import (
	"crypto/hmac"

	"causeway/ike/transform"
)

// keyPad is the pad of RFC 7296 §2.15, without a terminating zero.
var keyPad = []byte("Key Pad for IKEv2")

// PSK is the AUTH data for a pre-shared key (RFC 7296 §2.15):
// prf(prf(secret, "Key Pad for IKEv2"), signedOctets).
func PSK(prf *transform.PRF, secret Secret, signedOctets []byte) []byte {
	key := prf.Sum(nil, secret.Bytes(), keyPad)
	defer clear(key)
	return prf.Sum(nil, key, signedOctets)
}

// VerifyPSK checks the AUTH data of a peer in constant time. An empty secret
// verifies nothing.
func VerifyPSK(prf *transform.PRF, secret Secret, signedOctets, received []byte) bool {
	if secret.IsZero() {
		return false
	}
	return hmac.Equal(PSK(prf, secret, signedOctets), received)
}

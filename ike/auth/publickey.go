package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
)

// What an RSA key may be. Below, it can be broken; above, every signature costs
// more than a stranger may make us spend.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// kindOf is the kind of a public key that signatures are checked with, or why
// it is none.
func kindOf(key crypto.PublicKey) (keyKind, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return keyRSA, checkRSA(k)
	case *ecdsa.PublicKey:
		return keyECDSA, checkECDSA(k)
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return 0, fmt.Errorf("an Ed25519 key has %d octets, not %d", ed25519.PublicKeySize, len(k))
		}
		return keyEd25519, nil
	}
	return 0, fmt.Errorf("keys of type %T are not supported; RSA, ECDSA and Ed25519 are", key)
}

// checkRSA refuses keys that are too small, too large or malformed: an even
// modulus or exponent, or one that leaves the message as it is.
func checkRSA(k *rsa.PublicKey) error {
	if k.N == nil || k.N.Sign() <= 0 {
		return fmt.Errorf("the RSA key has no modulus")
	}
	switch bits := k.N.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return fmt.Errorf("the RSA key has %d bits; %d to %d are accepted", bits, minRSABits, maxRSABits)
	case k.N.Bit(0) == 0:
		return fmt.Errorf("the modulus of the RSA key is even")
	case k.E < 3 || k.E%2 == 0:
		return fmt.Errorf("the RSA key has the exponent %d; odd ones from 3 are accepted", k.E)
	}
	return nil
}

var curves = []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}

func checkECDSA(k *ecdsa.PublicKey) error {
	if k.Curve == nil || !slices.Contains(curves, k.Curve) {
		name := "unknown"
		if k.Curve != nil {
			name = k.Curve.Params().Name
		}
		return fmt.Errorf("the curve %s is not supported; P-256, P-384 and P-521 are", name)
	}
	if _, err := k.ECDH(); err != nil { // a point on the curve
		return fmt.Errorf("the ECDSA key is no point of %s", k.Curve.Params().Name)
	}
	return nil
}

// describeKey is the kind and size of a key, such as "RSA 2048".
func describeKey(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", key)
}

// maxPublicKey bounds the DER of a raw public key: RSA of maxRSABits has some
// 1100 octets.
const maxPublicKey = 2048

// ParsePublicKey reads a raw public key: the DER of a SubjectPublicKeyInfo (RFC
// 7670 §3). Only keys that can be used are accepted.
func ParsePublicKey(der []byte) (crypto.PublicKey, error) {
	if len(der) > maxPublicKey {
		return nil, fmt.Errorf("auth: a public key of %d octets; at most %d are accepted", len(der), maxPublicKey)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("auth: malformed public key: %w", err)
	}
	if _, err := kindOf(key); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return key, nil
}

// samePublicKey compares two keys of a kind that is supported, by value.
func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// fits tells whether the scheme signs with the key. ECDSA signs with any hash
// on any curve (RFC 7427 §3).
func (s Scheme) fits(key crypto.PublicKey) bool {
	kind, err := kindOf(key)
	return err == nil && kind == s.kind
}

// suits orders the schemes for a key: for ECDSA, the hash as strong as the
// curve comes first.
func suits(key crypto.PublicKey, list []Scheme) []Scheme {
	var out []Scheme
	for _, s := range list {
		if s.fits(key) {
			out = append(out, s)
		}
	}
	k, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return out
	}
	best := Scheme{keyECDSA, false, hashOfCurve(k.Curve)}
	if i := slices.Index(out, best); i > 0 {
		out = slices.Insert(slices.Delete(out, i, i+1), 0, best)
	}
	return out
}

// hashOfCurve is the hash that RFC 4754 §2 fixes for a curve.
func hashOfCurve(c elliptic.Curve) HashAlgorithm {
	switch c {
	case elliptic.P384():
		return HashSHA384
	case elliptic.P521():
		return HashSHA512
	}
	return HashSHA256
}

// scalarLen is the length of r and of s on a curve.
func scalarLen(c elliptic.Curve) int { return (c.Params().N.BitLen() + 7) / 8 }

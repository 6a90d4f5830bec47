package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"causeway/ike/wire"
)

// Signatures in AUTH payloads: RFC 7427 (method 14), RFC 7296 §3.8 (method 1)
// and RFC 4754 (methods 9 to 11). Signing and checking take milliseconds: they
// are work for a job, not for whoever owns a machine.

// Choice is how one side signs: the AUTH method and the scheme.
type Choice struct {
	Method wire.AuthMethod
	Scheme Scheme
}

// String names the method, too, where it is a classic one.
func (c Choice) String() string {
	if c.Method == wire.AuthDigitalSignature {
		return c.Scheme.String()
	}
	return c.Method.String() + " (" + c.Scheme.String() + ")"
}

// classicMethod is an AUTH method that fixes the scheme; for ECDSA the curve,
// too.
type classicMethod struct {
	method wire.AuthMethod
	scheme Scheme
	curve  elliptic.Curve
}

var classicMethods = []classicMethod{
	{wire.AuthRSASignature, RSASHA1, nil},
	{wire.AuthECDSA256, ECDSASHA256, elliptic.P256()},
	{wire.AuthECDSA384, ECDSASHA384, elliptic.P384()},
	{wire.AuthECDSA521, ECDSASHA512, elliptic.P521()},
}

func (m classicMethod) fits(key crypto.PublicKey) bool {
	k, ok := key.(*ecdsa.PublicKey)
	return m.scheme.fits(key) && (!ok || k.Curve == m.curve)
}

// choose finds how to sign with a key for a peer that announced these hash
// algorithms; nil: it announced none and knows the classic methods only.
func choose(key crypto.PublicKey, allowed []Scheme, peer []HashAlgorithm) (Choice, *Problem) {
	able := suits(key, allowed)
	for _, s := range able {
		if slices.Contains(peer, s.hash) {
			return Choice{wire.AuthDigitalSignature, s}, nil
		}
	}
	if peer == nil {
		for _, m := range classicMethods {
			if slices.Contains(able, m.scheme) && m.fits(key) {
				return Choice{m.method, m.scheme}, nil
			}
		}
	}
	return Choice{}, noScheme(key, able, peer)
}

// noScheme explains that the peer cannot check any signature of ours.
func noScheme(key crypto.PublicKey, able []Scheme, peer []HashAlgorithm) *Problem {
	p := &Problem{
		Reason:  ReasonSignatureUnsupported,
		Message: "the peer can check no signature that our " + describeKey(key) + " key makes",
		Local:   "signs with " + keywords(able),
		Remote:  "announces no hash algorithm: it does not know RFC 7427",
		Hint:    "update the peer, or use an ECDSA key; a peer that knows only RSA with SHA-1 needs rsa-sha1 in auth.signatures, which is weak",
	}
	if peer != nil {
		var names []string
		for _, h := range peer {
			names = append(names, h.String())
		}
		p.Remote = "announces " + strings.Join(names, ", ")
		p.Hint = "allow a common hash algorithm at the peer, or in auth.signatures"
	}
	return p
}

// Sign makes AUTH data over octets. random is for schemes that draw a salt, and
// for keys kept elsewhere; ECDSA is deterministic (RFC 6979).
func (c Choice) Sign(random io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	sig, err := c.Scheme.sign(random, key, octets)
	if err != nil {
		return nil, fmt.Errorf("auth: signing with %s: %w", c.Scheme, err)
	}
	if c.Method == wire.AuthDigitalSignature {
		algorithm := c.Scheme.algorithm()
		return slices.Concat([]byte{byte(len(algorithm))}, algorithm, sig), nil
	}
	if k, ok := key.Public().(*ecdsa.PublicKey); ok {
		return rawECDSA(sig, k.Curve)
	}
	return sig, nil
}

func (s Scheme) sign(random io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		random = nil
	}
	switch hash := s.hash.hash(); {
	case s.hash == HashIdentity:
		return key.Sign(random, octets, crypto.Hash(0))
	case s.pss:
		return key.Sign(random, digest(hash, octets), &rsa.PSSOptions{SaltLength: hash.Size(), Hash: hash})
	default:
		return key.Sign(random, digest(hash, octets), hash)
	}
}

func digest(h crypto.Hash, octets []byte) []byte {
	d := h.New()
	d.Write(octets)
	return d.Sum(nil)
}

// errSignature is a signature that does not hold.
var errSignature = errors.New("auth: the signature does not hold")

// VerifySignature checks the AUTH payload of a peer against its public key, and
// says how the peer signed. Schemes that are not allowed are refused before any
// arithmetic.
func VerifySignature(key crypto.PublicKey, allowed []Scheme, proof *wire.Authentication, octets []byte) (Choice, *Problem) {
	v := signatureCheck{allowed: allowed, tried: func(s Scheme) bool { return slices.Contains(allowed, s) }}
	_, problem := v.verify(key, proof, octets)
	c, _, _ := choiceOf(key, proof)
	return c, problem
}

// signatureCheck is VerifySignature where others may allow other schemes: those that are
// tried are refused behind the arithmetic, those that nobody allows before.
type signatureCheck struct {
	allowed []Scheme
	tried   func(Scheme) bool
	see     func(what string) // is told of the arithmetic; nil: nobody is
}

// verify tells whether the signature was made with the key, and what is wrong with it.
func (v signatureCheck) verify(key crypto.PublicKey, proof *wire.Authentication, octets []byte) (held bool, problem *Problem) {
	c, sig, err := choiceOf(key, proof)
	unsupported := &Problem{
		Reason: ReasonSignatureUnsupported,
		Local:  "accepts " + keywords(suits(key, v.allowed)) + " with the peer's " + describeKey(key) + " key",
		Hint:   "change what the peer signs with, or auth.signatures",
	}
	if err != nil {
		unsupported.Message, unsupported.Remote = "the peer's signature cannot be checked", strings.TrimPrefix(err.Error(), "auth: ")
		return false, unsupported
	}
	unsupported.Message, unsupported.Remote = "the peer signs in a way that is not accepted", "signs with "+c.String()
	if !c.Scheme.fits(key) || !v.tried(c.Scheme) {
		return false, unsupported
	}
	if v.see != nil {
		v.see("signature of " + describeKey(key))
	}
	err = c.Scheme.verify(key, octets, sig)
	if !slices.Contains(v.allowed, c.Scheme) {
		return err == nil, unsupported
	}
	if err != nil {
		return false, &Problem{
			Reason:  ReasonAuthenticationFailed,
			Message: "the peer's signature does not hold",
			Local:   "checked with its " + describeKey(key) + " key",
			Remote:  "signs with " + c.String(),
			Hint:    "the private key at the peer belongs to another certificate, or something on the path changes messages",
		}
	}
	return true, nil
}

// choiceOf reads how a peer signed, and its signature in the form that verify
// takes.
func choiceOf(key crypto.PublicKey, proof *wire.Authentication) (Choice, []byte, error) {
	if proof.Method == wire.AuthDigitalSignature {
		return digitalSignature(proof.Data)
	}
	for _, m := range classicMethods {
		if m.method != proof.Method {
			continue
		}
		c := Choice{m.method, m.scheme}
		if !m.fits(key) {
			return c, nil, fmt.Errorf("auth: method %v, which does not go with its %s key", proof.Method, describeKey(key))
		}
		if m.curve == nil {
			return c, proof.Data, nil
		}
		sig, err := derECDSA(proof.Data, m.curve)
		return c, sig, err
	}
	return Choice{Method: proof.Method}, nil, fmt.Errorf("auth: method %v", proof.Method)
}

// digitalSignature splits the data of method 14 (RFC 7427 §3).
func digitalSignature(data []byte) (Choice, []byte, error) {
	c := Choice{Method: wire.AuthDigitalSignature}
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return c, nil, errAlgorithm
	}
	n := 1 + int(data[0])
	var err error
	c.Scheme, err = ParseAlgorithm(data[1:n])
	return c, data[n:], err
}

// verify checks a signature with a key that the scheme fits. ECDSA signatures
// are DER.
func (s Scheme) verify(key crypto.PublicKey, octets, sig []byte) error {
	hash := s.hash.hash()
	ok := false
	switch k := key.(type) {
	case *rsa.PublicKey:
		if s.pss {
			return rsa.VerifyPSS(k, hash, digest(hash, octets), sig, &rsa.PSSOptions{SaltLength: hash.Size()})
		}
		return rsa.VerifyPKCS1v15(k, hash, digest(hash, octets), sig)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest(hash, octets), sig)
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, octets, sig)
	}
	if !ok {
		return errSignature
	}
	return nil
}

// rawECDSA makes r | s of a signature in DER (RFC 4754 §7).
func rawECDSA(der []byte, c elliptic.Curve) ([]byte, error) {
	in := cryptobyte.String(der)
	var pair cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&pair, cbasn1.SEQUENCE) || !in.Empty() || !pair.ReadASN1Integer(r) || !pair.ReadASN1Integer(s) || !pair.Empty() {
		return nil, errSignature
	}
	n := scalarLen(c)
	if r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 8*n || s.BitLen() > 8*n {
		return nil, errSignature
	}
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	s.FillBytes(out[n:])
	return out, nil
}

// derECDSA is the way back. The length must be the curve's.
func derECDSA(raw []byte, c elliptic.Curve) ([]byte, error) {
	n := scalarLen(c)
	if len(raw) != 2*n {
		return nil, fmt.Errorf("auth: an ECDSA signature of %d octets; on %s it has %d", len(raw), c.Params().Name, 2*n)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:n]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[n:]))
	})
	return b.Bytes()
}

// SignHash is the SIG payload of IKEv1 (RFC 2409 §5.1, RFC 4754 §3): HASH_I or
// HASH_R itself is signed; RSA pads it with PKCS #1 and names no hash.
func SignHash(random io.Reader, key crypto.Signer, hash []byte) ([]byte, error) {
	sig, err := key.Sign(random, hash, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("auth: signing: %w", err)
	}
	if k, ok := key.Public().(*ecdsa.PublicKey); ok {
		return rawECDSA(sig, k.Curve)
	}
	return sig, nil
}

// VerifyHash checks the SIG payload of IKEv1. RSA's padding is compared octet by
// octet, so the length of the hash is part of it.
func VerifyHash(key crypto.PublicKey, hash, sig []byte) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.Hash(0), hash, sig)
	case *ecdsa.PublicKey:
		der, err := derECDSA(sig, k.Curve)
		if err != nil {
			return err
		}
		if ecdsa.VerifyASN1(k, hash, der) {
			return nil
		}
	}
	return errSignature
}

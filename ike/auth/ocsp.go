package auth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// maxOCSP bounds an OCSP response; one with a responder's certificate of a large
// RSA key has some 3 kB.
const maxOCSP = 16 << 10

// answered is what an OCSP response says of a certificate (RFC 6960 §3.2). One
// that is not about it, or that may not be believed, is as none.
func answered(now time.Time, c, issuer *x509.Certificate, der []byte) finding {
	return answeredBy("the peer's OCSP response", now, c, issuer, der)
}

// answeredBy is answered in words that say whose response it is.
func answeredBy(whose string, now time.Time, c, issuer *x509.Certificate, der []byte) finding {
	r, err := readOCSP(now, c, issuer, der)
	if err != nil {
		return finding{text: ": " + whose + " does not count: " + clip(err.Error())}
	}
	fresh := current(now, r.ThisUpdate, r.NextUpdate)
	switch {
	case now.Add(clockSkew).Before(r.ThisUpdate):
		return finding{text: ": " + whose + " is of the future, " + day(r.ThisUpdate)}
	case r.Status == ocsp.Revoked && (fresh || r.RevocationReason != onHold):
		return revokedBy("an OCSP response of "+subjectOf(issuer), r.RevokedAt, r.RevocationReason)
	case r.Status == ocsp.Good && fresh:
		return finding{status: statusGood}
	case r.Status == ocsp.Unknown:
		return finding{text: ": the OCSP responder does not know it"}
	case r.NextUpdate.IsZero():
		return finding{text: ": " + whose + " does not say until when it holds"}
	}
	return finding{text: ": " + whose + " ended at " + day(r.NextUpdate)}
}

// readOCSP reads a response about a certificate, signed by its issuer or by a
// responder that the issuer made one (RFC 6960 §4.2.2.2).
func readOCSP(now time.Time, c, issuer *x509.Certificate, der []byte) (*ocsp.Response, error) {
	if len(der) > maxOCSP {
		return nil, fmt.Errorf("it has %d octets; at most %d are accepted", len(der), maxOCSP)
	}
	r, err := ocsp.ParseResponseForCert(der, c, issuer)
	if err != nil {
		return nil, err
	}
	if weak(r.SignatureAlgorithm) {
		return nil, errors.New("it is signed with " + r.SignatureAlgorithm.String() + ", which is too weak")
	}
	if by := r.Certificate; by != nil && !bytes.Equal(by.Raw, issuer.Raw) {
		_, err := kindOf(by.PublicKey)
		switch {
		case err != nil || weak(by.SignatureAlgorithm):
			return nil, errors.New("its responder's certificate has a key or signature that is too weak")
		case !bytes.Equal(by.RawIssuer, issuer.RawSubject):
			return nil, errors.New("another authority issued its responder's certificate")
		case now.Before(by.NotBefore) || now.After(by.NotAfter):
			return nil, errors.New("its responder's certificate is not valid now")
		case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return nil, errors.New("its signer is no OCSP responder: the extended key usage lacks OCSPSigning")
		case by.KeyUsage != 0 && by.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
			return nil, errors.New("its responder's key usage allows no signatures")
		}
	}
	return r, aboutIssuer(r, c, issuer)
}

// responseData is as much of ResponseData (RFC 6960 §4.2.1) as tells which
// certificates the response is about.
type responseData struct {
	Version    int `asn1:"optional,default:0,explicit,tag:0"`
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Responses  []struct{ ID certID }
}

// certID is CertID of RFC 6960 §4.1.1.
type certID struct {
	Hash               pkix.AlgorithmIdentifier
	IssuerName, Issuer []byte
	Serial             *big.Int
}

// aboutIssuer checks that all that the response says of the serial number is
// about that of this issuer: a responder may serve several authorities with one
// key, and their numbers may be the same.
func aboutIssuer(r *ocsp.Response, c, issuer *x509.Certificate) error {
	var data responseData
	if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil {
		return err
	}
	var public struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &public); err != nil {
		return err
	}
	for _, s := range data.Responses {
		if s.ID.Serial.Cmp(c.SerialNumber) != 0 {
			continue
		}
		hash, err := hashOf(s.ID.Hash)
		if err != nil {
			return err
		}
		if !bytes.Equal(s.ID.IssuerName, digest(hash, issuer.RawSubject)) || !bytes.Equal(s.ID.Issuer, digest(hash, public.Key.RightAlign())) {
			return errors.New("it is about a certificate of another authority")
		}
	}
	return nil
}

// The hashes of a CertID. SHA-1 is a name here, not a protection.
var certIDHashes = map[string]crypto.Hash{
	"1.3.14.3.2.26": crypto.SHA1, "2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384, "2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

func hashOf(a pkix.AlgorithmIdentifier) (crypto.Hash, error) {
	h, ok := certIDHashes[a.Algorithm.String()]
	if !ok || !h.Available() {
		return 0, errors.New("unknown hash of the issuer: " + a.Algorithm.String())
	}
	return h, nil
}

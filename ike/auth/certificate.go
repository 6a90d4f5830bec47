package auth

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway/ike/wire"
)

const (
	// maxCertificate bounds the DER of one certificate.
	maxCertificate = 16 << 10
	// maxChain bounds a chain, from the peer's certificate to the anchor's.
	maxChain = 10
)

// ParseCertificate reads the DER of one X.509 certificate whose key can be used
// here. Name constraints on distinguished names, which the standard library
// leaves to its caller, are read as well.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("auth: a certificate of %d octets; at most %d are accepted", len(der), maxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("auth: malformed certificate: %w", err)
	}
	if _, err := kindOf(c.PublicKey); err != nil {
		return nil, fmt.Errorf("auth: certificate of %s: %w", subjectOf(c), err)
	}
	constraints, err := constraintsOf(c)
	if err != nil {
		return nil, fmt.Errorf("auth: certificate of %s: %w", subjectOf(c), err)
	}
	if constraints != nil {
		c.UnhandledCriticalExtensions = slices.DeleteFunc(c.UnhandledCriticalExtensions, oidNameConstraints.Equal)
	}
	return c, nil
}

// maxPEM bounds the certificates of one file.
const maxPEM = 256

// ParseCertificates reads the certificates of a PEM file, in its order. Blocks
// of other types are left out, so that a key may stand beside them.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if list = append(list, c); len(list) > maxPEM {
			return nil, fmt.Errorf("auth: more than %d certificates", maxPEM)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("auth: no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return list, nil
}

// subjectOf is the subject of a certificate as identities are printed, or its
// serial number where it has no subject.
func subjectOf(c *x509.Certificate) string { return nameOr(c.RawSubject, c.SerialNumber) }

func issuerOf(c *x509.Certificate) string { return nameOr(c.RawIssuer, nil) }

// maxName bounds a name of a peer's certificate in a message.
const maxName = 200

func nameOr(der []byte, serial *big.Int) string {
	dn, err := decodeDN(der)
	switch {
	case err != nil:
		return "a malformed name"
	case len(dn) == 0 && serial != nil:
		return "serial number " + clip(serial.Text(16))
	case len(dn) == 0:
		return "no name"
	}
	return `"` + clip(dn.String()) + `"`
}

// clip makes a peer's text printable and short.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName]) + "..."
	}
	return s
}

// DescribeCertificate is what a person wants to know of a certificate, in one
// line.
func DescribeCertificate(c *x509.Certificate) string {
	return fmt.Sprintf("certificate of %s, %s, issued by %s, valid %s to %s",
		subjectOf(c), namesOf(c), issuerOf(c), day(c.NotBefore), day(c.NotAfter))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// maxNames bounds the names of one certificate that are listed.
const maxNames = 8

// namesOf lists the alternative names of a certificate.
func namesOf(c *x509.Certificate) string {
	var names []string
	for _, id := range identitiesOf(c) {
		if id.Type != wire.IDDERASN1DN {
			names = append(names, clip(id.String()))
		}
	}
	if len(names) == 0 {
		return "without alternative names"
	}
	more := ""
	if len(names) > maxNames {
		more = fmt.Sprintf(" and %d more", len(names)-maxNames)
		names = names[:maxNames]
	}
	return "for " + strings.Join(names, ", ") + more
}

// identitiesOf are the identities that a certificate stands for: its
// alternative names, the preferred first, and then its subject (RFC 4945 §3.1).
// A common name is none.
func identitiesOf(c *x509.Certificate) []Identity {
	var list []Identity
	for _, name := range c.DNSNames {
		list = append(list, Identity{wire.IDFQDN, name})
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, FromAddr(a))
		}
	}
	for _, mail := range c.EmailAddresses {
		list = append(list, Identity{wire.IDRFC822Addr, mail})
	}
	if dn, err := decodeDN(c.RawSubject); err == nil && len(dn) > 0 {
		list = append(list, Identity{wire.IDDERASN1DN, string(c.RawSubject)})
	}
	return list
}

// standsFor tells whether a certificate stands for an identity. Wildcards in it
// are names like others, which no peer has.
func standsFor(c *x509.Certificate, id Identity) bool {
	return !id.IsZero() && slices.ContainsFunc(identitiesOf(c), id.Matches)
}

// keyHash is what names an authority in a CERTREQ: the SHA-1 hash of its
// SubjectPublicKeyInfo (RFC 7296 §3.7). It is a name, not a protection.
func keyHash(c *x509.Certificate) [wire.AuthorityHashLen]byte {
	return sha1.Sum(c.RawSubjectPublicKeyInfo)
}

// The extended key usages under which a certificate may authenticate a gateway:
// those made for IKE (RFC 4945 §5.1.3.12, RFC 4809), any, and those of TLS, which
// most authorities put into every host's certificate.
var (
	oidIKE              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}
	oidIKEIntermediate  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 8, 2, 2}
	acceptedKeyPurposes = []x509.ExtKeyUsage{
		x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
		x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser,
	}
)

// mayAuthenticate checks key usage and extended key usage; a certificate without
// them may be used for everything.
func mayAuthenticate(c *x509.Certificate, leaf bool) error {
	if leaf && c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("its key usage allows neither digitalSignature nor nonRepudiation")
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return nil
	}
	known := slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(acceptedKeyPurposes, u) })
	other := slices.ContainsFunc(c.UnknownExtKeyUsage, func(o asn1.ObjectIdentifier) bool {
		return o.Equal(oidIKE) || o.Equal(oidIKEIntermediate)
	})
	if !known && !other {
		return errors.New("its extended key usage allows none of ipsecIKE, ikeIntermediate, serverAuth, clientAuth and any")
	}
	return nil
}

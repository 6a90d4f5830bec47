package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/ocsp"
)

// RevocationList is a list of what this authority revoked, in DER.
func (h *Holder) RevocationList(from, to time.Time, entries ...x509.RevocationListEntry) []byte {
	return h.ChangedList(&x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: to, RevokedCertificateEntries: entries})
}

// ChangedList is a list as the template says.
func (h *Holder) ChangedList(template *x509.RevocationList) []byte {
	der, err := x509.CreateRevocationList(rand.Reader, template, h.Certificate, h.Key)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return der
}

// ListPEM is a revocation list as a file holds it.
func ListPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// OCSP is what a responder says of a certificate of the issuer. The responder is
// the issuer, or its certificate goes along.
func OCSP(issuer, responder *Holder, of *x509.Certificate, say ocsp.Response) []byte {
	say.SerialNumber = of.SerialNumber
	if responder != issuer {
		say.Certificate = responder.Certificate
	}
	der, err := ocsp.CreateResponse(issuer.Certificate, responder.Certificate, say, responder.Key)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return der
}

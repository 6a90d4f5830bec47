// Package pki makes authorities, certificates, revocation lists and OCSP
// responses for tests. Everything it makes is valid from 2025 to 2035, unless
// the test says otherwise, so that a fixed clock and the real one both do.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// The validity of what is made.
var (
	NotBefore = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	NotAfter  = time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Holder is a certificate and its private key.
type Holder struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Above are the certificates that lead to the root, without the root.
	Above []*x509.Certificate
	root  bool
}

// Change alters a certificate before it is signed.
type Change func(*x509.Certificate)

// Valid sets the validity.
func Valid(from, to time.Time) Change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// Names adds alternative names: IP addresses, mail addresses and host names.
func Names(names ...string) Change {
	return func(c *x509.Certificate) {
		for _, n := range names {
			if a, err := netip.ParseAddr(n); err == nil {
				c.IPAddresses = append(c.IPAddresses, net.IP(a.AsSlice()))
			} else if strings.Contains(n, "@") {
				c.EmailAddresses = append(c.EmailAddresses, n)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

var serial struct {
	sync.Mutex
	last int64
}

func template(name string, changes []Change) *x509.Certificate {
	serial.Lock()
	defer serial.Unlock()
	serial.last++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serial.last), NotBefore: NotBefore, NotAfter: NotAfter,
		Subject:               pkix.Name{Country: []string{"CH"}, Organization: []string{"Example"}, CommonName: name},
		BasicConstraintsValid: true,
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

// Root makes an authority that signs itself.
func Root(name string, key crypto.Signer, changes ...Change) *Holder {
	c := template(name, append([]Change{authority}, changes...))
	return &Holder{Certificate: create(c, c, key.Public(), key), Key: key, root: true}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

// Authority makes an authority below this one.
func (h *Holder) Authority(name string, key crypto.Signer, changes ...Change) *Holder {
	return h.Issue(name, key, append([]Change{authority}, changes...)...)
}

// Issue makes a certificate with this subject.
func (h *Holder) Issue(name string, key crypto.Signer, changes ...Change) *Holder {
	c := create(template(name, changes), h.Certificate, key.Public(), h.Key)
	out := &Holder{Certificate: c, Key: key}
	if !h.root {
		out.Above = append([]*x509.Certificate{h.Certificate}, h.Above...)
	}
	return out
}

// Chain is the certificate and those above it, without the root.
func (h *Holder) Chain() []*x509.Certificate {
	return append([]*x509.Certificate{h.Certificate}, h.Above...)
}

func create(c, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return made
}

// PEM is the certificates as a file holds them.
func PEM(certificates ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// KeyPEM is a private key as a file holds it (PKCS #8).
func KeyPEM(key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE" + " KEY", Bytes: der})
}

// PublicPEM is a public key as a file holds it.
func PublicPEM(key crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// ECDSA makes a key on a curve.
func ECDSA(curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return key
}

// Ed25519 makes a key.
func Ed25519() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("pki: %v", err))
	}
	return key
}

var rsaKeys struct {
	sync.Mutex
	made map[[2]int]*rsa.PrivateKey
}

// RSA is the n-th key of that size: a process makes each once, for they take
// long.
func RSA(bits, n int) crypto.Signer {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if rsaKeys.made == nil {
		rsaKeys.made = map[[2]int]*rsa.PrivateKey{}
	}
	if rsaKeys.made[[2]int{bits, n}] == nil {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(fmt.Sprintf("pki: %v", err))
		}
		rsaKeys.made[[2]int{bits, n}] = key
	}
	return rsaKeys.made[[2]int{bits, n}]
}

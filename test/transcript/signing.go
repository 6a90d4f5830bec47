package transcript

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"causeway/ike/auth"
	"causeway/test/pki"

	"golang.org/x/crypto/ocsp"
)

// PKI is the authorities of transcripts: Root, an intermediate Sub below it, and
// Other, which is somebody else's. Keys are made once for each process.
type PKI struct {
	Root, Sub, Other *pki.Holder
	keys             map[string]crypto.Signer
}

// Authorities are those of all transcripts.
var Authorities = sync.OnceValue(func() *PKI {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	return &PKI{
		Root: root, Sub: root.Authority("Sub", pki.ECDSA(elliptic.P256())), Other: pki.Root("Other", pki.ECDSA(elliptic.P256())),
		keys: map[string]crypto.Signer{},
	}
})

// Key is the key of a kind (rsa, p256, p384, p521, ed25519) that a name has.
func (p *PKI) Key(kind, name string) crypto.Signer {
	if k := p.keys[kind+name]; k != nil {
		return k
	}
	made := map[string]func() crypto.Signer{
		"rsa":     func() crypto.Signer { return pki.RSA(2048, len(name)) },
		"p256":    func() crypto.Signer { return pki.ECDSA(elliptic.P256()) },
		"p384":    func() crypto.Signer { return pki.ECDSA(elliptic.P384()) },
		"p521":    func() crypto.Signer { return pki.ECDSA(elliptic.P521()) },
		"ed25519": pki.Ed25519,
	}[kind]
	if made == nil {
		panic("transcript: no kind of key " + kind)
	}
	p.keys[kind+name] = made()
	return p.keys[kind+name]
}

// Certificate is a certificate for a host name. how says what is special:
// root (issued by Root; without it Sub does), other (issued by Other), bare (the
// intermediate is left out), expired, early, mail (for mail only), ocsp (names
// an OCSP responder).
func (p *PKI) Certificate(kind, name string, how ...string) *pki.Holder {
	by, changes := p.Sub, []pki.Change{pki.Names(name)}
	for _, h := range how {
		switch h {
		case "root":
			by = p.Root
		case "other":
			by = p.Other
		case "expired":
			changes = append(changes, pki.Valid(pki.NotBefore, Epoch.Add(-time.Hour)))
		case "early":
			changes = append(changes, pki.Valid(Epoch.Add(time.Hour), pki.NotAfter))
		case "ocsp":
			changes = append(changes, func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example"} })
		case "mail":
			changes = append(changes, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
		}
	}
	holder := by.Issue("gw", p.Key(kind, name), changes...)
	for _, h := range how {
		if h == "bare" {
			holder.Above = nil
		}
	}
	return holder
}

// Namesake is an authority with a key of its own and a name that another may have.
func Namesake(name string, key crypto.Signer) *pki.Holder { return pki.Root(name, key) }

// Credentials are those of a holder, who signs with the schemes.
func Credentials(h *pki.Holder, schemes []auth.Scheme) *auth.Credentials {
	c, err := auth.NewCredentials(h.Key, h.Chain(), schemes)
	if err != nil {
		panic(fmt.Sprintf("transcript: %v", err))
	}
	return c
}

// RawCredentials are a key without certificate.
func RawCredentials(key crypto.Signer, schemes []auth.Scheme) *auth.Credentials {
	c, err := auth.NewCredentials(key, nil, schemes)
	if err != nil {
		panic(fmt.Sprintf("transcript: %v", err))
	}
	return c
}

// Trust is trust in authorities.
func Trust(schemes []auth.Scheme, authorities ...*pki.Holder) *auth.Trust {
	var list []*x509.Certificate
	for _, a := range authorities {
		list = append(list, a.Certificate)
	}
	t, err := auth.NewTrust(list, nil, schemes)
	if err != nil {
		panic(fmt.Sprintf("transcript: %v", err))
	}
	return t
}

// Revoked is an authority's list with a certificate on it.
func Revoked(authority *pki.Holder, c *x509.Certificate) auth.Revocation {
	lists, err := auth.ParseRevocationLists(authority.RevocationList(Epoch.Add(-time.Hour), Epoch.Add(time.Hour),
		x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: Epoch.Add(-2 * time.Hour), ReasonCode: 1}))
	if err != nil {
		panic(fmt.Sprintf("transcript: %v", err))
	}
	return auth.Revocation{Lists: lists}
}

// Responder is the OCSP responder of an authority, which says the same (good,
// revoked) of each certificate; or nothing at all. It implements auth.Fetcher.
type Responder struct {
	Authority *pki.Holder
	Says      string
}

// Fetch implements auth.Fetcher.
func (r Responder) Fetch(_ string, request []byte, _ func([]byte) time.Time) ([]byte, error) {
	status, ok := map[string]int{"good": ocsp.Good, "revoked": ocsp.Revoked}[r.Says]
	if !ok {
		return nil, errors.New("connection refused")
	}
	asked, err := ocsp.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	return pki.OCSP(r.Authority, r.Authority, &x509.Certificate{SerialNumber: asked.SerialNumber},
		ocsp.Response{Status: status, ThisUpdate: Epoch.Add(-time.Hour), NextUpdate: Epoch.Add(time.Hour), RevokedAt: Epoch.Add(-2 * time.Hour)}), nil
}

// TrustKey is trust in a raw public key.
func TrustKey(schemes []auth.Scheme, key crypto.PublicKey) *auth.Trust {
	t, err := auth.NewTrust(nil, []crypto.PublicKey{key}, schemes)
	if err != nil {
		panic(fmt.Sprintf("transcript: %v", err))
	}
	return t
}

// Schemes parses keywords between commas.
func Schemes(keywords string) []auth.Scheme {
	var out []auth.Scheme
	for k := range strings.SplitSeq(keywords, ",") {
		s, err := auth.ParseScheme(k)
		if err != nil {
			panic(fmt.Sprintf("transcript: %v", err))
		}
		out = append(out, s)
	}
	return out
}

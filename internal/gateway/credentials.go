package gateway

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"causeway/config"
	"causeway/ike/auth"
)

// expirySoon is how long before a certificate ends a check warns of it.
const expirySoon = 14 * 24 * time.Hour

// credentials are what a connection signs with and what it holds a peer's
// signature against; nil is the pre-shared key.
type credentials struct {
	local  *auth.Credentials
	remote *auth.Trust
}

// authReader makes credentials of a connection's files and collects what is
// wrong with them.
type authReader struct {
	fetcher  auth.Fetcher // for connections that may use it
	problems []config.AuthProblem
}

func (r *authReader) fail(key string, err error) {
	if err != nil {
		r.problems = append(r.problems, config.AuthProblem{Key: key, What: strings.TrimPrefix(err.Error(), "auth: ")})
	}
}

// credentialsOf reads the certificates and keys of a connection, which asks with
// fetcher if it is to.
func credentialsOf(a *config.Auth, fetcher auth.Fetcher) (credentials, []config.AuthProblem) {
	r := &authReader{}
	if a.Certificate.Fetch {
		r.fetcher = fetcher
	}
	schemes := r.schemes(a.Signatures)
	known := len(r.problems) == 0
	var c credentials
	c.local = r.local(a, schemes, known)
	c.remote = r.remote(a, schemes, known)
	if c.local != nil && r.fetcher != nil {
		var issuers []*x509.Certificate
		if c.remote != nil {
			issuers = c.remote.Authorities()
		}
		c.local = c.local.WithStaple(r.fetcher, issuers)
	}
	return c, r.problems
}

func (r *authReader) schemes(keywords []string) []auth.Scheme {
	var out []auth.Scheme
	for i, k := range keywords {
		s, err := auth.ParseScheme(k)
		r.fail(fmt.Sprintf("signatures[%d]", i), err)
		out = append(out, s)
	}
	return out
}

// local is what this side signs with; nil if the schemes are not known.
func (r *authReader) local(a *config.Auth, schemes []auth.Scheme, known bool) *auth.Credentials {
	var chain []*x509.Certificate
	before, key, file := len(r.problems), "public_key.key", a.PublicKey.Key
	switch a.Local {
	case config.MethodPublicKey:
	case config.MethodCertificate:
		key, file = "certificate.key", a.Certificate.Key
		var err error
		chain, err = auth.ParseCertificates(a.Certificate.Chain.Data.Bytes())
		r.fail("certificate.chain", err)
	default:
		return nil
	}
	signer, err := auth.ParsePrivateKey(file.Data.Bytes())
	r.fail(key, err)
	if len(r.problems) > before || !known {
		return nil
	}
	c, err := auth.NewCredentials(signer, chain, schemes)
	r.fail(key, err)
	return c
}

// remote is what the peer's signature is held against; nil if the schemes are not known.
func (r *authReader) remote(a *config.Auth, schemes []auth.Scheme, known bool) *auth.Trust {
	var authorities []*x509.Certificate
	var keys []crypto.PublicKey
	var revocation auth.Revocation
	before, key := len(r.problems), "certificate.ca"
	switch a.Remote {
	case config.MethodCertificate:
		for i, f := range a.Certificate.CA {
			list, err := auth.ParseCertificates(f.Data.Bytes())
			r.fail(fmt.Sprintf("certificate.ca[%d]", i), err)
			authorities = append(authorities, list...)
		}
		revocation = r.revocation(&a.Certificate)
	case config.MethodPublicKey:
		key = "public_key.peer"
		for i, f := range a.PublicKey.Peer {
			k, err := auth.ParsePublicKeyFile(f.Data.Bytes())
			r.fail(fmt.Sprintf("public_key.peer[%d]", i), err)
			keys = append(keys, k)
		}
	default:
		return nil
	}
	if len(r.problems) > before || !known {
		return nil
	}
	t, err := auth.NewTrust(authorities, keys, schemes)
	r.fail(key, err)
	if err != nil {
		return nil
	}
	return t.WithRevocation(revocation)
}

// revocation is how certificates of the peer may be revoked, and the lists that
// files have.
func (r *authReader) revocation(c *config.Certificate) auth.Revocation {
	out := auth.Revocation{Fetcher: r.fetcher, Policy: map[config.Revocation]auth.RevocationPolicy{
		config.RevocationStrict: auth.RevocationStrict, config.RevocationOff: auth.RevocationOff,
	}[c.Revocation]}
	for i, f := range c.CRL {
		lists, err := auth.ParseRevocationLists(f.Data.Bytes())
		r.fail(fmt.Sprintf("certificate.crl[%d]", i), err)
		out.Lists = append(out.Lists, lists...)
	}
	return out
}

// checkAuth is config.Checks.Auth: everything that is wrong with certificates
// and keys, and what a peer would refuse.
func checkAuth(c *config.Connection) []config.AuthProblem {
	made, problems := credentialsOf(&c.Auth, nil)
	doubt := func(key, format string, args ...any) {
		problems = append(problems, config.AuthProblem{Key: key, What: fmt.Sprintf(format, args...), Doubt: true})
	}
	if made.local != nil && len(made.local.Chain()) > 0 {
		if err := made.local.Doubt(time.Now(), expirySoon); err != nil {
			doubt("certificate.chain", "%v: peers will refuse it", err)
		}
		if id, err := auth.ParseIdentity(c.Local.Identity); err == nil && !made.local.StandsFor(id) {
			doubt("certificate.chain", "does not stand for our identity %s, so that peers will refuse it: %v", id, made.local)
		}
	}
	if made.local != nil && c.IKE.Version == 1 {
		if _, ok := made.local.Public().(ed25519.PublicKey); ok {
			problems = append(problems, config.AuthProblem{Key: "certificate.key", What: "is an Ed25519 key, and IKEv1 signs with RSA and ECDSA only: use another key, or ike.version: 2"})
		}
	}
	if made.remote != nil {
		for _, a := range made.remote.Authorities() {
			if err := auth.Doubt(a, time.Now(), expirySoon); err != nil {
				doubt("certificate.ca", "%v", err)
			}
		}
		for _, err := range made.remote.DoubtLists(time.Now()) {
			doubt("certificate.crl", "%v", err)
		}
	}
	for i, s := range c.Auth.Signatures {
		if scheme, err := auth.ParseScheme(s); err == nil && scheme == auth.RSASHA1 {
			doubt(fmt.Sprintf("signatures[%d]", i), "is weak: SHA-1 signatures can be forged at great expense; use it for old peers only")
		}
	}
	return problems
}

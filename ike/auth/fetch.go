package auth

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"causeway/ike/wire"
)

// Fetcher asks servers that certificates name about revocation. It bounds the
// time and size of each answer, and may know one from before.
type Fetcher interface {
	// Fetch posts an OCSP request to a server, or gets the list there is at it if
	// request is nil. until judges the answer: it is good until then, and not
	// worth keeping if that is the zero time.
	Fetch(server string, request []byte, until func(answer []byte) time.Time) ([]byte, error)
}

const (
	// maxFetches bounds the servers asked for one peer.
	maxFetches = 4
	// maxServers bounds those of one certificate, of each kind.
	maxServers = 2
)

// Asks tells whether CheckRevocation may wait for the network.
func (t *Trust) Asks() bool {
	return t != nil && t.revocation.Fetcher != nil && t.revocation.Policy != RevocationOff
}

// ask asks the authorities' servers about those certificates of a chain of which
// nothing is known yet (RFC 6960 §A.1, RFC 5280 §4.2.1.13), and notes what they
// say. Of so many servers as may be asked it gives how many are left.
func (t *Trust) ask(now time.Time, chain []*x509.Certificate, known []finding, servers int) int {
	for i := range known {
		if known[i].status != statusUnknown {
			continue
		}
		inquiry := &inquiry{fetcher: t.revocation.Fetcher, now: now, of: chain[i], issuer: chain[i+1], left: servers}
		known[i] = stronger(inquiry.ask(), known[i])
		servers = inquiry.left
	}
	return servers
}

// inquiry asks about one certificate.
type inquiry struct {
	fetcher    Fetcher
	now        time.Time
	of, issuer *x509.Certificate
	left       int // servers that may still be asked
}

// ask asks OCSP responders first, whose answers are small, then for lists.
func (q *inquiry) ask() finding {
	var out finding
	for _, kind := range []struct {
		servers []string
		ask     func(server string) finding
	}{{q.of.OCSPServer, q.responder}, {q.of.CRLDistributionPoints, q.list}} {
		for _, server := range kind.servers[:min(len(kind.servers), maxServers)] {
			if out.status != statusUnknown || q.left == 0 || !strings.HasPrefix(strings.ToLower(server), "http://") {
				continue
			}
			q.left--
			out = stronger(out, kind.ask(server))
		}
	}
	return out
}

// responder asks an OCSP responder.
func (q *inquiry) responder(server string) finding {
	der, err := fetchResponse(q.fetcher, q.now, q.of, q.issuer, server)
	if err != nil {
		return finding{text: ": the OCSP responder " + clip(server) + " does not answer: " + clip(err.Error())}
	}
	return answeredBy("the response of "+clip(server), q.now, q.of, q.issuer, der)
}

// fetchResponse gets a response about a certificate from an OCSP responder.
func fetchResponse(f Fetcher, now time.Time, c, issuer *x509.Certificate, server string) ([]byte, error) {
	request, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return nil, err
	}
	return f.Fetch(server, request, func(der []byte) time.Time {
		if r, err := readOCSP(now, c, issuer, der); err == nil && current(now, r.ThisUpdate, r.NextUpdate) {
			return r.NextUpdate
		}
		return time.Time{}
	})
}

// list gets a revocation list.
func (q *inquiry) list(server string) finding {
	data, err := q.fetcher.Fetch(server, nil, func(answer []byte) time.Time {
		lists, err := ParseRevocationLists(answer)
		if err != nil || lists[0].CheckSignatureFrom(q.issuer) != nil || !current(q.now, lists[0].ThisUpdate, lists[0].NextUpdate) {
			return time.Time{}
		}
		return lists[0].NextUpdate
	})
	if err != nil {
		return finding{text: ": the list at " + clip(server) + " cannot be had: " + clip(err.Error())}
	}
	lists, err := ParseRevocationLists(data)
	if err != nil {
		return finding{text: ": what is at " + clip(server) + " does not count: " + clip(strings.TrimPrefix(err.Error(), "auth: "))}
	}
	return listed(q.now, q.of, q.issuer, lists)
}

// WithStaple is the same credentials that show a response of their authority's
// OCSP responder to a peer that asks for one (RFC 4806 §3.2). issuers are
// certificates among which that of the authority is looked for, as well as in
// the chain.
func (c *Credentials) WithStaple(f Fetcher, issuers []*x509.Certificate) *Credentials {
	out := *c
	if len(c.chain) == 0 || len(c.chain[0].OCSPServer) == 0 {
		return &out
	}
	for _, issuer := range slices.Concat(c.chain[1:], issuers) {
		if c.chain[0].CheckSignatureFrom(issuer) == nil {
			out.fetcher, out.issuer = f, issuer
			break
		}
	}
	return &out
}

// Staples tells whether Staple may wait for the network.
func (c *Credentials) Staples() bool { return c != nil && c.fetcher != nil }

// Staple is the CERT payload with the OCSP response for our own certificate;
// none if its responders do not answer, which the peer may take or not.
func (c *Credentials) Staple(now time.Time) []wire.Payload {
	if !c.Staples() {
		return nil
	}
	own := c.chain[0]
	for _, server := range own.OCSPServer[:min(len(own.OCSPServer), maxServers)] {
		if der, err := fetchResponse(c.fetcher, now, own, c.issuer, server); err == nil && len(der) <= maxOCSP {
			return []wire.Payload{&wire.Certificate{Encoding: wire.CertOCSPContent, Data: der}}
		}
	}
	return nil
}

// AsksForStaple tells whether a CERTREQ of the peer wants OCSP responses.
func AsksForStaple(requests []*wire.CertificateRequest) bool {
	return slices.ContainsFunc(requests, func(r *wire.CertificateRequest) bool { return r.Encoding == wire.CertOCSPContent })
}

package ikev2

import (
	"fmt"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/wire"
)

// How the two sides of IKE_AUTH prove who they are (RFC 7296 §2.15): each with
// the pre-shared key, or with a signature. Signatures are work for elsewhere, so
// both ways end in a function that is called with what came of it; for a shared
// key it is called at once.

// signing is the signature of our AUTH. It implements sa.Job.
type signing struct {
	credentials *auth.Credentials
	choice      auth.Choice
	seed        []byte
	octets      []byte
	now         time.Time
	staple      bool // the peer asks for an OCSP response
}

// signed is the result of signing.
type signed struct {
	data   []byte
	staple []wire.Payload
	err    error
}

// Run implements sa.Job.
func (j *signing) Run() any {
	data, err := j.credentials.Sign(j.choice, sansio.Expand(j.seed), j.octets)
	r := signed{data: data, err: err}
	if j.staple {
		r.staple = j.credentials.Staple(j.now)
	}
	return r
}

// prove makes our AUTH payload for the identity, and the CERT payloads that go
// with it. ppk is the post-quantum key that is used, or nil.
func (s *ikeSA) prove(id auth.Identity, ppk *sa.PPK, then func(shown []wire.Payload, proof *wire.Authentication, f *sa.Failure)) {
	settings := s.m.settings
	octets := s.authOctets(s.initiator, id.Body(), ppk)
	if settings.Credentials == nil {
		then(nil, &wire.Authentication{Method: wire.AuthSharedKey, Data: auth.PSK(s.prf, settings.PSK, octets)}, nil)
		return
	}
	choice, problem := settings.Credentials.Choose(s.peerHashes)
	if problem != nil {
		then(nil, nil, sa.FailureOf(problem))
		return
	}
	job := &signing{settings.Credentials, choice, s.m.random.Seed(), octets, s.m.now, s.peerAsksStaple && settings.Credentials.Staples()}
	work := s.m.desk.Start(s, job, func(result any) {
		r, ok := result.(signed)
		if !ok {
			r.err = fmt.Errorf("signing ended without a result: %v", result)
		}
		if r.err != nil {
			then(nil, nil, &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "our private key does not sign: " + r.err.Error(),
				Local: job.credentials.String(), Hint: "see whether the key, or the device that holds it, can be used"})
			return
		}
		then(append(job.credentials.Payloads(), r.staple...), &wire.Authentication{Method: choice.Method, Data: r.data}, nil)
	})
	work.Waits = job.staple
	s.m.do(work)
}

// signs reports whether a side of the connection signs, so that hash algorithms
// are to be announced (RFC 7427 §4).
func signs(c *sa.Settings) bool { return c.Credentials != nil || c.Trust != nil }

// hashAlgorithms announces the hash algorithms in which the peer may sign.
func hashAlgorithms(c *sa.Settings) wire.Payload {
	list := auth.Hashes(auth.DefaultSchemes())
	if c.Trust != nil {
		list = c.Trust.Hashes()
	}
	return notify(wire.NotifySignatureHashAlgorithms, auth.AppendHashAlgorithms(nil, list))
}

// agreeHashes notes the hash algorithms that the peer announced; nil: none, so
// that it knows the classic methods only. A malformed list is none.
func (a *association) agreeHashes(msg *message) {
	n := msg.notify(wire.NotifySignatureHashAlgorithms)
	if n == nil {
		return
	}
	if list, err := auth.ParseHashAlgorithms(n.Data); err == nil {
		a.peerHashes = append([]auth.HashAlgorithm{}, list...)
	}
}

// noteRequests notes whether the peer asks for an OCSP response about our
// certificate (RFC 4806 §3.1): a responder does in its answer to IKE_SA_INIT, an
// initiator in IKE_AUTH.
func (a *association) noteRequests(msg *message) {
	var list []*wire.CertificateRequest
	for _, p := range msg.Payloads {
		if r, ok := p.(*wire.CertificateRequest); ok {
			list = append(list, r)
		}
	}
	a.peerAsksStaple = auth.AsksForStaple(list)
}

// signatures is the part of the answer to IKE_SA_INIT about certificates: which
// are asked for, and the hash algorithms if the peer told its own (RFC 7427 §4).
// The connection is not known yet, so they are those of all candidates.
func (a *Acceptor) signatures(h *half) []wire.Payload {
	var out []wire.Payload
	var trusts []*auth.Trust
	for _, c := range a.candidates(sa.Datagram{Local: h.local, Remote: h.remote}) {
		if signs(c) && h.peerHashes != nil && out == nil {
			out = append(out, hashAlgorithms(c))
		}
		if c.Trust != nil {
			trusts = append(trusts, c.Trust)
		}
	}
	for _, r := range auth.Requests(trusts...) {
		out = append(out, r)
	}
	return out
}

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

// checking is the check of a peer's signature and of what vouches for its key,
// without asking anybody. It implements sa.Job.
type checking struct {
	trust *auth.Trust
	now   time.Time
	shown []*wire.Certificate
	id    auth.Identity
	claim claim
	// among is whom else the peer may have meant, and others what it would have
	// claimed there: refusing it costs as much (cover.go).
	among  []*auth.Trust
	others []claim
}

// Run implements sa.Job.
func (j *checking) Run() any {
	signer, problem := j.trust.Authenticate(j.now, j.shown, j.id, j.claim.proof, j.claim.octets, j.among...)
	if problem != nil {
		for _, c := range j.others {
			_, _ = j.trust.Authenticate(j.now, j.shown, j.id, c.proof, c.octets, j.among...)
		}
	} else if !j.trust.Asks() {
		problem = j.trust.CheckRevocation(j.now, signer)
	}
	return checked{signer, problem}
}

// asking asks servers about the revocation of what vouches for a peer that has proved
// to have the key. It implements sa.Job.
type asking struct {
	trust  *auth.Trust
	now    time.Time
	signer *auth.Signer
}

// Run implements sa.Job.
func (j *asking) Run() any {
	return checked{j.signer, j.trust.CheckRevocation(j.now, j.signer)}
}

// checked is the result of checking and of asking.
type checked struct {
	signer  *auth.Signer
	problem *auth.Problem
}

// verify holds the peer's identity and AUTH against settings. The failure that
// then is called with is for the person at this end only. Whatever is wrong, the
// same work is done, so that a peer learns nothing from the time it takes.
func (s *ikeSA) verify(settings *sa.Settings, msg *message, id *wire.Identification, initiator bool, then func(*sa.Failure)) {
	shown, err := auth.FromPayload(id)
	if err != nil {
		then(&sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error(), Hint: malformedIdentity})
		return
	}
	s.remoteIdentity = shown.String()
	body, _ := id.AppendBody(nil)
	own, others, ok := s.claims(msg, body)
	if !ok {
		then(&sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer wants to use EAP",
			Local: expectedMethod(settings), Remote: "EAP", Hint: methodHint(settings)})
		return
	}
	want := settings.ExpectedID(s.peerAddress(), initiator)
	trust := s.cover.trustFor(settings.Trust)
	if trust == nil || own.proof.Method == wire.AuthSharedKey {
		then(s.checkPSK(settings, own, others, want, shown))
		return
	}
	job := &checking{trust, s.m.now, certificates(msg), shown, own, s.cover.trusts, others}
	decide := func(result any) {
		r, ok := result.(checked)
		mismatch, other := sa.IdentityMismatch(want, shown), otherMethod(settings, own.proof)
		switch {
		case !ok:
			then(internal(fmt.Errorf("checking a signature ended without a result: %v", result)))
		case !want.Matches(shown):
			then(mismatch)
		case settings.Trust == nil: // the trust was another's
			then(other)
		case r.problem != nil:
			then(sa.FailureOf(r.problem))
		default:
			then(nil)
		}
	}
	work := s.m.desk.Start(s, job, func(result any) {
		r, ok := result.(checked)
		if !ok || r.problem != nil || !trust.Asks() {
			decide(result)
			return
		}
		ask := s.m.desk.Start(s, &asking{trust, s.m.now, r.signer}, decide)
		ask.Waits = true
		s.m.do(ask)
	})
	work.Stranger = s.state == adopted
	s.m.do(work)
}

// checkPSK holds the peer's identity and AUTH against the pre-shared key, or where the
// peer is to sign, against another's.
func (s *ikeSA) checkPSK(settings *sa.Settings, own claim, others []claim, want, shown auth.Identity) *sa.Failure {
	secret := settings.PSK
	if settings.Trust != nil {
		secret = s.cover.secret
	}
	valid := auth.VerifyPSK(s.prf, secret, own.octets, own.proof.Data)
	for _, c := range others {
		auth.VerifyPSK(s.prf, secret, c.octets, c.proof.Data)
	}
	// All that may be said is put into words, whatever it is: that takes time.
	mismatch, other := sa.IdentityMismatch(want, shown), otherMethod(settings, own.proof)
	f := wrongKey(settings, s, shown)
	switch {
	case !want.Matches(shown):
		return mismatch
	case own.proof.Method != wire.AuthSharedKey || settings.Trust != nil:
		return other
	case !valid:
		return f
	}
	return nil
}

// wrongKey explains a pre-shared key that differs.
func wrongKey(settings *sa.Settings, s *ikeSA, shown auth.Identity) *sa.Failure {
	f := &sa.Failure{
		Reason:  sa.ReasonAuthenticationFailed,
		Message: "the pre-shared key of the peer is another one",
		Local:   "identity " + settings.LocalID(s.local.Addr()).String(),
		Remote:  "identity " + shown.String(),
		Hint:    "compare the key at both ends, octet by octet: quotes, spaces, a final newline, 0x and 0s prefixes",
	}
	if s.ppk != nil {
		f.Message = "the pre-shared key of the peer, or its post-quantum key, is another one"
	}
	return f
}

// certificates are the CERT payloads of a message.
func certificates(msg *message) []*wire.Certificate {
	var list []*wire.Certificate
	for _, p := range msg.Payloads {
		if c, ok := p.(*wire.Certificate); ok {
			list = append(list, c)
		}
	}
	return list
}

// expectedMethod is how the peer is to authenticate.
func expectedMethod(settings *sa.Settings) string {
	if settings.Trust == nil {
		return "pre-shared key"
	}
	return "signature; " + settings.Trust.String()
}

func methodHint(settings *sa.Settings) string {
	if settings.Trust == nil {
		return "let the peer authenticate with the pre-shared key"
	}
	return "let the peer authenticate with its certificate or key, or set how it does under auth.remote"
}

func otherMethod(settings *sa.Settings, proof *wire.Authentication) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer authenticates in another way",
		Local: expectedMethod(settings), Remote: proof.Method.String(), Hint: methodHint(settings)}
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

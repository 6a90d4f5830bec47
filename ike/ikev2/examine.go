package ikev2

import (
	"fmt"
	"net/netip"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// The check of the other side's proof (RFC 7296 §2.15), of either role.

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

// examination is about the proof of a peer that made an association: who it is said to be
// by settings, and what else that may have meant (cover.go).
type examination struct {
	*association
	settings *sa.Settings
	address  netip.Addr // that stands for the peer where no identity is configured
	ppk      *sa.PPK    // that is used, or nil
	cover    cover
	now      time.Time
	// start has a job done, and proven is told that the next one is of a peer whose
	// proof holds.
	start  func(job sa.Job, waits bool, then func(result any))
	proven func() (goOn bool)
}

// verdict is what is wrong with a proof, for the person at this end only; nil: nothing. It
// is put into words once the peer has its answer, on any goroutine: that takes time, and
// differs.
type verdict func() *sa.Failure

// verify holds the peer's identity and AUTH against settings. Whatever is wrong, the
// same work is done, so that a peer learns nothing from the time it takes.
func (x *examination) verify(msg *message, id *wire.Identification, then func(verdict)) {
	shown, err := auth.FromPayload(id)
	if err != nil {
		then(func() *sa.Failure {
			return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error(), Hint: malformedIdentity}
		})
		return
	}
	body, _ := id.AppendBody(nil)
	own, others, ok := x.claims(msg, body)
	if !ok {
		settings := x.settings
		then(func() *sa.Failure {
			return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer wants to use EAP",
				Local: expectedMethod(settings), Remote: "EAP", Hint: methodHint(settings)}
		})
		return
	}
	want := x.settings.ExpectedID(x.address, x.initiator)
	trust := x.cover.trustFor(x.settings.Trust)
	if trust == nil || own.proof.Method == wire.AuthSharedKey {
		then(x.checkPSK(own, others, want, shown))
		return
	}
	job := &checking{trust, x.now, certificates(msg), shown, own, x.cover.trusts, others}
	decide := func(result any) { then(x.decide(result, own, want, shown)) }
	x.start(job, false, func(result any) {
		r, ok := result.(checked)
		if !ok || r.problem != nil || !trust.Asks() {
			decide(result)
			return
		}
		if x.proven() {
			x.start(&asking{trust, x.now, r.signer}, true, decide)
		}
	})
}

// decide draws the conclusion from what came of checking a signature.
func (x *examination) decide(result any, own claim, want, shown auth.Identity) verdict {
	r, ok := result.(checked)
	matches := want.Matches(shown)
	switch {
	case !ok:
		return func() *sa.Failure {
			return internal(fmt.Errorf("checking a signature ended without a result: %v", result))
		}
	case !matches:
		return func() *sa.Failure { return sa.IdentityMismatch(want, shown) }
	case x.settings.Trust == nil: // the trust was another's
		settings := x.settings
		return func() *sa.Failure { return otherMethod(settings, own.proof) }
	case r.problem != nil:
		return func() *sa.Failure { return sa.FailureOf(r.problem) }
	}
	return nil
}

// checkPSK holds the peer's identity and AUTH against the pre-shared key, or where the
// peer is to sign, against another's.
func (x *examination) checkPSK(own claim, others []claim, want, shown auth.Identity) verdict {
	secret := x.settings.PSK
	if x.settings.Trust != nil {
		secret = x.cover.secret
	}
	valid := auth.VerifyPSK(x.prf, secret, own.octets, own.proof.Data)
	for _, c := range others {
		auth.VerifyPSK(x.prf, secret, c.octets, c.proof.Data)
	}
	matches := want.Matches(shown)
	switch {
	case !matches:
		return func() *sa.Failure { return sa.IdentityMismatch(want, shown) }
	case own.proof.Method != wire.AuthSharedKey || x.settings.Trust != nil:
		settings := x.settings
		return func() *sa.Failure { return otherMethod(settings, own.proof) }
	case !valid:
		ours, theirs, ppk := x.settings.LocalID(x.local.Addr()), shown, x.ppk != nil
		return func() *sa.Failure { return wrongKey(ours, theirs, ppk) }
	}
	return nil
}

// wrongKey explains a pre-shared key that differs, or the post-quantum key besides.
func wrongKey(ours, theirs auth.Identity, ppk bool) *sa.Failure {
	f := &sa.Failure{
		Reason:  sa.ReasonAuthenticationFailed,
		Message: "the pre-shared key of the peer is another one",
		Local:   "identity " + ours.String(),
		Remote:  "identity " + theirs.String(),
		Hint:    "compare the key at both ends, octet by octet: quotes, spaces, a final newline, 0x and 0s prefixes",
	}
	if ppk {
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

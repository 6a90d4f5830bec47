package ikev1

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"fmt"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Phase 1 with signatures (RFC 2409 §5.1, RFC 4754). Both ends authenticate in
// the one way that the SA payload names: with RSA, or with ECDSA on one curve.
// Signatures are made and checked elsewhere.

// methodOf is how a connection authenticates; 0 is not at all in IKEv1.
func methodOf(s *sa.Settings) uint16 {
	if s.Credentials == nil && s.Trust == nil {
		return isakmp.AuthPSK
	}
	if s.Credentials == nil || s.Trust == nil || len(s.Credentials.Chain()) == 0 {
		return 0
	}
	switch key := s.Credentials.Public().(type) {
	case *rsa.PublicKey:
		return isakmp.AuthRSA
	case *ecdsa.PublicKey:
		switch key.Params().BitSize {
		case 256:
			return isakmp.AuthECDSA256
		case 384:
			return isakmp.AuthECDSA384
		case 521:
			return isakmp.AuthECDSA521
		}
	}
	return 0
}

// proofPRF is the PRF of HASH_I and HASH_R: the negotiated one, but for a method
// that is tied to a hash function of its own (RFC 2409 §5.1, RFC 4754 §4).
func proofPRF(negotiated, method uint16) uint16 {
	switch method {
	case isakmp.AuthECDSA256:
		return transform.PRFHMACSHA256
	case isakmp.AuthECDSA384:
		return transform.PRFHMACSHA384
	case isakmp.AuthECDSA521:
		return transform.PRFHMACSHA512
	}
	return negotiated
}

// skeyid is SKEYID by the method of the ISAKMP SA.
func (a *association) skeyid(psk auth.Secret, shared []byte) []byte {
	if a.method == isakmp.AuthPSK {
		return keymat.SKEYIDFromPSK(a.prf, psk.Bytes(), a.nonceI, a.nonceR)
	}
	return keymat.SKEYIDFromSignatures(a.prf, a.nonceI, a.nonceR, shared)
}

// requests ask for a certificate of whatever authority: naming ours would tell
// strangers whom we trust, and make the answer to them longer than their message.
func (a *association) requests() []isakmp.Payload {
	if a.method == isakmp.AuthPSK {
		return nil
	}
	return []isakmp.Payload{anyCertificate()}
}

func anyCertificate() *isakmp.CertificateRequest {
	return &isakmp.CertificateRequest{Encoding: isakmp.CertX509Signature}
}

// certificatesOf are our certificates, the own one first.
func certificatesOf(credentials *auth.Credentials) []isakmp.Payload {
	var ps []isakmp.Payload
	for _, p := range credentials.Payloads() {
		if c, ok := p.(*wire.Certificate); ok && c.Encoding == wire.CertX509Signature {
			ps = append(ps, &isakmp.Certificate{Encoding: isakmp.CertX509Signature, Data: c.Data})
		}
	}
	return ps
}

// prove makes the payloads that prove our identity, whose body is id, and calls
// then with them.
func (s *ikeSA) prove(id []byte, then func([]isakmp.Payload)) {
	hash := s.association.proof(s.initiator, id)
	if s.method == isakmp.AuthPSK {
		then([]isakmp.Payload{&isakmp.Hash{Data: hash}})
		return
	}
	credentials := s.m.settings.Credentials
	if credentials == nil { // the settings changed meanwhile
		s.drop(causeFailed, ending{failure: &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the connection has no certificate any more",
			Hint: "the configuration was changed meanwhile: the next attempt uses the new one"}})
		return
	}
	ps := certificatesOf(credentials)
	s.m.do(s.m.desk.Start(s, &signing{credentials, s.m.random.Seed(), hash}, func(result any) {
		signature, ok := result.([]byte)
		if !ok {
			s.drop(causeFailed, ending{failure: unsigned(credentials, result)})
			return
		}
		then(append(ps, &isakmp.Signature{Data: signature}))
	}))
}

// unsigned explains that signing came to nothing.
func unsigned(credentials *auth.Credentials, result any) *sa.Failure {
	err, ok := result.(error)
	if !ok {
		err = fmt.Errorf("signing ended without a result: %v", result)
	}
	return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "our private key does not sign: " + err.Error(),
		Local: credentials.String(), Hint: "see whether the key, or the device that holds it, can be used"}
}

// signing makes a SIG payload. It implements sa.Job.
type signing struct {
	credentials *auth.Credentials
	seed, hash  []byte
}

// Run implements sa.Job.
func (j *signing) Run() any {
	signature, err := j.credentials.SignHash(sansio.Expand(j.seed), j.hash)
	if err != nil {
		return err
	}
	return signature
}

// proven is what became of checking the peer's proof: whether it holds at all,
// so that the message is the peer's, and what is wrong with it.
type proven struct {
	authentic bool
	problem   *auth.Problem
}

// examine checks the peer's proof of the identity whose payload is id, and calls
// then with the result.
func (s *ikeSA) examine(o *opened, id *isakmp.Identification, shown auth.Identity, then func(proven)) {
	want := s.association.proof(!s.initiator, isakmp.Body(id))
	trust := s.m.settings.Trust
	if s.method == isakmp.AuthPSK || trust == nil {
		hash, ok := isakmp.Find[*isakmp.Hash](o.payloads)
		then(proven{authentic: ok && s.method == isakmp.AuthPSK && hmac.Equal(hash.Data, want)})
		return
	}
	job := &checking{trust: trust, now: s.m.now, id: shown, hash: want}
	for _, c := range isakmp.All[*isakmp.Certificate](o.payloads) {
		switch c.Encoding {
		case isakmp.CertX509Signature:
			job.shown = append(job.shown, &wire.Certificate{Encoding: wire.CertX509Signature, Data: bytes.Clone(c.Data)})
		case isakmp.CertCRL:
			job.shown = append(job.shown, &wire.Certificate{Encoding: wire.CertCRL, Data: bytes.Clone(c.Data)})
		}
	}
	if sig, ok := isakmp.Find[*isakmp.Signature](o.payloads); ok {
		job.signature = bytes.Clone(sig.Data)
	}
	done := func(result any) {
		r, _ := result.(proven)
		then(r)
	}
	work := s.m.desk.Start(s, job, func(result any) {
		c, ok := result.(checked)
		if !ok || c.problem != nil || !trust.Asks() {
			done(c.proven)
			return
		}
		s.held = true
		ask := s.m.desk.Start(s, &asking{trust, s.m.now, c.signer}, done)
		ask.Waits = true
		s.m.do(ask)
	})
	work.Stranger = s.state == adopted
	s.m.do(work)
}

// checking checks a SIG payload and certificates, without asking anybody. It implements
// sa.Job.
type checking struct {
	trust           *auth.Trust
	now             time.Time
	id              auth.Identity
	shown           []*wire.Certificate
	hash, signature []byte
}

// checked is the result of checking.
type checked struct {
	proven
	signer *auth.Signer
}

// Run implements sa.Job.
func (j *checking) Run() any {
	signer, held, problem := j.trust.AuthenticateHash(j.now, j.shown, j.id, j.hash, j.signature)
	if problem == nil && !j.trust.Asks() {
		problem = j.trust.CheckRevocation(j.now, signer)
	}
	return checked{proven{authentic: held, problem: problem}, signer}
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
	return proven{authentic: true, problem: j.trust.CheckRevocation(j.now, j.signer)}
}

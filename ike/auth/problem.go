package auth

import "fmt"

// Reason is a stable code of why an authentication failed. Package sa has the
// same codes among its own.
type Reason string

// The reasons.
const (
	ReasonAuthenticationFailed   Reason = "authentication_failed"
	ReasonSignatureUnsupported   Reason = "signature_unsupported"
	ReasonCertificateMissing     Reason = "certificate_missing"
	ReasonCertificateInvalid     Reason = "certificate_invalid"
	ReasonCertificateExpired     Reason = "certificate_expired"
	ReasonCertificateNotYetValid Reason = "certificate_not_yet_valid"
	ReasonCertificateUntrusted   Reason = "certificate_untrusted"
	ReasonCertificateIdentity    Reason = "certificate_identity"
	ReasonCertificateRevoked     Reason = "certificate_revoked"
	ReasonRevocationUnknown      Reason = "revocation_unknown"
)

// Problem is why an authentication failed, for a person at this end: the peer
// learns no more than that it failed.
type Problem struct {
	Reason        Reason
	Message       string // one line: what happened
	Local, Remote string // the facts of both sides
	Hint          string // what to change
}

// Error is the one-line form.
func (p *Problem) Error() string { return fmt.Sprintf("auth: %s: %s", p.Reason, p.Message) }

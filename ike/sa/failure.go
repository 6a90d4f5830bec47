package sa

import (
	"fmt"
	"strings"
)

// Reason is a stable code of why something failed or was dropped: a log field,
// metric label and API value. docs/troubleshooting.md explains each.
type Reason string

const (
	ReasonTimeout              Reason = "timeout"               // the peer does not answer
	ReasonLivenessTimeout      Reason = "liveness_timeout"      // it answered once and does no more
	ReasonPeerRestarted        Reason = "peer_restarted"        // it lost its state, and proves it (RFC 6290), or says so and no more
	ReasonRedirectLoop         Reason = "redirect_loop"         // gateways send us to one another
	ReasonProposalMismatch     Reason = "proposal_mismatch"     // no common IKE or ESP proposal
	ReasonInvalidKE            Reason = "invalid_ke"            // no common Diffie-Hellman group, or a bad public value
	ReasonAuthenticationFailed Reason = "authentication_failed" // the AUTH payload is wrong: the keys differ
	ReasonIdentityMismatch     Reason = "identity_mismatch"     // the peer shows another identity than expected
	ReasonUnknownPeer          Reason = "unknown_peer"          // no connection for this address or identity
	ReasonSelectorMismatch     Reason = "selector_mismatch"     // TS_UNACCEPTABLE
	ReasonModeMismatch         Reason = "mode_mismatch"         // one end wants transport mode, the other does not
	ReasonPeerError            Reason = "peer_error"            // another error notify of the peer
	ReasonInvalidSyntax        Reason = "invalid_syntax"        // a message breaks the RFC
	ReasonUnsupportedCritical  Reason = "unsupported_critical"  // unknown critical payload
	ReasonVersionMismatch      Reason = "version_mismatch"      // another IKE major version
	ReasonAddressUnresolved    Reason = "address_unresolved"    // the peer's name has no address
	ReasonSendFailed           Reason = "send_failed"           // the local network refused the datagram
	ReasonDataPath             Reason = "data_path"             // the data path refused the Child SA
	ReasonHalfOpenLimit        Reason = "half_open_limit"       // too many unauthenticated peers at once
	ReasonLifetime             Reason = "lifetime"              // a hard lifetime passed without a rekey
	ReasonDuplicate            Reason = "duplicate"             // another SA of the same peer is kept
	ReasonLocalRefused         Reason = "refused"               // configuration forbids it (mode, start)
	// Of signatures, certificates and post-quantum keys; package auth has the
	// same ones.
	ReasonSignatureUnsupported   Reason = "signature_unsupported"     // no common way to sign
	ReasonCertificateMissing     Reason = "certificate_missing"       // the peer signs and sends no certificate
	ReasonCertificateInvalid     Reason = "certificate_invalid"       // it must not be used so, or is malformed
	ReasonCertificateExpired     Reason = "certificate_expired"       // it, or one above it
	ReasonCertificateNotYetValid Reason = "certificate_not_yet_valid" // it, or one above it
	ReasonCertificateUntrusted   Reason = "certificate_untrusted"     // no authority that we trust vouches for it
	ReasonCertificateIdentity    Reason = "certificate_identity"      // it stands for another identity
	ReasonCertificateRevoked     Reason = "certificate_revoked"       // it, or one above it
	ReasonRevocationUnknown      Reason = "revocation_unknown"        // nothing current says that it is not revoked
	ReasonPPKMismatch            Reason = "ppk_mismatch"              // the two ends have no post-quantum key in common
	ReasonNATForbidden           Reason = "nat_forbidden"             // there is a NAT where none may be (RFC 4555 §3.9)
	ReasonTicketRefused          Reason = "ticket_refused"            // a ticket of a session that is not resumed (RFC 5723)
	ReasonMaxQueue               Reason = "max_queue"                 // the peer takes no more Child SAs for single workers (RFC 9611)
	ReasonInternal               Reason = "internal"                  // a defect of this program
)

// Failure is why something did not work, for a person: what happened, the
// facts of both sides, and what to change.
type Failure struct {
	Reason  Reason
	Message string // one line: what happened
	Local   string // what this side has (a proposal, an identity, selectors); may span lines
	Remote  string // what the peer has
	Hint    string // what to change
}

// Error is the one-line form.
func (f *Failure) Error() string {
	if f.Hint == "" {
		return fmt.Sprintf("%s: %s", f.Reason, f.Message)
	}
	return fmt.Sprintf("%s: %s; %s", f.Reason, f.Message, f.Hint)
}

// Format prints the one-line form, and with %+v the facts of both sides.
func (f *Failure) Format(s fmt.State, verb rune) {
	if verb != 'v' || !s.Flag('+') {
		fmt.Fprint(s, f.Error())
		return
	}
	var b strings.Builder
	b.WriteString(f.Error())
	side(&b, "ours", f.Local)
	side(&b, "peer", f.Remote)
	fmt.Fprint(s, b.String())
}

func side(b *strings.Builder, who, what string) {
	if what == "" {
		return
	}
	for line := range strings.SplitSeq(what, "\n") {
		fmt.Fprintf(b, "\n  %s: %s", who, line)
	}
}

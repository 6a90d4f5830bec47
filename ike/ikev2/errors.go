package ikev2

import (
	"errors"
	"fmt"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// errNotEncrypted is a message in the clear where only SK may be.
var errNotEncrypted = errors.New("ikev2: the message is not encrypted")

// syntaxError is a message that breaks the RFC.
type syntaxError struct{ why string }

func (e *syntaxError) Error() string { return "ikev2: invalid syntax: " + e.why }

// criticalError is an unknown payload with the critical bit.
type criticalError struct{ payload wire.PayloadType }

func (e *criticalError) Error() string {
	return fmt.Sprintf("ikev2: unknown critical payload %d", uint8(e.payload))
}

// refusal is a request that is understood and not granted: what the peer is
// told, and what a person is told.
type refusal struct {
	notify  wire.Notify
	failure *sa.Failure // nil: nothing that a person must know
}

func (e *refusal) Error() string {
	if e.failure != nil {
		return "ikev2: " + e.failure.Error()
	}
	return "ikev2: refused with " + e.notify.NotifyType.String()
}

// refuse makes a refusal without data.
func refuse(t wire.NotifyType, f *sa.Failure) *refusal {
	return &refusal{wire.Notify{NotifyType: t}, f}
}

// disposition is what an error does (RFC 7296 §2.21).
type disposition struct {
	reply   *wire.Notify // nil: none
	close   bool         // the IKE SA ends
	failure *sa.Failure
}

// dispose is the one place that decides what an error in a received message
// does. authentic says that the sender holds the keys of the IKE SA; without
// that, nothing is ever answered or closed (RFC 7296 §2.21.4).
func dispose(err error, authentic, response bool) disposition {
	if !authentic {
		return disposition{}
	}
	var syntax *syntaxError
	var critical *criticalError
	var refused *refusal
	d := disposition{}
	switch {
	case errors.As(err, &syntax):
		// RFC 7296 §2.21.3: fatal in an authenticated exchange.
		d.close = true
		d.reply = &wire.Notify{NotifyType: wire.NotifyInvalidSyntax}
		d.failure = &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: "the peer sent a malformed message: " + syntax.why,
			Hint: "capture the exchange at debug level and report it to whichever implementation is wrong"}
	case errors.As(err, &critical):
		// RFC 7296 §2.5: only the exchange fails. A response must not have one.
		d.close = response
		d.reply = &wire.Notify{NotifyType: wire.NotifyUnsupportedCriticalPayload, Data: []byte{byte(critical.payload)}}
		d.failure = &sa.Failure{Reason: sa.ReasonUnsupportedCritical,
			Message: fmt.Sprintf("the peer sent payload type %d and insists on it", uint8(critical.payload)),
			Remote:  fmt.Sprintf("payload type %d, critical", uint8(critical.payload)),
			Hint:    "switch the extension off at the peer"}
	case errors.As(err, &refused):
		t := refused.notify.NotifyType
		d.close = t == wire.NotifyAuthenticationFailed || t == wire.NotifyInvalidSyntax // RFC 7296 §2.21.3
		d.reply = &refused.notify
		d.failure = refused.failure
	default:
		d.close = true
		d.failure = internal(err)
	}
	if response {
		d.reply = nil
	}
	return d
}

// internal is a defect of this program.
func internal(err error) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonInternal, Message: err.Error(), Hint: "this is a defect: please report it"}
}

// noProposal explains a NO_PROPOSAL_CHOSEN that was received: what the peer
// has is not known.
func noProposal(what string, ours []transform.Proposal, option string) *sa.Failure {
	parts := "encryption, integrity, PRF and group"
	if len(ours) > 0 && ours[0].Protocol == transform.ESP {
		parts = "encryption, integrity, group and ESN"
	}
	return &sa.Failure{
		Reason:  sa.ReasonProposalMismatch,
		Message: "the peer accepts no proposal for the " + what,
		Local:   sa.ProposalLines(ours),
		Remote:  "not told; its log has it",
		Hint:    "compare " + option + " with the peer's configuration: " + parts + " must have one value in common",
	}
}

// peerError explains an error notify without a meaning of its own here.
func peerError(exchange string, n *wire.Notify) *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonPeerError,
		Message: fmt.Sprintf("the peer answered %s with %v", exchange, n.NotifyType),
		Remote:  n.NotifyType.String(),
		Hint:    "the peer's log says why",
	}
}

// Hints that several exchanges give.
const (
	malformedIdentity = "the peer's identity is malformed: give it another one, such as an address or a DNS name"
	noSPI             = "this host has no room for another Child SA at the moment; it is tried again"
)

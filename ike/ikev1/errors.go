package ikev1

import (
	"fmt"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// internal is a defect of this program.
func internal(err error) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonInternal, Message: err.Error(), Hint: "this is a defect: please report it"}
}

func syntaxFailure(why string) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: "the peer sent a malformed message: " + why,
		Hint: "capture the exchange at debug level and report it to whichever implementation is wrong"}
}

// noSuites explains proposals that IKEv1 has no numbers for.
func noSuites(s *sa.Settings) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonProposalMismatch, Message: "no proposal of the connection can be said in IKEv1",
		Local: sa.ProposalLines(s.IKEProposals), Hint: "ike.proposals needs AES-CBC with an integrity algorithm and a group up to 21, for example aes256-sha256-modp2048"}
}

// refusedFailure explains an error notification about our offer: what the peer
// has is not known.
func refusedFailure(what string, n *isakmp.Notification, ours []transform.Proposal, option string) *sa.Failure {
	switch n.NotifyType {
	case isakmp.NoProposalChosen, isakmp.BadProposalSyntax, isakmp.AttributesNotSupported, isakmp.InvalidTransformID:
		f := &sa.Failure{Reason: sa.ReasonProposalMismatch, Message: "the peer accepts no proposal for the " + what,
			Local: sa.ProposalLines(ours), Remote: "not told; its log has it",
			Hint: "compare " + option + " with the peer's configuration: encryption, hash, group and lifetime, all of one line"}
		if option == "ike.proposals" { // strongSwan says the same if it has no connection of IKEv1 for us
			f.Hint += "; and see whether it has a connection of IKEv1 in Main Mode for us at all"
		}
		return f
	case isakmp.UnsupportedExchangeType:
		return &sa.Failure{Reason: sa.ReasonPeerError, Message: "the peer does not speak the mode of phase 1 with us that ike.aggressive chooses",
			Local: "ike.aggressive", Remote: n.NotifyType.String(), Hint: "leave ike.aggressive out if it is true here, and else see whether the peer wants Aggressive Mode"}
	case isakmp.InvalidMajorVersion:
		return &sa.Failure{Reason: sa.ReasonVersionMismatch, Message: "the peer does not speak IKEv1 with us",
			Local: "IKEv1", Remote: n.NotifyType.String(), Hint: "set ike.version: 2 here, or IKEv1 at the peer"}
	case isakmp.AuthenticationFailed, isakmp.InvalidHashInformation, isakmp.InvalidSignature:
		return &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer refuses our authentication",
			Remote: "not told; its log has it", Hint: keyHint}
	case isakmp.InvalidIDInformation:
		return &sa.Failure{Reason: sa.ReasonIdentityMismatch, Message: "the peer refuses our identity",
			Remote: "not told; its log has it", Hint: "compare local.identity with what the peer expects of us"}
	}
	return &sa.Failure{Reason: sa.ReasonPeerError, Message: fmt.Sprintf("the peer answered the %s with %v", what, n.NotifyType),
		Local: sa.ProposalLines(ours), Remote: n.NotifyType.String(), Hint: "the peer's log says why"}
}

// refusedIdentity explains an error notification about our identity, from a peer
// that has the same keys.
func refusedIdentity(n *isakmp.Notification, method uint16) *sa.Failure {
	f := &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Remote: "not told; its log has it",
		Message: fmt.Sprintf("the peer refuses our identity or our certificate (%v)", n.NotifyType),
		Hint:    "compare local.identity with what the peer expects of us, and see whether it trusts our certificate's authority"}
	if method == isakmp.AuthPSK {
		f.Message = fmt.Sprintf("the peer has the same pre-shared key and refuses our identity (%v)", n.NotifyType)
		f.Hint = "compare local.identity with what the peer expects of us, and see whether it wants Aggressive Mode"
	}
	return f
}

func selectorFailure(what string, local, remote, peerLocal, peerRemote selector.List) *sa.Failure {
	f := sa.SelectorMismatch(what, local, remote, peerLocal, peerRemote)
	f.Hint += ", one pair for each Child SA"
	return f
}

// badValue explains a key exchange that did not work.
func badValue(err error) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonInvalidKE, Message: err.Error(),
		Hint: "the peer's public value does not fit the group: its implementation is broken, or somebody on the path changes messages; another group may work"}
}

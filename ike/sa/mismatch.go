package sa

import (
	"errors"
	"fmt"
	"strings"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/transform"
)

// What two ends do not have in common, for a person at this one.

// ProposalMismatch explains a transform.MismatchError; what is the SA that does
// not come about.
func ProposalMismatch(what string, err error) *Failure {
	f := &Failure{Reason: ReasonProposalMismatch, Message: "no common proposal for the " + what}
	var m *transform.MismatchError
	if errors.As(err, &m) {
		f.Message += ": " + strings.TrimPrefix(m.Error(), "transform: ")
		f.Local, f.Remote, f.Hint = ProposalLines(m.Allowed), ProposalLines(m.Offered), m.Hint()
	}
	return f
}

// maxLines bounds the proposals of a peer that a failure shows.
const maxLines = 32

// ProposalLines are proposals for Failure.Local and Failure.Remote.
func ProposalLines(ps []transform.Proposal) string {
	var lines []string
	for i, p := range ps {
		if i == maxLines {
			lines = append(lines, fmt.Sprintf("and %d more", len(ps)-i))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// SelectorMismatch shows the networks of both ends, each as that end has them;
// what is the message.
func SelectorMismatch(what string, local, remote, peerLocal, peerRemote selector.List) *Failure {
	return &Failure{
		Reason:  ReasonSelectorMismatch,
		Message: what,
		Local:   local.String() + " === " + remote.String(),
		Remote:  peerLocal.String() + " === " + peerRemote.String(),
		Hint:    "the local networks of each end must be the remote networks of the other",
	}
}

// IdentityMismatch is that of a peer which shows another identity.
func IdentityMismatch(want, shown auth.Identity) *Failure {
	return &Failure{
		Reason:  ReasonIdentityMismatch,
		Message: fmt.Sprintf("the peer shows identity %s, expected is %s", shown, want),
		Local:   fmt.Sprintf("expects %s (%v)", want, want.Type),
		Remote:  fmt.Sprintf("shows %s (%v)", shown, shown.Type),
		Hint:    "set the connection's remote identity to " + shown.String() + ", or correct the identity at the peer",
	}
}

// FailureOf is a problem of keys and certificates, whose reasons are the same.
func FailureOf(p *auth.Problem) *Failure {
	return &Failure{Reason: Reason(p.Reason), Message: p.Message, Local: p.Local, Remote: p.Remote, Hint: p.Hint}
}

// DataPathRefuses is that of a Child SA which the data path cannot carry.
func DataPathRefuses(c *Child, err error) *Failure {
	return &Failure{
		Reason: ReasonDataPath, Message: "the data path refuses the Child SA: " + err.Error(),
		Local: c.Suite.String(), Hint: "leave what it cannot do out of esp.proposals and the connection's options; it is tried again",
	}
}

// NotAccepted is DataPathRefuses before anything came of the Child SA: what it was to
// replace is there still.
func NotAccepted(c *Child, err error) *Failure {
	f := DataPathRefuses(c, err)
	if c.Rekeys != 0 {
		f.Message += "; the one that it was to replace carries on, until its hard lifetime"
	}
	return f
}

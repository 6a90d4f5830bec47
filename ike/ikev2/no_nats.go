package ikev2

import (
	"bytes"
	"fmt"
	"net/netip"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// NAT prohibition (RFC 4555 §3.9): where there is no NAT, whoever changes addresses on
// the way is an attacker. With MOBIKE each request that can move SAs has the addresses
// it was sent between, NO_NATS_ALLOWED, and is refused if it comes by others. Besides,
// an IKE SA is refused at the end that forbids NATs if the NAT detection of
// IKE_SA_INIT, which AUTH covers, found one: so a peer without MOBIKE is held to it.

// natRetries is how often a request that a NAT was found on is made anew: somebody
// may have changed that one datagram.
const natRetries = 5

// noNAT is the data of NO_NATS_ALLOWED (RFC 4555 §4.2.6): both addresses, then
// both ports.
func noNAT(source, destination netip.AddrPort) []byte {
	b := append(source.Addr().Unmap().AsSlice(), destination.Addr().Unmap().AsSlice()...)
	return append(b, byte(source.Port()>>8), byte(source.Port()), byte(destination.Port()>>8), byte(destination.Port()))
}

// noNATs is the part of a request that may move SAs, sent from where we are, or nil.
func (s *ikeSA) noNATs() []wire.Payload {
	if !s.m.settings.ForbidNAT {
		return nil
	}
	return []wire.Payload{notify(wire.NotifyNoNATsAllowed, noNAT(s.local, s.remote))}
}

// translated reports whether a request that allows no NATs came by other addresses
// than it was sent between.
func translated(msg *message) bool {
	n := msg.notify(wire.NotifyNoNATsAllowed)
	return n != nil && !bytes.Equal(n.Data, noNAT(msg.remote, msg.local))
}

// natRefused is what an end says that does not take an authenticated peer because of
// a NAT, or nil.
func (s *ikeSA) natRefused(msg *message) *refusal {
	switch {
	case s.m.settings.MOBIKE && !msg.isResponse() && translated(msg):
		return refuse(wire.NotifyUnexpectedNATDetected, &sa.Failure{
			Reason:  sa.ReasonNATForbidden,
			Message: fmt.Sprintf("the peer allows no NAT, and its message came from %v to %v, which is not where it sent it", msg.remote, msg.local),
			Local:   msg.local.String(), Remote: msg.remote.String(),
			Hint: "there is a NAT on the way, or somebody changes addresses: find it, or let the peer allow NATs",
		})
	case s.m.settings.ForbidNAT && s.nat != natState{}:
		return refuse(wire.NotifyUnexpectedNATDetected, s.natFound())
	}
	return nil
}

func (s *ikeSA) natFound() *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonNATForbidden,
		Message: fmt.Sprintf("there is a NAT between %v and %v (%v), and ike.forbid_nat is true", s.local, s.remote, s.nat),
		Local:   "ike.forbid_nat: true", Remote: "NAT detection: " + s.nat.String(),
		Hint: "there is a NAT on the way, or somebody changes addresses, or the peer claims a NAT to have ESP in UDP (strongSwan: encap = yes)",
	}
}

// natSeen takes UNEXPECTED_NAT_DETECTED in answer to a request about addresses, and
// reports whether it is to be made anew (RFC 4555 §3.9).
func (s *ikeSA) natSeen(msg *message) (again bool) {
	if msg.notify(wire.NotifyUnexpectedNATDetected) == nil {
		s.natTries = 0
		return false
	}
	if s.natTries++; s.natTries <= natRetries {
		return true
	}
	s.natTries = 0
	s.m.fail(s.remote, s.natReported())
	return false
}

// natReported explains that the peer found one.
func (s *ikeSA) natReported() *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonNATForbidden,
		Message: fmt.Sprintf("the peer %v received our message by other addresses than it was sent between, from %v", s.remote, s.local),
		Local:   s.local.String(), Remote: wire.NotifyUnexpectedNATDetected.String(),
		Hint: "there is a NAT on the way, or somebody changes addresses: find it, or set ike.forbid_nat to false",
	}
}

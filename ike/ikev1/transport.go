package ikev1

import (
	"net/netip"
	"slices"
	"strings"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Transport mode is an attribute of a transform here, and the ID payloads of Quick
// Mode are about the two outer addresses. Where a NAT is, each end has other names
// for them: NAT-OA payloads tell the peer's, which it computes checksums with (RFC
// 3947 §5.2), and what its ID payloads say is changed to our names.

// modes are the encapsulation modes of an offer, the best first.
func (a *association) modes(w sa.ChildSettings) []uint16 {
	var out []uint16
	if w.TakesTransport() {
		out = append(out, a.transportMode())
	}
	if w.TakesTunnel() {
		out = append(out, a.mode())
	}
	return out
}

// transportMode is the number of transport mode in our offers.
func (a *association) transportMode() uint16 {
	switch {
	case !a.nat.encapsulate:
		return isakmp.ModeTransport
	case a.peer.natt == nattDraft:
		return isakmp.ModeUDPTransportDraft
	}
	return isakmp.ModeUDPTransport
}

// takes reports whether an encapsulation mode fits what is wanted.
func (a *association) takes(w sa.ChildSettings, mode uint16) bool {
	if isTransport(mode) {
		return w.TakesTransport() && a.takesTransport(mode)
	}
	return w.TakesTunnel() && a.takesMode(mode)
}

// takesTransport is takesMode of the numbers of transport mode.
func (a *association) takesTransport(mode uint16) bool {
	if mode == isakmp.ModeTransport {
		return !a.nat.encapsulate
	}
	return a.peer.natt != nattNone
}

func isTransport(mode uint16) bool {
	return mode == isakmp.ModeTransport || mode == isakmp.ModeUDPTransport || mode == isakmp.ModeUDPTransportDraft
}

// modeNames are the modes that are wanted, for a person.
func (a *association) modeNames(w sa.ChildSettings) string {
	var names []string
	for _, mode := range a.modes(w) {
		name := "tunnel"
		if isTransport(mode) {
			name = "transport"
		}
		if !isBare(mode) {
			name = "UDP-encapsulated " + name
		}
		names = append(names, name)
	}
	return strings.Join(names, " or ")
}

// isBare reports whether ESP of a mode goes without UDP.
func isBare(mode uint16) bool { return mode == isakmp.ModeTunnel || mode == isakmp.ModeTransport }

// asksTransport reports whether some transform of an offer is for transport mode.
func asksTransport(offer *isakmp.SecurityAssociation) bool {
	return slices.ContainsFunc(offer.Proposals, func(p isakmp.Proposal) bool {
		return slices.ContainsFunc(p.Transforms, func(t isakmp.Transform) bool { return isTransport(readPhaseTwo(t).mode) })
	})
}

// otherMode reports whether an offer is for one mode only and w for the other.
func (a *association) otherMode(offer *isakmp.SecurityAssociation, w sa.ChildSettings) (theirs, ours string, ok bool) {
	transport := asksTransport(offer)
	tunnel := slices.ContainsFunc(offer.Proposals, func(p isakmp.Proposal) bool {
		return slices.ContainsFunc(p.Transforms, func(t isakmp.Transform) bool { return !isTransport(readPhaseTwo(t).mode) })
	})
	switch {
	case transport && !tunnel && !w.TakesTransport():
		return "transport", "tunnel", true
	case tunnel && !transport && !w.TakesTunnel():
		return "tunnel", "transport", true
	}
	return "", "", false
}

// originals are our NAT-OA payloads: both addresses as we have them, the
// initiator's first.
func (q *quick) originals() []isakmp.Payload {
	s := q.s
	if !q.settings.TakesTransport() || !s.nat.encapsulate {
		return nil
	}
	draft := s.peer.natt == nattDraft
	local := &isakmp.NATAddress{Draft: draft, Address: s.local.Addr().Unmap()}
	remote := &isakmp.NATAddress{Draft: draft, Address: s.remote.Addr().Unmap()}
	if q.ours {
		return []isakmp.Payload{local, remote}
	}
	return []isakmp.Payload{remote, local}
}

// substituted is the peer's selectors of both sides with our addresses in them,
// and its own names for these: by its NAT-OA payloads, or its selectors.
func (q *quick) substituted(ps []isakmp.Payload, ours, theirs selector.List) (local, remote selector.List, transport *sa.Transport) {
	s := q.s
	transport = &sa.Transport{OriginalLocal: s.local.Addr().Unmap(), OriginalRemote: s.remote.Addr().Unmap()}
	ours, transport.OriginalLocal = oneSide(ours, s.nat.local, transport.OriginalLocal)
	theirs, transport.OriginalRemote = oneSide(theirs, s.nat.remote, transport.OriginalRemote)
	if told := isakmp.All[*isakmp.NATAddress](ps); len(told) == 2 {
		transport.OriginalLocal, transport.OriginalRemote = told[0].Address, told[1].Address
		if !q.ours {
			transport.OriginalLocal, transport.OriginalRemote = told[1].Address, told[0].Address
		}
	}
	return ours, theirs, transport
}

// oneSide puts our address of one side in the place of the peer's, if the side is
// behind a NAT. Selectors of several addresses are left to be refused.
func oneSide(l selector.List, nat bool, address netip.Addr) (selector.List, netip.Addr) {
	original, ok := sa.SoleAddress(l)
	if !nat || !ok {
		return l, address
	}
	return sa.Substitute(l, address), original
}

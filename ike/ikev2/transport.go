package ikev2

import (
	"net/netip"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Transport mode (RFC 7296 §1.3.1): USE_TRANSPORT_MODE in a request asks for it,
// and in the answer grants it. Its traffic selectors are about the two outer
// addresses. Where a NAT is, each end has other names for them, so that what the
// other says is changed to our names before it is used for anything, and its own
// names are kept for the checksums that it computes with them (§2.23.1).

// mode is what an offer says of the mode. Padding behind a packet has no end that
// could be found without the IP header (RFC 4303 §2.7).
func (o *childOffer) mode() []wire.Payload { return modeNotifies(o.settings.TakesTransport()) }

// mode is what an answer says of the mode.
func (c *childChoice) mode() []wire.Payload { return modeNotifies(c.transport != nil) }

func modeNotifies(transport bool) []wire.Payload {
	if !transport {
		return nil
	}
	return []wire.Payload{notify(wire.NotifyUseTransportMode, nil), notify(wire.NotifyESPTFCPaddingNotSupported, nil)}
}

// confirmMode holds the mode of an answer against the offer, and gives the answer's
// selectors with our addresses in them. transport is nil for tunnel mode.
func (s *ikeSA) confirmMode(o *childOffer, msg *message, tsi, tsr selector.List) (local, remote selector.List, transport *sa.Transport, err error) {
	granted := msg.notify(wire.NotifyUseTransportMode) != nil
	switch {
	case granted && !o.settings.TakesTransport():
		return nil, nil, nil, &syntaxError{"the answer grants transport mode, which was not asked for"}
	case !granted && !o.settings.TakesTunnel():
		return nil, nil, nil, &refusal{failure: sa.ModeMismatch("the peer answers a request for transport mode with tunnel mode", "transport", "tunnel")}
	case !granted:
		return tsi, tsr, nil, nil
	}
	local, remote, transport = s.substituted(tsi, tsr)
	return local, remote, transport, nil
}

// substituted is a peer's selectors of our side and its own, each with the address
// that it has for us where a NAT makes that another one, and what it was before.
func (s *ikeSA) substituted(ours, theirs selector.List) (local, remote selector.List, transport *sa.Transport) {
	transport = &sa.Transport{OriginalLocal: s.local.Addr().Unmap(), OriginalRemote: s.remote.Addr().Unmap()}
	ours, transport.OriginalLocal = oneSide(ours, s.nat.local, transport.OriginalLocal)
	theirs, transport.OriginalRemote = oneSide(theirs, s.nat.remote, transport.OriginalRemote)
	return ours, theirs, transport
}

// oneSide puts our address of one side in the place of the peer's, if the side is
// behind a NAT. Selectors of several addresses are left for the narrowing to refuse.
func oneSide(l selector.List, nat bool, address netip.Addr) (selector.List, netip.Addr) {
	original, ok := sa.SoleAddress(l)
	if !nat || !ok {
		return l, address
	}
	return sa.Substitute(l, address), original
}

// proposedSelectors are the traffic selectors of a request, as the peer has them.
type proposedSelectors struct {
	theirs, ours selector.List
	transport    bool
}

func proposedBy(msg *message, theirs, ours selector.List) proposedSelectors {
	return proposedSelectors{theirs, ours, msg.notify(wire.NotifyUseTransportMode) != nil}
}

// in is what they are if they are for w: in transport mode if both ends want that.
func (p proposedSelectors) in(s *ikeSA, w sa.ChildSettings) (theirs, ours selector.List, transport *sa.Transport) {
	if !p.transport || !w.TakesTransport() {
		return p.theirs, p.ours, nil
	}
	ours, theirs, transport = s.substituted(p.ours, p.theirs)
	return theirs, ours, transport
}

package ikev2

import (
	"net/netip"
	"slices"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Several addresses at each end (RFC 4555 §3.4, §3.6, §3.10). Each tells the other
// its further addresses. When requests of the end that began are not answered, it
// sends the request that is on its way on every other pair of addresses, too; the
// pair that the answer comes by is the new path, which the peer is told with
// UPDATE_SA_ADDRESSES. The other end can only say which addresses it has, and does
// so when the one in use is gone.

const (
	// maxAddresses bounds the further addresses of one end.
	maxAddresses = 8
	// pathAttempt is the retransmission with which other paths are tried.
	pathAttempt = 2
)

// otherAddresses are the notifies about our addresses besides the one in use.
func (s *ikeSA) otherAddresses() (ps []wire.Payload) {
	for _, a := range s.m.addresses {
		if a == s.local.Addr() || len(ps) == maxAddresses {
			continue
		}
		t := wire.NotifyAdditionalIP6Address
		if a.Is4() {
			t = wire.NotifyAdditionalIP4Address
		}
		ps = append(ps, notify(t, a.AsSlice()))
	}
	return ps
}

// takeAddresses keeps what the peer says of its further addresses; a message that
// says nothing leaves what was said before. It reports whether it said anything.
func (s *ikeSA) takeAddresses(msg *message) bool {
	var list []netip.Addr
	said := false
	for _, p := range msg.Payloads {
		n, ok := p.(*wire.Notify)
		if !ok {
			continue
		}
		switch n.NotifyType {
		case wire.NotifyNoAdditionalAddresses:
			said = true
		case wire.NotifyAdditionalIP4Address, wire.NotifyAdditionalIP6Address:
			said = true
			if a, ok := netip.AddrFromSlice(n.Data); ok && usable(a) && len(list) < maxAddresses && !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
	}
	if said {
		s.peerAddresses = list
	}
	return said
}

// usable reports whether an address is one that a peer can have.
func usable(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.Is4In6()
}

// addressesExchange tells the peer our addresses.
type addressesExchange struct {
	checkExchange
	by path
}

// tellAddresses sends them.
func (s *ikeSA) tellAddresses() {
	s.wantAddresses = false
	ps := s.otherAddresses()
	if len(ps) == 0 {
		ps = []wire.Payload{notify(wire.NotifyNoAdditionalAddresses, nil)}
	}
	s.request(&addressesExchange{by: s.path()}, append(ps, s.noNATs()...))
}

// respond makes it anew where somebody changed addresses on the way, and where it was
// sent from more than one: the peer cannot know which of them counts (RFC 4555 §3.6).
func (x *addressesExchange) respond(s *ikeSA, msg *message) {
	again := s.natSeen(msg)
	s.wantAddresses = s.wantAddresses || again || s.path() != x.by
	x.checkExchange.respond(s, msg)
}

// hearAddresses takes an INFORMATIONAL about the peer's addresses, of which where it
// came from is one. Where the one in use is not among them, the peer is there.
func (s *ikeSA) hearAddresses(msg *message) {
	if !s.takeAddresses(msg) || !s.origin || msg.remote.Addr() == s.remote.Addr() {
		return
	}
	if slices.Contains(s.peerAddresses, s.remote.Addr()) {
		s.peerAddresses = withAddress(s.peerAddresses, msg.remote.Addr())
		return
	}
	s.wantUpdate = true
	s.relocate(msg.local, msg.remote)
}

// withAddress is a list with one more address, as the last if the list is full.
func withAddress(list []netip.Addr, a netip.Addr) []netip.Addr {
	if slices.Contains(list, a) {
		return list
	}
	return append(slices.Clone(list[:min(len(list), maxAddresses-1)]), a)
}

// seekPaths asks for the paths on which the request that is on its way is to be
// sent, too.
func (s *ikeSA) seekPaths() {
	if !s.mobike || !s.origin || s.state < established || s.state >= deleting || s.window.attempt < pathAttempt {
		return
	}
	s.m.do(sa.FindPaths{SPI: s.localSPI(), Remotes: append([]netip.Addr{s.remote.Addr()}, s.peerAddresses...)})
}

// tryPaths sends the request on its way on every other path.
func (m *Machine) tryPaths(ev sa.PathsFound) {
	for _, s := range m.sas {
		if s.localSPI() != ev.SPI || s.window.request == nil || s.state >= deleting {
			continue
		}
		s.tried = s.tried[:0]
		for _, p := range ev.Paths {
			by := path{netip.AddrPortFrom(p.Local, s.local.Port()), netip.AddrPortFrom(p.Remote, s.remote.Port())}
			if by == s.path() || slices.Contains(s.tried, by) || len(s.tried) == maxPaths {
				continue
			}
			s.tried = append(s.tried, by)
			s.transmit(s.header(s.current.kind(), false, s.window.nextID), s.window.request, s.requestSummary, s.window.attempt, by)
		}
	}
}

// maxPaths bounds the paths that are tried at once.
const maxPaths = 16

// answeredBy goes on by the path that an answer came by, if it is one of those that
// were tried. What was in use at either end is a further address from then on.
func (s *ikeSA) answeredBy(msg *message) {
	by := path{msg.local, msg.remote}
	if slices.Contains(s.tried, by) && by != s.path() {
		s.wantUpdate = true
		s.wantAddresses = s.wantAddresses || by.local.Addr() != s.local.Addr() && len(s.m.addresses) > 1
		if old := s.remote.Addr(); old != by.remote.Addr() {
			s.peerAddresses = withAddress(slices.DeleteFunc(slices.Clone(s.peerAddresses), func(a netip.Addr) bool { return a == by.remote.Addr() }), old)
		}
		s.relocate(msg.local, msg.remote)
	}
	s.tried = nil
}

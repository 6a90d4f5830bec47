package ikev2

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// MOBIKE (RFC 4555): an IKE SA and its Child SAs go on at other addresses. Who
// began the first IKE SA decides about addresses, and tells the other with
// UPDATE_SA_ADDRESSES. Both can ask with COOKIE2 whether the other is really
// where it seems to be.

const (
	cookie2Len = 16
	// maxCookie2 is the longest that is given back (RFC 4555 §4.2.5).
	maxCookie2 = 64
)

// mobile is the part of IKE_AUTH that offers MOBIKE.
func (s *ikeSA) mobile() []wire.Payload {
	if !s.m.settings.MOBIKE {
		return nil
	}
	ps := append([]wire.Payload{notify(wire.NotifyMOBIKESupported, nil)}, s.otherAddresses()...)
	if s.initiator {
		ps = append(ps, s.noNATs()...)
	}
	return ps
}

// agreeMobile notes from the peer's IKE_AUTH whether both ends can.
func (s *ikeSA) agreeMobile(msg *message) {
	s.mobike = s.m.settings.MOBIKE && msg.notify(wire.NotifyMOBIKESupported) != nil
	s.origin = s.initiator
	if s.mobike {
		s.takeAddresses(msg)
	}
}

// localAddress takes the addresses of this host on, if they are others. Who began
// moves to the one that the way to the peer begins at; requests on their way are
// repeated from there (RFC 4555 §3.5). The other end moves only if the one in use
// is gone, and says which it has.
func (m *Machine) localAddress(ev sa.LocalAddress) {
	now := slices.DeleteFunc(slices.Clone(m.settings.LocalAddresses), func(a netip.Addr) bool {
		return a != ev.Addr && !slices.Contains(ev.Others, a)
	})
	changed := !slices.Equal(m.addresses, now)
	m.addresses = now
	for _, s := range m.sas {
		if !s.mobike || s.state < established || s.state >= deleting {
			continue
		}
		s.wantAddresses = s.wantAddresses || changed
		if s.local.Addr() == ev.Addr || !ev.Addr.IsValid() || !s.origin && slices.Contains(ev.Others, s.local.Addr()) {
			continue
		}
		s.wantUpdate = s.origin
		s.wantAddresses = s.wantAddresses || !s.origin || len(now) > 1 // the one that was in use is a further one
		s.relocate(netip.AddrPortFrom(ev.Addr, s.local.Port()), s.remote)
		s.window.renew(m.now, m.random.Fraction()) // the peer was not asked from here yet
	}
}

// updateExchange tells the peer where we are now.
type updateExchange struct {
	cookie []byte
	by     path
	told   bool // of our further addresses, too
}

func (*updateExchange) kind() wire.ExchangeType { return wire.ExchangeInformational }
func (*updateExchange) abandon(*ikeSA)          {}

// update sends UPDATE_SA_ADDRESSES.
func (s *ikeSA) update() {
	s.wantUpdate = false
	x := &updateExchange{cookie: s.m.random.Bytes(cookie2Len), by: s.path()}
	ps := []wire.Payload{notify(wire.NotifyUpdateSAAddresses, nil)}
	ps = append(ps, s.whereabouts()...)
	if others := s.otherAddresses(); s.wantAddresses && len(others) > 0 {
		ps, s.wantAddresses, x.told = append(ps, others...), false, true
	}
	ps = append(ps, s.noNATs()...)
	s.request(x, append(ps, notify(wire.NotifyCookie2, x.cookie)))
}

// whereabouts are the NAT_DETECTION notifies for where we and the peer are.
func (s *ikeSA) whereabouts() []wire.Payload {
	return natNotifies(s.spiI, s.spiR, s.local, s.remote, s.m.settings.ForceEncapsulation)
}

// respond takes the peer's answer. If we moved again meanwhile it counts for nothing,
// and the peer is told anew (RFC 4555 §3.5).
func (x *updateExchange) respond(s *ikeSA, msg *message) {
	if s.path() != x.by || s.natSeen(msg) {
		s.wantUpdate, s.wantAddresses = true, s.wantAddresses || x.told
		return
	}
	if n := msg.errorNotify(); n != nil && n.NotifyType != wire.NotifyUnexpectedNATDetected {
		// The peer sends to where we were: there is nothing to go on with.
		s.endOver(&sa.Failure{
			Reason:  sa.ReasonPeerError,
			Message: "the peer does not accept our new address: " + n.NotifyType.String(),
			Local:   s.local.String(), Remote: s.remote.String(),
			Hint: "the peer's policy may allow only some of our addresses; a new IKE SA is made from this one",
		})
		return
	} else if n != nil || !s.proved(x.cookie, msg) {
		return
	}
	s.observeNAT(msg)
}

// proved checks that the peer gave our COOKIE2 back. One that does not ends the
// IKE SA (RFC 4555 §3.7).
func (s *ikeSA) proved(cookie []byte, msg *message) bool {
	n := msg.notify(wire.NotifyCookie2)
	if n != nil && bytes.Equal(n.Data, cookie) {
		return true
	}
	s.drop(causeFailed, ending{failure: &sa.Failure{
		Reason:  sa.ReasonInvalidSyntax,
		Message: "the peer did not give COOKIE2 back as it was",
		Local:   fmt.Sprintf("sent %x", cookie), Remote: "sends " + wire.Summary(msg.Payloads),
		Hint: "the peer's implementation is broken, or somebody holds its keys and not its address",
	}})
	return false
}

// observeNAT compares where the peer sees us with where it saw us before, and
// tells of a NAT that came or went.
func (s *ikeSA) observeNAT(msg *message) {
	n := msg.notify(wire.NotifyNATDetectionDestinationIP)
	if n == nil {
		return
	}
	s.seenAt = n.Data
	if nat := detectNAT(msg, s.spiI, s.spiR); nat != s.nat {
		s.nat = nat
		s.encapsulate()
		s.m.emit(sa.EndpointChanged{Connection: s.m.settings.Name, SPIi: s.spiI, SPIr: s.spiR, Local: s.local, Old: s.remote, New: s.remote, NAT: nat.String()})
	}
}

// encapsulate replaces Child SAs whose ESP goes without UDP where there is a NAT now,
// and the reverse (RFC 4555 §3.5).
func (s *ikeSA) encapsulate() {
	for _, c := range s.children {
		if c.state == childInstalled && c.Bare != s.bare() {
			c.wantRekey, c.rekeyAfter = true, time.Time{}
		}
	}
}

// payloads are what a liveness check asks besides: whether the peer is where
// it says, after it moved, and whether a NAT on the way gave us another address
// (RFC 4555 §3.7, §3.8).
func (x *checkExchange) payloads(s *ikeSA) []wire.Payload {
	var ps []wire.Payload
	if !s.mobike {
		return nil
	}
	if s.origin {
		ps = append(ps, s.whereabouts()...)
	}
	if s.wantCookie {
		s.wantCookie = false
		x.cookie = s.m.random.Bytes(cookie2Len)
		ps = append(ps, notify(wire.NotifyCookie2, x.cookie))
	}
	return ps
}

// moving takes what the answer to a check says of addresses.
func (x *checkExchange) moving(s *ikeSA, msg *message) {
	if x.cookie != nil && !s.proved(x.cookie, msg) {
		return
	}
	n := msg.notify(wire.NotifyNATDetectionDestinationIP)
	if !s.mobike || !s.origin || n == nil {
		return
	}
	before := s.seenAt
	if before == nil && !s.nat.local {
		before = natHash(s.spiI, s.spiR, msg.local)
	}
	if before != nil && !bytes.Equal(before, n.Data) {
		s.wantUpdate = true
	}
	s.observeNAT(msg)
}

// unseen is what nobody sees us at.
var unseen = []byte{}

// inheritSight has the IKE SA that replaces s know that the peer may see us elsewhere
// by the time of its first check: the hash of where it does covers the SPIs, so the
// two cannot be compared, and the peer is told of our address once more (RFC 4555 §3.8).
func (s *ikeSA) inheritSight(n *ikeSA) {
	if s.mobike && s.origin && s.nat.local {
		n.seenAt = unseen
	}
	if s.wantCookie {
		n.wantCheck, n.wantCookie = true, true
	}
}

// serveMobile does what an INFORMATIONAL of the peer says of addresses, and gives
// what its answer has of them.
func (s *ikeSA) serveMobile(msg *message) []wire.Payload {
	if !s.mobike {
		return nil
	}
	if msg.notify(wire.NotifyUpdateSAAddresses) != nil && !s.origin {
		if msg.notify(wire.NotifyNATDetectionSourceIP) != nil {
			s.nat = detectNAT(msg, s.spiI, s.spiR)
			s.encapsulate()
		}
		if s.remote != msg.remote {
			s.wantCheck, s.wantCookie = true, true
		}
		s.relocate(msg.local, msg.remote)
	}
	s.hearAddresses(msg)
	var ps []wire.Payload
	if msg.notify(wire.NotifyNATDetectionSourceIP) != nil {
		ps = natNotifies(s.spiI, s.spiR, msg.local, msg.remote, s.m.settings.ForceEncapsulation)
	}
	return append(ps, cookie2Of(msg)...)
}

// cookie2Of gives the COOKIE2 of a request back, whatever the answer is (RFC 4555
// §4.2.5).
func cookie2Of(msg *message) []wire.Payload {
	n := msg.notify(wire.NotifyCookie2)
	if n == nil || len(n.Data) > maxCookie2 {
		return nil
	}
	return []wire.Payload{notify(wire.NotifyCookie2, n.Data)}
}

package ikev1

import (
	"net/netip"
	"slices"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Mode Config (draft-dukes-ike-mode-cfg-02): one end gives the other an address
// inside of the tunnel, pulled with a REQUEST or pushed with a SET. A machine is
// one peer, so there is one address to give at a time; client.go has what else the
// peer is told.

// proceedPhaseOne goes on with what an ISAKMP SA needs before it is used: a login,
// then an address.
func (s *ikeSA) proceedPhaseOne() {
	x, c := s.m.settings.XAUTH, s.m.settings.ModeConfig
	from := s.waits
	s.waits = waitsForNothing
	switch {
	case x != nil && from == waitsForNothing && !s.loginDone:
		s.waits, s.loginDone = waitsForLogin, true
		s.lingerUntil = s.m.now.Add(adoptTimeout)
		if x.Server() {
			s.askLogin()
		}
		return
	case c.Request && from != waitsForAddress:
		s.waits = waitsForAddress
		s.lingerUntil = s.m.now.Add(adoptTimeout)
		s.transact(isakmp.ConfigRequest, []isakmp.Attribute{{Type: isakmp.ConfigIPv4Address}, {Type: isakmp.ConfigIPv4Netmask}}, s.addressGiven)
		return
	case c.Assign.IsValid() && c.Push && from != waitsForAddress:
		s.waits = waitsForAddress
		s.lingerUntil = s.m.now.Add(adoptTimeout)
		s.transact(isakmp.ConfigSet, s.m.tellClient(nil), func(*isakmp.Configuration) { s.proceedPhaseOne() })
		return
	}
	s.complete()
}

// addressGiven takes the answer to our request. A peer that pushes as well may
// have been first.
func (s *ikeSA) addressGiven(p *isakmp.Configuration) {
	if s.waits != waitsForAddress {
		return
	}
	if !s.take(p) {
		s.sayDeleted()
		s.drop(causeFinished, ending{failure: s.unfinished()})
		return
	}
	s.proceedPhaseOne()
}

// take notes the address that the peer gives us.
func (s *ikeSA) take(p *isakmp.Configuration) bool {
	a, ok := netip.AddrFromSlice(p.Value(isakmp.ConfigIPv4Address))
	if !ok || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || !s.m.settings.ModeConfig.Request {
		return false
	}
	s.m.give(a)
	return true
}

// answerRequest answers the peer's request: for a login, or for an address.
func (s *ikeSA) answerRequest(p *isakmp.Configuration) (out []isakmp.Attribute, ok bool) {
	if _, asks := p.Attribute(isakmp.XAUTHUser); asks {
		return s.login(p)
	}
	if s.granted && s.waits == waitsForLogin { // its acknowledgement was lost
		s.asked = nil
		s.proceedPhaseOne()
	}
	if !s.m.settings.ModeConfig.Assign.IsValid() || s.waits == waitsForLogin {
		return nil, false
	}
	return s.m.tellClient(p.Attributes), true
}

// takeSet takes what the peer sets: what became of a login, or an address.
func (s *ikeSA) takeSet(p *isakmp.Configuration) (ack []isakmp.Attribute, done func(), ok bool) {
	if status, is := p.Attribute(isakmp.XAUTHStatus); is {
		done, ok = s.loggedIn(status)
		return []isakmp.Attribute{status}, done, ok
	}
	if s.waits == waitsForLogin || !s.take(p) {
		return nil, nil, false
	}
	for _, a := range p.Attributes {
		ack = append(ack, isakmp.Attribute{Type: a.Type})
	}
	return ack, func() {
		if s.waits == waitsForAddress {
			s.asked = nil
			s.proceedPhaseOne()
		}
	}, true
}

// wanting are the Child SAs that are wanted: with the address that one end gave the
// other, where it did, as all of that end.
func (m *Machine) wanting() []sa.ChildSettings {
	c := m.settings.ModeConfig
	if !m.assigned.IsValid() {
		if c.Request {
			return nil
		}
		return m.settings.Children
	}
	host := selector.List{selector.FromPrefix(netip.PrefixFrom(m.assigned, 32))}
	out := slices.Clone(m.settings.Children)
	for i := range out {
		if c.Request {
			out[i].Local = host
		} else if out[i].Remote.Contains(host) {
			out[i].Remote = host
		}
	}
	return out
}

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
// one peer, so there is one address to give.

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
		s.transact(isakmp.ConfigSet, []isakmp.Attribute{
			{Type: isakmp.ConfigIPv4Address, Value: c.Assign.AsSlice()}, {Type: isakmp.ConfigIPv4Netmask, Value: []byte{255, 255, 255, 255}},
		}, func(*isakmp.Configuration) { s.proceedPhaseOne() })
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
	if s.m.assigned != a {
		s.m.assigned = a
		for _, c := range s.m.children {
			c.wantDelete = c.wantDelete || !c.wantedBy(s.m.wanting())
		}
		s.m.emit(sa.AddressAssigned{Connection: s.m.settings.Name, Address: a})
	}
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
	c := s.m.settings.ModeConfig
	if !c.Assign.IsValid() || s.waits == waitsForLogin {
		return nil, false
	}
	for _, a := range p.Attributes {
		switch a.Type {
		case isakmp.ConfigIPv4Address:
			out = append(out, isakmp.Attribute{Type: a.Type, Value: c.Assign.AsSlice()})
		case isakmp.ConfigIPv4Netmask:
			out = append(out, isakmp.Attribute{Type: a.Type, Value: []byte{255, 255, 255, 255}})
		case isakmp.UnitySplitInclude:
			out = append(out, isakmp.Attribute{Type: a.Type, Value: s.m.splitNetworks()})
		}
	}
	return out, true
}

// splitNetworks are our networks as Cisco's clients want them: each of address,
// mask, and six octets of protocol and ports, which are any.
func (m *Machine) splitNetworks() []byte {
	var out []byte
	for _, w := range m.settings.Children {
		for _, s := range w.Local {
			if p, ok := prefixOf(s); ok && s.Is4() {
				out = append(append(append(out, s.Start.AsSlice()...), mask(p)...), make([]byte, 6)...)
			}
		}
	}
	return out
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

// wanting are the Child SAs that are wanted: with the address that the peer gave
// us as ours, if it did.
func (m *Machine) wanting() []sa.ChildSettings {
	if !m.settings.ModeConfig.Request {
		return m.settings.Children
	}
	if !m.assigned.IsValid() {
		return nil
	}
	out := slices.Clone(m.settings.Children)
	for i := range out {
		out[i].Local = selector.List{selector.FromPrefix(netip.PrefixFrom(m.assigned, 32))}
	}
	return out
}

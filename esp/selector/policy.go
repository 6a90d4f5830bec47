package selector

import (
	"net/netip"
	"slices"
)

// Flow is what a policy looks at in one packet.
type Flow struct {
	Src, Dst netip.Addr
	Protocol uint8
	// SrcPort and DstPort are the ports; an ICMP or mobility header message has
	// its type in the high and its code in the low eight bits of SrcPort, and
	// nothing in DstPort.
	SrcPort, DstPort uint16
	// Ports says that the ports are known: they are not in a fragment other
	// than the first, or when the protocol has none.
	Ports bool
}

// Policy is the pair of lists of one Child SA, compiled: what it may carry. It
// is immutable, safe for concurrent use, and judging allocates nothing.
type Policy struct {
	ours, theirs  side // first: what packets are judged by
	local, remote List
}

// Compile prepares the two lists for judging packets. Selectors that are not
// Valid select nothing.
func Compile(local, remote List) *Policy {
	p := &Policy{local: slices.Clone(local), remote: slices.Clone(remote)}
	p.ours.compile(local)
	p.theirs.compile(remote)
	return p
}

// Outbound reports whether a packet from us to the peer is within the policy:
// its source in the local list and its destination in the remote one.
func (p *Policy) Outbound(f *Flow) bool {
	return p.ours.sends(f) && p.theirs.receives(f)
}

// Inbound reports whether a packet from the peer to us is within the policy
// (RFC 4301 §5.2): its source in the remote list and its destination in the
// local one.
func (p *Policy) Inbound(f *Flow) bool {
	return p.theirs.sends(f) && p.ours.receives(f)
}

// Local returns our side's list. The caller must not change it.
func (p *Policy) Local() List { return p.local }

// Remote returns the peer's side's list. The caller must not change it.
func (p *Policy) Remote() List { return p.remote }

// side is one list in three parts: most policies have a few prefixes for any
// protocol, and need only the first or the second.
type side struct {
	v4     ranges4
	v6     ranges6
	narrow []Selector // those that name a protocol or ports
	// one4 is where v4 lies if it is one range, as it mostly is: among a thousand
	// policies, each step to elsewhere is one to memory.
	one4 [1]range4
}

func (s *side) compile(l List) {
	for _, sel := range l {
		switch {
		case !sel.Valid():
		case sel.Protocol != protocolAny || !sel.anyPort():
			s.narrow = append(s.narrow, sel)
		case sel.Is4():
			s.v4 = append(s.v4, range4{bits4(sel.Start), bits4(sel.End)})
		default:
			s.v6 = append(s.v6, range6{bits6(sel.Start), bits6(sel.End)})
		}
	}
	s.v4 = s.v4.merged()
	s.v6 = s.v6.merged()
	if len(s.v4) == 1 {
		s.v4 = append(s.one4[:0], s.v4...)
	}
}

func (s *side) sends(f *Flow) bool {
	return s.holds(f.Src) || len(s.narrow) != 0 && s.narrowHolds(f, f.Src, f.SrcPort, true)
}

func (s *side) receives(f *Flow) bool {
	return s.holds(f.Dst) || len(s.narrow) != 0 && s.narrowHolds(f, f.Dst, f.DstPort, false)
}

func (s *side) holds(a netip.Addr) bool {
	if a.Is4() {
		return len(s.v4) != 0 && s.v4.hold(bits4(a))
	}
	return len(s.v6) != 0 && a.Is6() && s.v6.hold(bits6(a))
}

func (s *side) narrowHolds(f *Flow, a netip.Addr, port uint16, sends bool) bool {
	// A type and code belongs to the sender: the receiver's list does not judge
	// it, so that OPAQUE there means send only (RFC 4301 §4.4.1.3 B).
	anyType := !sends && oneSelector(f.Protocol) && f.Ports
	for i := range s.narrow {
		sel := &s.narrow[i]
		if sel.Protocol != protocolAny && sel.Protocol != f.Protocol {
			continue
		}
		if a.Less(sel.Start) || sel.End.Less(a) { // another family's are all less or all more
			continue
		}
		if anyType || sel.holdsPort(port, f.Ports) {
			return true
		}
	}
	return false
}

func (s *Selector) holdsPort(port uint16, known bool) bool {
	if s.anyPort() {
		return true
	}
	if !known {
		return s.opaque()
	}
	return s.StartPort <= port && port <= s.EndPort
}

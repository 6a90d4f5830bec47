package ikev2

import (
	"causeway/esp/selector"
	"causeway/ike/wire"
)

// selectorsToWire makes a TSi or TSr payload.
func selectorsToWire(l selector.List, initiator bool) *wire.TrafficSelectors {
	out := &wire.TrafficSelectors{Initiator: initiator}
	for _, s := range l {
		typ := wire.TSIPv6AddrRange
		if s.Is4() {
			typ = wire.TSIPv4AddrRange
		}
		out.Selectors = append(out.Selectors, wire.TrafficSelector{
			TSType: typ, Protocol: s.Protocol, StartPort: s.StartPort, EndPort: s.EndPort, Start: s.Start, End: s.End,
		})
	}
	return out
}

// selectorsFromWire reads a TSi or TSr payload. Selectors of a type unknown
// here, or that select nothing, are left out, which narrows (RFC 7296 §2.9).
func selectorsFromWire(p *wire.TrafficSelectors) selector.List {
	var out selector.List
	for i := range p.Selectors {
		t := &p.Selectors[i]
		s := selector.Selector{Protocol: t.Protocol, StartPort: t.StartPort, EndPort: t.EndPort, Start: t.Start, End: t.End}
		if s.Valid() {
			out = append(out, s)
		}
	}
	return out
}

package selector

import (
	"net/netip"
	"slices"
	"strings"
)

// List is the union of its selectors, in order of preference.
type List []Selector

// maxNarrowed is how many selectors a traffic selector payload can carry: their
// number is one octet (RFC 7296 §3.13).
const maxNarrowed = 255

// Any selects all IPv4 and all IPv6 traffic.
func Any() List {
	return List{
		FromPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 0)),
		FromPrefix(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
	}
}

// Narrow returns the part of the peer's offer that l allows (RFC 7296 §2.9):
// the intersections of each with each, in the order of l and then of the offer,
// without those that another one covers. It returns nil when nothing is in
// common, and never more than fits into one payload.
func (l List) Narrow(offer List) List {
	var narrowed List
	for _, ours := range l {
		for _, theirs := range offer {
			s, ok := ours.Intersect(theirs)
			if !ok || slices.ContainsFunc(narrowed, func(n Selector) bool { return n.Contains(s) }) {
				continue
			}
			narrowed = slices.DeleteFunc(narrowed, s.Contains)
			narrowed = append(narrowed, s)
			if len(narrowed) == maxNarrowed {
				return narrowed
			}
		}
	}
	return narrowed
}

// Equal reports whether both lists select the same traffic, whatever the order
// and the division into selectors.
func (l List) Equal(o List) bool { return l.Contains(o) && o.Contains(l) }

// String lists the selectors.
func (l List) String() string {
	parts := make([]string, len(l))
	for i, s := range l {
		parts[i] = s.String()
	}
	return strings.Join(parts, ", ")
}

// Contains reports whether all traffic of o is traffic of l, be it by several
// selectors of l together. A selector of o that is not Valid is not contained.
func (l List) Contains(o List) bool {
	for _, s := range o {
		if !s.Valid() || !l.covers(s) {
			return false
		}
	}
	return true
}

// covers cuts s along the protocols and the ports that l names. Within one such
// piece every selector of l applies to all or none, so only addresses are left.
func (l List) covers(s Selector) bool {
	if slices.ContainsFunc(l, func(c Selector) bool { return c.Contains(s) }) {
		return true
	}
	var near List // of l, what meets s at all
	for _, c := range l {
		if i, ok := c.Intersect(s); ok {
			near = append(near, i)
		}
	}
	for _, protocol := range near.protocolsWithin(s) {
		piece := s
		piece.Protocol = protocol
		ofProtocol := near.filter(func(c Selector) bool {
			return c.Protocol == protocolAny || c.Protocol == protocol
		})
		if !ofProtocol.coversPorts(piece) {
			return false
		}
	}
	return true
}

// protocolsWithin returns one protocol for each set of protocols within s that
// l does not tell apart. protocolAny stands for those that l does not name.
func (l List) protocolsWithin(s Selector) []uint8 {
	if s.Protocol != protocolAny {
		return []uint8{s.Protocol}
	}
	protocols := []uint8{protocolAny}
	for _, c := range l {
		protocols = append(protocols, c.Protocol)
	}
	slices.Sort(protocols)
	return slices.Compact(protocols)
}

func (l List) coversPorts(s Selector) bool {
	if s.opaque() || s.anyPort() {
		seesNone := l.filter(func(c Selector) bool { return c.opaque() || c.anyPort() })
		if !seesNone.coversAddresses(s) {
			return false
		}
	}
	if s.opaque() {
		return true
	}
	starts := []int{int(s.StartPort)}
	for _, c := range l {
		if !c.opaque() {
			starts = append(starts, int(c.StartPort), int(c.EndPort)+1)
		}
	}
	slices.Sort(starts)
	for _, start := range slices.Compact(starts) {
		if start < int(s.StartPort) || start > int(s.EndPort) {
			continue
		}
		atPort := l.filter(func(c Selector) bool {
			return !c.opaque() && int(c.StartPort) <= start && start <= int(c.EndPort)
		})
		if !atPort.coversAddresses(s) {
			return false
		}
	}
	return true
}

// coversAddresses walks s's addresses upwards through the sorted ranges of l.
func (l List) coversAddresses(s Selector) bool {
	slices.SortFunc(l, func(a, b Selector) int { return a.Start.Compare(b.Start) })
	next := s.Start // the lowest address not covered yet
	for _, c := range l {
		if next.Less(c.Start) {
			return false
		}
		if c.End.Less(next) {
			continue
		}
		if !c.End.Less(s.End) {
			return true
		}
		next = c.End.Next()
	}
	return false
}

func (l List) filter(keep func(Selector) bool) List {
	var kept List
	for _, s := range l {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

package selector

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// point is one kind of packet: what a selector does or does not hold.
// port -1 is a port that cannot be seen.
type point struct {
	protocol uint8
	port     int
	addr     netip.Addr
}

// The universe is small enough to try every point of it, and has the edges of
// every dimension and what lies between those that selectors name.
var (
	universeProtocols = []uint8{0, 1, 6, 17, 99}
	universePorts     = []int{-1, 0, 1, 2, 3, 300, 65534, 65535}
	universeAddrs     = slices.Concat(namedAddrs, []netip.Addr{
		netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("10.0.0.6"),
		netip.MustParseAddr("fc::"), netip.MustParseAddr("fd00::4"),
	})
	namedAddrs = func() (a []netip.Addr) {
		for i := range 6 {
			a = append(a, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
		a = append(a, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255"))
		for i := range 4 {
			a = append(a, netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(i)}))
		}
		return append(a, netip.MustParseAddr("::"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
	}()
)

func universe(yield func(point) bool) {
	for _, protocol := range universeProtocols {
		for _, port := range universePorts {
			for _, addr := range universeAddrs {
				if !yield(point{protocol, port, addr}) {
					return
				}
			}
		}
	}
}

func (s Selector) bruteHolds(p point) bool {
	if s.Protocol != 0 && s.Protocol != p.protocol {
		return false
	}
	if s.Start.BitLen() != p.addr.BitLen() || s.Start.Compare(p.addr) > 0 || s.End.Compare(p.addr) < 0 {
		return false
	}
	switch {
	case s.StartPort == 0 && s.EndPort == 65535:
		return true
	case s.StartPort == 65535 && s.EndPort == 0:
		return p.port == -1
	}
	return int(s.StartPort) <= p.port && p.port <= int(s.EndPort)
}

func (l List) bruteHolds(p point) bool {
	for _, s := range l {
		if s.bruteHolds(p) {
			return true
		}
	}
	return false
}

func drawSelector(t *rapid.T) Selector {
	s := Selector{EndPort: 65535}
	family := namedAddrs[:8]
	if rapid.Bool().Draw(t, "IPv6") {
		family = namedAddrs[8:]
	}
	s.Start, s.End = rapid.SampledFrom(family).Draw(t, "start"), rapid.SampledFrom(family).Draw(t, "end")
	if s.End.Less(s.Start) {
		s.Start, s.End = s.End, s.Start
	}
	s.Protocol = rapid.SampledFrom([]uint8{0, 0, 1, 6, 17}).Draw(t, "protocol")
	switch rapid.IntRange(0, 3).Draw(t, "ports") {
	case 0:
		s.StartPort, s.EndPort = 65535, 0
	case 1, 2:
		if s.Protocol != 0 {
			ports := rapid.SampledFrom([]uint16{0, 1, 2, 3, 65534, 65535})
			a, b := ports.Draw(t, "port"), ports.Draw(t, "port")
			s.StartPort, s.EndPort = min(a, b), max(a, b)
		}
	}
	return s
}

func drawList(t *rapid.T, name string) List {
	return rapid.SliceOfN(rapid.Custom(drawSelector), 0, 5).Draw(t, name)
}

func TestIntersectAndContainsAgreeWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSelector(t), drawSelector(t)
		i, ok := a.Intersect(b)
		contains, common := true, false
		for p := range universe {
			inA, inB := a.bruteHolds(p), b.bruteHolds(p)
			contains = contains && (inA || !inB)
			common = common || inA && inB
			if got := ok && i.bruteHolds(p); got != (inA && inB) {
				t.Fatalf("%v and %v give %v: wrong about %v", a, b, i, p)
			}
		}
		if ok != common {
			t.Fatalf("%v and %v: %v", a, b, ok)
		}
		if ok && !i.Valid() {
			t.Fatalf("%v and %v give %+v, which is invalid", a, b, i)
		}
		if got := a.Contains(b); got != contains {
			t.Fatalf("%v contains %v: %v", a, b, got)
		}
		if back, err := Parse(a.String()); err != nil || back != a {
			t.Fatalf("%v reads back as %v, %v", a, back, err)
		}
	})
}

func TestListsAgreeWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, offer := drawList(t, "ours"), drawList(t, "offer")
		narrowed := l.Narrow(offer)
		contains, contained := true, true
		for p := range universe {
			inL, inOffer := l.bruteHolds(p), offer.bruteHolds(p)
			contains = contains && (inL || !inOffer)
			contained = contained && (inOffer || !inL)
			if narrowed.bruteHolds(p) != (inL && inOffer) {
				t.Fatalf("%v narrowed by %v is %v: wrong about %v", l, offer, narrowed, p)
			}
		}
		if got := l.Contains(offer); got != contains {
			t.Fatalf("%v contains %v: %v", l, offer, got)
		}
		if got := l.Equal(offer); got != (contains && contained) {
			t.Fatalf("%v equals %v: %v", l, offer, got)
		}
		if !l.Contains(narrowed) || !offer.Contains(narrowed) || !narrowed.Equal(offer.Narrow(l)) {
			t.Fatalf("%v and %v narrowed is %v", l, offer, narrowed)
		}
		for i, a := range narrowed {
			for j, b := range narrowed {
				if i != j && a.Contains(b) {
					t.Fatalf("%v is in %v twice", b, narrowed)
				}
			}
		}
	})
}

// TestPolicyAgreesWithBruteForce judges every pair of points as a packet. For
// a protocol with one selector only the sender's side judges the type.
func TestPolicyAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local, remote := drawList(t, "local"), drawList(t, "remote")
		policy := Compile(local, remote)
		protocol := rapid.SampledFrom(universeProtocols).Draw(t, "protocol")
		f := Flow{Protocol: protocol, Ports: rapid.Bool().Draw(t, "ports known")}
		srcPort, dstPort := -1, -1
		if f.Ports {
			srcPort = rapid.SampledFrom(universePorts[1:]).Draw(t, "source port")
			dstPort = rapid.SampledFrom(universePorts[1:]).Draw(t, "destination port")
			f.SrcPort, f.DstPort = uint16(srcPort), uint16(dstPort)
		}
		receives := func(l List, a netip.Addr) bool {
			if !f.Ports || protocol != 1 {
				return l.bruteHolds(point{protocol, dstPort, a})
			}
			for _, port := range universePorts {
				if l.bruteHolds(point{protocol, port, a}) {
					return true
				}
			}
			return false
		}
		for _, f.Src = range universeAddrs {
			for _, f.Dst = range universeAddrs {
				out := local.bruteHolds(point{protocol, srcPort, f.Src}) && receives(remote, f.Dst)
				in := remote.bruteHolds(point{protocol, srcPort, f.Src}) && receives(local, f.Dst)
				if got := policy.Outbound(&f); got != out {
					t.Fatalf("local %v remote %v: outbound %+v: %v", local, remote, f, got)
				}
				if got := policy.Inbound(&f); got != in {
					t.Fatalf("local %v remote %v: inbound %+v: %v", local, remote, f, got)
				}
			}
		}
	})
}

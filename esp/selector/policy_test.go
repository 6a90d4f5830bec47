package selector

import (
	"fmt"
	"net/netip"
	"testing"
)

func tcp(src, dst string, srcPort, dstPort uint16) Flow {
	return Flow{
		Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst),
		Protocol: 6, SrcPort: srcPort, DstPort: dstPort, Ports: true,
	}
}

func TestPolicyDirections(t *testing.T) {
	p := Compile(mustList(t, "10.1.0.0/16"), mustList(t, "10.2.0.0/16[tcp/443]"))
	out, in := tcp("10.1.0.1", "10.2.0.1", 5000, 443), tcp("10.2.0.1", "10.1.0.1", 443, 5000)
	if !p.Outbound(&out) || p.Inbound(&out) || !p.Inbound(&in) || p.Outbound(&in) {
		t.Error("the request and its answer are not told apart")
	}
	other := tcp("10.1.0.1", "10.2.0.1", 443, 5000)
	if p.Outbound(&other) {
		t.Error("the port of the wrong side matches")
	}
	fragment := out
	fragment.Ports, fragment.SrcPort, fragment.DstPort = false, 0, 0
	if p.Outbound(&fragment) {
		t.Error("a fragment without ports matches a port (RFC 4301 §7)")
	}
}

// TestICMPOneWay is RFC 4301 §4.4.1.3 B: OPAQUE on a side is what that side
// does not send.
func TestICMPOneWay(t *testing.T) {
	p := Compile(mustList(t, "10.1.0.0/16[icmp/8]"), mustList(t, "10.2.0.0/16[icmp/opaque]"))
	echo := Flow{
		Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"),
		Protocol: 1, SrcPort: 8 << 8, Ports: true,
	}
	if !p.Outbound(&echo) {
		t.Error("echo request is not sent")
	}
	unreachable := echo
	unreachable.SrcPort = 3<<8 | 1
	if p.Outbound(&unreachable) {
		t.Error("another type is sent")
	}
	back := echo
	back.Src, back.Dst = echo.Dst, echo.Src
	if p.Inbound(&back) {
		t.Error("an echo request is received")
	}
}

func TestPolicyOddAddresses(t *testing.T) {
	p := Compile(Any(), Any())
	var zero Flow
	if p.Outbound(&zero) {
		t.Error("the zero flow matches")
	}
	mapped := tcp("::ffff:10.0.0.1", "10.0.0.1", 1, 1)
	if Compile(mustList(t, "10.0.0.0/8"), Any()).Outbound(&mapped) {
		t.Error("an IPv6 packet with a mapped address passes as IPv4")
	}
	if p := Compile(List{{}}, Any()); p.Outbound(&zero) {
		t.Error("an invalid selector selects")
	}
}

func TestPolicyOwnsItsLists(t *testing.T) {
	l := mustList(t, "10.1.0.0/16[tcp/443]")
	p := Compile(l, l)
	l[0].Protocol = 17
	if got := p.Local().String(); got != "10.1.0.0/16[tcp/443]" {
		t.Errorf("the policy follows its caller's list: %s", got)
	}
}

// manyPrefixes returns n prefixes that do not touch.
func manyPrefixes(n int) List {
	var l List
	for i := range n {
		l = append(l, FromPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0}), 24)))
		l = append(l, FromPrefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 2: byte(i >> 7), 3: byte(i << 1)}), 32)))
	}
	return l
}

func TestPolicyOfManyPrefixes(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 16, 100, 1000} {
		p := Compile(manyPrefixes(n), Any())
		for i := range 2 * n {
			four, six := [4]byte{10, byte(i >> 8), byte(i), 0}, [16]byte{0: 0xfd, 2: byte(i >> 8), 3: byte(i)}
			first4, first6 := netip.AddrFrom4(four), netip.AddrFrom16(six)
			for _, src := range []netip.Addr{
				first4, lastAddr(netip.PrefixFrom(first4, 24)), first6, lastAddr(netip.PrefixFrom(first6, 32)),
			} {
				f := Flow{Src: src, Dst: src}
				if got, want := p.Outbound(&f), i%2 == 0; got != want {
					t.Fatalf("%d prefixes, %v: %v", n, src, got)
				}
			}
		}
	}
}

func TestPolicyAllocatesNothing(t *testing.T) {
	p := Compile(append(manyPrefixes(20), mustList(t, "192.0.2.0/24[tcp/443]")...), Any())
	flows := []Flow{tcp("192.0.2.1", "10.2.0.1", 443, 1), tcp("fd00::1", "fd00::2", 1, 2), tcp("10.0.2.1", "10.2.0.1", 1, 2)}
	if n := testing.AllocsPerRun(100, func() {
		for i := range flows {
			p.Outbound(&flows[i])
			p.Inbound(&flows[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPolicy(b *testing.B) {
	for _, c := range []struct {
		name  string
		local List
		flow  Flow
	}{
		{"prefix4", mustList(b, "10.1.0.0/16"), tcp("10.1.0.1", "10.2.0.1", 5000, 443)},
		{"prefix6", mustList(b, "fd01::/16"), tcp("fd01::1", "fd02::1", 5000, 443)},
		{"port", mustList(b, "10.1.0.0/16[tcp/5000]"), tcp("10.1.0.1", "10.2.0.1", 5000, 443)},
		{"1000prefixes4", manyPrefixes(1000), tcp("10.2.0.1", "10.2.0.1", 5000, 443)},
		{"1000prefixes6", manyPrefixes(1000), tcp("fd00:2::1", "fd02::1", 5000, 443)},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := Compile(c.local, Any())
			if !p.Outbound(&c.flow) {
				b.Fatal("the flow is outside the policy")
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Outbound(&c.flow)
			}
		})
	}
}

func BenchmarkNarrow(b *testing.B) {
	for _, n := range []int{1, 16, 127} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := manyPrefixes(n)
			b.ReportAllocs()
			for b.Loop() {
				l.Narrow(l)
			}
		})
	}
}

package translate

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

func ruleOf(in, out string, d Direction) Rule {
	return Rule{Inside: netip.MustParsePrefix(in), Outside: netip.MustParsePrefix(out), Direction: d}
}

func mustCompile(t testing.TB, rules ...Rule) *Table {
	t.Helper()
	table, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// overlapping is two sites that both have 10.0.0.0/24 and fd00::/64, as one of
// them sees it: it is 100.64.1.0/24 to the other, which is 100.64.2.0/24 here.
func overlapping(t testing.TB) *Table {
	return mustCompile(t,
		ruleOf("10.0.0.0/24", "100.64.1.0/24", Egress), ruleOf("10.0.0.0/24", "100.64.2.0/24", Ingress),
		ruleOf("fd00::/64", "fd01::/64", Egress), ruleOf("fd00::/64", "fd02::/64", Ingress))
}

// mirror is what undoes a table at the peer.
func mirror(list []Rule) []Rule {
	out := make([]Rule, len(list))
	for i, r := range list {
		out[i] = Rule{Inside: r.Outside, Outside: r.Inside, Direction: 1 - r.Direction}
	}
	return out
}

func endpoints(t testing.TB, b []byte) (src, dst string) {
	t.Helper()
	if b[0]>>4 == 4 {
		return address4(b[12:]).netip().String(), address4(b[16:]).netip().String()
	}
	return address6(b[8:]).netip().String(), address6(b[24:]).netip().String()
}

func wantEndpoints(t testing.TB, what string, b []byte, src, dst string) {
	t.Helper()
	if s, d := endpoints(t, b); s != src || d != dst {
		t.Errorf("%s: from %s to %s, want from %s to %s", what, s, d, src, dst)
	}
	wantRight(t, what, b)
}

func TestRewrite(t *testing.T) {
	table := overlapping(t)
	for _, c := range []struct{ name, here, peer, hereOutside, peerInside string }{
		{"IPv4", "10.0.0.5", "100.64.2.9", "100.64.1.5", "10.0.0.9"},
		{"IPv6", "fd00::5", "fd02::9", "fd01::5", "fd00::9"},
		{"neither", "192.168.1.1", "192.168.2.1", "192.168.1.1", "192.168.2.1"},
	} {
		here, peer := netip.MustParseAddr(c.here), netip.MustParseAddr(c.peer)
		outside, inside := netip.MustParseAddr(c.hereOutside), netip.MustParseAddr(c.peerInside)
		icmp := layers.IPProtocolICMPv4
		if here.Is6() {
			icmp = layers.IPProtocolICMPv6
		}
		for _, protocol := range []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, icmp} {
			what := c.name + " " + protocol.String()
			out := datagram(t, protocol, here, peer, []byte("out"))
			if err := table.RewriteOutbound(out); err != nil {
				t.Fatal(err)
			}
			wantEndpoints(t, what, out, c.hereOutside, c.peerInside)
			back := datagram(t, protocol, inside, outside, []byte("odd"))
			if err := table.RewriteInbound(back); err != nil {
				t.Fatal(err)
			}
			wantEndpoints(t, what, back, c.peer, c.here)
			if s, d, err := table.Outbound(here, peer); s != outside || d != inside || err != nil {
				t.Errorf("Outbound gives %v %v %v", s, d, err)
			}
			if s, d, err := table.Inbound(inside, outside); s != peer || d != here || err != nil {
				t.Errorf("Inbound gives %v %v %v", s, d, err)
			}
			for _, whole := range []bool{true, false} {
				quote := datagram(t, protocol, outside, inside, []byte("a quoted packet"))
				if !whole {
					quote = quote[:len(quote)-len("a quoted packet")-4]
				}
				e := icmpError(t, inside, outside, quote)
				if err := table.RewriteInbound(e); err != nil {
					t.Fatal(err)
				}
				wantEndpoints(t, what+" error", e, c.peer, c.here)
				inner := e[len(e)-len(quote):]
				if s, d := endpoints(t, inner); s != c.here || d != c.peer {
					t.Errorf("%s: the error quotes a packet from %s to %s", what, s, d)
				}
				if whole {
					wantRight(t, what+" quoted", inner)
				}
			}
		}
	}
}

func TestUDPWithoutChecksum(t *testing.T) {
	b := datagram(t, layers.IPProtocolUDP, netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("100.64.2.9"), []byte("x"))
	b[26], b[27] = 0, 0
	if err := overlapping(t).RewriteOutbound(b); err != nil || b[26] != 0 || b[27] != 0 {
		t.Errorf("%v, checksum % x", err, b[26:28])
	}
	wantEndpoints(t, "without checksum", b, "100.64.1.5", "10.0.0.9")
}

// TestUDPZero looks for the payload whose checksum becomes 0, which UDP writes
// as 0xffff.
func TestUDPZero(t *testing.T) {
	table := overlapping(t)
	for i := range 1 << 16 {
		b := datagram(t, layers.IPProtocolUDP, netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("100.64.2.9"), []byte{byte(i >> 8), byte(i)})
		if err := table.RewriteOutbound(b); err != nil {
			t.Fatal(err)
		}
		if b[26] == 0xff && b[27] == 0xff {
			wantRight(t, "0xffff", b)
			return
		}
		if b[26] == 0 && b[27] == 0 {
			t.Fatal("the checksum became none")
		}
	}
	t.Fatal("no checksum became 0xffff")
}

// TestFragments: the checksum is in the first, and over all.
func TestFragments(t *testing.T) {
	table := overlapping(t)
	whole := datagram(t, layers.IPProtocolUDP, netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("100.64.2.9"), bytes.Repeat([]byte{1, 2, 3, 4}, 8))
	want := bytes.Clone(whole)
	if err := table.RewriteOutbound(want); err != nil {
		t.Fatal(err)
	}
	first, later := bytes.Clone(whole[:36]), append(bytes.Clone(whole[:20]), whole[36:]...)
	first[6], first[2], first[3] = 0x20, 0, 36
	later[7], later[2], later[3] = 2, 0, byte(len(later))
	for _, f := range [][]byte{first, later} {
		if err := table.RewriteOutbound(f); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first[20:36], want[20:36]) || !bytes.Equal(later[20:], want[36:]) {
		t.Error("the fragments are not those of the translated packet")
	}
}

func TestAmbiguous(t *testing.T) {
	table := overlapping(t)
	for _, c := range []struct {
		src, dst string
		rewrite  func([]byte) error
	}{
		{"100.64.1.5", "100.64.2.9", table.RewriteOutbound}, // is what 10.0.0.5 is to the peer
		{"10.0.0.5", "10.0.0.9", table.RewriteOutbound},     // the peer is 100.64.2.9 here
		{"100.64.2.9", "100.64.1.5", table.RewriteInbound},
		{"10.0.0.9", "10.0.0.5", table.RewriteInbound},
	} {
		b := datagram(t, layers.IPProtocolTCP, netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst), nil)
		before := bytes.Clone(b)
		if err := c.rewrite(b); err != ErrAmbiguous || !bytes.Equal(b, before) {
			t.Errorf("from %s to %s: %v", c.src, c.dst, err)
		}
	}
}

func TestCompile(t *testing.T) {
	if table, err := Compile(nil); table != nil || err != nil || table.RewriteInbound(nil) != nil || table.RewriteOutbound(nil) != nil {
		t.Error("a table without rules is not nothing")
	}
	for want, list := range map[string][]Rule{
		"two lengths":     {ruleOf("10.0.0.0/24", "10.1.0.0/25", Egress)},
		"mixes":           {ruleOf("10.0.0.0/24", "fd00::/24", Egress)},
		"changes nothing": {ruleOf("10.0.0.0/24", "10.0.0.1/24", Egress)},
		"is not two":      {{}},
		"overlaps":        {ruleOf("10.0.0.0/24", "10.1.0.0/24", Egress), ruleOf("10.0.0.0/25", "10.2.0.0/25", Egress)},
		"rule 2":          {ruleOf("10.0.0.0/24", "10.1.0.0/24", Egress), ruleOf("10.2.0.0/24", "10.1.0.0/24", Egress)},
	} {
		if _, err := Compile(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", list, err, want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	table := overlapping(t)
	for _, c := range []struct{ in, local, remote string }{
		{"10.0.0.0/24", "100.64.1.0/24", "10.0.0.0/24"},
		{"10.0.0.128/25", "100.64.1.128/25", "10.0.0.128/25"},
		{"100.64.2.0/24", "100.64.2.0/24", "10.0.0.0/24"},
		{"10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/16"},
		{"fd02::7/128", "fd02::7/128", "fd00::7/128"},
	} {
		p := netip.MustParsePrefix(c.in)
		if local, remote := table.Local(p).String(), table.Remote(p).String(); local != c.local || remote != c.remote {
			t.Errorf("%v is %s and %s", p, local, remote)
		}
	}
}

// TestRoundTrip: what one side translates and the other translates back is what
// it was, and its checksums are right on the way.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		bits := rapid.IntRange(8, 31).Draw(r, "bits")
		words := rapid.SliceOfN(rapid.Byte(), 4, 4)
		prefix := func(top byte, name string) netip.Prefix {
			b := words.Draw(r, name)
			p, _ := netip.AddrFrom4([4]byte{top, b[1], b[2], b[3]}).Prefix(bits)
			return p
		}
		list := []Rule{
			{prefix(10, "a"), prefix(20, "b"), Egress}, {prefix(10, "c"), prefix(40, "d"), Ingress},
		}
		table, there := mustCompile(t, list...), mustCompile(t, mirror(list)...)
		within := func(p netip.Prefix, name string) netip.Addr {
			if rapid.IntRange(0, 4).Draw(r, name+" outside") == 0 {
				return netip.AddrFrom4([4]byte{77, 1, 2, 3})
			}
			b, host := p.Addr().As4(), words.Draw(r, name)
			for i := range 32 - bits {
				bit := 31 - i
				b[bit/8] |= host[bit/8] & (0x80 >> (bit % 8))
			}
			return netip.AddrFrom4(b)
		}
		src, dst := within(list[0].Inside, "src"), within(list[1].Outside, "dst")
		protocol := rapid.SampledFrom([]layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4}).Draw(r, "protocol")
		b := datagram(t, protocol, src, dst, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "payload"))
		if rapid.Bool().Draw(r, "error") {
			// Our host answers a packet that came from dst.
			b = icmpError(t, src, dst, datagram(t, protocol, dst, src, []byte("quoted")))
		}
		before := bytes.Clone(b)
		if err := table.RewriteOutbound(b); err != nil {
			r.Fatal(err)
		}
		if ip, upper := sums(b); ip != 0xffff || upper != 0xffff {
			r.Fatalf("sums %04x %04x", ip, upper)
		}
		if err := there.RewriteInbound(b); err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(b, before) {
			r.Fatalf("came back as\n% x\nwas\n% x", b, before)
		}
	})
}

// FuzzRewrite translates arbitrary bytes: nothing but addresses and checksums
// changes, and a right checksum stays right, a wrong one wrong.
func FuzzRewrite(f *testing.F) {
	a, b := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("100.64.2.9")
	f.Add(datagram(f, layers.IPProtocolTCP, a, b, nil))
	f.Add(icmpError(f, a, b, datagram(f, layers.IPProtocolUDP, b, a, nil)))
	c, d := netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd02::9")
	f.Add(datagram(f, layers.IPProtocolUDP, c, d, nil))
	f.Add(icmpError(f, c, d, datagram(f, layers.IPProtocolTCP, d, c, nil)))
	table := overlapping(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		ip, upper := sums(b)
		for _, rewrite := range []func([]byte) error{table.RewriteOutbound, table.RewriteInbound} {
			after := bytes.Clone(before)
			if rewrite(after) != nil {
				if !bytes.Equal(after, before) {
					t.Fatal("a packet that was refused has changed")
				}
				continue
			}
			if gotIP, gotUpper := sums(after); gotIP%0xffff != ip%0xffff || gotUpper%0xffff != upper%0xffff {
				t.Fatalf("the sums were %04x and %04x, are %04x and %04x", ip, upper, gotIP, gotUpper)
			}
			var l layout
			l.read(before, false)
			if !bytes.Equal(after[l.end:], before[l.end:]) {
				t.Fatal("bytes behind the packet have changed")
			}
		}
	})
}

func BenchmarkRewrite(b *testing.B) {
	table := overlapping(b)
	packet := datagram(b, layers.IPProtocolTCP, netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("100.64.2.9"), make([]byte, 1400))
	b.ReportAllocs()
	for b.Loop() {
		if table.RewriteOutbound(packet) != nil {
			b.Fatal("refused")
		}
		packet[12], packet[13], packet[14], packet[15] = 10, 0, 0, 5
		packet[16], packet[17], packet[18], packet[19] = 100, 64, 2, 9
	}
}

package tunnel

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp/selector"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestParseFlow(t *testing.T) {
	fragment6 := func(offset uint16, more bool) []byte {
		b := udpPacket(t, "fd00::1", "fd00::2", 32, ipOptions{})
		out := append([]byte{}, b[:40]...)
		out[6] = protoFragment
		out[5] += 8
		field := offset << 3
		if more {
			field |= 1
		}
		return append(append(out, protoUDP, 0, byte(field>>8), byte(field), 0, 0, 0, 1), b[40:]...)
	}
	extended := func() []byte {
		b := udpPacket(t, "fd00::1", "fd00::2", 32, ipOptions{})
		out := append([]byte{}, b[:40]...)
		out[6] = protoHopByHop
		out[5] += 8 + 16
		out = append(out, protoDestOpts, 0, 1, 4, 0, 0, 0, 0)
		out = append(out, protoUDP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		return append(out, b[40:]...)
	}
	later4 := udpPacket(t, "10.0.0.1", "10.0.0.2", 32, ipOptions{})
	later4[6], later4[7] = 0x20, 3
	udp4 := selector.Flow{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Protocol: 17, SrcPort: 1111, DstPort: 2222, Ports: true}
	udp6 := selector.Flow{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: 17, SrcPort: 1111, DstPort: 2222, Ports: true}
	noPorts := func(f selector.Flow) selector.Flow { f.SrcPort, f.DstPort, f.Ports = 0, 0, false; return f }

	behind := func(next byte, extensions ...byte) []byte {
		b := udpPacket(t, "fd00::1", "fd00::2", 32, ipOptions{})
		out := append([]byte{}, b[:40]...)
		out[5] += byte(len(extensions))
		out[6] = next
		return append(append(out, extensions...), b[40:]...)
	}
	routed := behind(protoRouting, protoUDP, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	fragmented := behind(protoFragment, protoDestOpts, 0, 0, 1, 0, 0, 0, 1, protoUDP, 0, 1, 4, 0, 0, 0, 0)
	laterExtension := behind(protoFragment, protoDestOpts, 0, 0, 9, 0, 0, 0, 1)
	nothing := behind(protoNone)
	ipsec := behind(50)
	later8 := udpPacket(t, "10.0.0.1", "10.0.0.2", 32, ipOptions{})
	later8[7] = 1

	tests := []struct {
		name   string
		packet []byte
		flow   selector.Flow
		whole  bool
		first  bool
	}{
		{"UDP over IPv4", udpPacket(t, "10.0.0.1", "10.0.0.2", 9, ipOptions{}), udp4, true, true},
		{"UDP over IPv6", udpPacket(t, "fd00::1", "fd00::2", 9, ipOptions{}), udp6, true, true},
		{"IPv4 options", udpPacket(t, "10.0.0.1", "10.0.0.2", 9, ipOptions{option: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}}), udp4, true, true},
		{"IPv6 extensions", extended(), udp6, true, true},
		{"IPv6 first fragment", fragment6(0, true), udp6, false, true},
		{"IPv6 atomic fragment", fragment6(0, false), udp6, true, true},
		{"IPv6 routing header", routed, udp6, true, true},
		{"IPv6 extension behind a fragment header", fragmented, udp6, false, true},
		{"IPv6 later fragment of an extension", laterExtension,
			selector.Flow{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: protoDestOpts}, false, false},
		{"IPv6 without a next header", nothing, selector.Flow{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: protoNone}, true, true},
		{"ESP inside", ipsec, selector.Flow{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: 50}, true, true},
		{"UDP fragment after its header", later8, noPorts(udp4), false, false},
		{"IPv6 later fragment", fragment6(5, true), noPorts(udp6), false, false},
		{"IPv4 later fragment", later4, noPorts(udp4), false, false},
		{"echo request", pingPacket(t, "10.0.0.1", "10.0.0.2", nil),
			selector.Flow{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Protocol: 1, SrcPort: 8 << 8, Ports: true}, true, true},
		{"ICMPv6 echo request", pingPacket(t, "fd00::1", "fd00::2", nil),
			selector.Flow{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: 58, SrcPort: 128 << 8, Ports: true}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p packet
			padded := append(append([]byte{}, tt.packet...), make([]byte, 100)...)
			if err := p.parse(padded); err != nil {
				t.Fatal(err)
			}
			if p.length != len(tt.packet) || p.whole != tt.whole || p.first != tt.first {
				t.Errorf("length %d whole %v first %v, want %d %v %v", p.length, p.whole, p.first, len(tt.packet), tt.whole, tt.first)
			}
			if diff := cmp.Diff(tt.flow, p.key.flow(), compareAddrs); diff != "" {
				t.Error(diff)
			}
			for n := range tt.packet {
				if err := p.parse(tt.packet[:n]); err == nil {
					t.Fatalf("a prefix of %d of %d bytes was taken for a packet", n, len(tt.packet))
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	change := func(b []byte, at int, to byte) []byte { b[at] = to; return b }
	v4 := func() []byte { return udpPacket(t, "10.0.0.1", "10.0.0.2", 64, ipOptions{}) }
	v6 := func() []byte { return udpPacket(t, "fd00::1", "fd00::2", 400, ipOptions{}) }
	chain := v6()
	chain[6] = protoDestOpts
	for at := 40; at+8 <= len(chain); at += 8 {
		copy(chain[at:], []byte{protoDestOpts, 0, 1, 4, 0, 0, 0, 0})
	}
	nine := v6()
	nine[6] = protoDestOpts
	for i := range 9 {
		copy(nine[40+8*i:], []byte{protoDestOpts, 0, 1, 4, 0, 0, 0, 0})
	}
	nine[40+8*8] = protoUDP
	giant := v4()
	giant[6], giant[7] = 0x1f, 0xff
	overlapping := v4()
	overlapping[7], overlapping[9] = 1, protoTCP
	unfinished := v6()[:40+8]
	unfinished[4], unfinished[5], unfinished[6] = 0, 8, protoHopByHop
	copy(unfinished[40:], []byte{protoUDP, 2, 1, 4, 0, 0, 0, 0}) // says 24 bytes
	headless := v6()[:40+8+8]
	headless[4], headless[5], headless[6] = 0, 16, protoFragment
	copy(headless[40:], []byte{protoDestOpts, 0, 0, 1, 0, 0, 0, 1}) // more to come (RFC 7112)
	copy(headless[48:], []byte{protoUDP, 0, 1, 4, 0, 0, 0, 0})
	tests := map[string][]byte{
		"version 5":                                        change(v4(), 0, 0x55),
		"header of 16 bytes":                               change(v4(), 0, 0x44),
		"header beyond the length":                         change(change(v4(), 3, 24), 0, 0x4f),
		"length below the header":                          change(change(v4(), 2, 0), 3, 19),
		"length beyond the bytes":                          change(v4(), 3, 255),
		"IPv6 beyond the bytes":                            change(v6(), 4, 255),
		"endless extension headers":                        chain,
		"nine extension headers":                           nine,
		"ends past 65,535 bytes":                           giant,
		"lies over the TCP flags":                          overlapping,
		"IPv6 ends in an extension":                        unfinished,
		"IPv6 first fragment ends before the upper header": headless,
	}
	for name, b := range tests {
		var p packet
		if p.parse(b) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

package tunnel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// simpleChecksum is RFC 1071 §4.1 as written there.
func simpleChecksum(b []byte) uint16 {
	total := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		total += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}

func TestChecksum(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for size := range 900 {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(source.Uint32())
		}
		if got, want := checksum(b, 0), simpleChecksum(b); got != want {
			t.Fatalf("%d bytes: %04x, want %04x", size, got, want)
		}
		for i := range b {
			b[i] = 0xff
		}
		if got, want := checksum(b, 0), simpleChecksum(b); got != want {
			t.Fatalf("%d bytes of ff: %04x, want %04x", size, got, want)
		}
	}
}

// FuzzChecksum compares with the form that RFC 1071 gives, at any alignment and
// after any initial sum.
func FuzzChecksum(f *testing.F) {
	f.Add(noise(1438), uint64(0), uint8(0))
	f.Add(bytes.Repeat([]byte{0xff}, 4000), ^uint64(0), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, initial uint64, skip uint8) {
		b = b[min(int(skip), len(b)):]
		if len(b) > 70_000 {
			return // simpleChecksum would overflow
		}
		before := binary.BigEndian.AppendUint64(nil, initial)
		got, want := checksum(b, initial), simpleChecksum(append(before, b...))
		if got != want && got^want != 0xffff {
			t.Errorf("%d bytes: %04x, want %04x", len(b), got, want)
		}
	})
}

func TestAdjustEqualsRecomputing(t *testing.T) {
	source := rand.New(rand.NewPCG(3, 4))
	for range 10000 {
		b := make([]byte, 20)
		for i := range b {
			b[i] = byte(source.Uint32())
		}
		b[0] |= 1 // never all zero: RFC 1624 is about -0
		field := checksum(b, 0)
		before := binary.BigEndian.Uint16(b[8:])
		after := uint16(source.Uint32())
		binary.BigEndian.PutUint16(b[8:], after)
		if got, want := adjust(field, before, after), checksum(b, 0); got != want {
			t.Fatalf("%04x -> %04x: %04x, want %04x", before, after, got, want)
		}
	}
}

// TestDecapsulatedECN is the table of RFC 6040 §4.2, figure 4.
func TestDecapsulatedECN(t *testing.T) {
	const drop = 0xff
	// by inner, then outer: Not-ECT, ECT(1), ECT(0), CE
	table := [4][4]uint8{
		notECT:    {notECT, notECT, notECT, drop},
		ect1:      {ect1, ect1, ect1, ecnMarked},
		ect0:      {ect0, ect1, ect0, ecnMarked},
		ecnMarked: {ecnMarked, ecnMarked, ecnMarked, ecnMarked},
	}
	for inner := range table {
		for outer, want := range table[inner] {
			got, ok := decapsulated(uint8(inner)|0xb8, uint8(outer))
			if !ok {
				got = drop
			}
			if got != want {
				t.Errorf("inner %02b outer %02b: %02b, want %02b", inner, outer, got, want)
			}
		}
	}
}

func TestSetECN(t *testing.T) {
	for _, src := range []string{"10.0.0.1", "fd00::1"} {
		for ecn := range uint8(4) {
			b := udpPacket(t, src, src, 20, ipOptions{tos: 0xb8 | ect0})
			want := udpPacket(t, src, src, 20, ipOptions{tos: 0xb8 | ecn})
			var p packet
			if err := p.parse(b); err != nil {
				t.Fatal(err)
			}
			if p.tos != 0xb8|ect0 {
				t.Fatalf("%s: TOS %02x read", src, p.tos)
			}
			setECN(b, &p, ecn)
			if !bytes.Equal(b, want) {
				t.Errorf("%s, ECN %02b: % x\nwant % x", src, ecn, b[:20], want[:20])
			}
		}
	}
}

func synWith(t *testing.T, src string, options ...layers.TCPOption) []byte {
	return tcpPacket(t, src, src, layers.TCP{SYN: true, Window: 64000, Options: options}, nil, ipOptions{})
}

func mssIs(value uint16) layers.TCPOption {
	return layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(value >> 8), byte(value)}}
}

func TestClampMSS(t *testing.T) {
	nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop}
	tests := []struct {
		name string
		src  string
		in   []layers.TCPOption
		want []layers.TCPOption
	}{
		{"lowered", "10.0.0.1", []layers.TCPOption{mssIs(1460)}, []layers.TCPOption{mssIs(1398)}},
		{"lowered, IPv6", "fd00::1", []layers.TCPOption{mssIs(1440)}, []layers.TCPOption{mssIs(1378)}},
		{"at an odd offset", "10.0.0.1", []layers.TCPOption{nop, mssIs(1460)}, []layers.TCPOption{nop, mssIs(1398)}},
		{"low enough", "10.0.0.1", []layers.TCPOption{mssIs(1398)}, []layers.TCPOption{mssIs(1398)}},
		{"absent", "10.0.0.1", []layers.TCPOption{nop}, []layers.TCPOption{nop}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, want := synWith(t, tt.src, tt.in...), synWith(t, tt.src, tt.want...)
			var p packet
			if err := p.parse(b); err != nil {
				t.Fatal(err)
			}
			clampMSS(b, &p, 1438)
			if !bytes.Equal(b, want) {
				t.Errorf("% x\nwant % x", b, want)
			}
		})
	}
}

func TestClampMSSLeavesOthersAlone(t *testing.T) {
	notSYN := tcpPacket(t, "10.0.0.1", "10.0.0.2", layers.TCP{ACK: true, Options: []layers.TCPOption{mssIs(1460)}}, nil, ipOptions{})
	fragment := synWith(t, "10.0.0.1", mssIs(1460))
	fragment[6] |= 0x20
	broken := synWith(t, "10.0.0.1", mssIs(1460))
	broken[20+21] = 0 // option of length 0
	long := synWith(t, "10.0.0.1", mssIs(1460))
	long[20+21] = 40 // option beyond the header
	offset := synWith(t, "10.0.0.1", mssIs(1460))
	offset[20+12] = 0xf0 // header beyond the packet
	for name, b := range map[string][]byte{"no SYN": notSYN, "fragment": fragment, "length 0": broken, "too long": long, "offset": offset} {
		var p packet
		if err := p.parse(b); err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(b)
		clampMSS(b, &p, 1400)
		if !bytes.Equal(b, before) {
			t.Errorf("%s: changed", name)
		}
	}
}

func TestFragment(t *testing.T) {
	record := layers.IPv4Option{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}}
	alert := layers.IPv4Option{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}
	end := layers.IPv4Option{OptionType: 0, OptionLength: 1}
	for _, options := range [][]layers.IPv4Option{nil, {record, alert, end}} {
		for _, mtu := range []int{576, 1279, 1438} {
			b := udpPacket(t, "10.0.0.1", "10.0.0.2", 9001, ipOptions{id: 77, option: options})
			var p packet
			if err := p.parse(b); err != nil {
				t.Fatal(err)
			}
			payload := make([]byte, 0, len(b))
			last := false
			it := fragment4(make([]byte, 0, fragmentScratch), b, mtu)
			for piece := it.next(); piece != nil; piece = it.next() {
				if last || len(piece) > mtu {
					t.Fatalf("mtu %d: fragment of %d bytes, last before: %v", mtu, len(piece), last)
				}
				var ip layers.IPv4
				if err := ip.DecodeFromBytes(piece, gopacket.NilDecodeFeedback); err != nil {
					t.Fatal(err)
				}
				if checksum(piece[:ip.IHL*4], 0) != 0 || ip.Id != 77 || int(ip.FragOffset)*8 != len(payload) {
					t.Fatalf("mtu %d: bad fragment %+v", mtu, ip)
				}
				if len(payload) > 0 && options != nil {
					if diff := cmp.Diff([]layers.IPv4Option{alert}, ip.Options); diff != "" {
						t.Fatal(diff)
					}
				}
				last = ip.Flags&layers.IPv4MoreFragments == 0
				payload = append(payload, ip.Payload...)
			}
			if !last || !bytes.Equal(payload, b[p.headerLen:]) {
				t.Errorf("mtu %d: %d bytes of %d came back, last %v", mtu, len(payload), len(b)-p.headerLen, last)
			}
		}
	}
}

func TestFragmentOfFragment(t *testing.T) {
	b := udpPacket(t, "10.0.0.1", "10.0.0.2", 1992, ipOptions{})
	b[6], b[7] = 0x20, 100 // more fragments, offset 800
	it := fragment4(make([]byte, 0, fragmentScratch), b, 1000)
	var fields []uint16
	for piece := it.next(); piece != nil; piece = it.next() {
		fields = append(fields, binary.BigEndian.Uint16(piece[6:]))
	}
	if diff := cmp.Diff([]uint16{0x2000 | 100, 0x2000 | 222, 0x2000 | 344}, fields); diff != "" {
		t.Error(diff)
	}
}

func TestFragmentLargest(t *testing.T) {
	b := make([]byte, 65535)
	b[0], b[8], b[9] = 0x4f, 64, protoUDP
	for at := 20; at < 60; at += 4 {
		copy(b[at:], []byte{148, 4, 0, 0})
	}
	binary.BigEndian.PutUint16(b[2:], 65535)
	total := 0
	it := fragment4(make([]byte, 0, fragmentScratch), b, minMTU4)
	for piece := it.next(); piece != nil; piece = it.next() {
		total += len(piece) - 60
	}
	if total != 65535-60 {
		t.Errorf("%d bytes of payload", total)
	}
}

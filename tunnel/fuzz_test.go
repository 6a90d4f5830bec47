package tunnel

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/tunnel/udp"
)

func seeds(f *testing.F) [][]byte {
	syn := layers.TCP{SYN: true, Options: []layers.TCPOption{mssIs(1460)}}
	fragment := udpPacket(f, "10.1.0.1", "10.2.0.1", 40, ipOptions{})
	fragment[6] = 0x20
	extended := udpPacket(f, "fd01::1", "fd02::1", 40, ipOptions{})
	extended[6], extended[40], extended[41] = protoHopByHop, protoFragment, 0
	return [][]byte{
		udpPacket(f, "10.1.0.1", "10.2.0.1", 100, ipOptions{}),
		udpPacket(f, "10.1.0.1", "10.2.0.1", 3000, ipOptions{option: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}}),
		udpPacket(f, "10.1.0.1", "10.2.0.1", 3000, ipOptions{df: true}),
		udpPacket(f, "10.1.0.1", "192.0.2.1", 3, ipOptions{}),
		udpPacket(f, "fd01::1", "fd02::1", 1500, ipOptions{}),
		tcpPacket(f, "10.1.0.1", "10.2.0.1", syn, nil, ipOptions{}),
		tcpPacket(f, "fd01::1", "fd02::1", syn, nil, ipOptions{}),
		pingPacket(f, "10.1.0.1", "10.9.0.1", nil),
		fragment, extended, {}, {0x45}, {0x60},
	}
}

// FuzzOutbound reads arbitrary bytes from the device. Every packet that is
// sealed comes out of the Child SA again as an IP packet of the length it says.
func FuzzOutbound(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	s := newStage(f, nil)
	s.sink.keep = true
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 65535 {
			return
		}
		s.sink.train, s.sink.packets, s.sink.runs = nil, nil, nil
		if err := s.load(b).carry(); err != nil {
			t.Fatal(err)
		}
		if s.sink.train == nil {
			return
		}
		sa := s.forwarding.Load().connections["peer"].outbound.Load().children[0]
		opened := &udp.Message{Payload: s.sink.train, SegmentSize: s.sink.size, Encapsulated: true, TOS: b[0] & ecnMask}
		for i := range opened.Segments() {
			if n := len(opened.Segment(i)); n > sa.out.SealedLen(1438) {
				t.Fatalf("a segment of %d bytes", n)
			}
		}
		before := s.TotalCounters()
		s.sink.keep = false
		if err := s.in.carry([]udp.Message{*opened}); err != nil {
			t.Fatal(err)
		}
		s.sink.keep = true
		after := s.TotalCounters()
		if after.Drops[DropMalformed] != before.Drops[DropMalformed] {
			t.Fatal("what was sealed is not an IP packet to the receiver")
		}
	})
}

// FuzzInbound takes arbitrary messages from the network, and arbitrary inner
// packets out of an authentic ESP packet.
func FuzzInbound(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, uint8(protoIPv4), uint8(ecnMarked), uint16(len(b)))
		f.Add(b, uint8(protoIPv6), uint8(0), uint16(7))
	}
	f.Add([]byte{0xff, 0, 0, 0, 0, 1, 2, 3, 4}, uint8(0), uint8(0), uint16(1))
	s := newStage(f, func(c *Config) { c.OnIKE = func([]byte, netip.AddrPort, netip.AddrPort) {} })
	sa := s.forwarding.Load().connections["peer"].outbound.Load().children[0]
	scratch := esp.NewScratch()
	f.Fuzz(func(t *testing.T, b []byte, nextHeader, ecn uint8, segment uint16) {
		if len(b) == 0 || len(b) > 60000 {
			return
		}
		size := max(1, min(int(segment), len(b)))
		raw := udp.Message{Payload: b, SegmentSize: size, TOS: ecn & ecnMask, Encapsulated: true}
		plain := raw
		plain.Encapsulated = false
		seq, _, err := sa.out.Reserve(1, len(b))
		if err != nil {
			t.Fatal(err)
		}
		sealed := sa.out.Seal(scratch, nil, b, nextHeader, seq)
		inner := udp.Message{Payload: sealed, SegmentSize: len(sealed), TOS: ecn & ecnMask, Encapsulated: true}
		if err := s.in.carry([]udp.Message{inner, raw, plain}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMutations throws 100,000 changed copies of real ESP packets at a running
// path: nothing of it is taken, and the path still carries.
func TestMutations(t *testing.T) {
	s := newStage(t, nil)
	from := newSealer(s, superpacket(t, 1))
	good := append([]byte{}, from.next()[0].Payload...)
	source := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		b := append([]byte{}, good...)
		switch source.IntN(4) {
		case 0:
			b = b[:source.IntN(len(b))]
		case 1:
			b = append(b, byte(source.Uint32()))
		case 2:
			binary.BigEndian.PutUint32(b[source.IntN(len(b)-4):], source.Uint32())
		default:
			bit := source.IntN(len(b) * 8)
			b[bit/8] ^= 1 << (bit % 8)
		}
		if string(b) == string(good) || len(b) == 0 {
			continue
		}
		if err := s.in.carry([]udp.Message{{Payload: b, SegmentSize: len(b), Encapsulated: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.TotalCounters(); n.PacketsIn != 0 || s.sink.written != 0 {
		t.Fatalf("a changed packet was taken: %+v", n)
	}
	if err := s.in.carry([]udp.Message{{Payload: good, SegmentSize: len(good), Encapsulated: true}}); err != nil {
		t.Fatal(err)
	}
	if s.sink.written != 1 {
		t.Errorf("the path does not carry any more: %+v", s.TotalCounters())
	}
}

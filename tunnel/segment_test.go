package tunnel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/gopacket/gopacket/layers"

	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
)

// superOf makes one packet of any size what the kernel would hand over with
// segments of size bytes: only the sum of the pseudo-header is there.
func superOf(t testing.TB, b []byte, size int) (tun.Offload, []byte) {
	t.Helper()
	var p packet
	if err := p.parse(b); err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(b)
	src, dst := p.key.addresses()
	o := tun.Offload{Kind: tun.UDP, Partial: true, SegmentSize: size, ChecksumStart: p.headerLen, ChecksumOffset: udpChecksumAt}
	o.HeaderLen = p.headerLen + udpHeaderLen
	if p.protocol == protoTCP {
		o.Kind, o.ChecksumOffset = tun.TCP6, tcpChecksumAt
		if p.version == 4 {
			o.Kind = tun.TCP4
		}
		o.HeaderLen = p.headerLen + int(b[p.headerLen+12]>>4)*4
		o.ECN = b[p.headerLen+13]&tcpFlagCWR != 0
	}
	if size == 0 {
		o.Kind, o.HeaderLen = tun.Single, 0
	}
	partial := fold(pseudoHeader(src, dst, p.protocol, p.length-p.headerLen))
	binary.BigEndian.PutUint16(b[o.ChecksumStart+o.ChecksumOffset:], partial)
	return o, b
}

func noise(n int) []byte {
	source := rand.New(rand.NewPCG(uint64(n), 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(source.Uint32())
	}
	return b
}

// bulk is a large packet of each kind that comes as a superpacket.
func bulk(t testing.TB, payload int) map[string][]byte {
	stamps := []layers.TCPOption{
		{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte("timestam")},
	}
	plain := layers.TCP{ACK: true, Seq: 0xfffff000, Ack: 7, Window: 500}
	all := layers.TCP{ACK: true, PSH: true, FIN: true, CWR: true, ECE: true, Seq: 1, Options: stamps}
	big := noise(payload)
	record := layers.IPv4Option{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}
	udp := func(src, dst string) []byte { return udpPacket(t, src, dst, payload, ipOptions{id: 65530}) }
	return map[string][]byte{
		"TCP4":         tcpPacket(t, "10.1.0.1", "10.2.0.1", plain, big, ipOptions{df: true, id: 65530, tos: 0xb8}),
		"TCP4 flags":   tcpPacket(t, "10.1.0.1", "10.2.0.1", all, big, ipOptions{id: 3}),
		"TCP4 options": tcpPacket(t, "10.1.0.1", "10.2.0.1", all, big, ipOptions{option: []layers.IPv4Option{record}}),
		"TCP6":         tcpPacket(t, "fd01::1", "fd02::1", plain, big, ipOptions{tos: 2}),
		"TCP6 flags":   tcpPacket(t, "fd01::1", "fd02::1", all, big, ipOptions{}),
		"UDP4":         udp("10.1.0.1", "10.2.0.1"),
		"UDP6":         udp("fd01::1", "fd02::1"),
	}
}

// TestSegments compares with the plain computation of package tuntest, for
// segments shorter and longer than the headers that are written over them.
func TestSegments(t *testing.T) {
	for _, payload := range []int{1, 2, 1399, 5001, 64000} {
		for name, b := range bulk(t, payload) {
			for _, size := range []int{1, 7, 39, 536, 1386, 1448, 65000} {
				if payload/size > 2000 {
					continue
				}
				o, super := superOf(t, b, size)
				want, err := tuntest.Segments(o, super)
				if err != nil {
					t.Fatal(err)
				}
				var p packet
				var cut segmenter
				if err := p.parse(super); err != nil {
					t.Fatal(err)
				}
				if err := cut.start(super, &p, &o); err != nil {
					t.Fatal(err)
				}
				if n := cut.count(); n != len(want) {
					t.Fatalf("%s: %d segments, want %d", name, n, len(want))
				}
				for i, w := range want {
					if got := cut.next(); !bytes.Equal(got, w) {
						t.Fatalf("%s of %d in %d, segment %d:\n% x\nwant:\n% x", name, payload, size, i, got[:60], w[:60])
					}
				}
				if cut.count() != 0 {
					t.Fatalf("%s: %d left", name, cut.count())
				}
			}
		}
	}
}

func TestSkippedSegments(t *testing.T) {
	o, b := superOf(t, bulk(t, 10_000)["TCP4"], 1000)
	want, err := tuntest.Segments(o, b)
	if err != nil {
		t.Fatal(err)
	}
	var p packet
	var cut segmenter
	if p.parse(b) != nil || cut.start(b, &p, &o) != nil {
		t.Fatal("refused")
	}
	cut.skip(7)
	if n, last := cut.count(), cut.lastLength(3); n != 3 || last != 1040 {
		t.Errorf("%d left, the last of %d", n, last)
	}
	wantPacket(t, cut.next(), want[7])
	cut.skip(2)
	if cut.count() != 0 {
		t.Errorf("%d left", cut.count())
	}
}

func TestContradictorySuperpackets(t *testing.T) {
	for name, change := range map[string]func(o *tun.Offload, b []byte){
		"no segment size":    func(o *tun.Offload, _ []byte) { o.SegmentSize = 0 },
		"of another version": func(o *tun.Offload, _ []byte) { o.Kind = tun.TCP6 },
		"of another layer":   func(o *tun.Offload, _ []byte) { o.Kind = tun.UDP },
		"UFO":                func(o *tun.Offload, _ []byte) { o.Kind = 3 },
		"a fragment":         func(_ *tun.Offload, b []byte) { b[6] = 0x20 },
		"TCP header short":   func(_ *tun.Offload, b []byte) { b[32] = 0x40 },
		"no payload":         func(_ *tun.Offload, b []byte) { binary.BigEndian.PutUint16(b[2:], 40) },
		"half a TCP header":  func(_ *tun.Offload, b []byte) { binary.BigEndian.PutUint16(b[2:], 30) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig{super: true}).run(t)
				o, b := superOf(t, bulk(t, 5000)["TCP4"], 1000)
				change(&o, b)
				p.a.device.(*tuntest.Super).InjectSuper(o, b)
				p.a.dropped(t, DropMalformed, uint64(o.Segments(len(b))))
				p.b.nothing(t)
			})
		})
	}
}

// TestSuperpacketBothWays: what one kernel hands over whole arrives whole at
// the other.
func TestSuperpacketBothWays(t *testing.T) {
	for name, b := range bulk(t, 40_000) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig{super: true}).run(t)
				o, super := superOf(t, b, 1300)
				want, err := tuntest.Segments(o, super)
				if err != nil {
					t.Fatal(err)
				}
				p.a.device.(*tuntest.Super).InjectSuper(o, super)
				for _, w := range want {
					wantPacket(t, p.b.next(t), w)
				}
				p.b.nothing(t)
				if n := len(p.a.wire.runs); n != 1 {
					t.Errorf("%d runs for one superpacket", n)
				}
				got, _ := p.a.ConnectionCounters("peer")
				if got.PacketsOut != uint64(len(want)) || got.BytesOut != uint64(len(b)+(len(want)-1)*(len(b)-40_000)) {
					t.Errorf("counted %+v for %d packets", got, len(want))
				}
			})
		})
	}
}

// TestPartialChecksum: a packet without segments whose checksum is ours to
// finish; one whose checksum is 0 in the end is written as 0xffff.
func TestPartialChecksum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		for _, b := range bulk(t, 1000) {
			o, partial := superOf(t, b, 0)
			p.a.device.(*tuntest.Super).InjectSuper(o, partial)
			wantPacket(t, p.b.next(t), b)
		}
		for _, o := range []tun.Offload{
			{Partial: true, ChecksumStart: 5000, ChecksumOffset: 6},
			{Partial: true, ChecksumStart: 20, ChecksumOffset: 60000},
			{Partial: true, ChecksumStart: 1027, ChecksumOffset: 0},
		} {
			p.a.device.(*tuntest.Super).InjectSuper(o, bulk(t, 1000)["UDP4"])
		}
		p.a.dropped(t, DropMalformed, 3)
	})
}

// TestDroppedSuperpackets count as the packets that they stand for.
func TestDroppedSuperpackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		o, super := superOf(t, bulk(t, 20_000)["TCP4"], 1000)
		o.Kind = tun.TCP6
		p.a.device.(*tuntest.Super).InjectSuper(o, super)
		p.a.dropped(t, DropMalformed, 20)
		o.HeaderLen = len(super)
		p.a.device.(*tuntest.Super).InjectSuper(o, super)
		p.a.dropped(t, DropMalformed, 21)
	})
}

func TestCompleteIsNeverZero(t *testing.T) {
	b := make([]byte, 20)
	b[10], b[11] = 0xff, 0xff
	if err := complete(b, &tun.Offload{ChecksumStart: 2, ChecksumOffset: 6}); err != nil || b[8] != 0xff || b[9] != 0xff {
		t.Errorf("%x, %v", b, err)
	}
}

// TestSuperpacketTooBig: segments that do not fit the path are treated as the
// packets that they are.
func TestSuperpacketTooBig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		device := p.a.device.(*tuntest.Super)
		tcp := layers.TCP{ACK: true, Seq: 5}
		o, super := superOf(t, tcpPacket(t, "10.1.0.1", "10.2.0.1", tcp, noise(4500), ipOptions{df: true}), 1500)
		want, err := tuntest.Segments(o, super)
		if err != nil {
			t.Fatal(err)
		}
		device.InjectSuper(o, super)
		for _, w := range want {
			wantICMP(t, p.a.next(t), w, "10.2.0.1", icmpWant{v4: [2]uint8{3, 4}, mtu: 1438})
		}
		p.a.dropped(t, DropTooBig, 3)

		o, super = superOf(t, udpPacket(t, "10.1.0.1", "10.2.0.1", 3000, ipOptions{}), 1500)
		device.InjectSuper(o, super)
		for range 2 {
			first, second := p.b.next(t), p.b.next(t)
			if len(first)+len(second) != 20+8+1500+20 {
				t.Errorf("fragments of %d and %d bytes", len(first), len(second))
			}
		}
		p.b.nothing(t)
	})
}

func TestSuperpacketWithoutAPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true, noChild: true}).run(t)
		for i, dst := range []string{"10.2.0.1", "10.9.0.1"} {
			o, super := superOf(t, tcpPacket(t, "10.1.0.1", dst, layers.TCP{ACK: true}, noise(4000), ipOptions{}), 1000)
			want, err := tuntest.Segments(o, super)
			if err != nil {
				t.Fatal(err)
			}
			p.a.device.(*tuntest.Super).InjectSuper(o, super)
			for _, w := range want {
				wantICMP(t, p.a.next(t), w, dst, icmpWant{v4: [2]uint8{3, []uint8{1, 13}[i]}})
			}
		}
		drops := p.a.TotalCounters().Drops
		if drops[DropNoSA] != 4 || drops[DropNoRoute] != 4 {
			t.Errorf("%v", drops)
		}
	})
}

// FuzzSegmenter takes arbitrary packets for superpackets: it refuses them or
// makes packets of all their payload, none longer than it may be.
func FuzzSegmenter(f *testing.F) {
	for _, b := range bulk(f, 3000) {
		f.Add(b, uint8(tun.TCP4), uint16(1000))
		f.Add(b, uint8(tun.TCP6), uint16(7))
		f.Add(b, uint8(tun.UDP), uint16(1386))
	}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, size uint16) {
		if len(b) > tun.MaxPacket {
			return
		}
		o := tun.Offload{Kind: tun.Kind(kind), Partial: true, SegmentSize: int(size)}
		var p, part packet
		var cut segmenter
		if p.parse(b) != nil || cut.start(b, &p, &o) != nil {
			return
		}
		payload := bytes.Clone(b[cut.header:p.length])
		header, n := cut.header, cut.count()
		for at := 0; at < len(payload); n-- {
			got := cut.next()
			if err := part.parse(got); err != nil || part.key != p.key || part.length != len(got) {
				t.Fatalf("segment of %d bytes: %v, %+v", len(got), err, part)
			}
			if len(got) > header+int(size) || !bytes.Equal(got[header:], payload[at:at+len(got)-header]) {
				t.Fatal("another payload")
			}
			at += len(got) - header
		}
		if n != 0 || cut.count() != 0 {
			t.Fatal(fmt.Sprint(n, " segments too many"))
		}
	})
}

// TestRunsOfOneSuperpacket: more segments than fit a run are several; and also
// when they have to wait, each arrives as it would have been sent, in order.
func TestRunsOfOneSuperpacket(t *testing.T) {
	for _, up := range []uint64{0, 20e6} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairConfig{super: true}).run(t)
			p.a.SetBandwidth(up, 0)
			o, super := superOf(t, bulk(t, 40_000)["TCP6"], 100)
			want, err := tuntest.Segments(o, super)
			if err != nil {
				t.Fatal(err)
			}
			p.a.device.(*tuntest.Super).InjectSuper(o, super)
			for _, w := range want {
				wantPacket(t, p.b.later(t), w)
			}
			p.b.nothing(t)
		})
	}
}

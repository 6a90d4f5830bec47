package tunnel

import (
	"bytes"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/tunnel/tun"
)

// Each stage of a packet's way that computes, by itself. Those that are system calls
// are in tun and udp.

// BenchmarkSegmenter cuts one superpacket.
func BenchmarkSegmenter(b *testing.B) {
	for _, kind := range []string{"TCP4", "TCP6", "UDP4"} {
		b.Run(kind, func(b *testing.B) {
			o, super := superOf(b, bulk(b, 44*1386)[kind], 1386)
			given := bytes.Clone(super)
			var p packet
			var cut segmenter
			b.SetBytes(int64(len(super)))
			b.ReportAllocs()
			for b.Loop() {
				copy(super, given) // it works in place
				if p.parse(super) != nil || cut.start(super, &p, &o) != nil {
					b.Fatal("refused")
				}
				for cut.count() > 0 {
					cut.next()
				}
			}
		})
	}
}

// devNull is a tun.Writer that takes all.
type devNull struct{}

func (devNull) Write(tun.Offload, [][]byte) error { return nil }

// BenchmarkCoalescer takes 44 packets of TCP that follow each other, by one flow or by
// as many as there are packets, which joins none.
func BenchmarkCoalescer(b *testing.B) {
	for name, flows := range map[string]int{"one flow": 1, "44 flows": 44} {
		b.Run(name, func(b *testing.B) {
			const packets, size = 44, 1386
			q := newSuperQueue(newStage(b, nil).Tunnel, devNull{}, everyOffload)
			given := make([][]byte, packets)
			opens := make([]*esp.Packet, packets)
			for i := range given {
				tcp := layers.TCP{SrcPort: layers.TCPPort(1000 + i%flows), DstPort: 80, ACK: true, Seq: uint32(i / flows * size)}
				given[i] = tcpPacket(b, "10.1.0.1", "10.2.0.1", tcp, noise(size), ipOptions{df: true})
				opens[i] = opened(bytes.Clone(given[i]))
			}
			var p packet
			b.SetBytes(packets * size)
			b.ReportAllocs()
			for b.Loop() {
				for i, e := range opens {
					copy(e.Payload, given[i][:60]) // merging changes the first headers
					if p.parse(e.Payload) != nil {
						b.Fatal("refused")
					}
					q.push(e, &p)
				}
				if err := q.flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFragment cuts a packet of 1,500 bytes in two, and one of 64 KiB.
func BenchmarkFragment(b *testing.B) {
	for name, size := range map[string]int{"1500": 1500, "64 KiB": 65535} {
		b.Run(name, func(b *testing.B) {
			whole := udpPacket(b, "10.1.0.1", "10.2.0.1", size-28, ipOptions{})
			out := make([]byte, 0, fragmentScratch)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for it := fragment4(out, whole, 1438); it.next() != nil; {
				}
			}
		})
	}
}

package esp

import (
	"fmt"
	"testing"
)

// forEachSize runs a benchmark by cipher and payload size; the names are ready
// for benchstat -col /cipher.
func forEachSize(b *testing.B, run func(b *testing.B, c suite, size int)) {
	for _, c := range suites {
		for _, size := range []int{64, 576, 1400} {
			b.Run(fmt.Sprintf("cipher=%s/size=%d", c.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				run(b, c, size)
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	forEachSize(b, func(b *testing.B, c suite, size int) {
		out, _ := newPair(b, c, Parameters{ESN: true})
		s := NewScratch()
		payload, slab := make([]byte, size), make([]byte, 0, 2048)
		for b.Loop() {
			seq, _, _ := out.Reserve(1, size)
			out.Seal(s, slab, payload, NextHeaderIPv4, seq)
		}
	})
}

// BenchmarkOpen includes restoring the packet, which opening overwrites, and
// takes the window back so that the same one is new each time.
func BenchmarkOpen(b *testing.B) {
	forEachSize(b, func(b *testing.B, c suite, size int) {
		out, in := newPair(b, c, Parameters{ESN: true})
		s := NewScratch()
		sealed := sealNext(b, out, s, make([]byte, size))
		packet := make([]byte, len(sealed))
		for b.Loop() {
			copy(packet, sealed)
			in.window.words[0] = 0
			in.window.top = 0
			if _, _, err := in.Open(s, packet); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenBatch opens 44 packets, which is one full superpacket.
func BenchmarkOpenBatch(b *testing.B) {
	const packets = 44
	out, in := newPair(b, suites[0], Parameters{ESN: true})
	s := NewScratch()
	var sealed [packets][]byte
	batch := make([]Packet, packets)
	for n := range batch {
		sealed[n] = sealNext(b, out, s, make([]byte, 1400))
		batch[n].Bytes = make([]byte, len(sealed[n]))
	}
	b.SetBytes(packets * 1400)
	b.ReportAllocs()
	for b.Loop() {
		for n := range batch {
			copy(batch[n].Bytes, sealed[n])
		}
		in.window.words[0] = 0
		in.window.top = 0
		in.OpenBatch(s, batch)
		if batch[0].Err != nil {
			b.Fatal(batch[0].Err)
		}
	}
}

package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// BenchmarkLoopback sends and receives 44 segments of 1,472 bytes.
func BenchmarkLoopback(b *testing.B) {
	for name, cfg := range map[string]Config{
		"trains":  {},
		"no GRO":  {NoGRO: true},
		"singles": {NoGSO: true, NoGRO: true},
	} {
		b.Run(name, func(b *testing.B) {
			cfg.Addresses = []netip.Addr{v4}
			c := listen(b, cfg)
			_, nat := c.ports()
			self := netip.AddrPortFrom(v4, nat)
			r, s, batch := receiver(b, c, v4, true), c.NewSender(0), NewBatch(16)
			runs := []Run{{Payload: slab(44 * 1472), SegmentSize: 1472, Local: self, Remote: self}}
			b.SetBytes(44 * 1472)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Send(runs); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < 44; {
					n, err := r.Receive(batch)
					if err != nil {
						b.Fatal(err)
					}
					for i := range batch.Messages[:n] {
						got += batch.Messages[i].Segments()
					}
				}
			}
		})
	}
}

// BenchmarkBare sends 44 packets of ESP without UDP and receives them from the raw
// socket, where each is a message.
func BenchmarkBare(b *testing.B) {
	c := listen(b, Config{Addresses: []netip.Addr{v4}})
	self := netip.AddrPortFrom(v4, 0)
	r, s, batch := bare(b, c, v4), c.NewSender(0), NewBatch(64)
	const packets, size = 44, 1472
	payload := slab(packets * size)
	for i := range packets {
		binary.BigEndian.PutUint32(payload[i*size:], 300)
	}
	runs := []Run{{Payload: payload, SegmentSize: size, Local: self, Remote: self}}
	b.SetBytes(packets * size)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(runs); err != nil || runs[0].Result != Sent {
			b.Fatal(err, runs[0].Result)
		}
		for got := 0; got < packets; {
			n, err := r.Receive(batch)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}

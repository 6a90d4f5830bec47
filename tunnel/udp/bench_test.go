package udp

import (
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

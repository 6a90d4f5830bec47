package tunnel

import (
	"os"
	"testing"

	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// superSink is a sink that passes on superpackets: every wait yields what is
// loaded, once.
type superSink struct {
	*sink
	super  []byte
	o      tun.Offload
	pieces int
	given  bool
}

func (s *superSink) Offloads() tun.Offloads   { return everyOffload }
func (s *superSink) NewReader(int) tun.Reader { return superSinkReader{s} }
func (s *superSink) NewWriter(int) tun.Writer { return superSinkWriter{s} }

type superSinkReader struct{ *superSink }

func (s superSinkReader) Read(b []byte, wait bool) (int, tun.Offload, error) {
	if s.super == nil {
		return 0, tun.Offload{}, os.ErrClosed
	}
	s.given = !s.given || wait
	if !s.given {
		return 0, tun.Offload{}, nil
	}
	return copy(b, s.super), s.o, nil
}

type superSinkWriter struct{ *superSink }

func (s superSinkWriter) Write(_ tun.Offload, pieces [][]byte) error {
	s.written++
	s.pieces += len(pieces)
	return nil
}

func newSuperStage(t testing.TB) (*stage, *superSink) {
	t.Helper()
	device := &superSink{}
	s := newStage(t, func(c *Config) {
		device.sink = c.Transport.(*sink)
		c.Device = device
	})
	return s, device
}

func TestSuperAllocations(t *testing.T) {
	t.Run("outbound", func(t *testing.T) {
		for name, b := range bulk(t, 60_000) {
			s, device := newSuperStage(t)
			device.o, device.super = superOf(t, b, 1300)
			if n := testing.AllocsPerRun(50, func() {
				if err := s.carry(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations a superpacket", name, n)
			}
			if got := s.TotalCounters(); got.PacketsOut < 51*44 {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
	t.Run("inbound", func(t *testing.T) {
		s, device := newSuperStage(t)
		for name, packets := range map[string][][]byte{"train": superpacket(t, 44), "mixed": mixed(t, 60)} {
			from := newSealer(s, packets)
			if n := testing.AllocsPerRun(50, func() {
				if err := s.in.carry(from.next()); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations a message", name, n)
			}
		}
		if device.written != 51+51*60 || device.pieces != 51*44+51*60 {
			t.Errorf("%d writes of %d pieces", device.written, device.pieces)
		}
	})
}

func BenchmarkOutboundNative(b *testing.B) {
	s, device := newSuperStage(b)
	device.o, device.super = superOf(b, bulk(b, 44*1386)["TCP4"], 1386)
	b.SetBytes(int64(len(device.super)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.carry(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/44, "ns/packet")
}

// BenchmarkInboundNative includes sealing, as BenchmarkInboundSuperpacket does.
func BenchmarkInboundNative(b *testing.B) {
	s, _ := newSuperStage(b)
	from := newSealer(s, superpacket(b, 44))
	b.SetBytes(44 * 1438)
	b.ReportAllocs()
	var messages []udp.Message
	for b.Loop() {
		messages = from.next()
		if err := s.in.carry(messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/44, "ns/packet")
}

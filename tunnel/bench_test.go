package tunnel

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// sink is a device and a transport that do nothing, so that only our own code
// is measured.
type sink struct {
	loaded  [][]byte // what every Read gives
	written int
	sent    int
	keep    bool
	packets [][]byte
	train   []byte // the last run sent
	size    int
	runs    []udp.Message // all of them
	blocked chan struct{}
}

func newSink() *sink { return &sink{blocked: make(chan struct{})} }

func (s *sink) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if s.loaded == nil {
		<-s.blocked
		return 0, os.ErrClosed
	}
	for i, p := range s.loaded {
		sizes[i] = copy(bufs[i][offset:], p)
	}
	return len(s.loaded), nil
}

func (s *sink) MTU() (int, error)      { return 1438, nil }
func (s *sink) SetMTU(int) error       { return nil }
func (s *sink) Name() string           { return "sink" }
func (s *sink) Queues() int            { return 1 }
func (s *sink) BatchSize() int         { return 128 }
func (s *sink) Offloads() tun.Offloads { return tun.Offloads{} }
func (s *sink) Close() error           { return nil }

func (s *sink) Write(bufs [][]byte, offset int) (int, error) {
	s.written += len(bufs)
	if s.keep {
		for _, b := range bufs {
			s.packets = append(s.packets, bytes.Clone(b[offset:]))
		}
	}
	return 0, nil
}

func (s *sink) Receivers(int) []Receiver                { return nil }
func (s *sink) Control() []Receiver                     { return nil }
func (s *sink) PathErrors() []PathErrorReader           { return nil }
func (s *sink) NewSender(int) Sender                    { return s }
func (s *sink) Workers() int                            { return 1 }
func (s *sink) SendKeepalive(_, _ netip.AddrPort) error { return nil }
func (s *sink) Send(runs []udp.Run) error {
	for i := range runs {
		runs[i].Result, runs[i].Lost = udp.Sent, 0
		s.sent++
		if s.keep {
			s.train = append(s.train[:0], runs[i].Payload...)
			s.size = runs[i].SegmentSize
			s.runs = append(s.runs, udp.Message{Payload: bytes.Clone(runs[i].Payload), SegmentSize: s.size, Encapsulated: true})
		}
	}
	return nil
}

// stage is one gateway whose workers are driven by hand.
type stage struct {
	*Tunnel
	sink *sink
	out  *outboundWorker
	in   *inboundWorker
}

// newStage makes a gateway with a Child SA that leads back to itself: what its
// outbound worker seals, its inbound worker can open.
func newStage(t testing.TB, change func(*Config)) *stage {
	t.Helper()
	s := newSink()
	cfg := Config{Device: s, Transport: s}
	if change != nil {
		change(&cfg)
	}
	tunnel, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tunnel.AddConnection("peer", ConnectionConfig{})
	tunnel.SetRoutes(routesTo(t, "peer", "10.0.0.0/8", "fd00::/8"))
	addOwnSA(t, tunnel, 0)
	return &stage{Tunnel: tunnel, sink: s, out: newOutboundWorker(tunnel, 0), in: newInboundWorker(tunnel, 0)}
}

// addOwnSA adds a Child SA that leads back to the gateway itself, for a worker,
// counted from 1, or for all. It returns its inbound SPI.
func addOwnSA(t testing.TB, tunnel *Tunnel, resource int) uint32 {
	t.Helper()
	spi, err := tunnel.AllocateSPI("peer", resource)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.NewInbound(parameters(spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	out, err := esp.NewOutbound(parameters(spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	policy := selector.Compile(selector.Any(), selector.Any())
	at := netip.MustParseAddrPort("192.0.2.1:4500")
	if err := tunnel.InstallInbound("peer", in, policy, at, at); err != nil {
		t.Fatal(err)
	}
	if err := tunnel.ActivateOutbound("peer", out, policy, spi, at, at); err != nil {
		t.Fatal(err)
	}
	return spi
}

// anywhere is an outer address that nothing is sent to.
func (s *stage) anywhere() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:4500") }

// load puts packets where the device will.
func (s *stage) load(packets ...[]byte) *stage {
	s.sink.loaded = packets
	return s
}

// carry takes what is loaded to the sockets.
func (s *stage) carry() error {
	_, err := s.out.source.carry(s.out, true)
	return err
}

// superpacket is what the device makes of one TSO superpacket.
func superpacket(t testing.TB, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		tcp := layers.TCP{ACK: true, Seq: uint32(i * 1398), Window: 1000}
		out[i] = tcpPacket(t, "10.1.0.1", "10.2.0.1", tcp, make([]byte, 1398), ipOptions{df: true, id: uint16(i)})
	}
	return out
}

// mixed is small packets of many flows.
func mixed(t testing.TB, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		src := netip.AddrFrom4([4]byte{10, 1, byte(i), 1}).String()
		out[i] = udpPacket(t, src, "10.2.0.1", 64, ipOptions{tos: uint8(i % 3 * 32)})
	}
	return out
}

// sealer fills a train over and over with fresh sequence numbers.
type sealer struct {
	sa      *outboundSA
	scratch *esp.Scratch
	packets [][]byte
	message [1]udp.Message
}

func newSealer(s *stage, packets [][]byte) *sealer {
	sa := s.forwarding.Load().connections["peer"].outbound.Load().children[0]
	size := sa.out.SealedLen(len(packets[0]))
	return &sealer{sa: sa, scratch: esp.NewScratch(), packets: packets, message: [1]udp.Message{{
		Payload: make([]byte, 0, size*len(packets)), SegmentSize: size,
		Local: sa.local, Remote: sa.remote, Encapsulated: true,
	}}}
}

func (s *sealer) next() []udp.Message {
	first, _, _ := s.sa.out.Reserve(len(s.packets), 1)
	b := s.message[0].Payload[:0]
	for i, p := range s.packets {
		b = s.sa.out.Seal(s.scratch, b, p, protoIPv4, first+uint64(i))
	}
	s.message[0].Payload = b
	return s.message[:]
}

func TestAllocations(t *testing.T) {
	t.Run("outbound", func(t *testing.T) {
		for name, packets := range map[string][][]byte{"superpacket": superpacket(t, 44), "mixed": mixed(t, 100)} {
			s := newStage(t, nil)
			if n := testing.AllocsPerRun(50, func() {
				if err := s.load(packets...).carry(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations a batch", name, n)
			}
			if got := s.TotalCounters(); got.PacketsOut != uint64(51*len(packets)) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
	t.Run("outbound drops", func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.OnTrafficNeeded = func(string, selector.Flow) {} })
		s.AddConnection("down", ConnectionConfig{})
		large := udpPacket(t, "10.1.0.1", "10.2.0.1", 3000, ipOptions{})
		tooBig := udpPacket(t, "10.1.0.1", "10.2.0.1", 3000, ipOptions{df: true})
		noRoute := udpPacket(t, "10.1.0.1", "192.0.2.77", 100, ipOptions{})
		s.load(large, tooBig, noRoute, []byte{0x45})
		if n := testing.AllocsPerRun(50, func() {
			if err := s.carry(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations a batch", n)
		}
	})
	t.Run("inbound", func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.OnIKE = func([]byte, netip.AddrPort, netip.AddrPort) {} })
		from := newSealer(s, superpacket(t, 44))
		rubbish := udp.Message{Payload: bytes.Repeat([]byte{7}, 300), SegmentSize: 100, Encapsulated: true}
		messages := make([]udp.Message, 2)
		if n := testing.AllocsPerRun(50, func() {
			messages[0], messages[1] = from.next()[0], rubbish
			if err := s.in.carry(messages); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations a batch", n)
		}
		if got := s.TotalCounters(); got.PacketsIn != 51*44 || s.sink.written != 51*44 {
			t.Errorf("%+v, %d written", got, s.sink.written)
		}
	})
}

func benchmarkOutbound(b *testing.B, packets [][]byte) {
	s := newStage(b, nil)
	total := 0
	for _, p := range packets {
		total += len(p)
	}
	b.SetBytes(int64(total))
	b.ReportAllocs()
	s.load(packets...)
	for b.Loop() {
		if err := s.carry(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(packets)), "ns/packet")
}

func BenchmarkOutboundSuperpacket(b *testing.B) { benchmarkOutbound(b, superpacket(b, 44)) }
func BenchmarkOutboundMixed(b *testing.B)       { benchmarkOutbound(b, mixed(b, 64)) }

// BenchmarkInboundSuperpacket includes sealing what it opens; Seal tells how
// much of it that is.
func BenchmarkInboundSuperpacket(b *testing.B) {
	for _, open := range []bool{true, false} {
		name := map[bool]string{true: "SealAndOpen", false: "Seal"}[open]
		b.Run(name, func(b *testing.B) {
			s := newStage(b, nil)
			from := newSealer(s, superpacket(b, 44))
			b.SetBytes(44 * 1438)
			b.ReportAllocs()
			for b.Loop() {
				messages := from.next()
				if !open {
					continue
				}
				if err := s.in.carry(messages); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/44, "ns/packet")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, bytes := range map[string][]byte{
		"IPv4": udpPacket(b, "10.1.0.1", "10.2.0.1", 64, ipOptions{}),
		"IPv6": udpPacket(b, "fd01::1", "fd02::1", 64, ipOptions{}),
	} {
		b.Run(name, func(b *testing.B) {
			var p packet
			for b.Loop() {
				if p.parse(bytes) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	bytes := make([]byte, 1438)
	b.SetBytes(1438)
	for b.Loop() {
		checksum(bytes, 0)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, cached := range []bool{true, false} {
		b.Run(map[bool]string{true: "Cached", false: "Uncached"}[cached], func(b *testing.B) {
			s := newStage(b, nil)
			packet := udpPacket(b, "10.1.0.1", "10.2.0.1", 64, ipOptions{})
			w := s.out
			w.now, w.forwarding = s.now(), s.forwarding.Load()
			if err := w.packet.parse(packet); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !cached {
					w.cache[w.packet.key.slot()].from = nil
				}
				if w.lookup(packet, &w.packet) == nil {
					b.Fatal("no SA")
				}
			}
		})
	}
}

func TestRunEndsWithItsDevice(t *testing.T) {
	s := newSink()
	tunnel, err := New(Config{Device: s, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	close(s.blocked)
	if err := tunnel.Run(context.Background()); err == nil {
		t.Error("the device went away and Run says nothing")
	}
}

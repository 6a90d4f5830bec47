package tunnel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/routing"
	"causeway/tunnel/udp"
)

// scaleStage is a gateway with so many connections, each with a Child SA, and so
// many prefixes in its table, of which each connection has one at least.
func scaleStage(t testing.TB, connections, prefixes int) *stage {
	t.Helper()
	s := newStage(t, nil)
	at := s.anywhere()
	var sites []routing.Site
	for i := range connections {
		name := fmt.Sprint("c", i)
		s.AddConnection(name, ConnectionConfig{})
		spi, err := s.AllocateSPI(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		in, errIn := esp.NewInbound(parameters(spi, nil))
		out, errOut := esp.NewOutbound(parameters(spi, nil))
		policy := selector.Compile(selector.Any(), selector.Any())
		if errIn != nil || errOut != nil {
			t.Fatal(errIn, errOut)
		}
		if err := s.InstallInbound(name, in, policy, at, at); err != nil {
			t.Fatal(err)
		}
		if err := s.ActivateOutbound(name, out, policy, spi, at, at); err != nil {
			t.Fatal(err)
		}
		sites = append(sites, routing.Site{Prefix: netip.PrefixFrom(siteOf(i), 24), Connection: name})
	}
	for i := range prefixes - connections {
		a := binary.BigEndian.AppendUint32(nil, 100<<24+uint32(i)<<4)
		sites = append(sites, routing.Site{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte(a)), 28), Connection: fmt.Sprint("c", i%connections)})
	}
	table, err := routing.Build(sites)
	if err != nil {
		t.Fatal(err)
	}
	s.SetRoutes(table)
	return s
}

// siteOf is the network of a connection.
func siteOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}) }

// scaleCases are numbers of connections and prefixes.
var scaleCases = [][2]int{{1, 10}, {1, 1000}, {1, 100_000}, {100, 1000}, {100, 100_000}, {1000, 1000}, {1000, 100_000}}

// BenchmarkScale is a packet's cost by the number of connections and prefixes.
// OneFlow is bulk over one connection, whatever else there is; NewFlows has
// every packet looked up by its addresses; AllConnections has bulk over every
// connection in turn, as many packets as come at once.
func BenchmarkScale(b *testing.B) {
	for _, c := range scaleCases {
		connections, prefixes := c[0], c[1]
		name := fmt.Sprintf("connections=%d/prefixes=%d", connections, prefixes)
		b.Run("OneFlow/"+name, func(b *testing.B) {
			scaled(b, scaleStage(b, connections, prefixes), 1, false)
		})
		b.Run("NewFlows/"+name, func(b *testing.B) {
			scaled(b, scaleStage(b, connections, prefixes), 1, true)
		})
		b.Run("AllConnections/"+name, func(b *testing.B) {
			scaled(b, scaleStage(b, connections, prefixes), connections, false)
		})
	}
}

// BenchmarkScaleBeside is what AllConnections is, and the same for what arrives,
// measured so that a machine with other work can judge: trains over many
// connections and trains over one connection take turns every tenth of a
// millisecond, and the medians of both are compared. of-one is the ratio.
func BenchmarkScaleBeside(b *testing.B) {
	for _, c := range scaleCases[1:] {
		connections, prefixes := c[0], c[1]
		name := fmt.Sprintf("connections=%d/prefixes=%d", connections, prefixes)
		b.Run("Outbound/"+name, func(b *testing.B) {
			one, many := newTrains(b, scaleStage(b, 1, 10), 1), newTrains(b, scaleStage(b, connections, prefixes), connections)
			beside(b, one.carry, many.carry)
		})
		b.Run("Inbound/"+name, func(b *testing.B) {
			one, many := newArrivals(b, scaleStage(b, 1, 10), 1), newArrivals(b, scaleStage(b, connections, prefixes), connections)
			beside(b, one.carry, many.carry)
		})
	}
}

// beside runs two ways of carrying a number of trains in turn.
func beside(b *testing.B, one, many func(n int) time.Duration) {
	const block = 10
	var ofOne, ofMany []time.Duration
	for b.Loop() {
		ofOne = append(ofOne, one(block))
		ofMany = append(ofMany, many(block))
	}
	slices.Sort(ofOne)
	slices.Sort(ofMany)
	less, more := ofOne[len(ofOne)/2], ofMany[len(ofMany)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(more)/float64(less), "of-one")
	b.ReportMetric(float64(more.Nanoseconds())/block/trainLength, "ns/packet")
}

// arrivals are trains from so many sites in turn.
type arrivals struct {
	*stage
	testing.TB
	sites   int
	packet  []byte
	from    []*esp.Outbound
	scratch *esp.Scratch
	trains  []udp.Message
	at      int
}

func newArrivals(t testing.TB, s *stage, sites int) *arrivals {
	r := &arrivals{stage: s, TB: t, sites: sites, scratch: esp.NewScratch()}
	r.packet = udpPacket(t, siteOf(0).String(), "10.1.0.1", 1380, ipOptions{})
	for i := range sites {
		r.from = append(r.from, s.forwarding.Load().connections[fmt.Sprint("c", i)].outbound.Load().children[0].out)
	}
	return r
}

// seal makes the train that comes next.
func (r *arrivals) seal(m *udp.Message) {
	out := r.from[r.at%r.sites]
	site := siteOf(r.at % r.sites).As4()
	copy(r.packet[12:16], site[:]) // the source
	m.Payload, m.SegmentSize, m.Encapsulated = m.Payload[:0], out.SealedLen(len(r.packet)), true
	m.Local, m.Remote = r.anywhere(), r.anywhere()
	first, _, _ := out.Reserve(trainLength, 1)
	for i := range trainLength {
		m.Payload = out.Seal(r.scratch, m.Payload, r.packet, protoIPv4, first+uint64(i))
	}
	r.at++
}

// carry has n trains come and tells how long opening them took.
func (r *arrivals) carry(n int) time.Duration {
	for len(r.trains) < n {
		r.trains = append(r.trains, udp.Message{})
	}
	for i := range n {
		r.seal(&r.trains[i])
	}
	r.sink.written = 0
	begin := time.Now()
	for i := range n {
		if err := r.in.carry(r.trains[i : i+1]); err != nil {
			r.Fatal(err)
		}
	}
	took := time.Since(begin)
	if r.sink.written != n*trainLength {
		r.Fatalf("%d packets written of %d: %+v", r.sink.written, n*trainLength, r.TotalCounters())
	}
	return took
}

const trainLength = 44

// trains are trains to so many sites in turn. As from a device, all come in the
// same memory.
type trains struct {
	*stage
	testing.TB
	sites  int
	train  [][]byte
	packet []byte
	at     int
}

func newTrains(t testing.TB, s *stage, sites int) *trains {
	r := &trains{stage: s, TB: t, sites: sites, train: make([][]byte, trainLength)}
	r.packet = udpPacket(t, "10.1.0.1", siteOf(0).String(), 1380, ipOptions{})
	for i := range r.train {
		r.train[i] = r.packet
	}
	s.load(r.train...)
	return r
}

// aim makes the next site the destination.
func (r *trains) aim() {
	site := siteOf(r.at % r.sites).As4()
	copy(r.packet[16:20], site[:])
	r.at++
}

// carry takes n trains through and tells how long that took.
func (r *trains) carry(n int) time.Duration {
	begin := time.Now()
	for range n {
		r.aim()
		if err := r.stage.carry(); err != nil {
			r.Fatal(err)
		}
	}
	return time.Since(begin)
}

// scaled carries trains to so many sites in turn.
func scaled(b *testing.B, s *stage, sites int, forget bool) {
	r := newTrains(b, s, sites)
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		if forget {
			r.aim()
			s.out.begin()
			for _, p := range r.train {
				s.out.cache[s.out.packet.key.slot()].from = nil
				s.out.one(p)
			}
			if err := s.out.end(); err != nil {
				b.Fatal(err)
			}
		} else {
			r.carry(1)
		}
		packets += trainLength
	}
	if got := s.TotalCounters(); got.PacketsOut != uint64(packets) {
		b.Fatalf("%d packets, carried %d", packets, got.PacketsOut)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

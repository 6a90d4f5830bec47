package tunnel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/routing"
)

// scaleStage is a gateway with so many connections, each with a Child SA, and so
// many prefixes in its table, of which each connection has one at least.
func scaleStage(t testing.TB, connections, prefixes int) *stage {
	t.Helper()
	s := newStage(t, nil)
	policy := selector.Compile(selector.Any(), selector.Any())
	at := s.anywhere()
	var sites []routing.Site
	for i := range connections {
		name := fmt.Sprint("c", i)
		s.AddConnection(name, ConnectionConfig{})
		spi, err := s.AllocateSPI(name)
		if err != nil {
			t.Fatal(err)
		}
		in, errIn := esp.NewInbound(parameters(spi, nil))
		out, errOut := esp.NewOutbound(parameters(spi, nil))
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

const trainLength = 44

// scaled carries trains to so many sites in turn. As from a device, all come in
// the same memory.
func scaled(b *testing.B, s *stage, sites int, forget bool) {
	packet := udpPacket(b, "10.1.0.1", siteOf(0).String(), 1380, ipOptions{})
	train := make([][]byte, trainLength)
	for i := range train {
		train[i] = packet
	}
	s.load(train...)
	b.ReportAllocs()
	packets := 0
	for i := 0; b.Loop(); i++ {
		site := siteOf(i % sites).As4()
		copy(packet[16:20], site[:]) // the destination
		if forget {
			s.out.begin()
			for _, p := range train {
				s.out.cache[s.out.packet.key.slot()].from = nil
				s.out.one(p)
			}
			if err := s.out.end(); err != nil {
				b.Fatal(err)
			}
		} else if err := s.carry(); err != nil {
			b.Fatal(err)
		}
		packets += trainLength
	}
	if got := s.TotalCounters(); got.PacketsOut != uint64(packets) {
		b.Fatalf("%d packets, carried %d", packets, got.PacketsOut)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

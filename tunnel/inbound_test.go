package tunnel

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

// TestSelectorViolation: RFC 4301 §5.2. The far gateway encrypts what its
// negotiated selectors do not include.
func TestSelectorViolation(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		spis := [2]uint32{}
		for i, g := range []*gateway{p.a, p.b} {
			spi, err := g.AllocateSPI("peer", 0)
			if err != nil {
				t.Fatal(err)
			}
			spis[i] = spi
		}
		narrow := selector.Compile(list(t, "10.2.0.0/24[udp]"), list(t, "10.1.0.0/24"))
		p.install(t, p.a, p.b, spis[0], spis[1], selector.Compile(selector.Any(), selector.Any()), nil)
		p.install(t, p.b, p.a, spis[1], spis[0], narrow, nil)
		p.activate(t, p.a, p.b, spis[0], spis[1], selector.Compile(selector.Any(), selector.Any()), nil)
		p.a.device.Inject(
			udpPacket(t, "10.1.9.1", "10.2.0.1", 10, ipOptions{}),                         // source
			udpPacket(t, "10.1.0.1", "10.2.9.1", 10, ipOptions{}),                         // destination
			tcpPacket(t, "10.1.0.1", "10.2.0.1", layers.TCP{ACK: true}, nil, ipOptions{}), // protocol
			udpPacket(t, "fd01::1", "fd02::1", 10, ipOptions{}),                           // family
		)
		p.b.dropped(t, DropSelector, 4)
		p.b.nothing(t)
		allowed := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
		p.a.device.Inject(allowed)
		wantPacket(t, p.b.next(t), allowed)
	})
}

// TestSourceOfAnotherConnection: with any-to-any selectors, a peer must not
// speak for networks that are behind another.
func TestSourceOfAnotherConnection(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		p.a.device.Inject(udpPacket(t, "10.3.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.dropped(t, DropSelector, 1)
		if n, _ := p.b.ConnectionCounters("peer"); n.Drops[DropSelector] != 1 {
			t.Error("not counted for the connection")
		}
		p.b.nothing(t)
	})
}

func TestReplay(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		p.a.wire.onSend(func(m udp.Message) []udp.Message {
			again := m
			again.Payload = bytes.Clone(m.Payload)
			return []udp.Message{m, again}
		})
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
		p.a.device.Inject(b, b, b)
		for range 3 {
			wantPacket(t, p.b.next(t), b)
		}
		p.b.dropped(t, DropReplay, 3)
		p.b.nothing(t)
	})
}

// TestTamperedBits flips each bit of an ESP packet: no change gets through,
// and the SA still works.
func TestTamperedBits(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		b := pingPacket(t, "10.1.0.1", "10.2.0.1", []byte("flip"))
		bit := 0
		p.a.wire.onSend(func(m udp.Message) []udp.Message {
			m.Payload[bit/8] ^= 1 << (bit % 8)
			return []udp.Message{m}
		})
		bits := 8 * (8 + 8 + 32 + 2 + 2 + 16)
		for bit = range bits {
			p.a.device.Inject(b)
			p.b.nothing(t)
		}
		p.a.wire.onSend(nil)
		p.a.device.Inject(b)
		wantPacket(t, p.b.next(t), b)
		drops := p.b.TotalCounters().Drops
		if n := drops[DropUnknownSPI] + drops[DropAuthentication]; n != uint64(bits) {
			t.Errorf("%d of %d counted: %v", n, bits, drops)
		}
		if drops[DropUnknownSPI] != 32 {
			t.Errorf("%d unknown SPIs, want 32", drops[DropUnknownSPI])
		}
	})
}

func TestTruncated(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		b := pingPacket(t, "10.1.0.1", "10.2.0.1", nil)
		length := 0
		p.a.wire.onSend(func(m udp.Message) []udp.Message {
			length = len(m.Payload)
			var all []udp.Message
			for n := range length {
				short := m
				short.Payload = bytes.Clone(m.Payload[:n])
				short.SegmentSize = n
				all = append(all, short)
			}
			return all
		})
		p.a.device.Inject(b)
		p.b.nothing(t)
		drops := p.b.TotalCounters().Drops
		// The one that is empty has no segment to count, and one byte of an SPI that
		// begins with ff is a keepalive.
		if n := drops[DropMalformed] + drops[DropAuthentication] + drops[DropKeepalive]; n != uint64(length-1) {
			t.Errorf("%d of %d counted: %v", n, length, drops)
		}
	})
}

// TestMixedTrain: the kernel merges by addresses and ports, so one message may
// carry IKE, keepalives, ESP of several SAs and rubbish.
func TestMixedTrain(t *testing.T) {
	type ike struct {
		Payload string
		Remote  netip.AddrPort
	}
	var mu sync.Mutex
	var got []ike
	cfg := pairConfig{a: func(c *Config) {
		c.OnIKE = func(b []byte, _, remote netip.AddrPort) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, ike{string(b), remote})
		}
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		got = nil
		var sealed [][]byte
		p.b.wire.onSend(func(m udp.Message) []udp.Message {
			sealed = append(sealed, m.Payload)
			return nil
		})
		one := udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{})
		p.b.device.Inject(one)
		synctest.Wait()
		p.child(t, selector.Any(), selector.Any(), nil)
		two := udpPacket(t, "10.2.0.2", "10.1.0.1", 10, ipOptions{})
		p.b.device.Inject(two)
		synctest.Wait()

		size := len(sealed[0])
		message := append([]byte{0, 0, 0, 0}, bytes.Repeat([]byte{'i'}, size-4)...)
		unknown := bytes.Repeat([]byte{0x77}, size)
		train := slices.Concat(message, sealed[0], unknown, sealed[1], message, []byte{0xff})
		p.a.wire.arrive(udp.Message{Payload: train, SegmentSize: size, Local: p.a.outer, Remote: p.b.outer, Encapsulated: true})
		plain := bytes.Repeat([]byte{'p'}, 64)
		ikePort := netip.AddrPortFrom(p.b.outer.Addr(), 500)
		p.a.wire.arrive(udp.Message{Payload: plain, SegmentSize: 64, Local: p.a.outer, Remote: ikePort})
		wantPacket(t, p.a.next(t), one)
		wantPacket(t, p.a.next(t), two)
		p.a.nothing(t)
		want := []ike{{string(message[4:]), p.b.outer}, {string(message[4:]), p.b.outer}, {string(plain), ikePort}}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		drops := p.a.TotalCounters().Drops
		if drops[DropUnknownSPI] != 1 || drops[DropKeepalive] != 1 {
			t.Errorf("drops %v", drops)
		}
	})
}

// forged seals any payload for b's Child SA, as a broken peer would.
type forged struct {
	p   *pair
	out *esp.Outbound
	s   *esp.Scratch
}

func newForged(t *testing.T, p *pair) *forged {
	t.Helper()
	_, spiB := p.child(t, selector.Any(), selector.Any(), nil)
	out, err := esp.NewOutbound(parameters(spiB, nil))
	if err != nil {
		t.Fatal(err)
	}
	return &forged{p: p, out: out, s: esp.NewScratch()}
}

func (f *forged) send(t *testing.T, payload []byte, nextHeader, ecn uint8) {
	t.Helper()
	seq, _, err := f.out.Reserve(1, len(payload))
	if err != nil {
		t.Fatal(err)
	}
	b := f.out.Seal(f.s, nil, payload, nextHeader, seq)
	f.p.b.wire.arrive(udp.Message{
		Payload: b, SegmentSize: len(b), Local: f.p.b.outer, Remote: f.p.a.outer, TOS: ecn, Encapsulated: true,
	})
}

func TestInnerPacketRefused(t *testing.T) {
	v4 := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
	v6 := udpPacket(t, "fd01::1", "fd02::1", 10, ipOptions{})
	tests := []struct {
		name       string
		payload    []byte
		nextHeader uint8
		why        Drop
	}{
		{"IPv4 called IPv6", v4, protoIPv6, DropMalformed},
		{"IPv6 called IPv4", v6, protoIPv4, DropMalformed},
		{"transport mode", v4[20:], protoUDP, DropMalformed},
		{"IPv4 called UDP", v4, protoUDP, DropMalformed},
		{"IPv6 called UDP", v6, protoUDP, DropMalformed},
		{"shorter than it says", v4[:len(v4)-1], protoIPv4, DropMalformed},
		{"empty", nil, protoIPv4, DropMalformed},
		{"dummy", v4, protoNone, DropDummy},
		{"empty dummy", nil, protoNone, DropDummy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
				f := newForged(t, p)
				f.send(t, tt.payload, tt.nextHeader, 0)
				p.b.nothing(t)
				p.b.dropped(t, tt.why, 1)
				f.send(t, v4, protoIPv4, 0)
				wantPacket(t, p.b.next(t), v4)
			})
		})
	}
}

func TestTFCPaddingIsCut(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		f := newForged(t, p)
		for _, src := range []string{"10.1.0.1", "fd01::1"} {
			dst, nextHeader := "10.2.0.1", uint8(protoIPv4)
			if src == "fd01::1" {
				dst, nextHeader = "fd02::1", protoIPv6
			}
			b := udpPacket(t, src, dst, 10, ipOptions{})
			f.send(t, append(bytes.Clone(b), make([]byte, 777)...), nextHeader, 0)
			wantPacket(t, p.b.next(t), b)
		}
	})
}

func TestECN(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		f := newForged(t, p)
		ect := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{tos: 0xb8 | ect0})
		f.send(t, ect, protoIPv4, ecnMarked)
		wantPacket(t, p.b.next(t), udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{tos: 0xb8 | ecnMarked}))
		plain := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{tos: 0xb8})
		f.send(t, plain, protoIPv4, ecnMarked)
		p.b.nothing(t)
		p.b.dropped(t, DropECN, 1)
		f.send(t, plain, protoIPv4, ect0)
		wantPacket(t, p.b.next(t), plain)

		p.a.device.Inject(ect)
		synctest.Wait()
		if r := p.a.wire.runs[0]; r.TOS != 0xb8|ect0 {
			t.Errorf("outer TOS %02x", r.TOS)
		}
	})
}

func TestEndpointIsReportedOnlyWhenAuthentic(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("198.51.100.9:1024")
	var moved []netip.AddrPort
	cfg := pairConfig{a: func(c *Config) {
		c.OnEndpoint = func(_ string, _ uint32, _, remote netip.AddrPort) { moved = append(moved, remote) }
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		moved = nil
		p.b.device.Inject(udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{}))
		p.a.next(t)
		if len(moved) != 0 {
			t.Fatal("the known endpoint was reported")
		}
		proof := p.a.lastInbound()
		time.Sleep(askInterval)
		tamper := true
		p.b.wire.onSend(func(m udp.Message) []udp.Message {
			m.Remote = elsewhere
			if tamper {
				m.Payload[20] ^= 1
			}
			return []udp.Message{m}
		})
		b := udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{})
		p.b.device.Inject(b)
		p.a.nothing(t)
		if len(moved) != 0 || !p.a.lastInbound().Equal(proof) {
			t.Fatal("an unauthentic packet moved the endpoint or proved life")
		}
		tamper = false
		p.b.device.Inject(b)
		p.b.device.Inject(b)
		p.a.next(t)
		p.a.next(t)
		if diff := cmp.Diff(1, len(moved)); diff != "" || moved[0] != elsewhere {
			t.Errorf("moved to %v", moved)
		}
		// Nothing has changed until the control side says so.
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.next(t)
		if r := p.a.wire.runs[0]; r.Remote != p.b.outer {
			t.Errorf("sent to %v", r.Remote)
		}
		p.a.MoveChildren(p.a.all(), p.a.outer, elsewhere)
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.next(t)
		if r := p.a.wire.runs[1]; r.Remote != elsewhere {
			t.Errorf("sent to %v after the move", r.Remote)
		}
	})
}

func TestLifetimes(t *testing.T) {
	type hit struct {
		SPI  uint32
		Hard bool
	}
	var hits []hit
	cfg := pairConfig{noChild: true, a: func(c *Config) {
		c.OnLifetime = func(_ string, spi uint32, hard bool) { hits = append(hits, hit{spi, hard}) }
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		hits = nil
		spiA, _ := p.child(t, selector.Any(), selector.Any(), func(e *esp.Parameters) {
			e.Limits = esp.Limits{SoftPackets: 5, HardPackets: 10}
		})
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
		for range 20 {
			p.a.device.Inject(b)
			synctest.Wait()
		}
		if diff := cmp.Diff([]hit{{spiA, false}, {spiA, true}}, hits); diff != "" {
			t.Error("outbound: ", diff)
		}
		p.a.dropped(t, DropExhausted, 10)
	})
}

func TestInboundLifetime(t *testing.T) {
	var hard int
	cfg := pairConfig{noChild: true, a: func(c *Config) {
		c.OnLifetime = func(_ string, _ uint32, h bool) {
			if h {
				hard++
			}
		}
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		hard = 0
		spiA, _ := p.child(t, selector.Any(), selector.Any(), func(e *esp.Parameters) {
			e.Limits = esp.Limits{HardBytes: 100}
		})
		out, err := esp.NewOutbound(parameters(spiA, nil))
		if err != nil {
			t.Fatal(err)
		}
		inner := udpPacket(t, "10.2.0.1", "10.1.0.1", 32, ipOptions{})
		for seq := uint64(1); seq <= 4; seq++ {
			b := out.Seal(esp.NewScratch(), nil, inner, protoIPv4, seq)
			p.a.wire.arrive(udp.Message{Payload: b, SegmentSize: len(b), Local: p.a.outer, Remote: p.b.outer, Encapsulated: true})
		}
		p.a.next(t)
		p.a.dropped(t, DropExhausted, 3)
		if hard != 1 {
			t.Errorf("%d reports of the hard limit", hard)
		}
	})
}

package tunnel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/tun/tuntest"
	"causeway/tunnel/udp"
)

// names are what two hosts in transport mode call each other's addresses.
type names struct{ a, b, aAtB, bAtA string }

var (
	plain4 = names{"192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"}
	plain6 = names{"2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2"}
	natted = names{"10.9.0.1", "192.0.2.2", "198.51.100.9", "192.0.2.2"} // a is behind a NAT
	both   = names{"10.9.0.1", "10.8.0.2", "198.51.100.9", "203.0.113.7"}
)

func (n names) v6() bool { return netip.MustParseAddr(n.a).Is6() }

// hosts makes p's gateways hosts with a Child SA in transport mode for a protocol,
// or all.
func (p *pair) hosts(t testing.TB, n names, protocol uint8) {
	t.Helper()
	p.transport(t, p.a, p.b, n.a, n.bAtA, n.aAtB, n.b, protocol)
	p.transport(t, p.b, p.a, n.b, n.aAtB, n.bAtA, n.a, protocol)
	p.a.send(t, p.b, n.a, n.bAtA, protocol)
	p.b.send(t, p.a, n.b, n.aAtB, protocol)
}

func hostPolicy(local, remote string, protocol uint8) *selector.Policy {
	of := func(text string) selector.List {
		a := netip.MustParseAddr(text)
		s := selector.FromPrefix(netip.PrefixFrom(a, a.BitLen()))
		s.Protocol = protocol
		return selector.List{s}
	}
	return selector.Compile(of(local), of(remote))
}

func (p *pair) transport(t testing.TB, at, from *gateway, local, remote, originalLocal, originalRemote string, protocol uint8) {
	t.Helper()
	at.SetRoutes(routesTo(t, "peer", remote+map[bool]string{false: "/32", true: "/128"}[netip.MustParseAddr(remote).Is6()]))
	spi, err := at.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	at.spi = spi
	in, err := esp.NewInbound(parameters(spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	ends := Ends{netip.MustParseAddr(local), netip.MustParseAddr(remote), netip.MustParseAddr(originalLocal), netip.MustParseAddr(originalRemote)}
	outer := netip.AddrPortFrom(ends.Local, at.outer.Port())
	if err := at.InstallTransport("peer", in, hostPolicy(local, remote, protocol), outer, netip.AddrPortFrom(ends.Remote, from.outer.Port()), ends); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) send(t testing.TB, to *gateway, local, remote string, protocol uint8) {
	t.Helper()
	out, err := esp.NewOutbound(parameters(to.spi, nil))
	if err != nil {
		t.Fatal(err)
	}
	outer := netip.AddrPortFrom(netip.MustParseAddr(local), g.outer.Port())
	if err := g.ActivateOutbound("peer", out, hostPolicy(local, remote, protocol), g.spi, outer, netip.AddrPortFrom(netip.MustParseAddr(remote), to.outer.Port())); err != nil {
		t.Fatal(err)
	}
}

// inTransport runs a test with two hosts, each kind of device, with and without UDP.
func inTransport(t *testing.T, n names, protocol uint8, f func(t *testing.T, p *pair)) {
	for _, without := range []bool{false, true} {
		t.Run(map[bool]string{false: "UDP", true: "bare"}[without], func(t *testing.T) {
			inBubble(t, pairConfig{v6: n.v6(), bare: without, noChild: true, a: func(c *Config) { c.IKEPorts = []uint16{500, 4500} }}, func(t *testing.T, p *pair) {
				p.hosts(t, n, protocol)
				f(t, p)
			})
		})
	}
}

// seen is a packet of a as b's kernel gets it: between b's names of the addresses,
// with right checksums, and a header that was made anew.
func seen(t testing.TB, sent []byte, src, dst string) []byte {
	t.Helper()
	b := append([]byte{}, sent...)
	var p packet
	if err := p.parse(b); err != nil {
		t.Fatal(err)
	}
	if p.version == 4 {
		copy(b[12:], netip.MustParseAddr(src).AsSlice())
		copy(b[16:], netip.MustParseAddr(dst).AsSlice())
		binary.BigEndian.PutUint32(b[4:], 0x4000) // no ID, DF
		b[8] = restoredHops
	} else {
		copy(b[8:], netip.MustParseAddr(src).AsSlice())
		copy(b[24:], netip.MustParseAddr(dst).AsSlice())
		b[1] &^= 0xf // flow label
		b[2], b[3], b[7] = 0, 0, restoredHops
	}
	switch {
	case p.protocol == protoTCP, p.protocol == protoUDP, p.protocol == protoICMP, p.protocol == protoICMPv6:
		return reserialized(t, b)
	case p.version == 4:
		clear(b[10:12])
		binary.BigEndian.PutUint16(b[10:], checksum(b[:ipv4HeaderLen], 0))
	}
	return b
}

func raw(t testing.TB, src, dst string, protocol uint8, payload []byte, o ipOptions) []byte {
	t.Helper()
	return serialize(t, ipHeader(src, dst, layers.IPProtocol(protocol), o).(gopacket.SerializableLayer), gopacket.Payload(payload))
}

// TestTransportProtocols: packets of every kind arrive as they were, but for the
// addresses that a NAT changed, and for the checksums that follow these.
func TestTransportProtocols(t *testing.T) {
	for name, n := range map[string]names{"IPv4": plain4, "IPv6": plain6, "behind a NAT": natted, "both behind NATs": both} {
		t.Run(name, func(t *testing.T) {
			inTransport(t, n, 0, func(t *testing.T, p *pair) {
				for _, way := range []struct {
					from, to                     *gateway
					src, dst, srcThere, dstThere string
				}{{p.a, p.b, n.a, n.bAtA, n.aAtB, n.b}, {p.b, p.a, n.b, n.aAtB, n.bAtA, n.a}} {
					for _, tos := range []uint8{0, 0xb8, 0x28 | ecnMarked, ect0} {
						o := ipOptions{tos: tos, df: tos == 0}
						for kind, b := range map[string][]byte{
							"TCP":  tcpPacket(t, way.src, way.dst, layers.TCP{ACK: true}, []byte("some bytes"), o),
							"SYN":  tcpPacket(t, way.src, way.dst, layers.TCP{SYN: true}, nil, o),
							"UDP":  udpPacket(t, way.src, way.dst, 801, o),
							"GRE":  raw(t, way.src, way.dst, 47, []byte{0, 0, 8, 0, 1, 2, 3}, o),
							"IPIP": raw(t, way.src, way.dst, 4, []byte{1, 2, 3}, o),
							"ping": pingPacket(t, way.src, way.dst, []byte("hello")),
							"253":  raw(t, way.src, way.dst, 253, make([]byte, 999), o),
							"none": raw(t, way.src, way.dst, 253, nil, o),
						} {
							way.from.device.Inject(b)
							got := way.to.next(t)
							want := seen(t, b, way.srcThere, way.dstThere)
							if string(got) != string(want) {
								t.Errorf("%s, TOS %x arrived:\n% x\nwant:\n% x", kind, tos, got, want)
							}
							runs := way.from.wire.runs
							if last := runs[len(runs)-1]; kind != "ping" && last.TOS != tos {
								t.Errorf("%s, TOS %x left with %x", kind, tos, last.TOS)
							}
						}
					}
				}
			})
		})
	}
}

// TestTransportChecksums: what was damaged before the peer sealed it stays damaged,
// and UDP without a checksum stays without.
func TestTransportChecksums(t *testing.T) {
	inTransport(t, natted, 0, func(t *testing.T, p *pair) {
		damaged := tcpPacket(t, natted.a, natted.bAtA, layers.TCP{ACK: true}, []byte("some bytes"), ipOptions{})
		damaged[len(damaged)-1] ^= 0x10
		p.a.device.Inject(damaged)
		if got := p.b.next(t); string(got) == string(reserialized(t, got)) {
			t.Errorf("a damaged packet has a right checksum: % x", got)
		}
		none := udpPacket(t, natted.a, natted.bAtA, 20, ipOptions{})
		clear(none[ipv4HeaderLen+udpChecksumAt:][:2])
		p.a.device.Inject(none)
		if got := p.b.next(t); binary.BigEndian.Uint16(got[ipv4HeaderLen+udpChecksumAt:]) != 0 {
			t.Errorf("a checksum where there was none: % x", got)
		}
	})
}

// TestTransportSealsPayload: what is sealed is what follows the IP header.
func TestTransportSealsPayload(t *testing.T) {
	inTransport(t, plain4, 47, func(t *testing.T, p *pair) {
		b := raw(t, plain4.a, plain4.b, 47, make([]byte, 500), ipOptions{})
		p.a.device.Inject(b)
		p.b.next(t)
		sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
		if got := p.a.wire.sizes(); len(got) != 1 || got[0] != sa.out.SealedLen(500) {
			t.Errorf("sizes %v, want %d", got, sa.out.SealedLen(500))
		}
	})
}

// TestTransportSelectors: what is not of the negotiated protocol or addresses is
// refused in both directions, and a whole packet inside is no more than its protocol.
func TestTransportSelectors(t *testing.T) {
	inTransport(t, plain4, 47, func(t *testing.T, p *pair) {
		p.a.device.Inject(udpPacket(t, plain4.a, plain4.b, 10, ipOptions{}), raw(t, "192.0.2.9", plain4.b, 47, []byte{1, 2, 3, 4}, ipOptions{}))
		p.b.nothing(t)
		p.a.dropped(t, DropNoSA, 2)
		for _, next := range []uint8{protoUDP, protoIPv4, protoTCP, protoESP} {
			p.forge(t, next, raw(t, "10.1.0.1", "10.2.0.1", 47, make([]byte, 40), ipOptions{}))
		}
		p.b.nothing(t)
		p.b.dropped(t, DropSelector, 4)
		p.forge(t, 47, nil)
		if got := p.b.next(t); len(got) != ipv4HeaderLen || got[9] != 47 {
			t.Errorf("% x", got)
		}
	})
}

// forge sends b on a's Child SA, saying that the next header is next.
func (p *pair) forge(t testing.TB, next uint8, b []byte) {
	t.Helper()
	sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
	sequence, _, err := sa.out.Reserve(1, len(b))
	if err != nil {
		t.Fatal(err)
	}
	sealed := sa.out.Seal(esp.NewScratch(), nil, b, next, sequence)
	p.b.wire.arrive(udp.Message{Payload: sealed, SegmentSize: len(sealed), Local: p.b.outer, Remote: p.a.outer, Encapsulated: !bare(p.a.outer), Bare: bare(p.a.outer)})
	synctest.Wait()
}

// TestTransportHostile: what an authentic peer says that makes no packet is dropped.
func TestTransportHostile(t *testing.T) {
	inTransport(t, plain6, 0, func(t *testing.T, p *pair) {
		for _, next := range []uint8{protoHopByHop, protoRouting, protoFragment, protoTCP, protoUDP} {
			p.forge(t, next, []byte{6, 0, 0})
		}
		p.b.nothing(t)
		p.b.dropped(t, DropMalformed, 5)
	})
	inTransport(t, plain4, 0, func(t *testing.T, p *pair) {
		p.forge(t, 253, make([]byte, 65535-ipv4HeaderLen+1))
		p.b.dropped(t, DropMalformed, 1)
		p.forge(t, protoNone, make([]byte, 30))
		p.b.nothing(t)
		if n := p.b.TotalCounters().Drops[DropDummy]; n != 1 {
			t.Errorf("%d dummies", n)
		}
		p.forge(t, 253, make([]byte, 65535-ipv4HeaderLen))
		if got := p.b.next(t); len(got) != 65535 {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// TestTransportMTU: a packet may be as long as what is sealed of it, with the header
// that is not; longer ones are answered, or cut after they were sealed.
func TestTransportMTU(t *testing.T) {
	for _, n := range []names{plain4, plain6} {
		inTransport(t, n, 0, func(t *testing.T, p *pair) {
			sa := p.a.forwarding.Load().connections["peer"].outbound.Load().children[0]
			header := ipv4HeaderLen
			if n.v6() {
				header = ipv6HeaderLen
			}
			mtu := sa.fits(p.a.now())
			if outer := encapsulation(sa.remote) + sa.out.SealedLen(mtu-header); outer > 1500 || outer <= 1500-4 {
				t.Fatalf("an inner MTU of %d makes packets of %d", mtu, outer)
			}
			p.a.device.Inject(udpPacket(t, n.a, n.b, mtu-header-8, ipOptions{df: true}))
			p.b.next(t)
			p.a.device.Inject(udpPacket(t, n.a, n.b, mtu-header-7, ipOptions{df: true}))
			answer := p.a.next(t)
			if n.v6() {
				if answer[40] != 2 || int(binary.BigEndian.Uint32(answer[44:])) != mtu {
					t.Errorf("answered % x", answer)
				}
				return
			}
			if answer[20] != 3 || answer[21] != 4 || int(binary.BigEndian.Uint16(answer[26:])) != mtu {
				t.Errorf("answered % x", answer)
			}
			b := udpPacket(t, n.a, n.b, 4000, ipOptions{})
			p.a.device.Inject(b)
			wantPacket(t, p.b.next(t), seen(t, b, n.a, n.b))
			runs := p.a.wire.runs
			if last := runs[len(runs)-1]; !last.MayFragment || last.Size != sa.out.SealedLen(4008) {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestTransportOptions: what our sockets cannot put before ESP is refused.
func TestTransportOptions(t *testing.T) {
	inTransport(t, plain4, 0, func(t *testing.T, p *pair) {
		p.a.device.Inject(udpPacket(t, plain4.a, plain4.b, 10, ipOptions{option: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}}))
		if got := p.a.next(t); got[20] != 3 || got[21] != 13 {
			t.Errorf("answered % x", got)
		}
		p.b.nothing(t)
		p.a.dropped(t, DropOptions, 1)
	})
	inTransport(t, plain6, 0, func(t *testing.T, p *pair) {
		whole := udpPacket(t, plain6.a, plain6.b, 10, ipOptions{})
		for header, passes := range map[uint8]bool{protoHopByHop: false, protoRouting: false, protoDestOpts: true} {
			b := append(append(append([]byte{}, whole[:ipv6HeaderLen]...), whole[6], 0, 1, 4, 0, 0, 0, 0), whole[ipv6HeaderLen:]...)
			b[6] = header
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)-ipv6HeaderLen))
			p.a.device.Inject(b)
			if !passes {
				p.a.next(t) // the answer
				continue
			}
			if got := p.b.next(t); got[6] != protoDestOpts || string(got[ipv6HeaderLen:]) != string(b[ipv6HeaderLen:]) {
				t.Errorf("arrived % x", got)
			}
		}
		p.a.dropped(t, DropOptions, 2)
	})
}

// TestTransportFragments: fragments are put together and sealed as one (RFC 4303
// §3.1.1), in whatever order they come; ones that overlap, or lack another, are not.
func TestTransportFragments(t *testing.T) {
	for _, n := range []names{plain4, plain6} {
		cut := cut4
		if n.v6() {
			cut = cut6
		}
		inTransport(t, n, 0, func(t *testing.T, p *pair) {
			whole := udpPacket(t, n.a, n.b, 3992, ipOptions{id: 5})
			a, b, c := cut(whole, 0, 1400, true), cut(whole, 1400, 1400, true), cut(whole, 2800, 1200, false)
			for _, order := range [][][]byte{{a, b, c}, {c, a, b}, {b, c, a}} {
				for _, f := range order {
					p.b.nothing(t)
					p.a.device.Inject(f)
				}
				wantPacket(t, p.b.next(t), seen(t, whole, n.aAtB, n.b))
				runs := p.a.wire.runs
				if last := runs[len(runs)-1]; !last.MayFragment || last.Segments != 1 {
					t.Errorf("%+v", last)
				}
			}
			p.a.dropped(t, DropFragment, 0)
			p.a.device.Inject(a, cut(whole, 1392, 1400, true), c)
			p.b.nothing(t)
			p.a.dropped(t, DropFragment, 2) // c waits for others
			time.Sleep(assemblyTime)
			p.a.device.Inject(a)
			p.a.dropped(t, DropFragment, 3)
			p.a.device.Inject(cut(whole, 2800, 800, false), c) // two ends
			p.b.nothing(t)
			p.a.dropped(t, DropFragment, 6)
		})
	}
}

// TestTransportFragmentsBounded: fragments of many packets take no more memory than
// those of a few.
func TestTransportFragmentsBounded(t *testing.T) {
	var a assembler
	dropped := 0
	for i := range 1000 {
		f := piece{key: assemblyKey{id: uint32(i)}, header: make([]byte, 20), more: true, payload: make([]byte, 8)}
		if whole, n := a.add(1, &f); whole != nil {
			t.Fatal("whole")
		} else {
			dropped += n
		}
	}
	if len(a.pending) != maxAssemblies || len(a.free) > 1 || dropped != 1000-maxAssemblies {
		t.Errorf("%d wait, %d free, %d dropped", len(a.pending), len(a.free), dropped)
	}
}

// TestTransportFragmentsWithoutHoles: no sequence of fragments lets a packet go with
// octets in it that none of them has, such as those of the packet before.
func TestTransportFragmentsWithoutHoles(t *testing.T) {
	type at struct {
		offset, n int
		more      bool
	}
	for name, fragments := range map[string][]at{
		"behind the end, the end second": {{800, 8, true}, {16, 8, false}, {0, 8, true}},
		"behind the end, the end last":   {{0, 8, true}, {800, 8, true}, {16, 8, false}},
		"two ends":                       {{16, 8, false}, {0, 8, true}, {24, 8, false}},
		"behind the end":                 {{16, 8, false}, {24, 8, true}, {0, 8, true}},
		"over the end":                   {{0, 8, true}, {16, 16, true}, {24, 3, false}},
	} {
		var a assembler
		for _, f := range []at{{0, 1000, true}, {1000, 8, false}} { // memory that was in use
			a.add(1, &piece{key: assemblyKey{id: 1}, header: make([]byte, 20), offset: f.offset, more: f.more, payload: bytes.Repeat([]byte{0x5a}, f.n)})
		}
		for _, f := range fragments {
			if whole, _ := a.add(1, &piece{key: assemblyKey{id: 2}, header: make([]byte, 20), offset: f.offset, more: f.more, payload: make([]byte, f.n)}); whole != nil {
				t.Errorf("%s: a packet of %x", name, whole)
			}
		}
	}
}

// TestTransportLoop: what the gateway itself sends to the peer, and the kernel leads
// back into the device, is not sealed again.
func TestTransportLoop(t *testing.T) {
	inTransport(t, plain4, 0, func(t *testing.T, p *pair) {
		for _, port := range []layers.UDPPort{500, 4500} {
			ip := ipHeader(plain4.a, plain4.b, layers.IPProtocolUDP, ipOptions{})
			u := &layers.UDP{SrcPort: port, DstPort: 4500}
			_ = u.SetNetworkLayerForChecksum(ip)
			p.a.device.Inject(serialize(t, ip.(gopacket.SerializableLayer), u, gopacket.Payload(make([]byte, 50))))
		}
		p.a.device.Inject(raw(t, plain4.a, plain4.b, protoESP, make([]byte, 50), ipOptions{}))
		p.b.nothing(t)
		p.a.nothing(t) // no answer either
		p.a.dropped(t, DropLoop, 3)
	})
}

// TestTransportSuperpackets: superpackets go out segment by segment without their
// headers, and come together again at the other end.
func TestTransportSuperpackets(t *testing.T) {
	for _, n := range []names{plain4, plain6, natted} {
		for _, without := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig{super: true, noChild: true, v6: n.v6(), bare: without}).run(t)
				p.hosts(t, n, 0)
				for _, b := range [][]byte{
					tcpPacket(t, n.a, n.bAtA, layers.TCP{ACK: true, PSH: true, Seq: 1 << 31}, make([]byte, 5000), ipOptions{df: true, tos: ect0}),
					udpPacket(t, n.a, n.bAtA, 5000, ipOptions{df: true}),
				} {
					o, super := superOf(t, b, 1200)
					segments, err := tuntest.Segments(o, super)
					if err != nil {
						t.Fatal(err)
					}
					p.a.device.(*tuntest.Super).InjectSuper(o, super)
					for _, s := range segments {
						got, want := p.b.next(t), seen(t, s, n.aAtB, n.b)
						if got[0] == 0x45 { // what the kernel cuts again it gives IDs, which mean nothing with DF
							copy(got[4:6], want[4:6])
							copy(got[10:12], want[10:12])
						}
						wantPacket(t, got, want)
					}
				}
				if p.b.device.(*tuntest.Super).Merged() == 0 {
					t.Error("nothing was merged")
				}
			})
		}
	}
}

// TestTransportMoved: the NAT gives the peer another port; packets go there and are
// between the same addresses.
func TestTransportMoved(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		p.hosts(t, plain4, 0)
		p.a.MoveChildren(p.a.all(), p.a.outer, netip.MustParseAddrPort("192.0.2.2:61000"))
		b := pingPacket(t, plain4.a, plain4.b, []byte("x"))
		p.a.device.Inject(b)
		wantPacket(t, p.b.next(t), seen(t, b, plain4.a, plain4.b))
		if got := fmt.Sprint(p.a.wire.runs[0].Remote); got != "192.0.2.2:61000" {
			t.Errorf("sent to %s", got)
		}
	})
}

// TestTransportHasNoPadding, but dummies of lengths that fit.
func TestTransportHasNoPadding(t *testing.T) {
	inBubble(t, pairConfig{noChild: true, connection: ConnectionConfig{TFC: TFC{Padding: 1000, Dummies: 1000}}}, func(t *testing.T, p *pair) {
		p.hosts(t, plain4, 0)
		b := pingPacket(t, plain4.a, plain4.b, []byte("x"))
		p.a.device.Inject(b)
		wantPacket(t, p.b.next(t), seen(t, b, plain4.a, plain4.b))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := p.b.TotalCounters().Drops[DropDummy]; n < 100 {
			t.Errorf("%d dummies", n)
		}
		for _, n := range p.a.wire.sizes() {
			if n > 1500-28 {
				t.Errorf("one of %d bytes", n)
			}
		}
	})
}

// TestTransportEnds: two addresses of one family are what it needs.
func TestTransportEnds(t *testing.T) {
	for _, e := range []Ends{{}, {Local: netip.MustParseAddr("192.0.2.1")}, {Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("2001:db8::1")}} {
		if _, err := newTransportMode(e); err == nil {
			t.Errorf("%+v is taken", e)
		}
	}
}

package tunnel

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/esp/selector"
)

func list(t testing.TB, texts ...string) selector.List {
	t.Helper()
	var l selector.List
	for _, s := range texts {
		sel, err := selector.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, sel)
	}
	return l
}

// inBubble runs the test with both gateways running, in virtual time; twice,
// with each kind of device.
func inBubble(t *testing.T, cfg pairConfig, f func(t *testing.T, p *pair)) {
	t.Helper()
	onBoth(t, func(t *testing.T, super bool) {
		cfg.super = super
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, cfg).run(t)
			f(t, p)
		})
	})
}

func wantPacket(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("arrived:\n% x\nwant:\n% x", got, want)
	}
}

func TestPingBothWays(t *testing.T) {
	suites := map[string]func(*esp.Parameters){
		"AES-GCM": nil,
		"AES-CBC with SHA-256": func(p *esp.Parameters) {
			p.Cipher, p.Integrity, p.ESN = esp.AESCBC, esp.HMACSHA256_128, false
			p.EncryptionKey, p.IntegrityKey = p.EncryptionKey[:32], bytes.Repeat([]byte{9}, 32)
		},
	}
	for name, suite := range suites {
		for _, v6 := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, pairConfig{v6: v6, noChild: true}, func(t *testing.T, p *pair) {
					p.child(t, selector.Any(), selector.Any(), suite)
					for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
						request := pingPacket(t, ends[0], ends[1], []byte("abcdefgh"))
						p.a.device.Inject(request)
						wantPacket(t, p.b.next(t), request)
						reply := pingPacket(t, ends[1], ends[0], []byte("abcdefgh"))
						p.b.device.Inject(reply)
						wantPacket(t, p.a.next(t), reply)
					}
				})
			})
		}
	}
}

// TestPeersOfOneConnection: what is heard on one Child SA says nothing of another, whose
// peer may be another, and one that moves leaves the other where it is.
func TestPeersOfOneConnection(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		one, _ := p.child(t, selector.Any(), selector.Any(), nil)
		two, _ := p.child(t, selector.Any(), selector.Any(), nil)
		p.b.device.Inject(udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{})) // on the newest
		p.a.next(t)
		if !p.a.LastInbound(one).IsZero() || p.a.LastInbound(two).IsZero() {
			t.Errorf("last heard at %v and %v, want never and now", p.a.LastInbound(one), p.a.LastInbound(two))
		}
		elsewhere := netip.MustParseAddrPort("198.51.100.9:1024")
		p.a.MoveChildren([]uint32{two}, p.a.outer, elsewhere)
		if in := p.a.sad.lookup(one); in.remote == elsewhere {
			t.Error("a Child SA moved with another")
		}
		if p.a.LastInbound(two).IsZero() {
			t.Error("a move makes forget that the peer lives")
		}
		for _, out := range p.a.forwarding.Load().connections["peer"].outbound.Load().children {
			if moved := out.remote == elsewhere; moved != (out.spiIn == two) {
				t.Errorf("%08x is sent to %v", out.spiIn, out.remote)
			}
		}
	})
}

func TestCounters(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		spiA, _ := p.child(t, selector.Any(), selector.Any(), nil)
		if !p.a.LastInbound(spiA).IsZero() {
			t.Error("alive before any packet")
		}
		one := udpPacket(t, "10.1.0.1", "10.2.0.1", 100, ipOptions{})
		p.a.device.Inject(one, one, one)
		p.b.device.Inject(udpPacket(t, "10.2.0.1", "10.1.0.1", 10, ipOptions{}))
		synctest.Wait()
		want := Counters{PacketsOut: 3, BytesOut: 3 * 128, PacketsIn: 1, BytesIn: 38}
		got, _ := p.a.ConnectionCounters("peer")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		child, ok := p.a.ChildCounters(spiA)
		if diff := cmp.Diff(ChildCounters{PacketsOut: 3, BytesOut: 3 * 128, PacketsIn: 1, BytesIn: 38}, child); diff != "" || !ok {
			t.Error(diff, ok)
		}
		if got := p.a.LastInbound(spiA); !got.Equal(time.Now()) && time.Since(got) > time.Millisecond {
			t.Errorf("last inbound at %v, now %v", got, time.Now())
		}
		p.a.RemoveConnection("peer")
		if diff := cmp.Diff(want, p.a.TotalCounters()); diff != "" {
			t.Error("after removal: ", diff)
		}
		if _, ok := p.a.ConnectionCounters("peer"); ok {
			t.Error("a removed connection is still there")
		}
	})
}

// TestRuns checks what becomes one UDP_SEGMENT message: equal sizes, a shorter
// one at the end, one TOS.
func TestRuns(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		size := func(n int, tos uint8) []byte {
			return udpPacket(t, "10.1.0.1", "10.2.0.1", n, ipOptions{tos: tos})
		}
		batch := [][]byte{size(1000, 0), size(1000, 0), size(999, 0), size(500, 0), size(1000, 0), size(1000, 0xb8), size(1200, 0xb8)}
		for range 70 {
			batch = append(batch, size(20, 0))
		}
		p.a.device.Inject(batch...)
		synctest.Wait()
		var got [][3]int
		for _, r := range p.a.wire.runs {
			got = append(got, [3]int{r.Segments, r.Size, int(r.TOS)})
		}
		want := [][3]int{{4, 1064, 0}, {1, 1064, 0}, {1, 1064, 0xb8}, {1, 1264, 0xb8}, {70, 84, 0}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, b := range batch {
			wantPacket(t, p.b.next(t), b)
		}
	})
}

func TestNoRoute(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		for _, dst := range []string{"10.9.0.1", "fd09::1"} {
			src := "10.1.0.1"
			if netip.MustParseAddr(dst).Is6() {
				src = "fd01::1"
			}
			lost := udpPacket(t, src, dst, 1300, ipOptions{})
			p.a.device.Inject(lost)
			wantICMP(t, p.a.next(t), lost, dst, icmpWant{v4: [2]uint8{3, 13}, v6: [2]uint8{1, 1}})
		}
		p.a.dropped(t, DropNoRoute, 2)
		p.b.nothing(t)
	})
}

func TestNoSA(t *testing.T) {
	var asked []string
	cfg := pairConfig{noChild: true, a: func(c *Config) {
		c.OnTrafficNeeded = func(connection string, f selector.Flow) {
			asked = append(asked, connection+" "+f.Dst.String())
		}
	}}
	inBubble(t, cfg, func(t *testing.T, p *pair) {
		asked = nil
		p.a.SetAddresses(netip.MustParseAddr("169.254.1.1"), netip.Addr{})
		lost := udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{})
		p.a.device.Inject(lost)
		wantICMP(t, p.a.next(t), lost, "169.254.1.1", icmpWant{v4: [2]uint8{3, 1}})
		p.a.device.Inject(lost, lost)
		p.a.next(t)
		p.a.next(t)
		time.Sleep(askInterval)
		p.a.device.Inject(lost)
		p.a.next(t)
		p.a.dropped(t, DropNoSA, 4)
		if diff := cmp.Diff([]string{"peer 10.2.0.1", "peer 10.2.0.1"}, asked); diff != "" {
			t.Error("OnTrafficNeeded once a second: ", diff)
		}
		// A Child SA whose selectors do not include the flow: prohibited.
		p.child(t, list(t, "10.1.0.0/16"), list(t, "10.2.5.0/24"), nil)
		p.a.device.Inject(lost)
		wantICMP(t, p.a.next(t), lost, "169.254.1.1", icmpWant{v4: [2]uint8{3, 13}})
	})
}

type icmpWant struct {
	v4, v6 [2]uint8
	mtu    int
}

// wantICMP checks an ICMP error about lost, from the address, with checksums
// as gopacket computes them.
func wantICMP(t *testing.T, got, lost []byte, from string, want icmpWant) {
	t.Helper()
	wantPacket(t, got, reserialized(t, got))
	var kind [2]uint8
	var mtu int
	var quoted []byte
	var src netip.Addr
	if got[0]>>4 == 4 {
		kind, mtu, quoted = [2]uint8{got[20], got[21]}, int(got[26])<<8|int(got[27]), got[28:]
		src = netip.AddrFrom4([4]byte(got[12:16]))
	} else {
		kind, mtu, quoted = [2]uint8{got[40], got[41]}, int(got[46])<<8|int(got[47]), got[48:]
		src = netip.AddrFrom16([16]byte(got[8:24]))
		want.v4 = want.v6
	}
	limit := map[bool]int{true: 576, false: 1280}[got[0]>>4 == 4]
	if kind != want.v4 || mtu != want.mtu || src.String() != from || len(got) > limit {
		t.Errorf("ICMP type/code %v mtu %d from %v, %d bytes; want %v %d %s", kind, mtu, src, len(got), want.v4, want.mtu, from)
	}
	if !bytes.HasPrefix(lost, quoted) || len(quoted) < min(len(lost), 500) {
		t.Errorf("%d bytes quoted of a packet of %d", len(quoted), len(lost))
	}
}

func TestNoICMPAbout(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		icmpErr := udpPacket(t, "10.1.0.1", "10.9.0.1", 50, ipOptions{})
		icmpErr[9], icmpErr[20] = protoICMP, 3
		redirect := udpPacket(t, "fd01::1", "fd09::1", 50, ipOptions{})
		redirect[6], redirect[40] = protoICMPv6, 137
		unreachable6 := udpPacket(t, "fd01::1", "fd09::1", 50, ipOptions{})
		unreachable6[6], unreachable6[40] = protoICMPv6, 1
		later := udpPacket(t, "10.1.0.1", "10.9.0.1", 50, ipOptions{})
		later[7] = 9
		batch := [][]byte{
			icmpErr, redirect, unreachable6, later,
			udpPacket(t, "10.1.0.1", "224.0.0.5", 50, ipOptions{}),
			udpPacket(t, "10.1.0.1", "255.255.255.255", 50, ipOptions{}),
			udpPacket(t, "fd01::1", "ff02::1", 50, ipOptions{}),
			udpPacket(t, "0.0.0.0", "10.9.0.1", 50, ipOptions{}),
			udpPacket(t, "224.1.1.1", "10.9.0.1", 50, ipOptions{}),
		}
		p.a.device.Inject(batch...)
		p.a.nothing(t)
		p.a.dropped(t, DropNoRoute, uint64(len(batch)))
	})
}

func TestICMPRateLimit(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		count := func() (n int) {
			synctest.Wait()
			for {
				select {
				case <-p.a.device.Written():
					n++
				default:
					return n
				}
			}
		}
		lost := udpPacket(t, "10.1.0.1", "10.9.0.1", 50, ipOptions{})
		p.a.device.Inject(slices.Repeat([][]byte{lost}, 100)...)
		if n := count(); n != icmpSourceBurst {
			t.Errorf("%d errors for 100 packets at once, want %d", n, icmpSourceBurst)
		}
		time.Sleep(time.Second / 2)
		p.a.device.Inject(slices.Repeat([][]byte{lost}, 100)...)
		if n := count(); n != icmpSourcePerSecond/2 {
			t.Errorf("%d errors half a second later, want %d", n, icmpSourcePerSecond/2)
		}
	})
}

func TestTooBig(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		fits := udpPacket(t, "10.1.0.1", "10.2.0.1", 1438-28, ipOptions{df: true})
		p.a.device.Inject(fits)
		wantPacket(t, p.b.next(t), fits)
		if r := p.a.wire.runs[0]; r.Size != 1472 {
			t.Errorf("an inner packet of the MTU makes UDP payloads of %d, want 1472", r.Size)
		}
		for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
			large := udpPacket(t, ends[0], ends[1], 1439-28, ipOptions{df: true})
			p.a.device.Inject(large)
			wantICMP(t, p.a.next(t), large, ends[1], icmpWant{v4: [2]uint8{3, 4}, v6: [2]uint8{2, 0}, mtu: 1438})
		}
		p.a.dropped(t, DropTooBig, 2)
		p.b.nothing(t)
	})
}

func TestFragmentBeforeEncryption(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		large := udpPacket(t, "10.1.0.1", "10.2.0.1", 4000, ipOptions{id: 5})
		p.a.device.Inject(large, large)
		for range 2 {
			var whole []byte
			for range 3 {
				piece := p.b.next(t)
				if len(piece) > 1438 {
					t.Errorf("fragment of %d bytes", len(piece))
				}
				whole = append(whole, piece[20:]...)
			}
			if !bytes.Equal(whole, large[20:]) {
				t.Error("the fragments do not make the packet")
			}
		}
		p.b.nothing(t)
	})
}

func TestPathMTU(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		large := udpPacket(t, "10.1.0.1", "10.2.0.1", 1438-28, ipOptions{df: true})
		p.a.wire.mu.Lock()
		p.a.wire.limit, p.a.wire.known = 1400, 1400
		p.a.wire.mu.Unlock()
		p.a.device.Inject(large)
		p.a.dropped(t, DropTooBig, 1)
		p.a.device.Inject(large)
		wantICMP(t, p.a.next(t), large, "10.2.0.1", icmpWant{v4: [2]uint8{3, 4}, mtu: 1338})
		fits := udpPacket(t, "10.1.0.1", "10.2.0.1", 1338-28, ipOptions{df: true})
		p.a.device.Inject(fits)
		wantPacket(t, p.b.next(t), fits)

		p.a.wire.mu.Lock()
		p.a.wire.limit = 0
		p.a.wire.mu.Unlock()
		time.Sleep(pathMTULifetime + time.Second)
		p.a.device.Inject(large)
		wantPacket(t, p.b.next(t), large)
	})
}

func TestPathMTUFloorsAndPlateaus(t *testing.T) {
	var path pathMTU
	path.lower(1, 1500, 0)
	if got := path.load(1); got != 1492 {
		t.Errorf("below 1500: %d", got)
	}
	path.lower(1, 1500, 1499)
	if got := path.load(1); got != 1492 {
		t.Errorf("a larger MTU replaced a smaller: %d", got)
	}
	out, err := esp.NewOutbound(parameters(0x12345678, nil))
	if err != nil {
		t.Fatal(err)
	}
	path.lower(1, 400, 0)
	sa := &outboundSA{conn: &connection{}, out: out, remote: netip.MustParseAddrPort("192.0.2.1:1"), mtu: 1438}
	sa.conn.path.lower(1, 600, 300)
	fits := sa.fits(1)
	if v4, v6 := innerMTU(fits, 4), innerMTU(fits, 6); fits >= 300 || v4 != minMTU4 || v6 != minMTU6 {
		t.Errorf("%d, with the floors %d and %d", fits, v4, v6)
	}
}

func TestInnerMTU(t *testing.T) {
	tests := []struct {
		v6        bool
		cipher    esp.Cipher
		integrity esp.Integrity
		want      int
	}{
		{false, esp.AESGCM16, esp.IntegrityNone, 1438},
		{true, esp.AESGCM16, esp.IntegrityNone, 1418},
		{false, esp.AESCBC, esp.HMACSHA256_128, 1422},
		{false, esp.AESCBC, esp.HMACSHA1_96, 1422},
		{false, esp.AESCBC, esp.HMACSHA512_256, 1406},
		{false, esp.AESGCM12, esp.IntegrityNone, 1442},
		{false, esp.AESGCM8, esp.IntegrityNone, 1446},
		{true, esp.AESCCM8, esp.IntegrityNone, 1426},
		{false, esp.AESCCM16, esp.IntegrityNone, 1438},
		{false, esp.ChaCha20Poly1305, esp.IntegrityNone, 1438},
		{false, esp.AESGMAC, esp.IntegrityNone, 1438},
		{false, esp.Null, esp.HMACSHA256_128, 1446},
		{false, esp.Null, esp.HMACSHA1_96, 1450},
	}
	for _, tt := range tests {
		got, err := InnerMTU(1500, tt.v6, tt.cipher, tt.integrity)
		if err != nil || got != tt.want {
			t.Errorf("%v %v %v: %d, %v, want %d", tt.v6, tt.cipher, tt.integrity, got, err, tt.want)
		}
	}
	if _, err := InnerMTU(1500, false, 99, 0); err == nil {
		t.Error("an unknown cipher has an MTU")
	}
}

func TestMSSClampedBothWays(t *testing.T) {
	inBubble(t, pairConfig{a: func(c *Config) { c.InnerMTU = 1300 }}, func(t *testing.T, p *pair) {
		mss := func(b []byte) uint16 {
			tcp := gopacket.NewPacket(reserialized(t, b), layers.LayerTypeIPv4, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
			return uint16(tcp.Options[0].OptionData[0])<<8 | uint16(tcp.Options[0].OptionData[1])
		}
		syn := layers.TCP{SYN: true, Options: []layers.TCPOption{mssIs(1460)}}
		p.a.device.Inject(tcpPacket(t, "10.1.0.1", "10.2.0.1", syn, nil, ipOptions{}))
		if got := mss(p.b.next(t)); got != 1260 {
			t.Errorf("sent by a: MSS %d, want 1260", got)
		}
		p.b.device.Inject(tcpPacket(t, "10.2.0.1", "10.1.0.1", syn, nil, ipOptions{}))
		if got := mss(p.a.next(t)); got != 1260 {
			t.Errorf("received by a: MSS %d, want 1260", got)
		}
	})
}

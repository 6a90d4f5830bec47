package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
	"causeway/tunnel/udp"
)

// recorder is a tun.Writer that keeps what is written, superpackets as their
// segments, and refuses superpackets if told to.
type recorder struct {
	t       testing.TB
	refuse  error
	offered []tun.Offload
	sizes   []int // packets of each write
	packets [][]byte
}

func (r *recorder) Write(o tun.Offload, pieces [][]byte) error {
	if o.Kind != tun.Single && r.refuse != nil {
		return r.refuse
	}
	packets, err := tuntest.Segments(o, slices.Concat(pieces...))
	if err != nil {
		r.t.Errorf("%+v: %v", o, err)
		return err
	}
	r.offered = append(r.offered, o)
	r.sizes = append(r.sizes, len(packets))
	r.packets = append(r.packets, packets...)
	return nil
}

// coalesced pushes packets, as opened, through a superQueue.
func coalesced(t testing.TB, r *recorder, offloads tun.Offloads, packets ...[]byte) *superQueue {
	t.Helper()
	q := newSuperQueue(newStage(t, nil).Tunnel, r, offloads)
	for _, b := range packets {
		var p packet
		e := opened(bytes.Clone(b))
		if err := p.parse(e.Payload); err != nil {
			t.Fatal(err)
		}
		q.push(e, &p)
	}
	if err := q.flush(); err != nil {
		t.Fatal(err)
	}
	return q
}

var everyOffload = tun.Offloads{TSO: true, USO: true}

// stream is what makes TCP packets of one flow that follow each other.
type stream struct {
	t      testing.TB
	v6     bool
	port   layers.TCPPort
	next   uint32
	id     uint16
	header layers.TCP
	ip     ipOptions
}

func (s *stream) packet(size int, change ...func(*layers.TCP, *ipOptions)) []byte {
	tcp, ip := s.header, s.ip
	tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.ACK = s.port+1, 80, s.next, true
	ip.id = s.id
	for _, f := range change {
		f(&tcp, &ip)
	}
	s.next += uint32(size)
	s.id++
	if s.v6 {
		return tcpPacket(s.t, "fd01::1", "fd02::1", tcp, noise(size), ip)
	}
	return tcpPacket(s.t, "10.1.0.1", "10.2.0.1", tcp, noise(size), ip)
}

// TestWhatJoins says for each second packet whether it may join the first.
func TestWhatJoins(t *testing.T) {
	tcp := func(f func(*layers.TCP)) func(*layers.TCP, *ipOptions) {
		return func(tcp *layers.TCP, _ *ipOptions) { f(tcp) }
	}
	ip := func(f func(*ipOptions)) func(*layers.TCP, *ipOptions) {
		return func(_ *layers.TCP, o *ipOptions) { f(o) }
	}
	stamp := layers.TCPOption{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}
	tests := []struct {
		name   string
		size   int
		change func(*layers.TCP, *ipOptions)
		joins  bool
	}{
		{"the next", 1000, nil, true},
		{"a shorter one", 10, nil, true},
		{"a longer one", 1001, nil, false},
		{"an empty one", 0, nil, false},
		{"PSH", 1000, tcp(func(h *layers.TCP) { h.PSH = true }), true},
		{"FIN", 1000, tcp(func(h *layers.TCP) { h.FIN = true }), false},
		{"SYN", 1000, tcp(func(h *layers.TCP) { h.SYN = true }), false},
		{"RST", 1000, tcp(func(h *layers.TCP) { h.RST = true }), false},
		{"URG", 1000, tcp(func(h *layers.TCP) { h.URG = true }), false},
		{"CWR", 1000, tcp(func(h *layers.TCP) { h.CWR = true }), false},
		{"ECE", 1000, tcp(func(h *layers.TCP) { h.ECE = true }), false},
		{"no ACK", 1000, tcp(func(h *layers.TCP) { h.ACK = false }), false},
		{"another acknowledgement", 1000, tcp(func(h *layers.TCP) { h.Ack++ }), false},
		{"another window", 1000, tcp(func(h *layers.TCP) { h.Window++ }), false},
		{"a gap", 1000, tcp(func(h *layers.TCP) { h.Seq++ }), false},
		{"sent again", 1000, tcp(func(h *layers.TCP) { h.Seq -= 1000 }), false},
		{"options", 1000, tcp(func(h *layers.TCP) { h.Options = []layers.TCPOption{stamp} }), false},
		{"another port", 1000, tcp(func(h *layers.TCP) { h.SrcPort++ }), false},
		{"another DSCP", 1000, ip(func(o *ipOptions) { o.tos = 0x20 }), false},
		{"a congestion mark", 1000, ip(func(o *ipOptions) { o.tos = 3 }), false},
	}
	only4 := tests[:len(tests):len(tests)]
	only4 = append(only4, []struct {
		name   string
		size   int
		change func(*layers.TCP, *ipOptions)
		joins  bool
	}{
		{"another ID", 1000, ip(func(o *ipOptions) { o.id += 5 }), false},
		{"DF", 1000, ip(func(o *ipOptions) { o.df = true }), false},
		{"IP options", 1000, ip(func(o *ipOptions) {
			o.option = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
		}), false},
	}...)
	for version, all := range map[string]any{"IPv4": only4, "IPv6": tests} {
		for _, tt := range all.([]struct {
			name   string
			size   int
			change func(*layers.TCP, *ipOptions)
			joins  bool
		}) {
			t.Run(version+" "+tt.name, func(t *testing.T) {
				s := &stream{t: t, v6: version == "IPv6", next: 0xffffff00}
				want := [][]byte{s.packet(1000)}
				if tt.change == nil {
					tt.change = func(*layers.TCP, *ipOptions) {}
				}
				want = append(want, s.packet(tt.size, tt.change))
				r := &recorder{t: t}
				coalesced(t, r, everyOffload, want...)
				if diff := cmp.Diff(want, r.packets); diff != "" {
					t.Error(diff)
				}
				if joined := len(r.sizes) == 1; joined != tt.joins {
					t.Errorf("writes of %v packets", r.sizes)
				}
			})
		}
	}
}

// TestTrains: what ends a train, that the newest one only takes packets, and
// that flows do not end each other's.
func TestTrains(t *testing.T) {
	push := func(h *layers.TCP, _ *ipOptions) { h.PSH = true }
	a, b := &stream{t: t, port: 1000}, &stream{t: t, port: 2000, v6: true}
	r := &recorder{t: t}
	coalesced(t, r, everyOffload,
		a.packet(1000), b.packet(900), a.packet(1000), b.packet(900), a.packet(500), // shorter: the last
		a.packet(1000), a.packet(1000, push), // PSH: the last
		a.packet(1000, push),                                 // alone
		a.packet(1000), a.packet(0), a.packet(1000, nothing), // not past the empty one
		b.packet(900))
	if diff := cmp.Diff([]int{3, 3, 2, 1, 1, 1, 1}, r.sizes); diff != "" {
		t.Error(diff)
	}
}

func nothing(*layers.TCP, *ipOptions) {}

func TestUDPJoins(t *testing.T) {
	packet := func(size int, id uint16) []byte { return udpPacket(t, "10.1.0.1", "10.2.0.1", size, ipOptions{id: id}) }
	noSum := packet(100, 4)
	noSum[26], noSum[27] = 0, 0
	padded := packet(100, 5)
	padded[25]-- // the UDP header speaks of less
	var many [][]byte
	for i := range 70 {
		many = append(many, udpPacket(t, "fd01::1", "fd02::1", 20, ipOptions{id: uint16(i)}))
	}
	for name, tt := range map[string]struct {
		packets  [][]byte
		offloads tun.Offloads
		want     []int
	}{
		"equal sizes and a shorter": {[][]byte{packet(100, 1), packet(100, 2), packet(99, 3), packet(99, 4)}, everyOffload, []int{3, 1}},
		"no checksum":               {[][]byte{packet(100, 3), noSum, packet(100, 5)}, everyOffload, []int{1, 1, 1}},
		"another length":            {[][]byte{packet(100, 4), padded}, everyOffload, []int{1, 1}},
		"64 at most":                {many, everyOffload, []int{64, 6}},
		"without USO":               {many[:3], tun.Offloads{TSO: true}, []int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{t: t}
			coalesced(t, r, tt.offloads, tt.packets...)
			if diff := cmp.Diff(tt.packets, r.packets); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.want, r.sizes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSuperpacketIsNotTooLong(t *testing.T) {
	s := &stream{t: t}
	var packets [][]byte
	for range 60 {
		packets = append(packets, s.packet(1398))
	}
	r := &recorder{t: t}
	coalesced(t, r, everyOffload, packets...)
	if diff := cmp.Diff([]int{46, 14}, r.sizes); diff != "" {
		t.Error(diff)
	}
}

// TestRefusedSuperpacket: its packets are written one by one, as they came.
func TestRefusedSuperpacket(t *testing.T) {
	s := &stream{t: t}
	push := func(h *layers.TCP, _ *ipOptions) { h.PSH = true }
	packets := [][]byte{s.packet(700), s.packet(700), s.packet(700, push)}
	r := &recorder{t: t, refuse: os.ErrInvalid}
	coalesced(t, r, everyOffload, packets...)
	if diff := cmp.Diff(packets, r.packets); diff != "" {
		t.Error(diff)
	}
	r = &recorder{t: t, refuse: os.ErrClosed}
	q := newSuperQueue(newStage(t, nil).Tunnel, r, everyOffload)
	for _, b := range packets {
		var p packet
		e := opened(b)
		if err := p.parse(e.Payload); err != nil {
			t.Fatal(err)
		}
		q.push(e, &p)
	}
	if err := q.flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("flush says %v", err)
	}
}

// damaged flips one bit of the packet, not where it says what it is.
func damaged(source *rand.Rand, b []byte) []byte {
	out := bytes.Clone(b)
	for {
		at := source.IntN(len(b) * 8)
		if byteAt := at / 8; byteAt < 20 && byteAt != 8 && byteAt != 10 && byteAt != 11 {
			continue
		}
		out[at/8] ^= 1 << (at % 8)
		return out
	}
}

// TestChecksumsAreNotLaundered: a bit flips in every tenth inner packet before
// it is sealed. The receiver gets the damaged packets as they are, never with a
// checksum that was made right.
func TestChecksumsAreNotLaundered(t *testing.T) {
	source := rand.New(rand.NewPCG(7, 8))
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		for _, v6 := range []bool{false, true} {
			s := &stream{t: t, v6: v6, ip: ipOptions{df: true}}
			for range 60 {
				var batch, whole [][]byte
				for range 40 {
					b := s.packet(1000)
					whole = append(whole, b)
					if source.IntN(10) == 0 && !v6 {
						b = damaged(source, b)
					} else if v6 && source.IntN(10) == 0 {
						b = bytes.Clone(b)
						b[40+20+source.IntN(1000)] ^= 4
					}
					batch = append(batch, b)
				}
				p.a.device.Inject(batch...)
				for i := range batch {
					got := p.b.next(t)
					if !bytes.Equal(got, batch[i]) {
						t.Fatalf("packet %d was changed on the way (damaged before: %v)", i, !bytes.Equal(batch[i], whole[i]))
					}
				}
			}
		}
		p.b.nothing(t)
		if n := p.b.device.(*tuntest.Super).Merged(); n < 1000 {
			t.Errorf("only %d packets came in superpackets: this proves nothing", n)
		}
	})
}

// TestOuterDamage flips bits of ESP packets inside trains: the packet is lost,
// its neighbours arrive.
func TestOuterDamage(t *testing.T) {
	source := rand.New(rand.NewPCG(17, 8))
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{super: true}).run(t)
		lost := map[int]bool{}
		p.a.wire.onSend(func(m udp.Message) []udp.Message {
			clear(lost)
			for i := range m.Segments() {
				if source.IntN(20) == 0 {
					m.Segment(i)[8+source.IntN(1000)] ^= 1
					lost[i] = true
				}
			}
			return []udp.Message{m}
		})
		s := &stream{t: t, ip: ipOptions{df: true}}
		total := 0
		for range 100 {
			var batch [][]byte
			for range 40 {
				batch = append(batch, s.packet(1000))
			}
			p.a.device.Inject(batch...)
			synctest.Wait()
			for i, b := range batch {
				if lost[i] {
					total++
					continue
				}
				wantPacket(t, p.b.next(t), b)
			}
			p.b.nothing(t)
		}
		p.b.dropped(t, DropAuthentication, uint64(total))
	})
}

// shuffled is packets of many flows, some of which nothing may join.
func shuffled(t testing.TB, source *rand.Rand, n int) [][]byte {
	flows := make([]*stream, 6)
	for i := range flows {
		flows[i] = &stream{t: t, v6: i%2 == 0, port: layers.TCPPort(1000 * i), ip: ipOptions{df: i%3 == 0}}
	}
	var out [][]byte
	for len(out) < n {
		s := flows[source.IntN(len(flows))]
		for range 1 + source.IntN(4) {
			switch source.IntN(12) {
			case 0:
				out = append(out, s.packet(0))
			case 1:
				out = append(out, s.packet(100, func(h *layers.TCP, _ *ipOptions) { h.PSH = true }))
			case 2:
				out = append(out, s.packet(source.IntN(300)))
			case 3:
				out = append(out, damaged(source, s.packet(200)))
			case 4:
				out = append(out, udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{id: uint16(len(out))}))
			case 5:
				out = append(out, mixed(t, 3)...)
			default:
				out = append(out, s.packet(200))
			}
		}
	}
	return out
}

// TestOrderWithinFlows: whatever is merged, each flow has the packets that it
// had, in their order.
func TestOrderWithinFlows(t *testing.T) {
	byFlow := func(packets [][]byte) map[flowKey][]string {
		out := map[flowKey][]string{}
		for _, b := range packets {
			var p packet
			if err := p.parse(b); err != nil {
				continue // damaged: it has no flow to be in order with
			}
			out[p.key] = append(out[p.key], string(b))
		}
		return out
	}
	for seed := range uint64(40) {
		packets := slices.DeleteFunc(shuffled(t, rand.New(rand.NewPCG(seed, 1)), 400), func(b []byte) bool {
			var p packet
			return p.parse(b) != nil
		})
		r := &recorder{t: t}
		coalesced(t, r, everyOffload, packets...)
		if diff := cmp.Diff(byFlow(packets), byFlow(r.packets)); diff != "" {
			t.Fatal(diff)
		}
		if len(r.sizes) == len(packets) {
			t.Error("nothing was merged")
		}
	}
}

// TestMoreThanOneFlushHolds overflows the table of trains and that of packets.
func TestMoreThanOneFlushHolds(t *testing.T) {
	s := &stream{t: t}
	var packets [][]byte
	for range maxQueued + 100 {
		packets = append(packets, s.packet(10))
	}
	for i := range 3 * maxTrains {
		packets = append(packets, udpPacket(t, fmt.Sprintf("10.1.%d.%d", i/200, i%200), "10.2.0.1", 20, ipOptions{}))
	}
	r := &recorder{t: t}
	coalesced(t, r, everyOffload, packets...)
	if diff := cmp.Diff(packets, r.packets); diff != "" {
		t.Error(diff)
	}
}

// FuzzCoalesce writes arbitrary packets behind and before a good train: what
// comes out is what went in.
func FuzzCoalesce(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, uint8(2))
	}
	s := &stream{t: f, ip: ipOptions{df: true}}
	good := [][]byte{s.packet(100), s.packet(100), s.packet(100), s.packet(100)}
	for _, b := range good {
		f.Add(b, uint8(1))
	}
	tunnel := newStage(f, nil).Tunnel
	f.Fuzz(func(t *testing.T, b []byte, at uint8) {
		var p packet
		if len(b) > tun.MaxPacket || p.parse(b) != nil {
			return
		}
		packets := slices.Insert(slices.Clone(good), int(at)%5, b[:p.length])
		r := &recorder{t: t}
		q := newSuperQueue(tunnel, r, everyOffload)
		for _, b := range packets {
			e := &esp.Packet{Payload: bytes.Clone(b)}
			if err := p.parse(e.Payload); err != nil {
				t.Fatal(err)
			}
			q.push(e, &p)
		}
		if err := q.flush(); err != nil {
			t.Fatal(err)
		}
		sortPackets := func(all [][]byte) [][]byte {
			out := slices.Clone(all)
			for i := range out {
				out[i] = bytes.Clone(out[i])
				if out[i][0]>>4 == 4 && out[i][6]&0x40 != 0 {
					clear(out[i][4:6]) // the ID of what is never fragmented means nothing
					clear(out[i][10:12])
				}
			}
			slices.SortFunc(out, bytes.Compare)
			return out
		}
		if diff := cmp.Diff(sortPackets(packets), sortPackets(r.packets)); diff != "" {
			t.Fatal(diff)
		}
	})
}

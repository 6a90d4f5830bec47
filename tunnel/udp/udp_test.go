package udp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var (
	v4 = netip.MustParseAddr("127.0.0.1")
	v6 = netip.MustParseAddr("::1")
)

// listen opens Conns on two free ports.
func listen(t testing.TB, cfg Config) *Conns {
	t.Helper()
	var err error
	for range 50 {
		cfg.IKEPort = uint16(20000 + 2*rand.IntN(20000))
		cfg.NATPort = cfg.IKEPort + 1
		var c *Conns
		if c, err = Listen(cfg); err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
	}
	t.Fatal(err)
	return nil
}

// receiver is the Receiver of the socket on addr (or the wildcard of its
// family), on the NAT port or not. It never blocks a test for ever.
func receiver(t testing.TB, c *Conns, addr netip.Addr, nat bool) *Receiver {
	t.Helper()
	for _, r := range c.Receivers() {
		l := r.Local().Addr()
		if r.Encapsulated() == nat && l.Is4() == addr.Is4() && (l == addr || l.IsUnspecified()) {
			if err := r.SetTimeout(30 * time.Second); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("no socket for %v", addr)
	return nil
}

func (c *Conns) ports() (ike, nat uint16) {
	return c.sockets[0].local.Port(), c.sockets[1].local.Port()
}

// slab makes n bytes whose every byte says where it is.
func slab(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

// collect receives until it has n datagrams, and returns them and the messages
// they came in.
func collect(t testing.TB, r *Receiver, n int) (datagrams [][]byte, messages []Message) {
	t.Helper()
	b := NewBatch(4)
	for len(datagrams) < n {
		got, err := r.Receive(b)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(datagrams), n, err)
		}
		for i := range b.Messages[:got] {
			m := &b.Messages[i]
			for j := range m.Segments() {
				datagrams = append(datagrams, bytes.Clone(m.Segment(j)))
			}
			messages = append(messages, *m)
		}
	}
	return datagrams, messages
}

// sameDatagrams compares without cmp, which takes seconds for trains.
func sameDatagrams(t testing.TB, want, got [][]byte) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d datagrams, want %d", len(got), len(want))
		return
	}
	for i := range want {
		if !bytes.Equal(want[i], got[i]) {
			t.Errorf("datagram %d: %d bytes that differ from the %d sent", i, len(got[i]), len(want[i]))
		}
	}
}

func split(b []byte, size int) (parts [][]byte) {
	for len(b) > 0 {
		n := min(size, len(b))
		parts = append(parts, b[:n])
		b = b[n:]
	}
	return parts
}

func TestTrains(t *testing.T) {
	tests := []struct {
		name          string
		addr          netip.Addr
		cfg           Config
		size, segment int
		messages      int // at least one train of this many messages; 0: do not care
	}{
		{"44 full segments", v4, Config{}, 44 * 1472, 1472, 1},
		{"short tail", v4, Config{}, 10*1000 + 7, 1000, 1},
		{"one datagram", v4, Config{}, 1400, 0, 1},
		{"segment longer than payload", v4, Config{}, 100, 1400, 1},
		{"more than one message takes", v4, Config{}, 150 * 1000, 1000, 0},
		{"IPv6", v6, Config{}, 44 * 1452, 1452, 1},
		{"IPv6 wildcard", v6, Config{}, 5*1200 + 1, 1200, 1},
		{"no GSO", v4, Config{NoGSO: true}, 44 * 1472, 1472, 44},
		{"no GSO, no GRO", v4, Config{NoGSO: true, NoGRO: true}, 20*100 + 3, 100, 21},
		{"no GRO", v4, Config{NoGRO: true}, 44 * 1472, 1472, 44},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.name, "wildcard") {
				tt.cfg.Addresses = []netip.Addr{tt.addr}
			}
			a, b := listen(t, tt.cfg), listen(t, tt.cfg)
			_, from := a.ports()
			_, to := b.ports()
			run := Run{
				Payload:     slab(tt.size),
				SegmentSize: tt.segment,
				Local:       netip.AddrPortFrom(tt.addr, from),
				Remote:      netip.AddrPortFrom(tt.addr, to),
				TOS:         0xb8 | 2, // EF, ECT(0)
			}
			runs := []Run{run}
			if err := a.NewSender(0).Send(runs); err != nil || runs[0].Result != Sent {
				t.Fatal(err, runs[0].Result)
			}
			size := tt.segment
			if size == 0 {
				size = tt.size
			}
			want := split(run.Payload, size)
			got, messages := collect(t, receiver(t, b, tt.addr, true), len(want))
			sameDatagrams(t, want, got)
			if tt.messages != 0 && len(messages) != tt.messages {
				t.Errorf("came in %d messages, want %d", len(messages), tt.messages)
			}
			for _, m := range messages {
				if m.Local != run.Remote || m.Remote != run.Local || m.TOS != run.TOS || !m.Encapsulated {
					t.Errorf("from %v to %v, TOS %d, encapsulated %v", m.Remote, m.Local, m.TOS, m.Encapsulated)
				}
			}
			s := a.Stats()
			if s.Sent != uint64(len(want)) || s.SentBytes != uint64(tt.size) {
				t.Errorf("counted %d datagrams, %d bytes", s.Sent, s.SentBytes)
			}
		})
	}
}

// The kernel merges by addresses and ports only: trains of several senders'
// sizes come apart exactly, whatever was merged.
func TestMixedSizes(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	_, nat := c.ports()
	self := netip.AddrPortFrom(v4, nat)
	var runs []Run
	var want [][]byte
	all := slab(400000)
	for i, size := range []int{1472, 1472, 64, 1, 1200, 700, 1472, 9000} {
		n := size*(i+1) + size/2
		runs = append(runs, Run{Payload: all[:n], SegmentSize: size, Local: self, Remote: self})
		want = append(want, split(all[:n], size)...)
		all = all[n:]
	}
	if err := c.NewSender(0).Send(runs); err != nil {
		t.Fatal(err)
	}
	got, _ := collect(t, receiver(t, c, v4, true), len(want))
	sameDatagrams(t, want, got)
}

// On wildcard sockets the local address of each datagram is known, and what is
// sent leaves from the address asked for.
func TestLocalAddressOnWildcard(t *testing.T) {
	c := listen(t, Config{})
	ike, nat := c.ports()
	for _, tt := range []struct {
		source, target string
		port           uint16
	}{
		{"127.0.0.2", "127.0.0.3", nat},
		{"127.0.0.9", "127.0.0.1", ike},
		{"::1", "::1", nat},
	} {
		local := netip.AddrPortFrom(netip.MustParseAddr(tt.source), tt.port)
		remote := netip.AddrPortFrom(netip.MustParseAddr(tt.target), tt.port)
		runs := []Run{{Payload: []byte("hello"), Local: local, Remote: remote}}
		if err := c.NewSender(0).Send(runs); err != nil || runs[0].Result != Sent {
			t.Fatal(err, runs[0].Result)
		}
		_, messages := collect(t, receiver(t, c, remote.Addr(), tt.port == nat), 1)
		if messages[0].Remote != local || messages[0].Local != remote {
			t.Errorf("came from %v to %v, want %v to %v", messages[0].Remote, messages[0].Local, local, remote)
		}
	}
}

func TestSendIKE(t *testing.T) {
	c := listen(t, Config{})
	ike, nat := c.ports()
	message := slab(200)
	for _, addr := range []netip.Addr{v4, v6} {
		for _, port := range []uint16{ike, nat} {
			self := netip.AddrPortFrom(addr, port)
			if err := c.SendIKE(message, self, self); err != nil {
				t.Fatal(err)
			}
			got, _ := collect(t, receiver(t, c, addr, port == nat), 1)
			want := message
			if port == nat {
				want = append(make([]byte, 4), message...)
				if k := Classify(got[0]); k != KindIKE {
					t.Errorf("classified as %d", k)
				}
			}
			if !bytes.Equal(got[0], want) {
				t.Errorf("port %d: got % x", port, got[0])
			}
		}
	}
	self := netip.AddrPortFrom(v4, nat)
	if err := c.SendKeepalive(self, self); err != nil {
		t.Fatal(err)
	}
	if got, _ := collect(t, receiver(t, c, v4, true), 1); Classify(got[0]) != KindKeepalive {
		t.Errorf("keepalive is % x", got[0])
	}
	if err := c.SendIKE(message, netip.AddrPortFrom(v4, 9), self); err == nil {
		t.Error("a local port without a socket was accepted")
	}
	if err := c.SendIKE(make([]byte, 65508), self, self); err == nil {
		t.Error("a message beyond UDP's limit was accepted")
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		payload []byte
		want    Kind
	}{
		{nil, KindInvalid},
		{[]byte{0}, KindInvalid},
		{[]byte{0xff}, KindKeepalive},
		{[]byte{0xff, 0xff}, KindInvalid},
		{[]byte{0, 0, 0, 0}, KindInvalid},
		{[]byte{0, 0, 0, 0, 1}, KindIKE},
		{[]byte{0, 0, 0, 1, 0}, KindESP},
		{[]byte{1, 0, 0, 0, 0}, KindESP},
		{bytes.Repeat([]byte{0xff}, 100), KindESP},
	} {
		if got := Classify(tt.payload); got != tt.want {
			t.Errorf("% x: %d, want %d", tt.payload, got, tt.want)
		}
	}
}

// A refused train goes out datagram by datagram; EIO means the socket has to
// do without UDP_SEGMENT from then on.
func TestTrainRefused(t *testing.T) {
	for _, tt := range []struct {
		errno   error
		wantGSO bool
	}{{unix.EIO, false}, {unix.EINVAL, true}} {
		t.Run(fmt.Sprint(tt.errno), func(t *testing.T) {
			c := listen(t, Config{Addresses: []netip.Addr{v4}})
			_, nat := c.ports()
			self := netip.AddrPortFrom(v4, nat)
			run := Run{Payload: slab(5*1000 + 1), SegmentSize: 1000, Local: self, Remote: self}
			s := c.NewSender(0)
			sock := s.socketFor(self, self)
			s.out.fill(0, sock, &run, run.Payload, run.SegmentSize)
			s.sendSingly(sock, 0, tt.errno.(unix.Errno))
			got, _ := collect(t, receiver(t, c, v4, true), 6)
			sameDatagrams(t, split(run.Payload, 1000), got)
			if c.Features().GSO != tt.wantGSO || c.Stats().GSOFallbacks != 1 || c.Stats().Sent != 6 {
				t.Errorf("features %+v, stats %+v", c.Features(), c.Stats())
			}
		})
	}
}

// Lost datagrams are counted and what follows them goes out.
func TestSendGoesOn(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	_, nat := c.ports()
	self := netip.AddrPortFrom(v4, nat)
	broadcast := netip.AddrPortFrom(netip.MustParseAddr("255.255.255.255"), nat)
	runs := []Run{
		{Payload: slab(10), Local: self, Remote: self},
		{Payload: slab(10), Local: self, Remote: broadcast}, // EACCES, or no route
		{Payload: slab(65508), Local: self, Remote: self},   // EMSGSIZE
		{Payload: slab(10), Local: netip.AddrPortFrom(v4, 9), Remote: self},
		{Payload: slab(20), Local: self, Remote: self},
	}
	if err := c.NewSender(0).Send(runs); err != nil {
		t.Fatal(err)
	}
	var got []Result
	for i := range runs {
		got = append(got, runs[i].Result)
	}
	if d := cmp.Diff([]Result{Sent, Dropped, TooBig, Dropped, Sent}, got); d != "" {
		t.Error(d)
	}
	s := c.Stats()
	if s.Sent != 2 || s.TooBig != 1 || s.Denied+s.Unreachable != 1 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
	collect(t, receiver(t, c, v4, true), 2)
}

func TestNoAllocations(t *testing.T) {
	for _, addr := range []netip.Addr{v4, v6} {
		c := listen(t, Config{})
		_, nat := c.ports()
		self := netip.AddrPortFrom(addr, nat)
		r := receiver(t, c, addr, true)
		s, b := c.NewSender(0), NewBatch(4)
		runs := []Run{
			{Payload: slab(44 * 1452), SegmentSize: 1452, Local: self, Remote: self, TOS: 2},
			{Payload: slab(3 * 100), SegmentSize: 100, Local: self, Remote: self},
		}
		segments := 0
		allocs := testing.AllocsPerRun(100, func() {
			if err := s.Send(runs); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < 47; {
				n, err := r.Receive(b)
				if err != nil {
					t.Fatal(err)
				}
				for i := range b.Messages[:n] {
					got += b.Messages[i].Segments()
					segments += len(b.Messages[i].Segment(0))
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations to send and receive", addr, allocs)
		}
	}
}

func TestPortInUse(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	ike, nat := c.ports()
	_, err := Listen(Config{IKEPort: ike, NATPort: nat})
	want := fmt.Sprintf("cannot listen on 0.0.0.0:%d: address already in use: the port is held by udp.test (process %d); stop it or choose other ports", ike, os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestConfigRefused(t *testing.T) {
	for _, cfg := range []Config{
		{IKEPort: 4500},
		{Addresses: []netip.Addr{{}}},
		{Addresses: []netip.Addr{v4, netip.MustParseAddr("::ffff:127.0.0.1")}},
		{Addresses: []netip.Addr{netip.IPv4Unspecified()}},
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.77")}, IKEPort: 33001, NATPort: 33002},
	} {
		if c, err := Listen(cfg); err == nil {
			c.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestLocalAddr(t *testing.T) {
	c := listen(t, Config{})
	for _, a := range []netip.Addr{v4, v6} {
		if got, err := c.LocalAddr(a); got != a || err != nil {
			t.Errorf("to %v: %v, %v", a, got, err)
		}
	}
	two := netip.MustParseAddr("127.0.0.2")
	c = listen(t, Config{Addresses: []netip.Addr{two}})
	if got, err := c.LocalAddr(v4); got != two || err != nil {
		t.Errorf("of the given addresses: %v, %v", got, err)
	}
	if got, err := c.LocalAddr(v6); err == nil {
		t.Errorf("no address of that family, yet %v", got)
	}
}

// withoutChecksums sends n datagrams as kernel IPsec does: with a UDP checksum of
// zero (RFC 3948 §2.1), which the kernel does not merge.
func withoutChecksums(t *testing.T, to netip.AddrPort, n int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := unix.Sendto(fd, slab(1400), 0, nameOf(to)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTruncated: what does not fit its buffer is dropped, and every datagram of it
// is counted.
func TestTruncated(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	if !c.Features().GSO || !c.Features().GRO {
		t.Skip("no UDP_SEGMENT or UDP_GRO here")
	}
	_, port := c.ports()
	self := netip.AddrPortFrom(v4, port)
	r, b := receiver(t, c, v4, true), NewBatch(4)
	for i := range b.iovecs {
		b.iovecs[i].SetLen(2500)
	}
	runs := []Run{
		{Payload: slab(10 * 1000), SegmentSize: 1000, Local: self, Remote: self},
		{Payload: slab(3000), Local: self, Remote: self},
		{Payload: slab(2000), Local: self, Remote: self},
	}
	if err := c.NewSender(0).Send(runs); err != nil {
		t.Fatal(err)
	}
	n, err := r.Receive(b)
	if err != nil || n != 1 || len(b.Messages[0].Payload) != 2000 {
		t.Fatalf("%d messages, error %v", n, err)
	}
	if s := c.Stats(); s.Truncated != 11 || s.Received != 1 || s.ReceivedDatagrams != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestReceiveMode: a system call takes many single datagrams, few trains, and
// finds out by itself which there are.
func TestReceiveMode(t *testing.T) {
	c := listen(t, Config{Addresses: []netip.Addr{v4}})
	_, port := c.ports()
	self := netip.AddrPortFrom(v4, port)
	r, b := receiver(t, c, v4, true), NewBatch(64)
	want := func(n int) {
		t.Helper()
		if got, err := r.Receive(b); err != nil || got != n {
			t.Fatalf("%d messages, error %v; want %d", got, err, n)
		}
		for i := range b.Messages[:n] {
			if m := &b.Messages[i]; !bytes.Equal(m.Segment(0), slab(1400)) {
				t.Fatalf("message %d of %d: %d bytes changed on the way", i, n, len(m.Payload))
			}
		}
	}
	withoutChecksums(t, self, 100)
	want(16)
	want(64)
	want(20)
	train := append(slab(1400), slab(1400)...)
	runs := []Run{{Payload: train, SegmentSize: 1400, Local: self, Remote: self}}
	if err := c.NewSender(0).Send(runs); err != nil {
		t.Fatal(err)
	}
	want(1)
	withoutChecksums(t, self, 100)
	want(16)
	want(64)
	withoutChecksums(t, self, 64)
	want(64)
	if s := c.Stats(); s.Received != 245 || s.ReceivedDatagrams != 246 {
		t.Errorf("counted %+v", s)
	}
}

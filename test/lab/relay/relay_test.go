package relay

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience bounds every wait for a datagram that must come.
const patience = 10 * time.Second

// host is one end of a test: a socket on loopback.
type host struct {
	t    *testing.T
	conn *net.UDPConn
}

func newHost(t *testing.T, address string) *host {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &host{t, conn}
}

func (h *host) address() netip.AddrPort { return h.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (h *host) send(to netip.AddrPort, text string) {
	h.t.Helper()
	if _, err := h.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) receive() (string, netip.AddrPort) {
	h.t.Helper()
	if err := h.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		h.t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	n, from, err := h.conn.ReadFromUDPAddrPort(buffer)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(buffer[:n]), from
}

// await waits for what no datagram tells.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the relay did not take what was sent")
		}
	}
}

// nothing fails the test if a datagram waits in the socket. What was sent on
// loopback before is there already.
func (h *host) nothing() {
	h.t.Helper()
	if err := h.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		h.t.Fatal(err)
	}
	n, from, err := h.conn.ReadFromUDPAddrPort(make([]byte, 1<<16))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		h.t.Errorf("%d bytes came from %s (%v)", n, from, err)
	}
}

// setup makes two hosts with a relay between them.
func setup(t *testing.T, watch func(int, Direction, []byte)) (r *Relay, near, far *host, entry netip.AddrPort) {
	t.Helper()
	near, far = newHost(t, "127.0.0.1:0"), newHost(t, "127.0.0.1:0")
	var listened []netip.AddrPort
	r, err := New(Config{
		Paths: []Path{{
			Near: netip.MustParseAddrPort("127.0.0.1:0"),
			Far:  netip.MustParseAddrPort("127.0.0.1:0"),
			Peer: far.address(),
		}},
		Seed:  7,
		Watch: watch,
		Listen: func(a netip.AddrPort) (*net.UDPConn, error) {
			conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
			if err == nil {
				listened = append(listened, conn.LocalAddr().(*net.UDPAddr).AddrPort())
			}
			return conn, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, near, far, listened[0]
}

func TestForward(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	r, near, far, entry := setup(t, func(path int, d Direction, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%d %s: %s", path, d, payload))
	})
	near.send(entry, "question")
	text, from := far.receive()
	if text != "question" || from.Port() != r.FarPort(0) {
		t.Errorf("the far host has %q from %s, want it from port %d", text, from, r.FarPort(0))
	}
	far.send(from, "answer")
	if text, from := near.receive(); text != "answer" || from != entry {
		t.Errorf("the near host has %q from %s", text, from)
	}
	near.send(entry, "")
	if text, _ := far.receive(); text != "" {
		t.Errorf("an empty datagram arrived as %q", text)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"0 to far: question", "0 to near: answer", "0 to far: "}, seen); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
}

func TestStranger(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	near.send(entry, "hello")
	_, mapped := far.receive()
	newHost(t, "127.0.0.1:0").send(mapped, "from a stranger")
	far.send(mapped, "from the peer")
	if text, _ := near.receive(); text != "from the peer" {
		t.Errorf("the near host has %q", text)
	}
	if s := r.Stats(ToNear); s.Unknown != 1 || s.Sent != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLoss(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	near.send(entry, "first")
	_, mapped := far.receive()
	r.SetFaults(ToNear, Faults{Loss: 1})
	far.send(mapped, "lost")
	await(t, func() bool { return r.Stats(ToNear).Lost == 1 })
	near.send(entry, "the other direction is unharmed")
	far.receive()
	r.SetFaults(ToNear, Faults{})
	far.send(mapped, "arrives")
	if text, _ := near.receive(); text != "arrives" {
		t.Errorf("the near host has %q", text)
	}
	want := Stats{Received: 2, Lost: 1, Sent: 1}
	if diff := cmp.Diff(want, r.Stats(ToNear)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestDuplicateAndCorrupt(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	r.SetFaults(ToFar, Faults{Duplicate: 1, Corrupt: 1})
	const sent = "eight bytes and more"
	near.send(entry, sent)
	first, _ := far.receive()
	second, _ := far.receive()
	if first != second {
		t.Errorf("%q was repeated as %q", first, second)
	}
	flipped := 0
	for i := range len(sent) {
		flipped += bits.OnesCount8(sent[i] ^ first[i])
	}
	if flipped != 1 {
		t.Errorf("%q arrived as %q: %d bits differ, want 1", sent, first, flipped)
	}
	if diff := cmp.Diff(Stats{Received: 1, Duplicated: 1, Corrupted: 1, Sent: 2}, r.Stats(ToFar)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestCounts counts what leaves, not what came.
func TestCounts(t *testing.T) {
	var asked [][]byte
	l := &lane{random: rand.New(rand.NewPCG(1, 2)), faults: Faults{Duplicate: 1, Corrupt: 1},
		send: func([]byte, netip.AddrPort) error { return nil },
		counts: func(payload []byte) bool {
			asked = append(asked, payload)
			return payload[0] != 0
		}}
	l.carry([]byte{0}, netip.AddrPort{})
	l.counts = func([]byte) bool { return false }
	l.carry([]byte{0}, netip.AddrPort{})
	if len(asked) != 2 || asked[0][0] == 0 || asked[1][0] == 0 {
		t.Errorf("asked of % x, want the damaged datagram twice", asked)
	}
	if diff := cmp.Diff(Stats{Received: 2, Duplicated: 1, Corrupted: 1, Sent: 4}, l.snapshot()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestReorder is done again where the test itself was held up for as long as the relay
// holds a datagram.
func TestReorder(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	const hold = 50 * time.Millisecond
	for held := true; held; {
		before, began := r.Stats(ToFar), time.Now()
		r.SetFaults(ToFar, Faults{Reorder: 1, Hold: hold})
		near.send(entry, "overtaken")
		near.send(entry, "overtaken too")
		await(t, func() bool { return r.Stats(ToFar).Reordered == before.Reordered+2 })
		r.SetFaults(ToFar, Faults{})
		near.send(entry, "overtakes")
		await(t, func() bool { return r.Stats(ToFar).Received == before.Received+3 })
		held = time.Since(began) >= hold
		for _, want := range []string{"overtakes", "overtaken", "overtaken too"} {
			if text, _ := far.receive(); text != want && !held {
				t.Errorf("%q arrived, want %q", text, want)
			}
		}
	}
}

func TestDelay(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	const delay = 30 * time.Millisecond
	r.SetFaults(ToFar, Faults{Delay: delay})
	began := time.Now()
	for i := range 5 {
		near.send(entry, fmt.Sprint(i))
	}
	for i := range 5 {
		if text, _ := far.receive(); text != fmt.Sprint(i) {
			t.Errorf("%q arrived, want %d", text, i)
		}
	}
	if took := time.Since(began); took < delay {
		t.Errorf("took %s, want at least %s", took, delay)
	}
}

func TestRebind(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	near.send(entry, "before")
	_, old := far.receive()
	if err := r.Rebind(); err != nil {
		t.Fatal(err)
	}
	far.send(old, "to the former port")
	near.send(entry, "after")
	text, current := far.receive()
	if text != "after" || current == old || current.Port() != r.FarPort(0) {
		t.Errorf("%q came from %s, before that from %s", text, current, old)
	}
	far.send(current, "to the port of now")
	if text, _ := near.receive(); text != "to the port of now" {
		t.Errorf("the near host has %q", text)
	}
	near.nothing()
}

func TestInject(t *testing.T) {
	r, near, far, entry := setup(t, nil)
	if err := r.Inject(0, ToNear, []byte("to nobody")); err == nil {
		t.Error("injected towards a host that nobody knows")
	}
	near.send(entry, "hello")
	far.receive()
	r.SetFaults(ToFar, Faults{Loss: 1})
	r.SetFaults(ToNear, Faults{Loss: 1})
	if err := r.Inject(0, ToFar, []byte("forged")); err != nil {
		t.Fatal(err)
	}
	if text, from := far.receive(); text != "forged" || from.Port() != r.FarPort(0) {
		t.Errorf("the far host has %q from %s", text, from)
	}
	if err := r.Inject(0, ToNear, []byte("forged too")); err != nil {
		t.Fatal(err)
	}
	if text, from := near.receive(); text != "forged too" || from != entry {
		t.Errorf("the near host has %q from %s", text, from)
	}
}

// TestSameSeed sends the same datagrams through two relays of one seed.
func TestSameSeed(t *testing.T) {
	fates := func() (lost []int) {
		r, near, _, entry := setup(t, nil)
		r.SetFaults(ToFar, Faults{Loss: 0.5})
		for i := range 100 {
			before := r.Stats(ToFar)
			near.send(entry, fmt.Sprint(i))
			await(t, func() bool { return r.Stats(ToFar).Received > before.Received })
			if r.Stats(ToFar).Lost > before.Lost {
				lost = append(lost, i)
			}
		}
		return lost
	}
	if diff := cmp.Diff(fates(), fates()); diff != "" {
		t.Errorf("lost by the first (-) and the second (+) relay:\n%s", diff)
	}
}

func TestPortInUse(t *testing.T) {
	taken := newHost(t, "127.0.0.1:0")
	free := netip.MustParseAddrPort("127.0.0.1:0")
	if r, err := New(Config{Paths: []Path{{Near: free, Far: taken.address(), Peer: taken.address()}}}); err == nil {
		r.Close()
		t.Error("a relay on a port that is taken")
	}
}

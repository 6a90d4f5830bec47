package tunnel

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/routing"
	"causeway/tunnel/tun"
	"causeway/tunnel/tun/tuntest"
	"causeway/tunnel/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is the sockets of one gateway in memory; what is sent arrives at peer.
type wire struct {
	inbox  chan udp.Message
	peer   *wire
	icmp   chan udp.PathError
	closed chan struct{}
	once   sync.Once

	mu         sync.Mutex
	change     func(udp.Message) []udp.Message // of what is sent; nil: as it is
	limit      int                             // outer MTU; 0: none
	known      int                             // what PathMTU says
	keepalives []netip.AddrPort                // where they went
	runs       []sentRun                       // everything sent
}

type sentRun struct {
	Segments, Size int
	Last           int // the size of the last segment
	TOS            uint8
	Remote         netip.AddrPort
	MayFragment    bool
}

func newWires() (a, b *wire) {
	a, b = newWire(), newWire()
	a.peer, b.peer = b, a
	return a, b
}

func (w *wire) Control() []Receiver  { return nil }
func (w *wire) NewSender(int) Sender { return w }
func (w *wire) Workers() int         { return 1 }
func (w *wire) Close() error         { w.once.Do(func() { close(w.closed) }); return nil }

// Receivers gives everything to the first worker.
func (w *wire) Receivers(worker int) []Receiver {
	if worker > 0 {
		return nil
	}
	return []Receiver{w}
}

func newWire() *wire {
	return &wire{inbox: make(chan udp.Message, 64), icmp: make(chan udp.PathError, 64), closed: make(chan struct{})}
}

func (w *wire) PathErrors() []PathErrorReader { return []PathErrorReader{w} }

func (w *wire) Read() (udp.PathError, error) {
	select {
	case e := <-w.icmp:
		return e, nil
	case <-w.closed:
		return udp.PathError{}, net.ErrClosed
	}
}

func (w *wire) interfaceMTU(_, _ netip.Addr) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known, nil
}

func (w *wire) SendKeepalive(local, remote netip.AddrPort) error {
	w.mu.Lock()
	w.keepalives = append(w.keepalives, remote)
	w.mu.Unlock()
	w.peer.arrive(udp.Message{Payload: []byte{0xff}, SegmentSize: 1, Local: remote, Remote: local, Encapsulated: true})
	return nil
}

func (w *wire) Receive(b *udp.Batch) (int, error) {
	select {
	case m := <-w.inbox:
		b.Messages[0] = m
	case <-w.closed:
		return 0, net.ErrClosed
	}
	return 1 + w.drain(b.Messages[1:]), nil
}

func (w *wire) TryReceive(b *udp.Batch) (int, error) {
	select {
	case <-w.closed:
		return 0, net.ErrClosed
	default:
		return w.drain(b.Messages), nil
	}
}

func (w *wire) drain(messages []udp.Message) (n int) {
	for n < len(messages) {
		select {
		case m := <-w.inbox:
			messages[n] = m
			n++
		default:
			return n
		}
	}
	return n
}

func (w *wire) arrive(m udp.Message) {
	select {
	case w.inbox <- m:
	case <-w.closed:
	}
}

func (w *wire) Send(runs []udp.Run) error {
	select {
	case <-w.closed:
		return net.ErrClosed
	default:
	}
	w.mu.Lock()
	change, limit := w.change, w.limit
	w.mu.Unlock()
	for i := range runs {
		r := &runs[i]
		r.Result, r.Lost = udp.Sent, 0
		if limit != 0 && !r.MayFragment && min(r.SegmentSize, len(r.Payload))+encapsulation(r.Remote) > limit {
			r.Result, r.Lost = udp.TooBig, r.Datagrams()
			continue
		}
		m := udp.Message{
			Payload: bytes.Clone(r.Payload), SegmentSize: r.SegmentSize,
			Local: r.Remote, Remote: r.Local, TOS: r.TOS, Encapsulated: !bare(r.Local), Bare: bare(r.Local),
		}
		w.mu.Lock()
		w.runs = append(w.runs, sentRun{m.Segments(), r.SegmentSize, len(m.Segment(m.Segments() - 1)), r.TOS, r.Remote, r.MayFragment})
		w.mu.Unlock()
		all := []udp.Message{m}
		if change != nil {
			all = change(m)
		}
		for _, m := range all {
			w.peer.arrive(m)
		}
	}
	return nil
}

// onSend makes f decide what becomes of every message sent from now on.
func (w *wire) onSend(f func(udp.Message) []udp.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change = f
}

// memoryDevice is either of the devices in memory.
type memoryDevice interface {
	tun.Device
	Inject(packets ...[]byte)
	Written() <-chan []byte
	FailWrites(err error)
}

func newDevice(name string, super bool) memoryDevice {
	if super {
		return tuntest.NewSuper(name, 1438)
	}
	return tuntest.New(name, 1438)
}

// onBoth runs a test with each kind of device.
func onBoth(t *testing.T, f func(t *testing.T, super bool)) {
	for _, super := range []bool{false, true} {
		t.Run(map[bool]string{false: "batches", true: "superpackets"}[super], func(t *testing.T) { f(t, super) })
	}
}

// gateway is one Tunnel with everything around it.
type gateway struct {
	*Tunnel
	device memoryDevice
	wire   *wire
	outer  netip.AddrPort
	spi    uint32 // what it receives on in transport mode
}

// pair is two gateways: 10.1.0.0/16 and fd01::/16 behind a, 10.2.0.0/16 and
// fd02::/16 behind b, each with the connection "peer" to the other.
type pair struct{ a, b *gateway }

type pairConfig struct {
	v6         bool // outer addresses
	bare       bool // ESP without UDP
	a          func(*Config)
	connection ConnectionConfig
	noChild    bool
	super      bool // the devices are of the kind that passes on superpackets
}

func routesTo(t testing.TB, connection string, texts ...string) *routing.Table {
	t.Helper()
	var sites []routing.Site
	for _, s := range texts {
		sites = append(sites, routing.Site{Connection: connection, Prefix: netip.MustParsePrefix(s)})
	}
	table, err := routing.Build(sites)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newPair(t testing.TB, cfg pairConfig) *pair {
	t.Helper()
	wireA, wireB := newWires()
	outerA, outerB := netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("192.0.2.2:4500")
	if cfg.v6 {
		outerA, outerB = netip.MustParseAddrPort("[2001:db8::1]:4500"), netip.MustParseAddrPort("[2001:db8::2]:4500")
	}
	if cfg.bare {
		outerA, outerB = netip.AddrPortFrom(outerA.Addr(), 0), netip.AddrPortFrom(outerB.Addr(), 0)
	}
	p := &pair{
		a: &gateway{device: newDevice("a", cfg.super), wire: wireA, outer: outerA},
		b: &gateway{device: newDevice("b", cfg.super), wire: wireB, outer: outerB},
	}
	for _, g := range []*gateway{p.a, p.b} {
		c := Config{Device: g.device, Transport: g.wire, InterfaceMTU: g.wire.interfaceMTU}
		if g == p.a && cfg.a != nil {
			cfg.a(&c)
		}
		tunnel, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		g.Tunnel = tunnel
		g.AddConnection("peer", cfg.connection)
	}
	p.a.SetRoutes(routesTo(t, "peer", "10.2.0.0/16", "fd02::/16"))
	p.b.SetRoutes(routesTo(t, "peer", "10.1.0.0/16", "fd01::/16"))
	if !cfg.noChild {
		p.child(t, selector.Any(), selector.Any(), nil)
	}
	return p
}

// run starts both gateways and stops them with the test.
func (p *pair) run(t testing.TB) *pair {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	for _, g := range []*gateway{p.a, p.b} {
		go func() { done <- g.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	})
	return p
}

// child makes one Child SA pair between a, whose selectors are first, and b,
// both directions installed and activated. It returns the inbound SPIs.
// all are the inbound SPIs of the Child SAs that there are.
func (g *gateway) all() []uint32 { return slices.Collect(maps.Keys(g.children)) }

// lastInbound is when ESP came last on the one Child SA.
func (g *gateway) lastInbound() time.Time { return g.LastInbound(g.all()[0]) }

func (p *pair) child(t testing.TB, ofA, ofB selector.List, change func(*esp.Parameters)) (spiA, spiB uint32) {
	t.Helper()
	spis := [2]uint32{}
	for i, g := range []*gateway{p.a, p.b} {
		spi, err := g.AllocateSPI("peer", 0)
		if err != nil {
			t.Fatal(err)
		}
		spis[i] = spi
	}
	p.install(t, p.a, p.b, spis[0], spis[1], selector.Compile(ofA, ofB), change)
	p.install(t, p.b, p.a, spis[1], spis[0], selector.Compile(ofB, ofA), change)
	p.activate(t, p.a, p.b, spis[0], spis[1], selector.Compile(ofA, ofB), change)
	p.activate(t, p.b, p.a, spis[1], spis[0], selector.Compile(ofB, ofA), change)
	return spis[0], spis[1]
}

func parameters(spi uint32, change func(*esp.Parameters)) esp.Parameters {
	key := bytes.Repeat([]byte{byte(spi), byte(spi >> 8), 3, 4}, 9)
	p := esp.Parameters{SPI: spi, Cipher: esp.AESGCM16, EncryptionKey: key, ESN: true}
	if change != nil {
		change(&p)
	}
	return p
}

func (p *pair) install(t testing.TB, at, from *gateway, spiIn, _ uint32, policy *selector.Policy, change func(*esp.Parameters)) {
	t.Helper()
	in, err := esp.NewInbound(parameters(spiIn, change))
	if err != nil {
		t.Fatal(err)
	}
	if err := at.InstallInbound("peer", in, policy, at.outer, from.outer); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) activate(t testing.TB, at, to *gateway, spiIn, spiOut uint32, policy *selector.Policy, change func(*esp.Parameters)) {
	t.Helper()
	out, err := esp.NewOutbound(parameters(spiOut, change))
	if err != nil {
		t.Fatal(err)
	}
	if err := at.ActivateOutbound("peer", out, policy, spiIn, at.outer, to.outer); err != nil {
		t.Fatal(err)
	}
}

// next is the next packet that the gateway gives to its kernel. Like all that
// follow it waits, in a synctest bubble, until the gateways have nothing to do.
func (g *gateway) next(t testing.TB) []byte {
	t.Helper()
	synctest.Wait()
	select {
	case b := <-g.device.Written():
		return b
	default:
		t.Fatalf("no packet came; counters: %+v", g.TotalCounters())
		return nil
	}
}

// nothing fails the test if a packet came.
func (g *gateway) nothing(t testing.TB) {
	t.Helper()
	synctest.Wait()
	select {
	case b := <-g.device.Written():
		t.Fatalf("a packet came: % x", b)
	default:
	}
}

// dropped fails the test unless the gateway dropped n packets for the reason,
// and nothing for any other.
func (g *gateway) dropped(t testing.TB, why Drop, n uint64) {
	t.Helper()
	synctest.Wait()
	want := Drops{}
	want[why] = n
	if diff := cmp.Diff(want, g.TotalCounters().Drops); diff != "" {
		t.Fatalf("drops, by number of reason (%v is %d): %s", why, why, diff)
	}
}

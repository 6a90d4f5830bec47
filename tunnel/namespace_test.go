package tunnel

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"causeway/test/netdev"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// host is a network namespace with a gateway in it. Sockets and interfaces are
// made on a thread that stays there.
type host struct {
	*gateway
	tasks  chan func()
	handle netns.NsHandle
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{tasks: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		h.handle, err = netns.New()
		ready <- err
		for f := range h.tasks {
			f()
		}
	}()
	t.Cleanup(func() { close(h.tasks); h.handle.Close() })
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return h
}

// do runs f in the namespace.
func (h *host) do(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	h.tasks <- func() { done <- f() }
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// offloadCase is one combination of the switches.
type offloadCase struct {
	backend                    tun.Backend
	noTSO, noUSO, noGSO, noGRO bool
	queues                     int // and workers
	noSteering                 bool
	spread                     bool // flows over the queues
	eager                      bool // to lend and be lent a hand
	bare                       bool // ESP without UDP
	six                        bool // between the gateways
	damage                     int  // one in how many datagrams loses a bit; 0: none
}

var offloadCases = map[string]offloadCase{
	"native":                        {backend: tun.Native},
	"native with one worker":        {backend: tun.Native, queues: 1},
	"native with three workers":     {backend: tun.Native, queues: 3},
	"native without SPI steering":   {backend: tun.Native, queues: 2, noSteering: true},
	"native with a hand lent":       {backend: tun.Native, queues: 3, spread: true, eager: true},
	"native with flows spread":      {backend: tun.Native, queues: 3, spread: true},
	"native without TSO":            {backend: tun.Native, noTSO: true},
	"native without USO":            {backend: tun.Native, noUSO: true},
	"native without UDP_SEGMENT":    {backend: tun.Native, noGSO: true},
	"native without UDP_GRO":        {backend: tun.Native, noGRO: true},
	"native without any":            {backend: tun.Native, noTSO: true, noUSO: true, noGSO: true, noGRO: true},
	"native, ESP without UDP":       {backend: tun.Native, bare: true},
	"portable, ESP without UDP":     {backend: tun.Portable, bare: true},
	"native, IPv6 outside":          {backend: tun.Native, six: true},
	"native, ESP over IPv6":         {backend: tun.Native, six: true, bare: true},
	"portable, ESP over IPv6":       {backend: tun.Portable, six: true, bare: true},
	"portable":                      {backend: tun.Portable},
	"portable with two workers":     {backend: tun.Portable, queues: 2},
	"portable without UDP offloads": {backend: tun.Portable, noGSO: true, noGRO: true},
}

// outer is the address of the gateway number n, and the MTU of the device with
// which what the gateways send each other fills their link of 1500 bytes, or
// with IPv6 nearly so.
func (c *offloadCase) outer(n int) (netip.Prefix, int) {
	if c.six {
		return netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", n)), 1418
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 24), 1438
}

// open makes the gateway number n of two.
func (h *host) open(t *testing.T, c offloadCase, n int) {
	t.Helper()
	prefix, mtu := c.outer(n)
	outer := prefix.Addr()
	h.do(t, func() error {
		if err := netdev.Up("cwt-outer", prefix.String()); err != nil {
			return err
		}
		device, err := tun.Open(tun.Config{Name: "cwt-inner", MTU: mtu, Backend: c.backend, Queues: c.queues, NoTSO: c.noTSO, NoUSO: c.noUSO})
		if err != nil {
			return err
		}
		if c.spread {
			if err := device.(tun.Spreader).Spread(true); err != nil {
				return errors.Join(err, device.Close())
			}
		}
		conns, err := udp.Listen(udp.Config{Addresses: []netip.Addr{outer}, Workers: c.queues, NoSteering: c.noSteering, NoGSO: c.noGSO, NoGRO: c.noGRO})
		if err != nil {
			return errors.Join(err, device.Close())
		}
		tunnel, err := New(Config{Device: device, Transport: damaging{UDP(conns), c.damage}})
		if err != nil {
			return errors.Join(err, device.Close(), conns.Close())
		}
		tunnel.hands.eager = c.eager
		h.gateway = &gateway{Tunnel: tunnel, outer: netip.AddrPortFrom(outer, udp.DefaultNATPort)}
		if c.bare {
			h.gateway.outer = netip.AddrPortFrom(outer, 0)
		}
		return netdev.Up("cwt-inner", fmt.Sprintf("10.%d.0.1/8", n), fmt.Sprintf("fd0%d::1/8", n))
	})
	h.AddConnection("peer", ConnectionConfig{})
	other := 3 - n
	h.SetRoutes(routesTo(t, "peer", fmt.Sprintf("10.%d.0.0/16", other), fmt.Sprintf("fd0%d::/16", other)))
}

// joined is two hosts with a cable between them and their gateways running.
func joined(t *testing.T, c offloadCase) (a, b *host) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	a.do(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "cwt-outer"}, PeerName: "cwt-outer", PeerNamespace: netlink.NsFd(b.handle),
		})
	})
	a.open(t, c, 1)
	b.open(t, c, 2)
	carryBoth(t, a, b)
	return a, b
}

// TestOffloads carries TCP and UDP between real kernels, with each offload on
// and off.
func TestOffloads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	for name, c := range offloadCases {
		t.Run(name, func(t *testing.T) { carriesAll(t, c, 3<<20) })
	}
}

// carriesAll carries TCP, so much each way, and UDP of all sizes; nothing is
// dropped.
func carriesAll(t *testing.T, c offloadCase, size int) {
	t.Helper()
	a, b := joined(t, c)
	for _, ends := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
		transferOf(t, size, a, b, ends[1])
		transferOf(t, size, b, a, ends[0])
		echoes(t, a, b, ends[1], c.queues <= 1 || c.spread)
	}
	for _, h := range []*host{a, b} {
		n := h.TotalCounters()
		// What the kernel says of itself to link-local groups has no route.
		n.Drops[DropNoRoute] = 0
		if n.Drops != (Drops{}) {
			t.Errorf("drops: %+v", n)
		}
		if c.eager && h.Lent() == 0 {
			t.Error("one worker opened all that came on one SA")
		}
	}
}

// damaging is a transport that flips one bit in one of so many datagrams.
type damaging struct {
	Transport
	one int
}

type damagingSender struct {
	Sender
	one    int
	source *rand.Rand
}

func (d damaging) NewSender(worker int) Sender {
	if d.one == 0 {
		return d.Transport.NewSender(worker)
	}
	return &damagingSender{d.Transport.NewSender(worker), d.one, rand.New(rand.NewPCG(3, 1))}
}

func (d *damagingSender) Send(runs []udp.Run) error {
	for i := range runs {
		m := udp.Message{Payload: runs[i].Payload, SegmentSize: runs[i].SegmentSize}
		for n := range m.Segments() {
			if b := m.Segment(n); d.source.IntN(d.one) == 0 {
				b[4+d.source.IntN(len(b)-4)] ^= 1 << d.source.IntN(8) // not the SPI
			}
		}
	}
	return d.Sender.Send(runs)
}

// TestDamageOnTheWay: TCP survives damaged datagrams, every one of which is
// noticed.
func TestDamageOnTheWay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	a, b := joined(t, offloadCase{backend: tun.Native, damage: 1000})
	for range 3 {
		transfer(t, a, b, "10.2.0.1")
		transfer(t, b, a, "fd01::1")
	}
	for _, h := range []*host{a, b} {
		n := h.TotalCounters().Drops
		if n[DropAuthentication]+n[DropReplay] < 5 || n[DropAuthentication] == 0 || n[DropSelector] != 0 {
			t.Errorf("drops: %v", n)
		}
	}
}

// transfer sends a stream from one host to the other and compares hashes.
func transfer(t *testing.T, from, to *host, address string) {
	t.Helper()
	transferOf(t, 8<<20, from, to, address)
}

func transferOf(t *testing.T, size int, from, to *host, address string) {
	t.Helper()
	transferAfter(t, size, from, to, address, func() error { return nil })
}

// transferAfter does something on the sender's side between the dialling and the
// first byte.
func transferAfter(t *testing.T, size int, from, to *host, address string, dialled func() error) {
	t.Helper()
	var listener net.Listener
	to.do(t, func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
		return err
	})
	defer listener.Close()
	received := make(chan []byte, 1)
	go func() {
		defer close(received)
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		hash := sha256.New()
		if _, err := io.Copy(hash, c); err == nil {
			received <- hash.Sum(nil)
		}
	}()
	data := noise(size)
	want := sha256.Sum256(data)
	from.do(t, func() error {
		c, err := net.DialTimeout("tcp", listener.Addr().String(), 30*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := errors.Join(c.SetDeadline(time.Now().Add(2*time.Minute)), dialled()); err != nil {
			return err
		}
		_, err = io.Copy(c, bytes.NewReader(data))
		return err
	})
	if got := <-received; !bytes.Equal(got, want[:]) {
		t.Errorf("to %s: hash %x, want %x", address, got, want)
	}
}

// echoes sends bursts of datagrams and wants every one of them back: in order,
// unless the kernel may move the flow from one queue of the device to another
// meanwhile, as it does when an answer was written to that and flows are not
// spread. What waits in the
// first is then sealed, and numbered, after what comes from the second, so that
// sending in the order of sequence numbers does not help.
func echoes(t *testing.T, from, to *host, address string, ordered bool) {
	t.Helper()
	var server net.PacketConn
	to.do(t, func() (err error) {
		server, err = net.ListenPacket("udp", net.JoinHostPort(address, "0"))
		return err
	})
	defer server.Close()
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := server.ReadFrom(b)
			if err == nil {
				_, err = server.WriteTo(b[:n], from)
			}
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("echo: %v", err)
				}
				return
			}
		}
	}()
	from.do(t, func() error {
		c, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
		b := make([]byte, 2000)
		for _, size := range []int{1, 64, 1000, 1390} {
			const burst = 32
			for i := range burst {
				if _, err := c.Write(append(noise(size), byte(i))); err != nil {
					return err
				}
			}
			var came [burst]bool
			for i := range burst {
				n, err := c.Read(b)
				if err != nil {
					return fmt.Errorf("datagram %d of %d bytes: %w; %+v and %+v", i, size, err, from.TotalCounters(), to.TotalCounters())
				}
				last := int(b[max(n, 1)-1])
				if n != size+1 || !bytes.Equal(b[:size], noise(size)) || last >= burst || came[last] || ordered && last != i {
					return fmt.Errorf("datagram %d of %d bytes came back changed, twice or out of order", i, size)
				}
				came[last] = true
			}
		}
		return nil
	})
}

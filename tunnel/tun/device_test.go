package tun

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/test/netdev"
)

// needRoot skips a test that makes network namespaces.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
}

// inNamespace runs f on a thread of its own in a new, unnamed network
// namespace, which is gone when nothing uses it any more.
func inNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		ns, err := netns.New()
		if err == nil {
			defer ns.Close()
			err = f()
		}
		done <- err
	}()
	return <-done
}

// side is one end of the joined devices, in a namespace of its own.
type side struct {
	device   Device
	listener net.Listener
	dial     func(to net.Addr) (net.Conn, error)
}

// openSide makes a device with the address in a new namespace. Sockets are made
// on a thread that stays in that namespace until the test ends.
func openSide(t *testing.T, cfg Config, address netip.Prefix) *side {
	t.Helper()
	s := &side{}
	type request struct {
		to     net.Addr
		result chan net.Conn
	}
	ready, requests := make(chan error), make(chan request)
	t.Cleanup(func() { close(requests) })
	go func() {
		err := inNamespace(func() error {
			if err := s.open(cfg, address); err != nil {
				return err
			}
			ready <- nil
			for r := range requests {
				c, err := net.Dial("tcp", r.to.String())
				if err != nil {
					t.Error(err)
				}
				r.result <- c
			}
			return nil
		})
		if err != nil {
			ready <- err
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.device.Close(); s.listener.Close() })
	s.dial = func(to net.Addr) (net.Conn, error) {
		r := request{to, make(chan net.Conn)}
		requests <- r
		if c := <-r.result; c != nil {
			return c, nil
		}
		return nil, errors.New("dial failed")
	}
	return s
}

func (s *side) open(cfg Config, address netip.Prefix) (err error) {
	if s.device, err = Open(cfg); err != nil {
		return err
	}
	if err := netdev.Up(cfg.Name, address.String()); err != nil {
		return err
	}
	s.listener, err = net.Listen("tcp", net.JoinHostPort(address.Addr().String(), "0"))
	return err
}

// traffic is what a forwarder saw.
type traffic struct {
	packets, batches, largest atomic.Int64
}

// forward carries packets from one device to another until one closes.
func forward(t *testing.T, from, to Device, seen *traffic) {
	var err error
	if device, ok := from.(SuperDevice); ok {
		err = forwardSuper(t, device, to.(SuperDevice), seen)
	} else {
		err = forwardBatches(t, from.(BatchDevice), to.(BatchDevice), seen)
	}
	if !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// forwardSuper passes superpackets on as they are: what one kernel left to
// others the other will do.
func forwardSuper(t *testing.T, from, to SuperDevice, seen *traffic) error {
	r, w := from.NewReader(0), to.NewWriter(0)
	b := make([]byte, MaxPacket)
	for {
		n, o, err := r.Read(b, true)
		if err != nil {
			return err
		}
		if n == 0 {
			t.Error("Read returned without a packet")
			continue
		}
		seen.packets.Add(1)
		if o.Kind != Single {
			seen.packets.Add(int64(n / o.SegmentSize))
		}
		seen.batches.Add(1)
		seen.largest.Store(max(seen.largest.Load(), int64(n)))
		pieces := [][]byte{b[:n]}
		if n > 1000 {
			pieces = [][]byte{b[:100], b[100:999], b[999:n]}
		}
		if err := w.Write(o, pieces); errors.Is(err, os.ErrClosed) {
			return err
		} else if err != nil {
			t.Error(err)
		}
	}
}

func forwardBatches(t *testing.T, from, to BatchDevice, seen *traffic) error {
	n := from.BatchSize()
	memory := make([]byte, n*(HeaderRoom+MaxPacket))
	bufs, out, sizes := make([][]byte, n), make([][]byte, 0, n), make([]int, n)
	for {
		for i := range bufs {
			start := i * (HeaderRoom + MaxPacket)
			bufs[i] = memory[start : start+HeaderRoom+MaxPacket : start+HeaderRoom+MaxPacket]
		}
		got, err := from.Read(bufs, sizes, HeaderRoom)
		if err != nil {
			return err
		}
		out = out[:0]
		for i := range got {
			out = append(out, bufs[i][:HeaderRoom+sizes[i]])
			seen.largest.Store(max(seen.largest.Load(), int64(sizes[i])))
		}
		seen.packets.Add(int64(got))
		seen.batches.Add(1)
		if _, err := to.Write(out, HeaderRoom); errors.Is(err, os.ErrClosed) {
			return err
		} else if err != nil {
			t.Error(err)
		}
	}
}

// eachBackend runs a test with both.
func eachBackend(t *testing.T, f func(t *testing.T, backend Backend)) {
	for name, backend := range map[string]Backend{"native": Native, "portable": Portable} {
		t.Run(name, func(t *testing.T) { f(t, backend) })
	}
}

// TCP crosses two devices intact, in superpackets and without.
func TestTCPCrosses(t *testing.T) {
	needRoot(t)
	for _, network := range []string{"192.0.2.%d/24", "2001:db8::%d/64"} {
		eachBackend(t, func(t *testing.T, backend Backend) {
			for _, noTSO := range []bool{false, true} {
				if noTSO && backend == Portable {
					continue
				}
				cfg := Config{MTU: 1400, Backend: backend, NoTSO: noTSO, NoUSO: noTSO}
				t.Run(fmt.Sprint(cfg), func(t *testing.T) { tcpCrosses(t, cfg, network) })
			}
		})
	}
}

func tcpCrosses(t *testing.T, cfg Config, network string) {
	var sides [2]*side
	for i, name := range []string{"ctun-a", "ctun-b"} {
		cfg.Name = name
		sides[i] = openSide(t, cfg, netip.MustParsePrefix(fmt.Sprintf(network, i+1)))
	}
	a, b := sides[0], sides[1]
	var there, back traffic
	var wait sync.WaitGroup
	wait.Go(func() { forward(t, a.device, b.device, &there) })
	wait.Go(func() { forward(t, b.device, a.device, &back) })

	data := make([]byte, 20<<20)
	for i := range data {
		data[i] = byte(i * (i >> 8))
	}
	received := make(chan [sha256.Size]byte)
	go func() {
		c, err := b.listener.Accept()
		if err != nil {
			t.Error(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, c); err != nil {
			t.Error(err)
		}
		received <- [sha256.Size]byte(h.Sum(nil))
	}()
	c, err := a.dial(b.listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(c, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if <-received != sha256.Sum256(data) {
		t.Error("the data changed on the way")
	}
	a.device.Close()
	b.device.Close()
	wait.Wait()

	whole := cfg.Backend == Native && !cfg.NoTSO
	if n := there.largest.Load(); n > int64(cfg.MTU) != whole {
		t.Errorf("the largest packet had %d bytes", n)
	}
	perBatch := float64(there.packets.Load()) / float64(there.batches.Load())
	t.Logf("%.1f packets per read there, %.1f back", perBatch,
		float64(back.packets.Load())/float64(back.batches.Load()))
	if !cfg.NoTSO && perBatch < 4 {
		t.Errorf("%.1f packets per read: TSO is not in use", perBatch)
	}
}

func TestDevice(t *testing.T) {
	needRoot(t)
	eachBackend(t, func(t *testing.T, backend Backend) {
		err := inNamespace(func() error {
			d, err := Open(Config{Name: "ctun-dev", MTU: 1400, Backend: backend, Queues: 3})
			if err != nil {
				return err
			}
			defer d.Close()
			if queues := map[Backend]int{Native: 3, Portable: 1}[backend]; d.Name() != "ctun-dev" || d.Queues() != queues {
				t.Errorf("%s, %d queues", d.Name(), d.Queues())
			}
			checkMTU(t, d)
			checkRefused(t, d)
			if err := d.Close(); err != nil {
				return err
			}
			if err := d.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if _, err := d.MTU(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("MTU after Close: %v", err)
			}
			if _, err := netlink.LinkByName("ctun-dev"); err == nil {
				t.Error("the interface is still there after Close")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestAuto takes the native backend, as every kernel that runs tests can.
func TestAuto(t *testing.T) {
	needRoot(t)
	err := inNamespace(func() error {
		d, err := Open(Config{Name: "ctun-auto", MTU: 1400})
		if err != nil {
			return err
		}
		defer d.Close()
		if _, ok := d.(SuperDevice); !ok || !d.Offloads().TSO {
			t.Errorf("%T with %+v", d, d.Offloads())
		}
		if probed, err := Probe(); err != nil || probed != d.Offloads() {
			t.Errorf("Probe says %+v, %v; the device has %+v", probed, err, d.Offloads())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readOne and writeOne use either kind of device.
func readOne(d Device) error {
	b := make([]byte, HeaderRoom+MaxPacket)
	if super, ok := d.(SuperDevice); ok {
		_, _, err := super.NewReader(0).Read(b, true)
		return err
	}
	_, err := d.(BatchDevice).Read([][]byte{b}, make([]int, 1), HeaderRoom)
	return err
}

func writeOne(d Device, packet []byte) error {
	if super, ok := d.(SuperDevice); ok {
		return super.NewWriter(0).Write(Offload{}, [][]byte{packet})
	}
	_, err := d.(BatchDevice).Write([][]byte{append(make([]byte, HeaderRoom), packet...)}, HeaderRoom)
	return err
}

func checkMTU(t *testing.T, d Device) {
	if mtu, err := d.MTU(); mtu != 1400 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	if err := d.SetMTU(1280); err != nil {
		t.Error(err)
	}
	if mtu, err := d.MTU(); mtu != 1280 || err != nil {
		t.Errorf("MTU after SetMTU(1280): %d, %v", mtu, err)
	}
	if err := d.SetMTU(70000); err == nil || !strings.Contains(err.Error(), d.Name()+" to 70000") {
		t.Errorf("SetMTU(70000): %v", err)
	}
}

// checkRefused sees that what cannot be is refused and d lives on.
func checkRefused(t *testing.T, d Device) {
	if err := writeOne(d, append([]byte{0x45}, make([]byte, 19)...)); err == nil || errors.Is(err, os.ErrClosed) {
		t.Errorf("write while down: %v", err)
	}
	backend := Native
	if batches, ok := d.(BatchDevice); ok {
		backend = Portable
		checkRefusedCount(t, batches)
	}
	if _, err := Open(Config{Name: d.Name(), MTU: 1400, Backend: backend}); err == nil || !strings.Contains(err.Error(), "another program has it open") {
		t.Errorf("second Open: %v", err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "ctun-not"}, PeerName: "ctun-nor"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Error(err)
	}
	if _, err := Open(Config{Name: "ctun-not", MTU: 1400, Backend: backend}); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("Open of a veth interface: %v", err)
	}
}

// checkRefusedCount sees that every packet that the kernel refuses is counted: all
// while the interface is down, and else those that are no IP.
func checkRefusedCount(t *testing.T, d BatchDevice) {
	t.Helper()
	write := func(versions ...byte) int {
		bufs := make([][]byte, len(versions))
		for i, v := range versions {
			bufs[i] = append(make([]byte, HeaderRoom), append([]byte{v << 4}, make([]byte, 19)...)...)
		}
		refused, err := d.Write(bufs, HeaderRoom)
		if (err != nil) != (refused > 0) {
			t.Errorf("%d refused, error %v", refused, err)
		}
		return refused
	}
	if n := write(4, 4, 4); n != 3 {
		t.Errorf("%d of 3 packets refused while down", n)
	}
	if err := netdev.Up(d.Name()); err != nil {
		t.Fatal(err)
	}
	if n := write(4, 7, 4, 9, 7); n != 3 {
		t.Errorf("%d of 3 refused that are no IP", n)
	}
	if n := write(4, 6); n != 0 {
		t.Errorf("%d refused", n)
	}
}

// A blocked Read ends when the device is closed, and when the interface is
// deleted behind our back.
func TestReadEnds(t *testing.T) {
	needRoot(t)
	for name, end := range map[string]func(Device) error{
		"closed": Device.Close,
		"deleted": func(d Device) error {
			link, err := netlink.LinkByName(d.Name())
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, backend Backend) {
				err := inNamespace(func() error {
					d, err := Open(Config{Name: "ctun-end", MTU: 1400, Backend: backend})
					if err != nil {
						return err
					}
					defer d.Close()
					ended := make(chan error)
					go func() { ended <- readOne(d) }()
					if err := end(d); err != nil {
						return err
					}
					if err := <-ended; !errors.Is(err, os.ErrClosed) {
						t.Errorf("Read ended with %v", err)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, name := range []string{"", "sixteen-bytes-xx", "a/b", "tun%d", "a b", ".", ".."} {
		if d, err := Open(Config{Name: name, MTU: 1400}); err == nil {
			d.Close()
			t.Errorf("name %q was accepted", name)
		}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{openError(unix.ENOENT), "--device /dev/net/tun"},
		{openError(unix.ENODEV), "modprobe tun"},
		{openError(unix.EPERM), "--device /dev/net/tun"},
		{attachError("x", unix.EPERM), "CAP_NET_ADMIN"},
		{steeringError(unix.EPERM), "--cap-add BPF"},
		{attachError("x", unix.EBUSY), "running already"},
		{attachError("x", unix.EINVAL), "choose another name"},
	} {
		if !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%q does not say %q", tt.err, tt.want)
		}
	}
}

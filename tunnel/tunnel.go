package tunnel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"causeway/esp/selector"
	"causeway/routing/meter"
	"causeway/tunnel/tun"
)

// Config is what a Tunnel is made of. Device and Transport are required. The
// callbacks run on the workers: they must return at once and must not call the
// control methods of the Tunnel. A nil callback is not called.
type Config struct {
	Device    tun.Device
	Transport Transport

	// Workers bounds how many goroutines read the device; 0 is one for each
	// of its queues.
	Workers int
	// OuterMTU is that of the outer network; 0 is 1500.
	OuterMTU int
	// InterfaceMTU is what may leave by the interface or route from local to
	// remote. It must not be what the kernel learnt from ICMP, in which it compares
	// addresses and ports alone: anybody can have sent that. Nil: not known.
	InterfaceMTU func(local, remote netip.Addr) (int, error)
	// Overruns is how many packets the queues of the device had no room for, so
	// far. With it, flows are spread over the queues when one overflows; nil: they
	// are not.
	Overruns func() uint64
	// InnerMTU bounds inner packets below what OuterMTU allows, as the MTU of
	// the TUN device does; 0 is no further bound.
	InnerMTU int
	// IKEPorts are the UDP ports that our own messages leave from. What comes back
	// by the device from one of them, or as ESP, on the way to the peer that it was
	// sent to, is not sealed again.
	IKEPorts []uint16
	// Random is where SPIs come from; nil is crypto/rand.
	Random io.Reader

	// OnIKE takes an IKE message without its non-ESP marker. payload is valid
	// during the call only.
	OnIKE func(payload []byte, local, remote netip.AddrPort)
	// OnTrafficNeeded tells that a packet of a connection found no Child SA;
	// at most once a second for each connection.
	OnTrafficNeeded func(connection string, f selector.Flow)
	// OnOwnSAWanted tells that a worker, counted from 1, sends on a Child SA that is for
	// all; at most once a second for each worker of a connection.
	OnOwnSAWanted func(connection string, f selector.Flow, worker int)
	// OnLifetime tells that a Child SA pair reached a limit in bytes, packets
	// or sequence numbers: once for each limit of each direction.
	OnLifetime func(connection string, spiIn uint32, hard bool)
	// OnUnknownSPI tells that ESP came on an SPI that no SA has; at most once a
	// second from one address, and a bounded number a second from all.
	OnUnknownSPI func(spi uint32, local, remote netip.AddrPort)
	// OnEndpoint tells that authentic, fresh ESP came from another outer
	// address than the SA's (RFC 7296 §2.23); at most once a second for each
	// connection. MoveChildren acts on it, nothing else does.
	OnEndpoint func(connection string, spiIn uint32, local, remote netip.AddrPort)
	// OnProbe asks whether a packet of size bytes, with its IP header, reaches
	// the connection's peer; most is the largest that can leave at all. Probed
	// takes the answer, if there is one. Nil: no probes, and ICMP alone tells of
	// the path (RFC 8899).
	OnProbe func(connection string, size, most int)
}

// Tunnel is the data path of one gateway.
type Tunnel struct {
	cfg   Config
	start time.Time

	sad          *sad
	forwarding   atomic.Pointer[forwarding] // never nil
	own          atomic.Pointer[addresses]  // never nil
	unattributed counters                   // of no connection
	injector     injector
	holder       *holder
	patience     int         // with a packet whose turn has not come; see turns
	up, down     *meter.Line // what all connections share

	upWakes, downWakes <-chan struct{} // packets wait for the lines
	strays             strays
	early              early
	keepalives         keepalives
	spreader           *spreader // nil: none
	hands              hands

	mu       sync.Mutex // serialises control; no worker takes it
	children map[uint32]*childPair
	settled  []int    // by worker: how many connections it is home to
	retired  Counters // of connections that were removed
}

// New makes a Tunnel; Run starts it.
func New(cfg Config) (*Tunnel, error) {
	if cfg.Device == nil || cfg.Transport == nil {
		return nil, errors.New("tunnel: a device and a transport are required")
	}
	switch cfg.Device.(type) {
	case tun.SuperDevice, tun.BatchDevice:
	default:
		return nil, fmt.Errorf("tunnel: device %s passes on neither superpackets nor batches", cfg.Device.Name())
	}
	if cfg.OuterMTU == 0 {
		cfg.OuterMTU = defaultOuterMTU
	}
	if cfg.OuterMTU < minMTU4 || cfg.OuterMTU > 65535 {
		return nil, fmt.Errorf("tunnel: outer MTU %d is not within %d..65535", cfg.OuterMTU, minMTU4)
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	table, err := newSAD(cfg.Random, cfg.Transport.Workers())
	if err != nil {
		return nil, err
	}
	t := &Tunnel{
		cfg: cfg, start: time.Now(), sad: table, children: map[uint32]*childPair{},
		holder: newHolder(), patience: patience,
		settled: make([]int, cfg.Transport.Workers()),
		up:      meter.NewLine(0), down: meter.NewLine(0),
	}
	t.upWakes, t.downWakes = wakeOf(t.up), wakeOf(t.down)
	t.forwarding.Store(&forwarding{})
	t.own.Store(&addresses{})
	t.spreader = newSpreader(t)
	return t, nil
}

// now is the monotonic time since New; never 0 once running, so that 0 can
// stand for never.
func (t *Tunnel) now() time.Duration { return time.Since(t.start) + 1 }

// Run carries packets until ctx ends or the device or transport fails. It owns
// both from the start and closes them before it returns. The error is nil when
// ctx ended it.
func (t *Tunnel) Run(ctx context.Context) error {
	crew, err := t.newCrew()
	if err != nil {
		return errors.Join(err, t.cfg.Device.Close(), t.cfg.Transport.Close())
	}
	defer crew.close()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-running.Done()
		err := errors.Join(t.cfg.Device.Close(), t.cfg.Transport.Close())
		crew.wake()
		return err
	})
	group.Go(func() error { return t.sendKeepalives(running) })
	group.Go(func() error { return t.sendDummies(running) })
	group.Go(func() error { return t.watchHeld(running) })
	if t.spreader != nil {
		group.Go(func() error { return t.spreader.run(running, t.now) })
	}
	for _, r := range t.cfg.Transport.PathErrors() {
		group.Go(func() error { return t.hearPathErrors(r) })
	}
	up, down := newUpRelease(t), newDownRelease(t)
	group.Go(func() error { return t.release(running, t.up, t.upWakes, up) })
	group.Go(func() error { return t.release(running, t.down, t.downWakes, down) })
	for _, run := range crew.runs {
		group.Go(onThread(run))
	}
	err = group.Wait()
	if ctx.Err() != nil && closed(err) {
		return nil
	}
	return err
}

// onThread gives a worker a thread of its own: the kernel keeps it near its
// data, and the Go scheduler has nothing else for it to do.
func onThread(run func() error) func() error {
	return func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return run()
	}
}

// closed tells whether err is only the consequence of closing, or nil.
func closed(err error) bool {
	return err == nil || errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed)
}

// Package spoof floods a gateway with IKE_SA_INIT requests, each from another
// address, that nobody has, and with another SPI.
//
// It writes whole frames to the link, without routes, neighbours or queues: the
// processors of a test are for the gateway.
package spoof

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Sources is 100.64.0.0/10: the addresses that the requests come from in turn (RFC
// 6598 keeps them from everybody).
var Sources = netip.MustParsePrefix("100.64.0.0/10")

const (
	sources = 1 << (32 - 10)
	// pace is how often the flood looks how many are due.
	pace = time.Millisecond
	// most is how many it sends then before it says so, and looks whether to stop.
	most = 1000
)

// Flood is requests on their way to one gateway.
type Flood struct {
	rate  int // a second
	link  Link
	frame *frame
	sent  atomic.Uint64
}

// New prepares a flood of a message, which is an IKE_SA_INIT request.
func New(l Link, gateway netip.Addr, message []byte, rate int) (*Flood, error) {
	f, err := newFrame(l, gateway, message)
	return &Flood{rate: rate, link: l, frame: f}, err
}

// Sent is how many requests the link has taken.
func (f *Flood) Sent() uint64 { return f.sent.Load() }

// Run sends until stop is closed. What the processors kept it from sending in time
// follows as soon as it has one again.
func (f *Flood) Run(stop <-chan struct{}) error {
	fd, err := f.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	began := time.Now()
	first := binary.BigEndian.Uint32(Sources.Addr().AsSlice())
	for n := uint64(0); ; {
		due := uint64(time.Since(began).Seconds() * float64(f.rate))
		for range min(due-n, most) {
			f.frame.set(first+uint32(n%sources), n+1)
			switch _, err := unix.Write(fd, f.frame.bytes); err {
			case nil:
				n++
			case unix.ENOBUFS, unix.EINTR:
			default:
				return fmt.Errorf("spoof: send to %s: %w", f.link.Device.Name, err)
			}
		}
		f.sent.Store(n)
		select {
		case <-tick.C:
		case <-stop:
			return nil
		}
	}
}

// open makes a socket that sends to the link and receives nothing.
func (f *Flood) open() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("spoof: a packet socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: f.link.Device.Index})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("spoof: a packet socket at %s: %w", f.link.Device.Name, err)
	}
	return fd, nil
}

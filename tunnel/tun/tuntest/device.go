// Package tuntest is TUN devices in memory, for tests: what the kernel would
// send into the tunnel is injected, what the tunnel writes is kept.
//
// They need no privileges and do no IP, but a Super takes superpackets apart as
// the kernel does, to show what is in them. Both are safe for
// concurrent use and blocks on channels only, so that it works inside
// testing/synctest bubbles.
package tuntest

import (
	"bytes"
	"errors"
	"os"
	"sync"

	"causeway/tunnel/tun"
)

// capacity is how many batches and packets wait in a Device before Inject and
// Write block.
const capacity = 4096

// batchSize is that of the portable backend.
const batchSize = 128

// queue is what both devices do: packets wait on two channels.
type queue struct {
	name     string
	injected chan []item
	written  chan []byte
	closed   chan struct{}

	reading sync.Mutex
	rest    []item // of the batch that was not read whole

	mu   sync.Mutex
	mtu  int
	fail error // of every Write
	done bool
}

// item is what one packet is injected as.
type item struct {
	o tun.Offload
	b []byte
}

// Device is a tun.BatchDevice without a kernel.
type Device struct{ queue }

var _ tun.BatchDevice = (*Device)(nil)

// New makes a Device.
func New(name string, mtu int) *Device {
	d := &Device{}
	d.init(name, mtu)
	return d
}

func (d *queue) init(name string, mtu int) {
	d.name, d.mtu = name, mtu
	d.injected = make(chan []item, capacity)
	d.written = make(chan []byte, capacity)
	d.closed = make(chan struct{})
}

// Inject makes packets the result of one Read, or of some that find the queue
// not dry. It keeps copies.
func (d *queue) Inject(packets ...[]byte) {
	batch := make([]item, len(packets))
	for i, p := range packets {
		batch[i].b = bytes.Clone(p)
	}
	d.inject(batch)
}

func (d *queue) inject(batch []item) {
	select {
	case d.injected <- batch:
	case <-d.closed:
	}
}

// Written delivers the packets that were written, in order; superpackets as
// their segments. Write waits for room when nobody receives.
func (d *queue) Written() <-chan []byte { return d.written }

// FailWrites makes every later Write fail with err; nil ends that.
func (d *queue) FailWrites(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func (d *queue) failing() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fail
}

// await returns with reading held and, unless the error is not nil, something
// in rest; without wait possibly nothing. It does not hold reading while it
// waits.
func (d *queue) await(wait bool) error {
	d.reading.Lock()
	if len(d.rest) > 0 {
		return nil
	}
	var batch []item
	select {
	case <-d.closed:
		return os.ErrClosed
	case batch = <-d.injected:
	default:
		if !wait {
			return nil
		}
		d.reading.Unlock()
		select {
		case batch = <-d.injected:
			d.reading.Lock()
		case <-d.closed:
			d.reading.Lock()
			return os.ErrClosed
		}
	}
	d.rest = append(d.rest, batch...)
	return nil
}

// deliver writes one packet.
func (d *queue) deliver(b []byte) error {
	select {
	case <-d.closed:
		return os.ErrClosed
	default:
	}
	select {
	case d.written <- b:
		return nil
	case <-d.closed:
		return os.ErrClosed
	}
}

func (d *queue) MTU() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mtu, nil
}

func (d *queue) SetMTU(mtu int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mtu = mtu
	return nil
}

func (d *queue) Name() string { return d.name }
func (d *queue) Queues() int  { return 1 }

// Close ends Read and Write with os.ErrClosed.
func (d *queue) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		d.done = true
		close(d.closed)
	}
	return nil
}

// Offloads is none.
func (d *Device) Offloads() tun.Offloads { return tun.Offloads{} }

// BatchSize is that of the portable backend.
func (d *Device) BatchSize() int { return batchSize }

func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if offset < tun.HeaderRoom {
		return 0, errors.New("tuntest: offset below tun.HeaderRoom")
	}
	err := d.await(true)
	defer d.reading.Unlock()
	if err != nil {
		return 0, err
	}
	n := min(len(d.rest), len(bufs))
	for i, p := range d.rest[:n] {
		if len(bufs[i]) < offset+len(p.b) {
			return 0, errors.New("tuntest: packet longer than the buffer")
		}
		sizes[i] = copy(bufs[i][offset:], p.b)
	}
	d.rest = d.rest[n:]
	return n, nil
}

// Write keeps copies of the packets, and overwrites what a device may
// overwrite: the room before each packet.
func (d *Device) Write(bufs [][]byte, offset int) (refused int, err error) {
	if offset < tun.HeaderRoom {
		return len(bufs), errors.New("tuntest: offset below tun.HeaderRoom")
	}
	if err := d.failing(); err != nil {
		return len(bufs), err
	}
	for i, b := range bufs {
		if len(b) <= offset {
			return len(bufs) - i, errors.New("tuntest: empty packet")
		}
		clear(b[offset-tun.HeaderRoom : offset])
		if err := d.deliver(bytes.Clone(b[offset:])); err != nil {
			return len(bufs) - i, err
		}
	}
	return 0, nil
}

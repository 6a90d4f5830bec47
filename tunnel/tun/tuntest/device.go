// Package tuntest is a TUN device in memory, for tests: what the kernel would
// send into the tunnel is injected, what the tunnel writes is kept.
//
// It needs no privileges, does no offloads and no IP. A Device is safe for
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

// Device is a tun.Device without a kernel.
type Device struct {
	name     string
	injected chan [][]byte
	written  chan []byte
	closed   chan struct{}

	reading sync.Mutex
	rest    [][]byte // of the batch that did not fit the last Read

	mu   sync.Mutex
	mtu  int
	fail error // of every Write
	done bool
}

var _ tun.Device = (*Device)(nil)

// New makes a Device.
func New(name string, mtu int) *Device {
	return &Device{
		name:     name,
		mtu:      mtu,
		injected: make(chan [][]byte, capacity),
		written:  make(chan []byte, capacity),
		closed:   make(chan struct{}),
	}
}

// Inject makes packets the result of one Read. It keeps copies.
func (d *Device) Inject(packets ...[]byte) {
	batch := make([][]byte, len(packets))
	for i, p := range packets {
		batch[i] = bytes.Clone(p)
	}
	select {
	case d.injected <- batch:
	case <-d.closed:
	}
}

// Written delivers the packets that were written, in order. Write waits for
// room when nobody receives.
func (d *Device) Written() <-chan []byte { return d.written }

// FailWrites makes every later Write fail with err; nil ends that.
func (d *Device) FailWrites(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if offset < tun.HeaderRoom {
		return 0, errors.New("tuntest: offset below tun.HeaderRoom")
	}
	d.reading.Lock()
	defer d.reading.Unlock()
	if len(d.rest) == 0 {
		select {
		case <-d.closed:
			return 0, os.ErrClosed
		default:
		}
		select {
		case d.rest = <-d.injected:
		case <-d.closed:
			return 0, os.ErrClosed
		}
	}
	n := min(len(d.rest), len(bufs))
	for i, p := range d.rest[:n] {
		if len(bufs[i]) < offset+len(p) {
			return 0, errors.New("tuntest: packet longer than the buffer")
		}
		sizes[i] = copy(bufs[i][offset:], p)
	}
	d.rest = d.rest[n:]
	return n, nil
}

// Write keeps copies of the packets, and overwrites what a device may
// overwrite: the room before each packet.
func (d *Device) Write(bufs [][]byte, offset int) (total int, err error) {
	if offset < tun.HeaderRoom {
		return 0, errors.New("tuntest: offset below tun.HeaderRoom")
	}
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		return 0, fail
	}
	for _, b := range bufs {
		if len(b) <= offset {
			return total, errors.New("tuntest: empty packet")
		}
		clear(b[offset-tun.HeaderRoom : offset])
		select {
		case <-d.closed:
			return total, os.ErrClosed
		default:
		}
		select {
		case d.written <- bytes.Clone(b[offset:]):
			total += len(b) - offset
		case <-d.closed:
			return total, os.ErrClosed
		}
	}
	return total, nil
}

func (d *Device) MTU() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mtu, nil
}

func (d *Device) SetMTU(mtu int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mtu = mtu
	return nil
}

func (d *Device) Name() string   { return d.name }
func (d *Device) Queues() int    { return 1 }
func (d *Device) BatchSize() int { return batchSize }

// Close ends Read and Write with os.ErrClosed.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		d.done = true
		close(d.closed)
	}
	return nil
}

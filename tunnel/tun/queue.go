package tun

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue is one descriptor of the interface. It is non-blocking: a call first
// tries by a raw system call, which the scheduler does not notice, and only a
// reader that finds nothing waits, in a way that lets the scheduler (and the
// collector) go on without this thread.
type queue struct {
	name   string
	fd     int
	wake   int          // eventfd that ends every wait
	mu     sync.RWMutex // held for reading while fd is in use, for writing by close
	closed atomic.Bool
}

// newQueue takes fd over, also when it fails.
func newQueue(name string, fd int) (*queue, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun: cannot make an event descriptor for interface %s: %w", name, err)
	}
	return &queue{name: name, fd: fd, wake: wake}, nil
}

func (q *queue) close() error {
	if q.closed.Swap(true) {
		return nil
	}
	_, _ = unix.Write(q.wake, binary.NativeEndian.AppendUint64(nil, 1))
	q.mu.Lock()
	defer q.mu.Unlock()
	unix.Close(q.wake)
	return unix.Close(q.fd)
}

// reader implements Reader. Its memory is what system calls point to.
type reader struct {
	q      *queue
	header [virtioHeaderLen]byte
	iovecs [2]unix.Iovec
	poll   [2]unix.PollFd
}

func newReader(q *queue) *reader {
	r := &reader{q: q}
	r.iovecs[0].Base = &r.header[0]
	r.iovecs[0].SetLen(virtioHeaderLen)
	r.poll = [2]unix.PollFd{{Fd: int32(q.fd), Events: unix.POLLIN}, {Fd: int32(q.wake), Events: unix.POLLIN}}
	return r
}

func (r *reader) Read(b []byte, wait bool) (n int, o Offload, err error) {
	q := r.q
	q.mu.RLock()
	defer q.mu.RUnlock()
	for {
		if q.closed.Load() {
			return 0, o, os.ErrClosed
		}
		r.iovecs[1].Base = &b[0]
		r.iovecs[1].SetLen(len(b))
		got, _, errno := unix.RawSyscall(unix.SYS_READV, uintptr(q.fd), uintptr(unsafe.Pointer(&r.iovecs)), 2)
		switch errno {
		case 0:
			if int(got) <= virtioHeaderLen {
				return 0, o, nil
			}
			o.decode(&r.header)
			return int(got) - virtioHeaderLen, o, nil
		case unix.EAGAIN:
			if !wait {
				return 0, o, nil
			}
			r.wait()
		case unix.EINTR:
		case unix.EBADFD, unix.EFAULT: // the interface was deleted
			return 0, o, os.ErrClosed
		default:
			return 0, o, fmt.Errorf("tun: cannot read from interface %s: %w", q.name, errno)
		}
	}
}

// Descriptor is what can be polled for something to read. Whoever does is to be
// woken by other means when the device is closed.
func (r *reader) Descriptor() int { return r.q.fd }

// wait returns when there may be something to read, or the end to notice.
func (r *reader) wait() {
	r.poll[0].Revents, r.poll[1].Revents = 0, 0
	_, _, _ = unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&r.poll)), 2, 0, 0, 0, 0)
}

// writer implements Writer.
type writer struct {
	q      *queue
	header [virtioHeaderLen]byte
	iovecs [1 + MaxPieces]unix.Iovec
}

func newWriter(q *queue) *writer {
	w := &writer{q: q}
	w.iovecs[0].Base = &w.header[0]
	w.iovecs[0].SetLen(virtioHeaderLen)
	return w
}

func (w *writer) Write(o Offload, pieces [][]byte) error {
	if len(pieces) > MaxPieces {
		return fmt.Errorf("tun: cannot write to interface %s: %d pieces", w.q.name, len(pieces))
	}
	o.encode(&w.header)
	for i, piece := range pieces {
		w.iovecs[i+1].Base = &piece[0]
		w.iovecs[i+1].SetLen(len(piece))
	}
	errno := w.write(len(pieces))
	switch errno {
	case 0:
		return nil
	case unix.EBADFD:
		return os.ErrClosed
	}
	return fmt.Errorf("tun: cannot write to interface %s: %w", w.q.name, errno)
}

func (w *writer) write(pieces int) unix.Errno {
	q := w.q
	q.mu.RLock()
	defer q.mu.RUnlock()
	for {
		if q.closed.Load() {
			return unix.EBADFD
		}
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(q.fd), uintptr(unsafe.Pointer(&w.iovecs)), uintptr(1+pieces))
		if errno != unix.EINTR {
			return errno
		}
	}
}

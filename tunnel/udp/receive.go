package udp

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bufferStride keeps the buffers of a Batch 64 KiB large and apart by an odd
// number of cache lines: at multiples of 64 KiB their beginnings would compete
// for the same cache sets.
const bufferStride = 65536 + 1088

// trainDepth is how many messages one system call takes while they are trains:
// more would only leave the cache. Where the kernel does not merge (peers that
// send no UDP checksum, as kernel IPsec does; ESP without UDP), each datagram is
// a message, and one call takes as many as the Batch has room for. The buffers
// stay 64 KiB apart even then, so that nothing is cut off when trains come
// again; of a buffer only what was ever filled is memory.
const trainDepth = 16

// Batch is the memory that Receive fills.
type Batch struct {
	// Messages has as many elements as the Batch was made for; Receive
	// returns how many of them it filled.
	Messages []Message

	headers []mmsghdr
	iovecs  []unix.Iovec
	names   []unix.RawSockaddrInet6
	control []controlBuffer
	used    int // headers that the kernel changed since they were prepared
	depth   int // of the next system call
}

// NewBatch makes a Batch of n messages of up to 64 KiB each, of which Receive
// fills as many at once as the traffic is worth.
func NewBatch(n int) *Batch {
	b := &Batch{
		Messages: make([]Message, n),
		headers:  make([]mmsghdr, n),
		iovecs:   make([]unix.Iovec, n),
		names:    make([]unix.RawSockaddrInet6, n),
		control:  make([]controlBuffer, n),
		used:     n,
		depth:    min(n, trainDepth),
	}
	memory := make([]byte, n*bufferStride)
	for i := range b.headers {
		buffer := memory[i*bufferStride : (i+1)*bufferStride]
		b.iovecs[i].Base = &buffer[0]
		b.iovecs[i].SetLen(len(buffer))
		h := &b.headers[i]
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
	return b
}

// prepare undoes what the kernel wrote into the headers.
func (b *Batch) prepare() {
	for i := range b.headers[:b.used] {
		h := &b.headers[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlWords * 8)
		h.Flags = 0
	}
	b.used = 0
}

// adapt chooses the depth of the next call by what this one brought: got
// messages, some of them trains or none.
func (b *Batch) adapt(got int, trains bool) {
	switch {
	case trains:
		b.depth = min(len(b.headers), trainDepth)
	case got == b.depth:
		b.depth = len(b.headers)
	}
}

// Receiver reads one socket. It is safe for concurrent use with one Batch per
// goroutine.
type Receiver struct {
	socket *socket
}

// Local is the address the socket is bound to.
func (r *Receiver) Local() netip.AddrPort { return r.socket.local }

// Bare says that this is a socket for ESP without UDP.
func (r *Receiver) Bare() bool { return r.socket.raw }

// Encapsulated says that this is a socket on the NAT port.
func (r *Receiver) Encapsulated() bool { return r.socket.nat }

// Receive fills b.Messages[:n]; it waits until there is at least one message
// and does not wait for more. After Close the error is net.ErrClosed, after the
// time set with SetTimeout os.ErrDeadlineExceeded; any other error means that
// the socket is of no more use.
//
// Receive and Send spend their time in system calls, from which a goroutine
// comes back only when the scheduler has a P for it. GOMAXPROCS well above the
// number of goroutines that move data keeps some free: on 2 cores, 8 instead of
// 2 carried three times as much.
func (r *Receiver) Receive(b *Batch) (n int, err error) {
	for n == 0 {
		if n, err = r.receive(b, true); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// TryReceive is Receive without waiting: 0, nil when there is nothing.
func (r *Receiver) TryReceive(b *Batch) (n int, err error) {
	return r.receive(b, false)
}

// Descriptor is what can be polled for something to receive. Whoever does is to
// be woken by other means when the sockets are closed.
func (r *Receiver) Descriptor() int { return r.socket.fd }

// SetTimeout bounds how long a later Receive waits; zero means for ever.
func (r *Receiver) SetTimeout(d time.Duration) error {
	return r.socket.setTimeout(d)
}

func (r *Receiver) receive(b *Batch, wait bool) (int, error) {
	b.prepare()
	got, err := r.socket.receive(b.headers[:b.depth], wait)
	if err != nil || got == 0 {
		// A failed call may have touched the first headers all the same.
		b.used = len(b.headers)
		return 0, err
	}
	b.used = got
	return r.decode(b, got), nil
}

// decode turns the first got headers into messages, without the unusable ones.
// Messages and headers stay paired because a dropped message's buffer is
// skipped, not moved.
func (r *Receiver) decode(b *Batch, got int) (n int) {
	s := r.socket
	var bytes, datagrams, truncated uint64
	for i := range got {
		h := &b.headers[i]
		if h.n == 0 {
			continue
		}
		c := parseControl(b.control[i].bytes()[:int(h.Controllen)])
		if h.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			// Of a train whose segment size was cut off nothing more is known.
			truncated += uint64(segments(int(h.n), c.segmentSize))
			continue
		}
		if c.hasOverflow {
			s.counters.overflow.Store(uint64(c.overflow))
		}
		m := &b.Messages[n]
		m.Payload = unsafe.Slice(b.iovecs[i].Base, int(h.n))
		if s.raw && s.local.Addr().Is4() {
			if m.Payload = cutIPHeader(m.Payload); m.Payload == nil {
				continue
			}
		}
		m.SegmentSize = len(m.Payload)
		if c.segmentSize > 0 {
			m.SegmentSize = min(c.segmentSize, m.SegmentSize)
		}
		m.Local = s.local
		if s.wildcard && c.local.IsValid() {
			m.Local = netip.AddrPortFrom(c.local, s.local.Port())
		}
		m.Remote = sockaddr(&b.names[i])
		m.TOS = c.tos
		m.Encapsulated, m.Bare = s.nat, s.raw
		bytes += uint64(len(m.Payload))
		datagrams += uint64(m.Segments())
		n++
	}
	b.adapt(got, datagrams > uint64(n))
	s.counters.received.Add(uint64(n))
	s.counters.receivedDatagrams.Add(datagrams)
	s.counters.receivedBytes.Add(bytes)
	if truncated > 0 {
		s.counters.truncated.Add(truncated)
	}
	return n
}

package udp

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway/tunnel/linux"
)

const (
	// sendSlots is how many messages one sendmmsg carries.
	sendSlots = 64

	// maxSegments is the kernel's limit for UDP_SEGMENT (128 since Linux 6.9,
	// 64 before). Trains of 1,472 bytes end at maxPayload long before.
	maxSegments = 64

	// maxPayload is the most that fits one UDP message (65,535 bytes less the
	// IPv4 and UDP headers), a train included.
	maxPayload = 65507
)

// Sender sends runs. It belongs to one goroutine.
type Sender struct {
	conns   *Conns
	sockets []*socket // those to prefer first
	out     outgoing
	pending int // slots filled and not yet sent
}

// NewSender makes a Sender for data worker n; each sending goroutine needs its
// own.
func (c *Conns) NewSender(n int) *Sender {
	s := &Sender{conns: c, sockets: slices.Clone(c.sockets), out: newOutgoing(sendSlots)}
	foreign := func(s *socket) int {
		if s.worker == n {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(s.sockets, func(a, b *socket) int { return foreign(a) - foreign(b) })
	return s
}

// Send sends runs in order, several in one system call, and sets the Result of
// each. A run may be longer than what one message takes; it is split. Send
// waits while the socket's send buffer is full; what finds it full for a tenth
// of a second is dropped. Its only error is net.ErrClosed.
func (s *Sender) Send(runs []Run) error {
	for len(runs) > 0 {
		sock := s.socketFor(runs[0].Local, runs[0].Remote)
		if runs[0].MayFragment && sock != nil {
			if err := s.sendFragmented(&runs[0]); err != nil {
				return err
			}
			runs = runs[1:]
			continue
		}
		n := 1
		for n < len(runs) && !runs[n].MayFragment && s.socketFor(runs[n].Local, runs[n].Remote) == sock {
			n++
		}
		if sock == nil {
			s.unroutable(runs[:n])
		} else if err := s.sendOn(sock, runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

// unroutable drops runs for which there is no socket.
func (s *Sender) unroutable(runs []Run) {
	for i := range runs {
		run := &runs[i]
		run.Result, run.Lost = Dropped, run.Datagrams()
		s.conns.unroutable.Add(uint64(run.Lost))
	}
}

// sendFragmented sends a run that may be cut on the way.
func (s *Sender) sendFragmented(run *Run) error {
	s.conns.single.Lock()
	defer s.conns.single.Unlock()
	err := s.conns.sendSingle(run.Payload, run.Local, run.Remote, run.TOS, false)
	run.Result, run.Lost = Sent, 0
	switch {
	case errors.Is(err, net.ErrClosed):
		return err
	case errors.Is(err, unix.EMSGSIZE):
		run.lose(1, TooBig)
	case err != nil:
		run.lose(1, Dropped)
	}
	return nil
}

// sendOn sends runs that leave from one socket.
func (s *Sender) sendOn(sock *socket, runs []Run) error {
	sock.mu.RLock()
	defer sock.mu.RUnlock()
	if sock.closed.Load() {
		return net.ErrClosed
	}
	for i := range runs {
		run := &runs[i]
		run.Result, run.Lost = Sent, 0
		size := run.SegmentSize
		if size <= 0 || size > len(run.Payload) {
			size = len(run.Payload)
		}
		chunk := size // bytes of one message
		if size > 0 && sock.gso.Load() {
			chunk = size * max(1, s.out.mostSegments(size))
		}
		for rest := run.Payload; len(rest) > 0; {
			n := min(chunk, len(rest))
			s.out.fill(s.pending, sock, run, rest[:n], size)
			s.pending++
			rest = rest[n:]
			if s.pending == sendSlots {
				s.flush(sock)
			}
		}
	}
	s.flush(sock)
	if sock.closed.Load() {
		return net.ErrClosed
	}
	return nil
}

// flush hands the pending slots to the kernel. A slot that fails is given up
// and the ones after it go on.
func (s *Sender) flush(sock *socket) {
	o := &s.out
	var datagrams, bytes uint64
	for at := 0; at < s.pending; {
		n, errno := sock.send(o.headers[at:s.pending])
		if errno == 0 {
			for i := at; i < at+n; i++ {
				datagrams += o.datagrams(i)
				bytes += uint64(len(o.payloads[i]))
			}
			at += n
			continue
		}
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			// Full for all of sendPatience: the messages behind would each
			// wait as long.
			for ; at < s.pending; at++ {
				s.lose(sock, at, errno)
			}
			continue
		case o.datagrams(at) > 1 && (errno == unix.EIO || errno == unix.EINVAL):
			s.sendSingly(sock, at, errno)
		default:
			s.lose(sock, at, errno)
		}
		at++
	}
	clear(o.runs[:s.pending])
	clear(o.payloads[:s.pending])
	s.pending = 0
	if datagrams > 0 {
		sock.counters.sent.Add(datagrams)
		sock.counters.sentBytes.Add(bytes)
	}
}

// lose gives up the message in slot at.
func (s *Sender) lose(sock *socket, at int, errno unix.Errno) {
	n := s.out.datagrams(at)
	s.out.runs[at].lose(int(n), sock.count(errno, n))
}

// sendSingly sends the train in slot at as datagrams of their own. EIO is how
// Linux before 6.11 refuses UDP_SEGMENT on an interface without checksum
// offload, and any where its own IPsec applies: the socket does without from
// then on. EINVAL says that this one train cannot be; older kernels answer it
// instead of EMSGSIZE to segments above the interface's MTU.
func (s *Sender) sendSingly(sock *socket, at int, errno unix.Errno) {
	if errno == unix.EIO {
		sock.gso.Store(false)
	}
	sock.counters.gsoFallbacks.Add(1)
	o := &s.out
	run, train, size := o.runs[at], o.payloads[at], o.sizes[at]
	for len(train) > 0 {
		n := min(size, len(train))
		o.fill(at, sock, run, train[:n], size)
		for {
			_, errno = sock.send(o.headers[at : at+1])
			if errno != unix.EINTR {
				break
			}
		}
		if errno == 0 {
			sock.counters.sent.Add(1)
			sock.counters.sentBytes.Add(uint64(n))
		} else {
			run.lose(1, sock.count(errno, 1))
		}
		train = train[n:]
	}
}

// count counts datagrams that could not be sent and tells what that means for the
// run.
func (s *socket) count(errno unix.Errno, datagrams uint64) Result {
	switch errno {
	case unix.EMSGSIZE:
		s.counters.tooBig.Add(datagrams)
		return TooBig
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		s.counters.noBuffers.Add(datagrams)
	case unix.EPERM, unix.EACCES:
		s.counters.denied.Add(datagrams)
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN,
		unix.ECONNREFUSED, unix.EADDRNOTAVAIL, unix.ENONET:
		s.counters.unreachable.Add(datagrams)
	default:
		s.counters.failed.Add(datagrams)
	}
	return Dropped
}

// outgoing is the memory of the messages that one sendmmsg carries.
type outgoing struct {
	headers  []mmsghdr
	iovecs   []unix.Iovec
	names    []unix.RawSockaddrInet6
	control  []controlBuffer
	runs     []*Run
	payloads [][]byte
	sizes    []int
	capped   bool // see evenTrains
}

func newOutgoing(n int) outgoing {
	o := outgoing{
		headers:  make([]mmsghdr, n),
		iovecs:   make([]unix.Iovec, 2*n),
		capped:   evenTrains(linux.Version()),
		names:    make([]unix.RawSockaddrInet6, n),
		control:  make([]controlBuffer, n),
		runs:     make([]*Run, n),
		payloads: make([][]byte, n),
		sizes:    make([]int, n),
	}
	for i := range o.headers {
		h := &o.headers[i]
		h.Iov = &o.iovecs[2*i]
		h.Name = (*byte)(unsafe.Pointer(&o.names[i]))
		o.iovecs[2*i+1].Base = &keepalive[0]
		o.iovecs[2*i+1].SetLen(len(keepalive))
	}
	return o
}

// evenTrains tells of the kernels that send a train with a broken UDP header if
// all of its datagrams are of one size: Linux 7.0 to 7.1.4. A shorter one at the
// end helps, for which a NAT keepalive will do: whoever gets it drops it (RFC 3948
// §4).
func evenTrains(major, minor, patch int) bool {
	return major == 7 && (minor == 0 || minor == 1 && patch <= 4)
}

// mostSegments is how many datagrams of that size one message takes.
func (o *outgoing) mostSegments(size int) int {
	if o.capped {
		return min(maxSegments-1, (maxPayload-len(keepalive))/size)
	}
	return min(maxSegments, maxPayload/size)
}

// fill makes slot i a message of payload to the run's peer, as a train of
// segments of size where payload is longer than that.
func (o *outgoing) fill(i int, sock *socket, run *Run, payload []byte, size int) {
	o.runs[i], o.payloads[i], o.sizes[i] = run, payload, size
	h := &o.headers[i]
	o.iovecs[2*i].Base = &payload[0]
	o.iovecs[2*i].SetLen(len(payload))
	h.SetIovlen(1)
	if o.capped && len(payload) > size && len(payload)%size == 0 {
		h.SetIovlen(2)
	}
	h.Namelen = putSockaddr(&o.names[i], run.Remote)

	w := controlWriter{b: o.control[i].bytes()}
	if len(payload) > size {
		w.segment(size)
	}
	if run.TOS != 0 {
		w.tos(!run.Remote.Addr().Is4(), run.TOS)
	}
	if sock.wildcard && run.Local.IsValid() && !run.Local.Addr().IsUnspecified() {
		w.source(run.Local.Addr())
	}
	h.Control = nil
	if w.n > 0 {
		h.Control = (*byte)(unsafe.Pointer(&o.control[i]))
	}
	h.SetControllen(w.n)
}

// datagrams is how many datagrams slot i carries.
func (o *outgoing) datagrams(i int) uint64 {
	return uint64((len(o.payloads[i]) + o.sizes[i] - 1) / o.sizes[i])
}

// socketFor is the socket a datagram between the two leaves from: one bound to
// local, or else a wildcard one of the port. Nil when there is none.
func (s *Sender) socketFor(local, remote netip.AddrPort) *socket {
	for _, s := range s.sockets {
		if s.local.Port() != local.Port() || s.local.Addr().Is4() != remote.Addr().Is4() {
			continue
		}
		if s.wildcard || s.local.Addr() == local.Addr() || local.Addr().IsUnspecified() {
			return s
		}
	}
	return nil
}

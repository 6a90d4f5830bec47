package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	defaultReceiveBuffer = 16 << 20
	defaultSendBuffer    = 8 << 20

	// sendPatience is how long a send waits for room in the socket buffer
	// before the datagrams are dropped.
	sendPatience = 100 * time.Millisecond
)

// noWorker is the worker of sockets that carry IKE.
const noWorker = -1

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32 // bytes received or sent
}

// socket is one bound UDP socket. Its descriptor is blocking and stays out of
// the runtime's poller, which costs a quarter of the throughput: every call
// tries without waiting by a raw system call first, and only when that would
// block enters the kernel in a way that lets the scheduler (and the collector)
// go on without this thread.
type socket struct {
	fd     int
	mu     sync.RWMutex // held for reading while fd is in use, for writing by close
	closed atomic.Bool

	local    netip.AddrPort
	wildcard bool // bound to the unspecified address
	nat      bool // on the NAT port
	raw      bool // ESP without UDP
	worker   int  // whose it is; noWorker for IKE
	gso      atomic.Bool
	gro      bool

	counters counters
}

// openSocket binds one UDP socket and sets its options; more is what to do to it
// before it is bound.
func openSocket(local netip.AddrPort, nat bool, cfg *Config, more ...func(*socket) error) (*socket, error) {
	family := unix.AF_INET
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("udp: cannot make a socket for %v: %w", local, err)
	}
	s := &socket{fd: fd, local: local, wildcard: local.Addr().IsUnspecified(), nat: nat}
	if !nat {
		s.worker = noWorker
	}
	err = s.configure(cfg)
	for _, set := range more {
		if err == nil {
			err = set(s)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	var name unix.RawSockaddrInet6
	n := putSockaddr(&name, local)
	// SO_REUSEADDR is left off on purpose: with it, Linux lets a second
	// program with the same option share the port and take our datagrams.
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(n))
	if errno != 0 {
		unix.Close(fd)
		return nil, bindError(local, errno)
	}
	return s, nil
}

// option is one integer socket option.
type option struct {
	level, name int
	what        string
}

var (
	options4 = []option{
		{unix.IPPROTO_IP, unix.IP_RECVTOS, "IP_RECVTOS"},
		{unix.IPPROTO_IP, unix.IP_PKTINFO, "IP_PKTINFO"},
	}
	options6 = []option{
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, "IPV6_V6ONLY"},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, "IPV6_RECVTCLASS"},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"},
	}
)

// configure sets the options of the socket before it is bound.
func (s *socket) configure(cfg *Config) error {
	options := options4
	if s.local.Addr().Is6() {
		options = options6
	}
	if err := s.configureCommon(options, cfg); err != nil {
		return err
	}
	s.probe(cfg)
	return nil
}

// configureCommon sets what sockets of every kind have.
func (s *socket) configureCommon(options []option, cfg *Config) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(s.fd, o.level, o.name, 1); err != nil {
			return fmt.Errorf("udp: cannot set %s on the socket for %v: %w", o.what, s.local, err)
		}
	}
	// Only a counter: a kernel without it counts drops in /proc/net/snmp.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	if err := s.dontFragment(s.keepsWhole()); err != nil {
		return fmt.Errorf("udp: cannot set the DF policy of the socket for %v: %w", s.local, err)
	}
	patience := unix.NsecToTimeval(int64(sendPatience))
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return fmt.Errorf("udp: cannot set SO_SNDTIMEO on the socket for %v: %w", s.local, err)
	}
	s.growBuffers(cfg)
	return nil
}

// keepsWhole tells whether the socket is for ESP, which goes out with DF.
func (s *socket) keepsWhole() bool { return s.nat || s.raw }

// dontFragment sets the DF policy. ESP goes out with DF (IP_PMTUDISC_PROBE): a
// fragment of an ESP packet costs the receiver reassembly and breaks
// UDP_SEGMENT, so the inner MTU has to follow the path. With PROBE the kernel
// refuses what exceeds the interface's MTU, and no more: with IP_PMTUDISC_DO it
// would believe any ICMP message that names our addresses and ports, where we
// first compare what it quotes with what was sent (PathError).
// IKE messages may be large and may be fragmented (IP_PMTUDISC_DONT).
func (s *socket) dontFragment(df bool) error {
	if s.local.Addr().Is6() {
		policy := unix.IPV6_PMTUDISC_DONT
		if df {
			policy = unix.IPV6_PMTUDISC_PROBE
		}
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, policy)
	}
	policy := unix.IP_PMTUDISC_DONT
	if df {
		policy = unix.IP_PMTUDISC_PROBE
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, policy)
}

// growBuffers asks for large buffers, beyond the system's maximum where
// CAP_NET_ADMIN allows it. A smaller buffer works: Features tells its size.
func (s *socket) growBuffers(cfg *Config) {
	grow := func(force, plain, size int) {
		if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, size) != nil {
			// Never fails: the kernel caps the size in silence.
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, plain, size)
		}
	}
	grow(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
	grow(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.SendBuffer)
}

// receive fills the headers. With wait it blocks until there is at least one
// message; it never waits for more than one. What is longer than its buffer has its
// whole length in the header (MSG_TRUNC).
func (s *socket) receive(h []mmsghdr, wait bool) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for {
		if s.closed.Load() {
			return 0, net.ErrClosed
		}
		n, errno := recvmmsg(s.fd, h, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		if errno == unix.EAGAIN && wait {
			if n, errno = recvmmsgBlocking(s.fd, h); errno == unix.EAGAIN {
				return 0, os.ErrDeadlineExceeded
			}
		}
		switch {
		case s.closed.Load():
			return 0, net.ErrClosed
		case errno == 0:
			return n, nil
		case errno == unix.EAGAIN:
			return 0, nil
		case !passing(errno):
			return 0, fmt.Errorf("udp: cannot receive on %v: %w", s.local, errno)
		}
	}
}

// passing tells errors that concern one datagram or one moment from those
// after which the socket is of no use.
func passing(errno unix.Errno) bool {
	switch errno {
	case unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOTSOCK, unix.ENOSYS:
		return false
	}
	return true
}

// send hands the messages over in order; it waits while the buffer is full, up
// to sendPatience. A return of n > 0 comes with errno 0, and whatever stopped
// the kernel after n shows with the next call.
func (s *socket) send(h []mmsghdr) (int, unix.Errno) {
	n, errno := sendmmsg(s.fd, h, unix.MSG_DONTWAIT)
	if errno == unix.EAGAIN {
		n, errno = sendmmsgBlocking(s.fd, h)
	}
	return n, errno
}

func (s *socket) setTimeout(d time.Duration) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	tv := unix.NsecToTimeval(int64(max(d, 0)))
	if d > 0 && tv.Sec == 0 && tv.Usec == 0 {
		tv.Usec = 1 // zero would mean no timeout
	}
	return unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}

func (s *socket) close() error {
	if s.closed.Swap(true) {
		return nil
	}
	// Wakes blocked system calls; ENOTCONN is what an unconnected socket
	// answers when it has done so.
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	s.mu.Lock()
	defer s.mu.Unlock()
	return unix.Close(s.fd)
}

func recvmmsg(fd int, h []mmsghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&h[0])), uintptr(len(h)), uintptr(flags), 0, 0)
	return int(n), errno
}

func recvmmsgBlocking(fd int, h []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&h[0])), uintptr(len(h)), unix.MSG_WAITFORONE|unix.MSG_TRUNC, 0, 0)
	return int(n), errno
}

func sendmmsg(fd int, h []mmsghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&h[0])), uintptr(len(h)), uintptr(flags), 0, 0)
	return int(n), errno
}

func sendmmsgBlocking(fd int, h []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&h[0])), uintptr(len(h)), 0, 0, 0)
	return int(n), errno
}

// receiveBuffer is the size of the receive buffer in payload bytes: the kernel
// reports twice what it was asked for, the other half being its bookkeeping.
func (s *socket) receiveBuffer() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return 0
	}
	n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0
	}
	return n / 2
}

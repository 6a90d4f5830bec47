package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a Line by the host's own ICMP sockets, tied to one interface. The
// kernel must have a route to the target by that interface, and the target
// answers to the address that the kernel chooses there. An interface that is
// gone may come back: each request tries anew.
type Socket struct {
	echo    *Echo
	device  string
	within  func(func() error) error
	target  net.Addr
	answers chan uint16

	// inject sends the requests in the socket's place, as packets from source;
	// nil: the socket does.
	inject func(packet []byte) error
	source netip.Addr

	conn      net.PacketConn // nil: to be opened
	receiving chan struct{}  // closed when conn's receiver ended
	buffer    []byte
}

// NewSocket makes a Socket to target through the interface. within runs what
// opens sockets in the network namespace of the interface.
func NewSocket(target netip.Addr, device string, within func(func() error) error) *Socket {
	return &Socket{
		echo: NewEcho(target), device: device, within: within,
		target: &net.IPAddr{IP: target.AsSlice()}, answers: make(chan uint16, mostOutstanding),
	}
}

// NewInjected makes a Socket that only hears the answers, on the device: inject
// sends each request, a whole packet from the address source.
func NewInjected(target, source netip.Addr, device string, within func(func() error) error, inject func(packet []byte) error) *Socket {
	s := NewSocket(target, device, within)
	s.source, s.inject = source, inject
	return s
}

func (s *Socket) open() error {
	network := "ip4:icmp"
	if s.echo.target.Is6() {
		network = "ip6:ipv6-icmp"
	}
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return tie(c, s.device) }}
	err := s.within(func() (err error) {
		s.conn, err = listen.ListenPacket(context.Background(), network, "")
		return err
	})
	if err != nil {
		s.conn = nil
		advice := ""
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			advice = ": it needs CAP_NET_RAW: run as root; in a container, pass `--cap-add NET_RAW`"
		}
		return fmt.Errorf("probe: cannot open an ICMP socket on interface %s: %w%s", s.device, err, advice)
	}
	s.receiving = make(chan struct{})
	go s.receive(s.conn, s.receiving)
	return nil
}

func tie(c syscall.RawConn, device string) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), device) })
	return errors.Join(err, failed)
}

// Send implements Line.
func (s *Socket) Send(sequence uint16) error {
	if s.deaf() {
		s.Close()
	}
	if s.conn == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.inject != nil {
		s.buffer = s.echo.AppendPacket(s.buffer[:0], s.source, sequence)
		return s.inject(s.buffer)
	}
	s.buffer = s.echo.AppendRequest(s.buffer[:0], sequence)
	if _, err := s.conn.WriteTo(s.buffer, s.target); err != nil {
		s.Close()
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// deaf tells whether the receiver ended, as it does when the interface goes down.
func (s *Socket) deaf() bool {
	select {
	case <-s.receiving: // nil, and never ready, before the first request
		return s.conn != nil
	default:
		return false
	}
}

// Answers implements Line.
func (s *Socket) Answers() <-chan uint16 { return s.answers }

// Close implements Line.
func (s *Socket) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	<-s.receiving
	s.conn = nil
	return err
}

// receive sorts out our answers, until the socket fails, which it may do again
// and again, or is closed; it hears every ICMP message of the interface.
func (s *Socket) receive(conn net.PacketConn, done chan struct{}) {
	defer close(done)
	buffer := make([]byte, 256)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		address, ok := netip.AddrFromSlice(from.(*net.IPAddr).IP)
		if !ok {
			continue
		}
		if sequence, ok := s.echo.Answered(buffer[:n], address); ok {
			select {
			case s.answers <- sequence:
			default:
			}
		}
	}
}

package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// alwaysFits is a payload that no path cuts (RFC 791 §3.2).
const alwaysFits = 576 - ipv4HeaderLen - udpHeaderLen

// keepalive is the NAT keepalive of RFC 3948 §2.3.
var keepalive = []byte{0xff}

// Receivers returns one Receiver per socket. Every one of them wants to be
// read.
func (c *Conns) Receivers() []*Receiver {
	return c.receivers(func(*socket) bool { return true })
}

// WorkerReceivers are those that data worker n is to read: 0 is the first.
func (c *Conns) WorkerReceivers(n int) []*Receiver {
	return c.receivers(func(s *socket) bool { return s.worker == n })
}

// Workers is how many data workers have something to read: those with sockets of
// their own, or the first.
func (c *Conns) Workers() int { return max(c.steering, 1) }

// ControlReceivers are those of no worker: IKE comes there.
func (c *Conns) ControlReceivers() []*Receiver { return c.WorkerReceivers(noWorker) }

func (c *Conns) receivers(want func(*socket) bool) (list []*Receiver) {
	for _, s := range c.sockets {
		if want(s) {
			list = append(list, &Receiver{socket: s})
		}
	}
	return list
}

// SendIKE sends one IKE message, behind the non-ESP marker when local is on
// the NAT port (RFC 7296 §2.23). Unlike ESP it may be fragmented.
func (c *Conns) SendIKE(b []byte, local, remote netip.AddrPort) error {
	c.single.Lock()
	defer c.single.Unlock()
	return c.sendSingle(c.marked(b, local), local, remote, 0, false)
}

// SendProbe is SendIKE without fragmentation: the message is refused where it
// is longer than the interface takes, and lost where a router would cut it.
func (c *Conns) SendProbe(b []byte, local, remote netip.AddrPort) error {
	c.single.Lock()
	defer c.single.Unlock()
	return c.sendSingle(c.marked(b, local), local, remote, 0, true)
}

// marked is an IKE message behind the non-ESP marker, where that belongs.
// c.single is held.
func (c *Conns) marked(b []byte, local netip.AddrPort) []byte {
	c.buffer = c.buffer[:0]
	if local.Port() == c.natPort {
		c.buffer = append(c.buffer, make([]byte, MarkerSize)...)
	}
	c.buffer = append(c.buffer, b...)
	return c.buffer
}

// SendKeepalive sends the NAT keepalive of RFC 3948 §2.3.
func (c *Conns) SendKeepalive(local, remote netip.AddrPort) error {
	c.single.Lock()
	defer c.single.Unlock()
	return c.sendSingle(keepalive, local, remote, 0, false)
}

// sendSingle sends one datagram, whole or in fragments, and says what went
// wrong. c.single is held.
func (c *Conns) sendSingle(b []byte, local, remote netip.AddrPort, tos uint8, whole bool) error {
	sock := c.sender.socketFor(local, remote)
	if sock == nil {
		return fmt.Errorf("udp: cannot send from %v to %v: no socket has that local address and port", local, remote)
	}
	if len(b) > maxPayload {
		return fmt.Errorf("udp: cannot send to %v: %d bytes: %w", remote, len(b), unix.EMSGSIZE)
	}
	sock.mu.RLock()
	defer sock.mu.RUnlock()
	if sock.closed.Load() {
		return net.ErrClosed
	}
	if len(b) > alwaysFits && sock.keepsWhole() != whole {
		// On the NAT port the socket sets DF for ESP. ESP sent meanwhile by
		// others may get fragmented, which does no harm for this moment.
		_ = sock.dontFragment(whole)
		defer sock.dontFragment(sock.keepsWhole())
	}
	run := Run{Payload: b, Local: local, Remote: remote, TOS: tos}
	errno := c.sender.sendOne(sock, &run)
	if errno != 0 {
		sock.count(errno, 1)
		return fmt.Errorf("udp: cannot send from %v to %v: %w", local, remote, errno)
	}
	sock.counters.sent.Add(1)
	sock.counters.sentBytes.Add(uint64(len(b)))
	return nil
}

// sendOne sends the run as one datagram.
func (s *Sender) sendOne(sock *socket, run *Run) unix.Errno {
	s.out.fill(0, sock, run, run.Payload, len(run.Payload))
	for {
		if _, errno := sock.send(s.out.headers[:1]); errno != unix.EINTR {
			return errno
		}
	}
}

// LocalAddr is the source address for datagrams to remote: the one the routes
// choose, or, where the gateway listens on given addresses and that is none of
// them, the first of remote's family.
func (c *Conns) LocalAddr(remote netip.Addr) (netip.Addr, error) {
	remote = remote.Unmap()
	var local netip.Addr
	err := c.probePath(remote, func(fd int) error {
		name, err := unix.Getsockname(fd)
		switch name := name.(type) {
		case *unix.SockaddrInet4:
			local = netip.AddrFrom4(name.Addr)
		case *unix.SockaddrInet6:
			local = netip.AddrFrom16(name.Addr)
		}
		return err
	})
	if len(c.addresses) == 0 {
		return local, err
	}
	var first netip.Addr
	for _, a := range c.addresses {
		if err == nil && a.WithZone("") == local {
			return a, nil
		}
		if !first.IsValid() && a.Is4() == remote.Is4() {
			first = a
		}
	}
	if !first.IsValid() {
		return first, fmt.Errorf("udp: none of the local addresses is of the family of %v", remote)
	}
	return first, nil
}

// HasAddr tells whether an interface of this host has the address now.
func (c *Conns) HasAddr(a netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return true // the routes decide
	}
	return slices.ContainsFunc(list, func(i net.Addr) bool {
		prefix, err := netip.ParsePrefix(i.String())
		return err == nil && prefix.Addr().Unmap() == a.Unmap().WithZone("")
	})
}

// probePath runs look on a socket connected to remote, which makes the kernel
// choose the route and sends nothing.
func (c *Conns) probePath(remote netip.Addr, look func(fd int) error) error {
	family := unix.AF_INET6
	if remote.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("udp: cannot look up the path to %v: %w", remote, err)
	}
	defer unix.Close(fd)
	if c.lookupMark != 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(c.lookupMark)) // without CAP_NET_ADMIN there are no such rules of ours
	}
	if err = unix.Connect(fd, nameOf(netip.AddrPortFrom(remote, DefaultNATPort))); err == nil {
		err = look(fd)
	}
	if err != nil {
		return fmt.Errorf("udp: no path to %v: %w", remote, err)
	}
	return nil
}

func nameOf(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zoneIndex(a.Addr().Zone())}
}

// Features says which offloads are in use now: a socket loses UDP_SEGMENT when
// an interface refuses it.
func (c *Conns) Features() Features {
	f := Features{GSO: true, GRO: true, Steering: c.steering > 0}
	for _, s := range c.sockets {
		if s.raw {
			f.BareESP = true
			continue
		}
		f.GSO = f.GSO && s.gso.Load()
		f.GRO = f.GRO && s.gro
		if n := s.receiveBuffer(); f.ReceiveBuffer == 0 || n < f.ReceiveBuffer {
			f.ReceiveBuffer = n
		}
	}
	return f
}

// Stats returns the counters of all sockets together.
func (c *Conns) Stats() Stats {
	var s Stats
	for _, sock := range c.sockets {
		sock.counters.addTo(&s)
	}
	s.Failed += c.unroutable.Load()
	return s
}

// Close closes the sockets, wakes whoever is blocked on them, and returns when
// nobody uses them any more.
func (c *Conns) Close() error {
	var errs []error
	for _, s := range c.sockets {
		errs = append(errs, s.close())
	}
	for _, r := range c.icmp {
		if err := r.socket.Close(); !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"causeway/test/lab/world"
)

// chunk is how much a sender writes at once: as much as the kernel puts into
// one superpacket.
const chunk = 64 << 10

// slowest is how many bytes a second a long transfer makes at least.
const slowest = 20 << 20

// transfer sends random bytes over one TCP connection between clients and
// compares what arrives by its hash. It is the test's own sender and receiver,
// with sockets in the clients' namespaces.
func (s *scene) transfer(from, to *world.Namespace, address netip.Addr, size int) error {
	return s.carry(passage{from: from, to: to, address: address, size: size})
}

// transferKnownAs is transfer to a host that the sender knows by another address.
func (s *scene) transferKnownAs(known netip.Addr, from, to *world.Namespace, address netip.Addr, size int) error {
	return s.carry(passage{known: known, from: from, to: to, address: address, size: size})
}

// transferTo is transfer to a port that is not any.
func (s *scene) transferTo(port uint16, from, to *world.Namespace, address netip.Addr, size int) error {
	return s.carry(passage{port: port, from: from, to: to, address: address, size: size})
}

// passage is what a transfer needs to know.
type passage struct {
	from, to *world.Namespace
	source   netip.Addr // of the sender; the zero value: any
	address  netip.Addr // of the receiver
	known    netip.Addr // by what the sender knows it; the zero value: address
	port     uint16     // 0: any
	size     int
}

func (s *scene) carry(p passage) error {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute+time.Duration(p.size/slowest)*time.Second)
	defer cancel()
	var listener net.Listener
	err := p.to.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(p.address, p.port).String())
		return err
	})
	if err != nil {
		return err
	}
	defer listener.Close()
	sender, err := p.dial(ctx, uint16(listener.Addr().(*net.TCPAddr).Port))
	if err != nil {
		return fmt.Errorf("connect from %s: %w", p.from.Role, err)
	}
	defer sender.Close()
	receiver, err := listener.Accept()
	if err != nil {
		return err
	}
	defer receiver.Close()
	deadline, _ := ctx.Deadline()
	if err := errors.Join(sender.SetDeadline(deadline), receiver.SetDeadline(deadline)); err != nil {
		return err
	}
	return compare(sender, receiver, p.size)
}

func (p passage) dial(ctx context.Context, port uint16) (conn net.Conn, err error) {
	var dialer net.Dialer
	if p.source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.source, 0))
	}
	at := p.address
	if p.known.IsValid() {
		at = p.known
	}
	err = p.from.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(at, port).String())
		return err
	})
	return conn, err
}

// compare sends size bytes and hashes them at both ends.
func compare(sender, receiver net.Conn, size int) error {
	sent := make(chan error, 1)
	var want [sha256.Size]byte
	go func() {
		var err error
		want, err = send(sender, size)
		sent <- err
	}()
	hash := sha256.New()
	n, err := io.CopyBuffer(hash, struct{ io.Reader }{receiver}, make([]byte, 4*chunk))
	if err := errors.Join(err, <-sent); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, size, err)
	}
	if got := [sha256.Size]byte(hash.Sum(nil)); got != want || n != int64(size) {
		return fmt.Errorf("%d bytes with hash %x arrived, %d with %x were sent", n, got, size, want)
	}
	return nil
}

func send(conn net.Conn, size int) (sum [sha256.Size]byte, err error) {
	source := rand.NewChaCha8([32]byte{1})
	hash := sha256.New()
	buffer := make([]byte, chunk)
	for left := size; left > 0; left -= len(buffer) {
		buffer = buffer[:min(len(buffer), left)]
		_, _ = source.Read(buffer) // never fails
		hash.Write(buffer)
		if _, err := conn.Write(buffer); err != nil {
			return sum, err
		}
	}
	return [sha256.Size]byte(hash.Sum(nil)), conn.(*net.TCPConn).CloseWrite()
}

// transferBoth transfers in both directions at the same time.
func (s *scene) transferBoth(size int) {
	s.t.Helper()
	a, b := world.ClientIn(world.SiteA.Networks[0]), world.ClientIn(world.SiteB.Networks[0])
	other := make(chan error, 1)
	go func() { other <- s.transfer(s.ClientB, s.ClientA, a, size) }()
	there := s.transfer(s.ClientA, s.ClientB, b, size)
	back := <-other
	if there != nil {
		s.t.Errorf("from A to B: %v", there)
	}
	if back != nil {
		s.t.Errorf("from B to A: %v", back)
	}
}

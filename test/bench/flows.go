package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/test/lab/world"
)

// manyFlows is how many TCP flows there are, whatever carries them.
const manyFlows = 100

// settling is how long the flows have to find their pace before they are measured.
const settling = time.Second

// control is the flows' congestion control. BBR, which some kernels begin with, takes
// the pace of a hundred flows from the round trips of an idle path, and keeps none of
// it for two runs in a row.
const control = "cubic"

// flows runs the flows for that long and counts what arrives.
func (m *many) flows(ctx context.Context, length time.Duration) (sample, error) {
	var received atomic.Int64
	var sockets []io.Closer
	var senders []net.Conn
	var work sync.WaitGroup
	defer func() {
		for _, s := range sockets {
			_ = s.Close()
		}
		work.Wait()
	}()
	for i := range manyFlows {
		from, to, err := m.flow(ctx, i%len(m.ends))
		if err != nil {
			return sample{}, err
		}
		sockets, senders = append(sockets, from, to), append(senders, from)
		work.Go(func() { count(to, &received) })
	}
	for _, from := range senders { // once all are there: who connects under the load of others waits
		work.Go(func() { send(from) })
	}
	select {
	case <-time.After(settling):
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	began, bytes := time.Now(), received.Load()
	before, err := m.cpu()
	if err != nil {
		return sample{}, err
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	took, arrived := time.Since(began), float64(received.Load()-bytes)
	after, err := m.cpu()
	if err == nil && arrived == 0 {
		err = errors.New("nothing arrived")
	}
	return sample{bits: 8 * arrived / took.Seconds(), cpu: (after - before) / (arrived / 1e9)}, err
}

// flow opens a TCP connection from client A to where the flows of an end go.
func (m *many) flow(ctx context.Context, at int) (from, to net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	end, far := m.ends[at], m.farEnds[at]
	there := world.ClientIn(end.RemoteNetworks[0])
	if far != m.world.ClientB {
		there = world.GatewayIn(end.RemoteNetworks[0]) // which is its own client
	}
	source := net.TCPAddrFromAddrPort(netip.AddrPortFrom(world.ClientIn(end.LocalNetworks[0]), 0))
	var listener net.Listener
	err = far.Do(func() (err error) {
		listener, err = (&net.ListenConfig{Control: congestion}).Listen(ctx, "tcp", netip.AddrPortFrom(there, 0).String())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	err = m.world.ClientA.Do(func() (err error) {
		from, err = (&net.Dialer{LocalAddr: source, Control: congestion}).DialContext(ctx, "tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if to, err = listener.Accept(); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return from, to, nil
}

// congestion gives a socket the flows' congestion control.
func congestion(_, _ string, c syscall.RawConn) error {
	var refused error
	err := c.Control(func(socket uintptr) {
		refused = unix.SetsockoptString(int(socket), unix.IPPROTO_TCP, unix.TCP_CONGESTION, control)
	})
	return errors.Join(err, refused)
}

// send writes until the connection is closed.
func send(c net.Conn) {
	for buffer := make([]byte, 128<<10); ; {
		if _, err := c.Write(buffer); err != nil {
			return
		}
	}
}

// count reads until the connection is closed.
func count(c net.Conn, received *atomic.Int64) {
	for buffer := make([]byte, 256<<10); ; {
		n, err := c.Read(buffer)
		received.Add(int64(n))
		if err != nil {
			return
		}
	}
}

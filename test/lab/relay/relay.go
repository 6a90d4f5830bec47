package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// Direction is where a datagram goes.
type Direction uint8

// The directions.
const (
	ToFar Direction = iota
	ToNear
)

func (d Direction) String() string {
	if d == ToFar {
		return "to far"
	}
	return "to near"
}

// Path is one pair of ports that is relayed.
type Path struct {
	Near netip.AddrPort // listens here for the near host
	Far  netip.AddrPort // the far host sees this source; port 0: any free one
	Peer netip.AddrPort // the far host
}

// Config describes a Relay.
type Config struct {
	Paths []Path
	Seed  uint64
	// Listen opens a socket, in whatever namespace it belongs to; nil opens it
	// in this process's. The Relay closes it.
	Listen func(netip.AddrPort) (*net.UDPConn, error)
	// Watch sees each datagram of the two hosts as it arrives, before any
	// fault: the index of its path, its direction and its payload, which is
	// valid during the call. Several goroutines call it. Nil: nobody watches.
	Watch func(path int, d Direction, payload []byte)
	// Counts says what Stats.Duplicated and Stats.Corrupted count, of what leaves
	// on a path; nil: everything.
	Counts func(path int, payload []byte) bool
}

// Relay is a running relay.
type Relay struct {
	config  Config
	paths   []*path
	readers sync.WaitGroup
}

// New opens the sockets and begins to forward, without faults.
func New(config Config) (*Relay, error) {
	if config.Listen == nil {
		config.Listen = func(a netip.AddrPort) (*net.UDPConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		}
	}
	r := &Relay{config: config}
	for i, p := range config.Paths {
		opened, err := r.open(i, p)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.paths = append(r.paths, opened)
	}
	return r, nil
}

func (r *Relay) open(index int, p Path) (*path, error) {
	near, err := r.listen(p.Near)
	if err != nil {
		return nil, err
	}
	far, err := r.listen(p.Far)
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	opened := &path{peer: p.Peer, near: near, far: far, watch: func(Direction, []byte) {}}
	if r.config.Watch != nil {
		opened.watch = func(d Direction, payload []byte) { r.config.Watch(index, d, payload) }
	}
	for d := range opened.lanes {
		seed := rand.NewPCG(r.config.Seed, uint64(2*index+d))
		opened.lanes[d] = &lane{random: rand.New(seed), counts: func([]byte) bool { return true }}
		if r.config.Counts != nil {
			opened.lanes[d].counts = func(payload []byte) bool { return r.config.Counts(index, payload) }
		}
	}
	opened.lanes[ToFar].send = opened.sendFar
	opened.lanes[ToNear].send = opened.sendNear
	r.read(near, opened.fromNear)
	r.read(far, opened.fromFar)
	return opened, nil
}

// read gives what arrives on the socket to f until the socket is closed.
func (r *Relay) read(conn *net.UDPConn, f func(payload []byte, from netip.AddrPort)) {
	r.readers.Go(func() {
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err == nil:
				f(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
			}
			// Any other error is an ICMP message about what was sent before.
		}
	})
}

// listen opens a socket with room for bursts: only Faults may lose datagrams.
func (r *Relay) listen(a netip.AddrPort) (*net.UDPConn, error) {
	conn, err := r.config.Listen(a)
	if err != nil {
		return nil, fmt.Errorf("relay: listen on %s: %w", a, err)
	}
	if err := enlarge(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("relay: buffer of %s: %w", a, err), conn.Close())
	}
	return conn, nil
}

// SetFaults changes what happens to datagrams that arrive from now on.
func (r *Relay) SetFaults(d Direction, f Faults) {
	for _, p := range r.paths {
		p.lanes[d].set(f)
	}
}

// Rebind makes the relay forget the far side's ports, as a NAT does that timed
// out or was restarted: the far host sees other source ports from now on, and
// what it sends to the former ones is lost.
func (r *Relay) Rebind() error {
	for i, p := range r.paths {
		far, err := r.listen(netip.AddrPortFrom(r.config.Paths[i].Far.Addr(), 0))
		if err != nil {
			return err
		}
		old := p.swapFar(far)
		r.read(far, p.fromFar)
		if err := old.Close(); err != nil {
			return fmt.Errorf("relay: close the former port: %w", err)
		}
	}
	return nil
}

// FarPort is the source port that the far host sees on a path.
func (r *Relay) FarPort(path int) uint16 {
	return r.paths[path].farSocket().LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// Inject sends a datagram as if it had come from the other side, past every
// fault and uncounted.
func (r *Relay) Inject(path int, d Direction, payload []byte) error {
	p := r.paths[path]
	if d == ToFar {
		return p.sendFar(payload, p.peer)
	}
	to, known := p.nearHost()
	if !known {
		return errors.New("relay: the near host has not sent anything yet")
	}
	return p.sendNear(payload, to)
}

// Stats is what happened in one direction since New.
type Stats struct {
	Received   uint64 // from the sender
	Lost       uint64 // by Faults.Loss
	Duplicated uint64 // of what Config.Counts takes, as is Corrupted
	Reordered  uint64
	Corrupted  uint64
	Sent       uint64 // to the receiver
	Failed     uint64 // the kernel refused it
	Overflow   uint64 // too many were waiting
	Unknown    uint64 // nobody to send it to, or a stranger sent it
}

// Stats adds up the paths.
func (r *Relay) Stats(d Direction) Stats {
	var s Stats
	for _, p := range r.paths {
		c := p.lanes[d].snapshot()
		s.Received += c.Received
		s.Lost += c.Lost
		s.Duplicated += c.Duplicated
		s.Reordered += c.Reordered
		s.Corrupted += c.Corrupted
		s.Sent += c.Sent
		s.Failed += c.Failed
		s.Overflow += c.Overflow
		s.Unknown += c.Unknown
	}
	return s
}

// Close ends the relay; datagrams that wait are lost.
func (r *Relay) Close() error {
	var err error
	for _, p := range r.paths {
		err = errors.Join(err, p.near.Close(), p.farSocket().Close())
	}
	r.readers.Wait()
	for _, p := range r.paths {
		for _, l := range p.lanes {
			l.stop()
		}
	}
	return err
}

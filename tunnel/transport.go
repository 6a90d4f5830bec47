package tunnel

import (
	"net/netip"

	"causeway/tunnel/udp"
)

// Transport is what the data path needs of the outer side. UDP makes one of
// the real sockets.
type Transport interface {
	// Receivers returns the sockets of a worker, of which 0 is the first; each is
	// read by one goroutine.
	Receivers(worker int) []Receiver
	// Control returns the sockets of no worker. They are for IKE, but ESP may
	// come there, too.
	Control() []Receiver
	// Workers is how many workers have sockets; at least 1.
	Workers() int
	// NewSender makes a Sender for a worker, for one goroutine.
	NewSender(worker int) Sender
	// SendKeepalive sends the one-byte NAT keepalive (RFC 3948 §2.3).
	SendKeepalive(local, remote netip.AddrPort) error
	// PathErrors returns the readers of ICMP; each is read by one goroutine.
	PathErrors() []PathErrorReader
	// Close wakes every Receive with net.ErrClosed.
	Close() error
}

// Receiver reads one socket, as udp.Receiver does.
type Receiver interface {
	Receive(b *udp.Batch) (n int, err error)
	TryReceive(b *udp.Batch) (n int, err error)
}

// PathErrorReader reads what ICMP says of packets too big, as
// udp.PathErrorReader does.
type PathErrorReader interface {
	Read() (udp.PathError, error)
}

// Sender sends runs, as udp.Sender does.
type Sender interface {
	Send(runs []udp.Run) error
}

// UDP is the Transport over real sockets.
func UDP(c *udp.Conns) Transport { return sockets{c} }

type sockets struct{ *udp.Conns }

func (s sockets) NewSender(worker int) Sender { return s.Conns.NewSender(worker) }

func (s sockets) PathErrors() []PathErrorReader {
	readers := s.Conns.PathErrors()
	out := make([]PathErrorReader, len(readers))
	for i, r := range readers {
		out[i] = r
	}
	return out
}

func (s sockets) Receivers(worker int) []Receiver { return receivers(s.WorkerReceivers(worker)) }
func (s sockets) Control() []Receiver             { return receivers(s.ControlReceivers()) }

func receivers(of []*udp.Receiver) []Receiver {
	out := make([]Receiver, len(of))
	for i, r := range of {
		out[i] = r
	}
	return out
}

// bare says that ESP from or to the address is without UDP, which port 0 stands
// for.
func bare(a netip.AddrPort) bool { return a.Port() == 0 }

// keepBare is the new pair of addresses of an SA whose peer was at old.
func keepBare(old, local, remote netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
	if bare(old) {
		return netip.AddrPortFrom(local.Addr(), 0), netip.AddrPortFrom(remote.Addr(), 0)
	}
	return local, remote
}

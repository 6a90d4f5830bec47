package udp

import (
	"errors"
	"net/netip"
	"time"
)

// Conns are the open sockets.
type Conns struct{}

// Listen opens the sockets. Its errors say which address and port could not be
// had and what holds it.
func Listen(cfg Config) (*Conns, error) { return nil, errors.New("udp: under construction") }

// Receivers returns one Receiver per socket.
func (c *Conns) Receivers() []*Receiver { return nil }

// NewSender makes a Sender; each sending goroutine needs its own.
func (c *Conns) NewSender() *Sender { return nil }

// SendIKE sends one IKE message, behind the non-ESP marker when local is on
// the NAT port.
func (c *Conns) SendIKE(b []byte, local, remote netip.AddrPort) error { return nil }

// SendKeepalive sends the NAT keepalive of RFC 3948 §2.3.
func (c *Conns) SendKeepalive(local, remote netip.AddrPort) error { return nil }

// LocalAddr is the source address for datagrams to remote.
func (c *Conns) LocalAddr(remote netip.Addr) (netip.Addr, error) { return netip.Addr{}, nil }

// PathMTU is what the kernel believes the path MTU to remote to be.
func (c *Conns) PathMTU(local, remote netip.Addr) (int, error) { return 0, nil }

// Features says which offloads are in use now.
func (c *Conns) Features() Features { return Features{} }

// Stats returns the counters.
func (c *Conns) Stats() Stats { return Stats{} }

// Close closes the sockets and waits until nothing uses them any more.
func (c *Conns) Close() error { return nil }

// Receiver reads one socket. Safe for concurrent use with one Batch per
// goroutine.
type Receiver struct{}

// Receive fills b.Messages[:n]; it waits until there is at least one message
// and does not wait for more. After Close the error is net.ErrClosed, after the
// time set with SetTimeout os.ErrDeadlineExceeded; no other error is returned
// for a reason that passes.
func (r *Receiver) Receive(b *Batch) (n int, err error) { return 0, nil }

// TryReceive is Receive without waiting: 0, nil when there is nothing.
func (r *Receiver) TryReceive(b *Batch) (n int, err error) { return 0, nil }

// SetTimeout bounds how long Receive waits; zero means for ever.
func (r *Receiver) SetTimeout(d time.Duration) error { return nil }

// Batch is the memory that Receive fills.
type Batch struct{ Messages []Message }

// NewBatch makes a Batch of n messages of up to 64 KiB each.
func NewBatch(n int) *Batch { return nil }

// Sender sends runs.
type Sender struct{}

// Send sends runs in order, several in one system call, and sets each Result.
// It waits while the socket's send buffer is full. The only error is
// net.ErrClosed.
func (s *Sender) Send(runs []Run) error { return nil }

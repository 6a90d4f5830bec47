package transcript

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Packet is one datagram on the network.
type Packet struct {
	Number        int
	From          *Host
	Source        netip.AddrPort // as the receiver sees it
	Destination   netip.AddrPort
	Bytes         []byte
	Retransmitted bool
}

// String tells what can be seen of a datagram from outside.
func (p *Packet) String() string {
	if h, err := isakmp.ParseHeader(p.Bytes); err == nil && h.Major == isakmp.MajorVersion {
		return fmt.Sprintf("%v %08x", h.Exchange, h.MessageID)
	}
	h, err := wire.ParseHeader(p.Bytes)
	if err != nil {
		return fmt.Sprintf("%d bytes", len(p.Bytes))
	}
	kind := "request"
	if h.Flags.Response() {
		kind = "response"
	}
	return fmt.Sprintf("%v %s %d", h.Exchange, kind, h.MessageID)
}

// World is two hosts and the network between them.
type World struct {
	Now     time.Time
	A, B    *Host
	Network []*Packet // sent and not delivered, the oldest first
	// NAT, when set, stands before a: b sees a's datagrams come from it.
	NAT netip.Addr
	// NATShift is what the NAT adds to a's ports.
	NATShift uint16
	// NATForgets has it drop what is sent to a port that it does not give a now.
	NATForgets bool
	// MTU is what the path carries of what must not be fragmented; 0: all.
	MTU int
	// HoldWork keeps Diffie-Hellman results until Work is called.
	HoldWork bool
	// Mute is an end of which nothing arrives; nil: there is none.
	Mute *Host
	// Faults are broken invariants, for tests to look at.
	Faults []string

	disrupted bool // an end crashed or left, or a hard limit took a Child SA away
	log       func(string)
	sent      int
	nextSPI   uint32
}

// Epoch is when every World begins.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a world of two hosts with these settings. log is told every line
// of the transcript.
func New(a, b *sa.Settings, log func(string)) *World {
	w := &World{Now: Epoch, log: log, nextSPI: 0xc0000000}
	w.A = newHost(w, "a", netip.MustParseAddr("192.0.2.1"), a)
	w.B = newHost(w, "b", netip.MustParseAddr("192.0.2.2"), b)
	return w
}

// Other is the host at the far end.
func (w *World) Other(h *Host) *Host {
	if h == w.A {
		return w.B
	}
	return w.A
}

func (w *World) logf(format string, args ...any) {
	if w.log != nil {
		w.log(fmt.Sprintf("%7.3fs ", w.Now.Sub(Epoch).Seconds()) + fmt.Sprintf(format, args...))
	}
}

func (w *World) fault(format string, args ...any) {
	f := fmt.Sprintf(format, args...)
	w.Faults = append(w.Faults, f)
	w.logf("FAULT %s", f)
}

// send puts a datagram on the network, through the NAT.
func (w *World) send(from *Host, s sa.Send) {
	w.sent++
	if from == w.Mute {
		return
	}
	if s.Whole && w.MTU > 0 && len(s.Bytes)+20+8+4 > w.MTU {
		w.logf("the path drops %d octets of %s", len(s.Bytes)+20+8+4, from.Name)
		return
	}
	if w.NATForgets && s.Remote.Addr() == w.NAT && s.Remote.Port() != 500+w.NATShift && s.Remote.Port() != 4500+w.NATShift {
		w.logf("the NAT drops what %s sends to port %d", from.Name, s.Remote.Port())
		return
	}
	p := &Packet{Number: w.sent, From: from, Source: s.Local, Destination: s.Remote, Bytes: s.Bytes}
	if w.NAT.IsValid() {
		switch {
		case from == w.A:
			p.Source = netip.AddrPortFrom(w.NAT, s.Local.Port()+w.NATShift)
		case s.Remote.Addr() == w.NAT:
			p.Destination = netip.AddrPortFrom(w.A.Addr, s.Remote.Port()-w.NATShift)
		}
	}
	w.Network = append(w.Network, p)
}

// Deliver gives the i-th datagram on the network to its destination.
func (w *World) Deliver(i int) {
	p := w.Network[i]
	w.Network = append(w.Network[:i:i], w.Network[i+1:]...)
	w.arrive(p)
}

// Duplicate delivers the i-th datagram and keeps it on the network.
func (w *World) Duplicate(i int) { w.arrive(w.Network[i]) }

// Drop loses the i-th datagram.
func (w *World) Drop(i int) *Packet {
	p := w.Network[i]
	w.Network = append(w.Network[:i:i], w.Network[i+1:]...)
	return p
}

// arrive delivers by address; one that nobody has is lost.
func (w *World) arrive(p *Packet) {
	for _, h := range []*Host{w.A, w.B} {
		if (h.Addr == p.Destination.Addr() || slices.Contains(h.Also, p.Destination.Addr())) && !slices.Contains(h.Unreachable, p.Destination.Addr()) {
			h.Receive(sa.Datagram{Raw: append([]byte(nil), p.Bytes...), Local: p.Destination, Remote: p.Source})
			return
		}
	}
}

// DeliverAll delivers until the network is empty.
func (w *World) DeliverAll() {
	for i := 0; len(w.Network) > 0; i++ {
		if i > 1000 {
			w.fault("the conversation does not end")
			return
		}
		w.Deliver(0)
	}
}

// Stand has a bring the tunnel up, and a packet go each way: the responder asks
// nothing before it hears that the initiator has the tunnel.
func (w *World) Stand() {
	w.A.Up()
	w.DeliverAll()
	w.Echo()
}

// Echo sends a packet each way and tells whether both were received.
func (w *World) Echo() bool {
	a, b := w.A.Ping("net", 0), w.B.Ping("net", 0)
	return a && b
}

// deadline is the next timer of either host within until.
func (w *World) deadline(until time.Time) (at time.Time, h *Host) {
	at = until
	for _, x := range []*Host{w.A, w.B} {
		if d := x.deadline(); !d.IsZero() && !d.After(at) && (h == nil || d.Before(at)) {
			at, h = d, x
		}
	}
	return at, h
}

// Advance lets time pass, firing timers. With deliver, what is sent arrives at
// once.
func (w *World) Advance(d time.Duration, deliver bool) {
	until := w.Now.Add(d)
	if deliver {
		w.DeliverAll()
	}
	for steps := 0; ; steps++ {
		at, h := w.deadline(until)
		if h == nil {
			break
		}
		if steps > 200000 {
			w.fault("timers fire without end")
			break
		}
		w.Now = maxTime(w.Now, at)
		h.tick()
		if deliver {
			w.DeliverAll()
		}
	}
	w.Now = until
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Work finishes the work that HoldWork kept.
func (w *World) Work() {
	for _, h := range []*Host{w.A, w.B} {
		h.work()
	}
}

func (w *World) allocate() uint32 {
	w.nextSPI++
	return w.nextSPI
}

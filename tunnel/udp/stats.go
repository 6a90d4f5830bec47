package udp

import "sync/atomic"

// Features is what the sockets can do now.
type Features struct {
	GSO bool // every socket sends with UDP_SEGMENT
	GRO bool // every socket receives with UDP_GRO
	// Steering: ESP goes to the worker that its SPI names.
	Steering bool
	// BareESP: there are sockets for ESP without UDP.
	BareESP bool
	// ReceiveBuffer is the smallest buffer the kernel granted.
	ReceiveBuffer int
}

// Stats counts what happened on the sockets since Listen.
type Stats struct {
	Received, ReceivedBytes uint64 // messages (a train is one), payload bytes
	ReceivedDatagrams       uint64 // no more than Received where the kernel merges nothing
	Sent, SentBytes         uint64 // datagrams, payload bytes
	Overflow                uint64 // datagrams the kernel dropped because we read too slowly
	Truncated               uint64 // datagrams of messages larger than the receive buffer, dropped
	TooBig                  uint64 // datagrams not sent: above the path MTU
	NoBuffers               uint64 // datagrams not sent: ENOBUFS, or the send buffer stayed full
	Denied                  uint64 // datagrams not sent: EPERM, EACCES (a firewall)
	Unreachable             uint64 // datagrams not sent: no route, network down, refused
	Failed                  uint64 // datagrams not sent for another reason
	GSOFallbacks            uint64 // trains sent datagram by datagram
}

// counters are the Stats of one socket while they are counted.
type counters struct {
	received, receivedBytes atomic.Uint64
	receivedDatagrams       atomic.Uint64
	sent, sentBytes         atomic.Uint64
	overflow                atomic.Uint64 // the kernel's running total, not ours
	truncated               atomic.Uint64
	tooBig, noBuffers       atomic.Uint64
	denied, unreachable     atomic.Uint64
	failed, gsoFallbacks    atomic.Uint64
}

func (c *counters) addTo(s *Stats) {
	s.Received += c.received.Load()
	s.ReceivedBytes += c.receivedBytes.Load()
	s.ReceivedDatagrams += c.receivedDatagrams.Load()
	s.Sent += c.sent.Load()
	s.SentBytes += c.sentBytes.Load()
	s.Overflow += c.overflow.Load()
	s.Truncated += c.truncated.Load()
	s.TooBig += c.tooBig.Load()
	s.NoBuffers += c.noBuffers.Load()
	s.Denied += c.denied.Load()
	s.Unreachable += c.unreachable.Load()
	s.Failed += c.failed.Load()
	s.GSOFallbacks += c.gsoFallbacks.Load()
}

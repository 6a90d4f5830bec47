package tunnel

import (
	"sync"
	"sync/atomic"
	"time"

	"causeway/esp"
)

// Drop is why a packet or datagram was not carried. Its String is the stable
// code that metrics and the API show.
type Drop uint8

const (
	DropReplay         Drop = iota // in: sequence number seen before or too old (RFC 4303 §3.4.3)
	DropAuthentication             // in: integrity check failed
	DropSelector                   // in: inner packet outside the Child SA's selectors (RFC 4301 §5.2)
	DropMeter                      // both: the connection's bandwidth is used up
	DropNoRoute                    // out: no connection wants the destination
	DropNoSA                       // out: the connection has no Child SA for the flow
	DropMalformed                  // both: not a well-formed IP or ESP packet
	DropTooBig                     // out: larger than the path MTU and not to be fragmented
	DropUnknownSPI                 // in: no SA has this SPI
	DropExhausted                  // both: the SA reached a hard limit
	DropECN                        // in: congestion mark on a flow without ECN (RFC 6040 §4.2)
	DropDummy                      // in: traffic-flow-confidentiality dummy (RFC 4303 §2.6)
	DropKeepalive                  // in: NAT keepalive (RFC 3948 §2.3)
	DropSend                       // out: the sockets could not send it
	DropDevice                     // in: the TUN device did not take it
	DropForgedICMP                 // in: ICMP about a packet that we did not send lately (RFC 4301 §8.2.1)
	DropTransit                    // out: from one connection's site to another's, which they do not allow
	DropOptions                    // out: IP options or extension headers, which transport mode does not carry here
	DropFragment                   // out: a fragment in transport mode whose packet did not come together
	DropLoop                       // out: our own ESP or IKE came back by the device
	dropReasons
)

var dropNames = [dropReasons]string{
	DropReplay: "replay", DropAuthentication: "authentication", DropSelector: "selector", DropMeter: "meter",
	DropNoRoute: "no_route", DropNoSA: "no_sa", DropMalformed: "malformed", DropTooBig: "too_big",
	DropUnknownSPI: "unknown_spi", DropExhausted: "exhausted", DropECN: "ecn", DropDummy: "dummy",
	DropKeepalive: "keepalive", DropSend: "send", DropDevice: "device", DropForgedICMP: "forged_icmp", DropTransit: "transit",
	DropOptions: "options", DropFragment: "fragment", DropLoop: "loop",
}

func (d Drop) String() string {
	if d >= dropReasons {
		return "unknown"
	}
	return dropNames[d]
}

// Drops counts by reason: Drops[DropReplay].
type Drops [dropReasons]uint64

// Counters is what one connection, or the whole tunnel, carried and dropped.
// Bytes are of inner packets.
type Counters struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	// Drops is by reason. DropsIn and DropsOut are those of each direction, without
	// what carries nothing: dummies and keepalives.
	Drops             Drops
	DropsIn, DropsOut uint64
	// LimitedIn and LimitedOut are how long a connection used all that it may
	// have, with packets waiting.
	LimitedIn, LimitedOut time.Duration
}

func (c *Counters) add(o *Counters) {
	c.PacketsIn += o.PacketsIn
	c.BytesIn += o.BytesIn
	c.PacketsOut += o.PacketsOut
	c.BytesOut += o.BytesOut
	c.DropsIn += o.DropsIn
	c.DropsOut += o.DropsOut
	for i, n := range o.Drops {
		c.Drops[i] += n
	}
}

// counters are live Counters. Workers add once per run of packets; the two
// directions keep to separate cache lines.
type counters struct {
	received carried
	_        [48]byte
	sent     carried
	_        [48]byte
	drops    [2][dropReasons]atomic.Uint64 // in, out
}

// carried is what went one way.
type carried struct{ packets, bytes atomic.Uint64 }

func (c *carried) add(packets, bytes int) {
	c.packets.Add(uint64(packets))
	c.bytes.Add(uint64(bytes))
}

func (c *counters) dropIn(why Drop, n int)  { c.drops[0][why].Add(uint64(n)) }
func (c *counters) dropOut(why Drop, n int) { c.drops[1][why].Add(uint64(n)) }

func (c *counters) snapshot() (s Counters) {
	s.PacketsIn, s.BytesIn = c.received.packets.Load(), c.received.bytes.Load()
	s.PacketsOut, s.BytesOut = c.sent.packets.Load(), c.sent.bytes.Load()
	for i := range s.Drops {
		in, out := c.drops[0][i].Load(), c.drops[1][i].Load()
		s.Drops[i] = in + out
		if d := Drop(i); d != DropDummy && d != DropKeepalive {
			s.DropsIn += in
		}
		s.DropsOut += out
	}
	return s
}

// ChildCounters is what one Child SA pair carried. In is all that was authentic,
// since that proves something of the peer; out is without dummies.
type ChildCounters struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
}

// uncarried is what an SA used of its sequence numbers and bytes without carrying
// anything. Its lock is held while it does: who reads both sees both or neither.
type uncarried struct {
	sync.Mutex
	packets, bytes uint64
}

// during does something that takes packets and bytes, if ok, which carry nothing.
func (u *uncarried) during(packets, bytes uint64, do func() (ok bool)) {
	u.Lock()
	defer u.Unlock()
	if do() {
		u.packets += packets
		u.bytes += bytes
	}
}

// without is what was carried of what an SA used.
func (u *uncarried) without(out *esp.Outbound) (packets, bytes uint64) {
	u.Lock()
	defer u.Unlock()
	return out.Packets() - u.packets, out.Bytes() - u.bytes
}

package ike

import (
	"time"

	"causeway/ike/sa"
)

// Idle connections: one that has carried nothing for a while is taken down, as
// the policy-based gateways of Azure do it, and comes up again as it is
// configured to: with the next packet, by command, or by the peer. One that is
// to be up all the time never is.

// idleLooks is how often the packets are counted within the time.
const idleLooks = 5

// idleness is when a connection last carried a packet.
type idleness struct {
	at      time.Time // when to look next; zero: there is nothing to watch
	since   time.Time // of the look that saw the last packet
	carried map[uint32]uint64
}

// planIdle watches what carries, and nothing else.
func (o *owner) planIdle(now time.Time) {
	after := o.conn().Idle
	if after == 0 || !o.carrying || o.keep.wanted {
		o.idle = idleness{}
		return
	}
	if o.idle.at.IsZero() {
		o.idle = idleness{since: now, at: now.Add(after / idleLooks), carried: map[uint32]uint64{}}
	}
}

// lookIdle counts the packets, and takes the connection down if there were none
// for long enough.
func (o *owner) lookIdle(now time.Time) {
	after := o.conn().Idle
	seen := map[uint32]uint64{}
	for _, c := range o.machine.Snapshot().Children {
		in, out := o.engine.cfg.DataPath.Carried(c.Child.SPIIn)
		seen[c.Child.SPIIn] = in + out
	}
	if o.idle.moved(seen) {
		o.idle.since = now
	}
	o.idle.carried, o.idle.at = seen, now.Add(after/idleLooks)
	if now.Sub(o.idle.since) < after {
		return
	}
	o.idle = idleness{}
	o.engine.cfg.Report(sa.WentIdle{Connection: o.name(), After: after})
	o.step(sa.Down{})
}

// moved tells whether a Child SA carried anything since the last look. One that a
// rekey made has carried nothing yet.
func (i *idleness) moved(seen map[uint32]uint64) bool {
	for spi, packets := range seen {
		if packets != i.carried[spi] {
			return true
		}
	}
	return false
}

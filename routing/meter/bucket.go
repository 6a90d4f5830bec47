package meter

import (
	"sync/atomic"
	"time"
)

const (
	// burstTime is how much a store holds, in time at its rate. It is what a
	// sleeper may be late by without losing tokens.
	burstTime = 10 * time.Millisecond
	// fullPacket is an outer packet of the usual size; a store holds two at
	// least.
	fullPacket = 1500
)

// bucket is a token store in virtual time (the GCRA of ITU-T I.371): it keeps
// the time at which all that was taken would have passed at exactly the rate.
// That time may lie behind the present by the burst, which are the tokens
// saved. There is nothing to refill and no lock.
type bucket struct {
	rate  atomic.Uint64 // bits a second; 0: unlimited
	burst atomic.Int64  // ns
	time  atomic.Int64  // ns
}

func (b *bucket) set(rate uint64) {
	b.rate.Store(rate)
	burst := burstTime
	if rate > 0 {
		burst = max(burst, duration(2*fullPacket, rate))
	}
	b.burst.Store(int64(burst))
}

// duration is how long bytes take at a rate.
func duration(bytes int, rate uint64) time.Duration {
	return time.Duration((uint64(bytes)*8*uint64(time.Second) + rate/2) / rate)
}

// take takes tokens for bytes if there are enough.
func (b *bucket) take(now time.Duration, bytes int) bool {
	rate := b.rate.Load()
	if rate == 0 {
		return true
	}
	cost, earliest := int64(duration(bytes, rate)), int64(now)-b.burst.Load()
	for {
		old := b.time.Load()
		next := max(old, earliest) + cost
		if next > int64(now) {
			return false
		}
		if b.time.CompareAndSwap(old, next) {
			return true
		}
	}
}

// charge takes tokens for bytes whether or not there are any: others wait for
// them.
func (b *bucket) charge(now time.Duration, bytes int) {
	rate := b.rate.Load()
	if rate == 0 {
		return
	}
	cost, earliest := int64(duration(bytes, rate)), int64(now)-b.burst.Load()
	for {
		old := b.time.Load()
		if b.time.CompareAndSwap(old, max(old, earliest)+cost) {
			return
		}
	}
}

// refund gives back what take took.
func (b *bucket) refund(bytes int) {
	if rate := b.rate.Load(); rate > 0 {
		b.time.Add(-int64(duration(bytes, rate)))
	}
}

// at is when there will be a token.
func (b *bucket) at() time.Duration {
	if b.rate.Load() == 0 {
		return 0
	}
	return time.Duration(b.time.Load())
}

// has tells whether there is a token. Who then charges a packet owes at most
// that packet.
func (b *bucket) has(now time.Duration) bool { return b.at() <= now }

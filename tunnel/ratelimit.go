package tunnel

import (
	"hash/maphash"
	"time"
)

const (
	icmpPerSecond       = 1000 // of one worker, to all sources
	icmpBurst           = 100
	icmpSourcePerSecond = 20 // to the sources of one bucket
	icmpSourceBurst     = 20
	icmpSourceBuckets   = 256
)

// bucket is a token bucket kept as the time at which it is full again: no
// refill timer, one word of state. The zero value is full.
type bucket struct{ full time.Duration }

// take takes one of burst tokens that come back perSecond each second.
func (b *bucket) take(now time.Duration, perSecond, burst int) bool {
	each := time.Second / time.Duration(perSecond)
	next := max(b.full, now) + each
	if next-now > each*time.Duration(burst) {
		return false
	}
	b.full = next
	return true
}

// icmpLimiter bounds the ICMP errors that one worker makes (RFC 1812 §4.3.2.8,
// RFC 4443 §2.4 (f)): in total, and per source so that one sender cannot use
// up what others need for path MTU discovery. Not safe for concurrent use.
type icmpLimiter struct {
	seed    maphash.Seed
	total   bucket
	sources [icmpSourceBuckets]bucket
}

func newICMPLimiter() *icmpLimiter { return &icmpLimiter{seed: maphash.MakeSeed()} }

func (l *icmpLimiter) allow(now time.Duration, k *flowKey) bool {
	source := [2]uint64{k.srcHigh, k.srcLow}
	at := maphash.Comparable(l.seed, source) % icmpSourceBuckets
	return l.sources[at].take(now, icmpSourcePerSecond, icmpSourceBurst) &&
		l.total.take(now, icmpPerSecond, icmpBurst)
}

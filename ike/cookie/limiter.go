package cookie

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// limiter bounds the answers to each source that has not proved its address, so that forged requests cannot aim our
// answers at somebody. It is a table of token buckets of bounded size: a bucket that is full again is the same as
// none and makes room. Sources that find the table full share buckets by a keyed hash: a flood from any number of
// addresses leaves enough of each for one who means it, and nobody can aim at a chosen one.
type limiter struct {
	rate  float64 // tokens a second
	burst float64
	max   int

	buckets  map[netip.Addr]*list.Element
	order    *list.List // of *bucket, the longest unused first
	overflow bucket     // of all, where nothing is counted apart
	shared   []bucket   // of those that find the table full; nil until there are some
	key      [secretLen]byte
}

// sharedBuckets is how many they share: at 100,000 requests a second from forged addresses, one or two come to each.
const sharedBuckets = 1 << 16

type bucket struct {
	source netip.Addr
	tokens float64
	at     time.Time
}

func newLimiter(rate, burst, limit int) *limiter {
	return &limiter{
		rate:     float64(rate),
		burst:    float64(burst),
		max:      limit,
		buckets:  map[netip.Addr]*list.Element{},
		order:    list.New(),
		overflow: bucket{tokens: float64(burst)},
	}
}

// allow takes one token of the source's bucket.
func (l *limiter) allow(now time.Time, source netip.Addr) bool {
	l.expire(now)
	e, ok := l.buckets[source]
	switch {
	case ok:
		l.order.MoveToBack(e)
	case len(l.buckets) >= l.max:
		return l.take(l.share(source), now)
	default:
		e = l.order.PushBack(&bucket{source: source, tokens: l.burst, at: now})
		l.buckets[source] = e
	}
	return l.take(e.Value.(*bucket), now)
}

// share is the bucket that a source has together with others.
func (l *limiter) share(source netip.Addr) *bucket {
	if l.shared == nil {
		l.shared = make([]bucket, sharedBuckets)
		for i := range l.shared {
			l.shared[i].tokens = l.burst
		}
	}
	a := source.As16()
	sum := sha256.Sum256(append(l.key[:], a[:]...))
	return &l.shared[binary.LittleEndian.Uint64(sum[:])%sharedBuckets]
}

func (l *limiter) take(b *bucket, now time.Time) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(l.burst, b.tokens+passed.Seconds()*l.rate)
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// expire drops the buckets that were not used for as long as an empty one takes to fill.
func (l *limiter) expire(now time.Time) {
	refill := time.Duration(l.burst / l.rate * float64(time.Second))
	for e := l.order.Front(); e != nil; e = l.order.Front() {
		b := e.Value.(*bucket)
		if now.Sub(b.at) < refill {
			return
		}
		l.order.Remove(e)
		delete(l.buckets, b.source)
	}
}

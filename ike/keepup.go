package ike

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// Back-off of a wanted connection: the first attempt is immediate, then the
// pause doubles from minPause to maxPause, less up to a quarter of jitter so
// that a thousand peers do not return in step. It never gives up.
const (
	minPause = time.Second
	maxPause = time.Minute
)

// keepUp decides when and towards which address a connection is attempted. It
// holds no clock: times are arguments, and jitter is a number in [0,1).
type keepUp struct {
	wanted  bool // keep it up
	once    bool // one attempt asked for, by command or traffic
	attempt int  // failed attempts since the last success
	next    time.Time
	// addresses are those of the last resolution; turn is the one to try.
	addresses []netip.Addr
	turn      int
	headless  bool // of the first name none was found
}

// due is when the next attempt is to start; zero: none is planned.
func (k *keepUp) due() time.Time { return k.next }

// want plans an attempt now, once or for ever.
func (k *keepUp) want(now time.Time, forever bool) {
	if forever {
		k.wanted = true
	} else {
		k.once = true
	}
	k.next = now
}

// rest plans no more attempts.
func (k *keepUp) rest() { *k = keepUp{addresses: k.addresses, turn: k.turn, headless: k.headless} }

// started notes that an attempt runs, so that none is planned beside it.
func (k *keepUp) started() { k.next, k.once = time.Time{}, false }

// succeeded forgets past failures; the address stays first choice.
func (k *keepUp) succeeded() {
	k.attempt, k.next, k.once = 0, time.Time{}, false
}

// learn takes the addresses of a resolution. Name servers give the same ones in
// another order each time: the order that is being gone through stays. With others
// the place in the list stays, so that none is out of reach behind a name whose
// addresses always change.
func (k *keepUp) learn(found resolution) {
	k.headless = found.headless
	if !sameSet(found.addresses, k.addresses) {
		k.addresses = found.addresses
	}
}

func sameSet(a, b []netip.Addr) bool {
	within := func(a, b []netip.Addr) bool {
		return !slices.ContainsFunc(a, func(x netip.Addr) bool { return !slices.Contains(b, x) })
	}
	return within(a, b) && within(b, a)
}

// failed plans the next attempt of a wanted connection, towards the next
// address.
func (k *keepUp) failed(now time.Time, jitter float64) {
	k.turn++
	k.again(now, jitter)
}

// again plans the next attempt, towards the same address.
func (k *keepUp) again(now time.Time, jitter float64) {
	k.attempt++
	k.next = time.Time{}
	if k.wanted {
		k.next = now.Add(pause(k.attempt, jitter))
	}
}

// lost plans to come back soon after an SA that was up went away.
func (k *keepUp) lost(now time.Time, jitter float64) {
	k.next = time.Time{}
	if k.wanted {
		k.next = now.Add(time.Duration(jitter * float64(minPause)))
	}
}

// address is the one to try now.
func (k *keepUp) address() (netip.Addr, bool) {
	if len(k.addresses) == 0 {
		return netip.Addr{}, false
	}
	return k.addresses[k.turn%len(k.addresses)], true
}

func pause(attempt int, jitter float64) time.Duration {
	d := float64(minPause) * math.Exp2(float64(min(attempt, 16)-1))
	d = min(d, float64(maxPause))
	return time.Duration(d * (1 - jitter/4))
}

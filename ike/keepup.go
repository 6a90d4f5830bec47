package ike

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// Back-off of a wanted connection: the first attempt is immediate, then the
// pause doubles, with every round of the addresses, from minPause to maxPause, less up to a quarter of jitter so
// that a thousand peers do not return in step. It never gives up.
const (
	minPause = time.Second
	maxPause = time.Minute
)

// spareTries gives a peer with several addresses 12 s to answer at each.
const spareTries = 4

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
		rounds := (k.attempt - 1) / max(1, len(k.addresses))
		k.next = now.Add(pause(rounds+1, jitter))
	}
}

// tries is how often an address is asked without an answer before it is the next
// one's turn; 0: there is no other.
func (k *keepUp) tries() int {
	if len(k.addresses) < 2 {
		return 0
	}
	return spareTries
}

// lost plans to come back soon after an SA with the peer at that address went away:
// to the same, unless it died there without a word.
func (k *keepUp) lost(now time.Time, jitter float64, at netip.Addr, silent bool) {
	if i := slices.Index(k.addresses, at); i >= 0 {
		k.turn = i
	}
	if silent {
		k.turn++
	}
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

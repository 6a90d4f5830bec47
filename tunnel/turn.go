package tunnel

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// spins is how often a worker looks whether its turn has come before it lets
	// other goroutines and threads run.
	spins = 128
	// patience is how often it then lets them, so that whoever is before it goes,
	// which takes about a millisecond.
	patience = 256
	// shortNap and longNap are how long who goes on waiting sleeps between two looks.
	shortNap = 50 * time.Microsecond
	longNap  = time.Millisecond
)

// turns has the packets of one SA leave in the order of their sequence numbers,
// however many workers seal them: a receiver drops what is further behind than
// its window, of which RFC 4303 §3.4.3 demands 32 packets only.
//
// A worker that reserved numbers sends what it sealed in the order of its
// reservations. So whoever has the lowest number of all that wait never waits,
// and workers with packets of several SAs do not wait for each other in a circle.
type turns struct {
	left atomic.Uint64 // the last number that left
	_    [56]byte      // a line of the cache for each SA
}

// due tells whether everything before a number has left.
func (t *turns) due(first uint64) bool { return t.left.Load()+1 >= first }

// wait tells whether everything before a number has left, after as many looks as
// are worth it. For packets to a peer: those that overtake an interrupted worker by
// a little do no harm.
func (t *turns) wait(first uint64, patience int) bool {
	for n := 0; n < spins+patience; n++ {
		if t.due(first) {
			return true
		}
		if n >= spins {
			runtime.Gosched()
			// Another thread may have the processor for long: not with the scheduler held.
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	return t.due(first)
}

// await returns when everything before a number has left, and not before. It is for
// who knows that whatever comes of the others, they pass.
func (t *turns) await(first uint64) {
	if t.wait(first, patience) {
		return
	}
	for nap := shortNap; !t.due(first); nap = min(2*nap, longNap) {
		time.Sleep(nap)
	}
}

// pass says that everything up to a number has left, or never will.
func (t *turns) pass(last uint64) {
	for {
		left := t.left.Load()
		if left >= last || t.left.CompareAndSwap(left, last) {
			return
		}
	}
}

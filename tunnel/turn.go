package tunnel

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// spins is how often a worker looks whether its turn has come before it lets
	// other goroutines and threads run.
	spins = 128
	// patience is how often it then lets them, so that whoever is before it sends.
	// One that was interrupted meanwhile is not waited for: packets that overtake
	// it by a little do no harm.
	patience = 256
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

// wait returns when everything before a number has left, or after as many looks
// as are worth it.
func (t *turns) wait(first uint64, patience int) {
	for n := 0; !t.due(first) && n < spins+patience; n++ {
		if n >= spins {
			runtime.Gosched()
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
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

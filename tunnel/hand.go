package tunnel

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A worker receives all that its sockets get, and so all of an SA. One that has
// more to do than it can, while another rests and nobody takes its processor, is
// lent a hand: both take batches from its socket in turn, open them at the same
// time, and write them to its TUN queue in the order in which they were taken.
// So flows stay in order, and one SA has several cores.

const (
	// fullBatch is how many messages a batch has that left others behind: trains,
	// or datagrams that nothing merges.
	fullBatch = 16
	// fullRow is how many such batches in a row make a socket one that its worker
	// cannot keep up with.
	fullRow = 8
	// narrowWindow is a replay window that is too small for batches that are opened
	// at the same time: what the slower worker holds would be too old.
	narrowWindow = 4096
)

// shared is a socket that several workers can take batches from.
type shared struct {
	receiver Receiver
	queue    int // of the device: where all is written

	mu    sync.Mutex // held while a batch is taken
	taken uint64     // batches, under mu
	turns turns      // batches that were written
	row   int        // full batches, its own worker's
}

// hands lets workers ask for one, and find who does. Workers that cannot lend
// are not in it.
type hands struct {
	workers []*worker
	wanted  atomic.Pointer[shared]
	narrow  atomic.Bool // an SA had a replay window that is too small; for good
	eager   bool        // in tests: every batch is reason to ask
	lent    atomic.Uint64
}

// join adds a worker, before any runs.
func (h *hands) join(w *worker) { h.workers = append(h.workers, w) }

// ask has a worker that rests look at the socket.
func (h *hands) ask(s *shared) {
	if h.narrow.Load() || h.wanted.Load() != nil {
		return
	}
	for _, w := range h.workers {
		if w.resting.CompareAndSwap(true, false) {
			h.wanted.Store(s)
			w.set.call()
			return
		}
	}
}

// enough takes the question back.
func (h *hands) enough(s *shared) { h.wanted.CompareAndSwap(s, nil) }

// lend takes one batch of a worker that asked; false if there is nothing to do.
func (w *worker) lend() (bool, error) {
	s := w.t.hands.wanted.Load()
	if s == nil || w.out == nil || w.in == nil {
		return false, nil
	}
	n, err := w.in.takeShared(s)
	if n == 0 {
		w.t.hands.enough(s)
	}
	w.t.hands.lent.Add(uint64(n))
	return n > 0, err
}

// Lent is how many messages workers took from sockets of others, which could not keep
// up alone.
func (t *Tunnel) Lent() uint64 { return t.hands.lent.Load() }

// watchBacklog asks for a hand when one is needed, after a batch of so many
// messages from a socket of its own.
func (w *worker) watchBacklog(s *shared, messages int) {
	switch {
	case w.t.hands.eager && messages > 0:
		w.t.hands.ask(s)
	case messages < fullBatch:
		s.row = 0
	case s.row < fullRow:
		s.row++
	case w.pressed:
		w.t.hands.ask(s)
	}
}

// press finds out whether the worker had no rest lately, and its processor for
// itself: where others want that, another worker of ours would take what it gives.
func (w *worker) press(rested time.Duration) {
	var usage unix.Rusage
	if rested > 0 || unix.Getrusage(unix.RUSAGE_THREAD, &usage) != nil {
		w.pressed = false
		return
	}
	w.pressed = usage.Nivcsw == w.preempted
	w.preempted = usage.Nivcsw
}

// takeShared carries one batch from a socket that other workers take from, too,
// and returns how many messages it had.
func (w *inboundWorker) takeShared(s *shared) (n int, err error) {
	s.mu.Lock()
	n, err = w.receive(s.receiver, false)
	if n > 0 {
		s.taken++
	}
	number := s.taken
	s.mu.Unlock()
	if n == 0 {
		return 0, err
	}
	// However this ends: who has the next batch waits for it. Nothing between waits for
	// anybody with a later one.
	defer s.turns.pass(number)
	w.out.enter(&s.turns, number, s.queue)
	return n, w.carry(w.batch.Messages[:n])
}

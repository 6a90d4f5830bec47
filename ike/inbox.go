package ike

import (
	"sync"
	"sync/atomic"

	"causeway/ike/sa"
)

// inboxSize bounds the datagrams and traffic signals that wait for one
// goroutine. A full inbox drops: IKE sends again.
const inboxSize = 128

// inbox is how the world reaches a goroutine that owns a machine.
type inbox struct {
	events chan sa.Event
	// tasks run on the owner's goroutine, one after the other. They are never
	// dropped: whoever posts one waits, or its number is bounded by the work
	// that the owner itself started.
	tasks   chan func()
	done    chan struct{} // closed when the owner has ended
	dropped atomic.Uint64
}

func newInbox() *inbox {
	return &inbox{
		events: make(chan sa.Event, inboxSize),
		tasks:  make(chan func()),
		done:   make(chan struct{}),
	}
}

// offer hands ev over or drops it; it never blocks.
func (b *inbox) offer(ev sa.Event) {
	select {
	case b.events <- ev:
	default:
		b.dropped.Add(1)
	}
}

// post runs task on the owner's goroutine, later; false when it has ended.
func (b *inbox) post(task func()) bool {
	select {
	case b.tasks <- task:
		return true
	case <-b.done:
		return false
	}
}

// spiTable routes local IKE SPIs to the goroutine that owns them.
type spiTable struct {
	mu sync.RWMutex
	m  map[uint64]*inbox
}

func (t *spiTable) lookup(spi uint64) *inbox {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[spi]
}

func (t *spiTable) register(spi uint64, to *inbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[spi] = to
}

// release forgets spi if it still leads to from: an SA that was handed over
// belongs to another by then.
func (t *spiTable) release(spi uint64, from *inbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m[spi] == from {
		delete(t.m, spi)
	}
}

// releaseAll forgets every SPI that leads to from.
func (t *spiTable) releaseAll(from *inbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for spi, to := range t.m {
		if to == from {
			delete(t.m, spi)
		}
	}
}

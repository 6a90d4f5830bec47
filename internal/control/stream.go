package control

import (
	"fmt"
	"sync"
	"time"
)

// streamBuffer is how many events a reader may lag behind; one that lags more
// is told how many it lost.
const streamBuffer = 256

// maxReaders bounds those who follow events, who may stay for ever: there is room for
// commands beside them.
const maxReaders = maxClients / 4

// Stream hands events to all who listen. Publish never blocks.
type Stream struct {
	mu      sync.Mutex
	readers map[*reader]struct{}
}

// NewStream makes a stream without listeners.
func NewStream() *Stream { return &Stream{readers: map[*reader]struct{}{}} }

// reader is one listener. lost is guarded by the stream's mutex.
type reader struct {
	events chan Event
	lost   uint64
}

// Publish gives ev to every listener that has room.
func (s *Stream) Publish(ev Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.readers {
		select {
		case r.events <- ev:
		default:
			r.lost++
		}
	}
}

// subscribe makes a reader; nil if there are too many.
func (s *Stream) subscribe() *reader {
	r := &reader{events: make(chan Event, streamBuffer)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.readers) >= maxReaders {
		return nil
	}
	s.readers[r] = struct{}{}
	return r
}

func (s *Stream) unsubscribe(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, r)
}

// takeLost is how many events r lost since it was asked last.
func (s *Stream) takeLost(r *reader) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := r.lost
	r.lost = 0
	return n
}

// Heard tells whether anybody listens.
func (s *Stream) Heard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers) > 0
}

// lost tells a reader that it was too slow for n events.
func lost(n uint64) Event {
	return Event{
		At: time.Now(), Type: "lost", Level: "warn",
		Message: fmt.Sprintf("%d events were lost here: they came faster than they were read", n),
	}
}

package relay

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// lane is one direction of one path: it draws fates and sends.
type lane struct {
	send   func(payload []byte, to netip.AddrPort) error
	counts func(payload []byte) bool // whether it counts as repeated or damaged

	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	queue  queue
	timer  *time.Timer // fires when the head of the queue is due; nil before the first wait
	stats  Stats
}

func (l *lane) set(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

// carry takes a datagram that arrived; payload is only valid during the call.
func (l *lane) carry(payload []byte, to netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Received++
	d := l.faults.draw(l.random, len(payload))
	if d.lost {
		l.stats.Lost++
		return
	}
	if d.flip >= 0 {
		payload = bytes.Clone(payload)
		payload[d.flip/8] ^= 1 << (d.flip % 8)
		l.stats.Corrupted += l.counted(payload)
	}
	if d.reordered {
		l.stats.Reordered++
	}
	copies := 1
	if d.duplicate {
		l.stats.Duplicated += l.counted(payload)
		copies = 2
	}
	for range copies {
		l.forward(payload, to, d.wait)
	}
}

func (l *lane) counted(payload []byte) uint64 {
	if l.counts(payload) {
		return 1
	}
	return 0
}

// forward sends now or queues. A datagram that is not delayed overtakes what
// waits: that is what reordering is. The caller holds mu.
func (l *lane) forward(payload []byte, to netip.AddrPort, wait time.Duration) {
	if wait == 0 {
		l.put(payload, to)
		return
	}
	now := time.Now()
	if !l.queue.push(now.Add(wait), bytes.Clone(payload), to) {
		l.stats.Overflow++
		return
	}
	l.arm(now)
}

// arm sets the timer for the head of the queue. The caller holds mu.
func (l *lane) arm(now time.Time) {
	due, any := l.queue.next()
	if !any {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(due.Sub(now), l.flush)
		return
	}
	l.timer.Reset(due.Sub(now))
}

// flush sends what is due.
func (l *lane) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for {
		w, any := l.queue.pop(now)
		if !any {
			break
		}
		l.put(w.payload, w.to)
	}
	l.arm(now)
}

func (l *lane) put(payload []byte, to netip.AddrPort) {
	if err := l.send(payload, to); err != nil {
		// As on any path: nobody is told. The count explains a failed test.
		l.stats.Failed++
		return
	}
	l.stats.Sent++
}

// stranger counts a datagram that is for nobody.
func (l *lane) stranger() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Unknown++
}

// snapshot counts a datagram either wholly or not at all.
func (l *lane) snapshot() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// stop forgets what waits.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = queue{}
	if l.timer != nil {
		l.timer.Stop()
	}
}

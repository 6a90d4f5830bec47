package relay

import (
	"container/heap"
	"net/netip"
	"time"
)

// maxQueued bounds the datagrams that wait in one direction of one path.
const maxQueued = 8192

// waiting is a datagram that leaves later.
type waiting struct {
	due     time.Time
	order   uint64 // of arrival: decides between equal times
	payload []byte
	to      netip.AddrPort
}

// queue orders datagrams by the time at which they leave. The zero value is
// empty and ready.
type queue struct {
	items   byDue
	arrived uint64
}

// push takes the datagram unless the queue is full.
func (q *queue) push(due time.Time, payload []byte, to netip.AddrPort) bool {
	if len(q.items) >= maxQueued {
		return false
	}
	q.arrived++
	heap.Push(&q.items, waiting{due, q.arrived, payload, to})
	return true
}

// pop gives the next datagram that is due.
func (q *queue) pop(now time.Time) (waiting, bool) {
	if len(q.items) == 0 || q.items[0].due.After(now) {
		return waiting{}, false
	}
	return heap.Pop(&q.items).(waiting), true
}

// next is when the next datagram is due.
func (q *queue) next() (time.Time, bool) {
	if len(q.items) == 0 {
		return time.Time{}, false
	}
	return q.items[0].due, true
}

// byDue is a heap.Interface.
type byDue []waiting

func (b byDue) Len() int { return len(b) }
func (b byDue) Less(i, j int) bool {
	if !b[i].due.Equal(b[j].due) {
		return b[i].due.Before(b[j].due)
	}
	return b[i].order < b[j].order
}
func (b byDue) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *byDue) Push(x any)   { *b = append(*b, x.(waiting)) }
func (b *byDue) Pop() any {
	last := len(*b) - 1
	x := (*b)[last]
	(*b)[last] = waiting{}
	*b = (*b)[:last]
	return x
}

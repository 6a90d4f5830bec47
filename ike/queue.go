package ike

import (
	"sync/atomic"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

const (
	// queueSize bounds the datagrams of one queue. At 100,000 a second it fills in ten
	// milliseconds, which is how long a goroutine may wait for a busy processor.
	queueSize = 1024
	// queueOctets bounds what they hold: as much as an inbox of the longest.
	queueOctets = inboxSize * wire.MaxMessageLen
)

// queue is datagrams of strangers that wait for the acceptor.
type queue struct {
	datagrams chan sa.Datagram
	octets    atomic.Int64
}

func newQueue() *queue { return &queue{datagrams: make(chan sa.Datagram, queueSize)} }

// put takes a datagram if there is room for it; it never blocks.
func (q *queue) put(d sa.Datagram) bool {
	n := int64(len(d.Raw))
	if q.octets.Add(n) <= queueOctets {
		select {
		case q.datagrams <- d:
			return true
		default:
		}
	}
	q.octets.Add(-n)
	return false
}

// took makes room after a datagram was received from the queue, which it gives.
func (q *queue) took(d sa.Datagram) sa.Datagram {
	q.octets.Add(-int64(len(d.Raw)))
	return d
}

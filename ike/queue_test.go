package ike

import (
	"testing"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// A queue holds so many datagrams, and so many octets, whichever come first, and what
// was taken out makes room for as much.
func TestQueueIsBounded(t *testing.T) {
	for _, c := range []struct{ size, want int }{{100, queueSize}, {wire.MaxMessageLen, inboxSize}} {
		q := newQueue()
		fill := func() (n int) {
			for ; n <= queueSize && q.put(sa.Datagram{Raw: make([]byte, c.size)}); n++ {
			}
			return n
		}
		if n := fill(); n != c.want {
			t.Errorf("%d datagrams of %d octets wait, want %d", n, c.size, c.want)
		}
		const some = 7
		for range some {
			q.took(<-q.datagrams)
		}
		if n := fill(); n != some {
			t.Errorf("%d datagrams of %d octets have room after %d were taken", n, c.size, some)
		}
	}
}

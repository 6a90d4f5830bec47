package meter

import "time"

const (
	// chunkSize holds the largest IP packet there is.
	chunkSize = 64 << 10
	// maxChunks bounds what waits on one line: 64 MiB.
	maxChunks = 1024
	// keptChunks stay allocated when nothing waits.
	keptChunks = 16
	// keptItems is the ring that a class keeps when nothing waits.
	keptItems = 64
)

// chunk is memory for waiting packets, which lie in it one behind the other.
type chunk [chunkSize]byte

// pool lends chunks, as many as the line may have.
type pool struct {
	free []*chunk
	lent int
}

func (p *pool) get() *chunk {
	if p.lent == maxChunks {
		return nil
	}
	p.lent++
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		return c
	}
	return new(chunk)
}

func (p *pool) put(c *chunk) {
	p.lent--
	if len(p.free) < keptChunks {
		p.free = append(p.free, c)
	}
}

// left is how many bytes can still be lent.
func (p *pool) left() int { return (maxChunks - p.lent) * chunkSize }

// item is a packet that waits.
type item struct {
	data  []byte // in the chunk
	chunk *chunk
	cost  int // outer IP bytes
	since time.Duration
	ect   bool
}

// queue is a FIFO of packets.
type queue struct {
	items []item // ring
	head  int
	count int
	bytes int // outer

	tail *chunk // where the next packet goes
	used int    // of tail
}

// push copies a packet to the end; false if there is no memory for it.
func (q *queue) push(p *pool, now time.Duration, packet *Packet) bool {
	if len(packet.Data) > chunkSize {
		return false
	}
	if q.tail == nil || chunkSize-q.used < len(packet.Data) {
		c := p.get()
		if c == nil {
			return false
		}
		q.tail, q.used = c, 0
	}
	if q.count == len(q.items) {
		q.grow()
	}
	data := q.tail[q.used : q.used+len(packet.Data) : q.used+len(packet.Data)]
	copy(data, packet.Data)
	q.used += len(data)
	q.items[(q.head+q.count)%len(q.items)] = item{data: data, chunk: q.tail, cost: packet.Cost, since: now, ect: packet.ECT}
	q.count++
	q.bytes += packet.Cost
	return true
}

func (q *queue) grow() {
	next := make([]item, max(16, 2*len(q.items)))
	for i := range q.count {
		next[i] = q.items[(q.head+i)%len(q.items)]
	}
	q.items, q.head = next, 0
}

// pop takes the first packet out, of which there must be one. spent is a chunk
// that nothing else lies in, nil if there is none; the packet lies in it still.
func (q *queue) pop() (first item, spent *chunk) {
	first = q.items[q.head]
	q.items[q.head] = item{}
	q.head = (q.head + 1) % len(q.items)
	q.count--
	q.bytes -= first.cost
	if q.count == 0 {
		q.tail = nil
		if len(q.items) > keptItems {
			q.items, q.head = nil, 0 // who had much to say once does not keep the memory
		}
		return first, first.chunk
	}
	if q.items[q.head].chunk != first.chunk {
		return first, first.chunk
	}
	return first, nil
}

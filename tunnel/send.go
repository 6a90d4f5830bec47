package tunnel

import (
	"sync/atomic"
	"time"

	"causeway/esp"
	"causeway/routing/meter"
	"causeway/tunnel/udp"
)

const (
	// maxRunSegments and maxRunBytes are what one UDP_SEGMENT message may
	// carry on every kernel: 64 datagrams, and the payload of one UDP datagram
	// over IPv4.
	maxRunSegments = 64
	maxRunBytes    = 65507

	// maxSuperRun is how many segments of a superpacket make one run. The
	// sockets cut a run into as many messages as it takes.
	maxSuperRun = 128

	// slabSize holds the sealed packets of some superpackets, and one run of
	// any size at least.
	slabSize = 4 * 65536
	maxRuns  = 128
)

// sendQueue seals runs of packets into one slab and hands them to the sockets
// together. It belongs to one worker.
type sendQueue struct {
	t      *Tunnel
	sender Sender
	slab   []byte
	runs   []udp.Run
	notes  []runNote // by run
	paid   bool      // what comes has waited for its turn on the line
}

// runNote is what a run is accounted with once its result is known.
type runNote struct {
	sa             *outboundSA
	packets, bytes int
	first, last    uint64 // the sequence numbers
	whole          bool   // to be cut on the way if need be
}

func (q *sendQueue) init(t *Tunnel, worker int) {
	q.t = t
	q.sender = t.cfg.Transport.NewSender(worker)
	q.slab = make([]byte, 0, slabSize)
	q.runs = make([]udp.Run, 0, maxRuns)
	q.notes = make([]runNote, 0, maxRuns)
}

// seal encrypts the packets of one run. They have one SA, one TOS and one
// size, but for a shorter last one.
func (q *sendQueue) seal(s *esp.Scratch, now time.Duration, packets []outboundPacket) {
	head := &packets[0]
	inner, outer := 0, 0
	for i := range packets {
		inner += len(packets[i].bytes)
		outer += packets[i].sealed
	}
	note := runNote{sa: head.sa, packets: len(packets), bytes: inner}
	if !q.mayPass(now, &note, outer, head.tos) {
		for i := range packets {
			q.wait(now, head.sa, packets[i].bytes, packets[i].sealed, head.tos)
		}
		return
	}
	sequence, ok := q.admit(now, &note, outer)
	if !ok {
		return
	}
	start := len(q.slab)
	for i := range packets {
		p := &packets[i]
		q.slab = head.sa.out.Seal(s, q.slab, p.bytes[p.skip:], p.nextHeader, sequence+uint64(i))
	}
	note.whole = head.whole
	q.queue(&note, start, outer, head.sealed, head.tos)
}

// sealSegments encrypts as many segments of a superpacket as make one run, of
// which there is at least one.
func (q *sendQueue) sealSegments(s *esp.Scratch, now time.Duration, sa *outboundSA, tos, nextHeader uint8, cut *segmenter) {
	skip := sa.transport.headerLen()
	size := sa.out.SealedLen(cut.length() - skip)
	n := max(1, min(cut.count(), maxSuperRun, slabSize/size))
	last := cut.lastLength(n)
	note := runNote{sa: sa, packets: n, bytes: (n-1)*cut.length() + last}
	outer := (n-1)*size + sa.out.SealedLen(last-skip)
	if !q.mayPass(now, &note, outer, tos) {
		for range n {
			b := cut.next()
			q.wait(now, sa, b, sa.out.SealedLen(len(b)-skip), tos)
		}
		return
	}
	sequence, ok := q.admit(now, &note, outer)
	if !ok {
		cut.skip(n)
		return
	}
	start := len(q.slab)
	for i := range n {
		q.slab = sa.out.Seal(s, q.slab, cut.next()[skip:], nextHeader, sequence+uint64(i))
	}
	q.queue(&note, start, outer, size, tos)
}

// mayPass asks the line for a run of so many bytes of ESP.
func (q *sendQueue) mayPass(now time.Duration, run *runNote, esp int, tos uint8) bool {
	return q.paid || run.sa.conn.up.Admit(now, esp+run.packets*encapsulation(run.sa.remote), urgent(tos))
}

// wait lets a packet wait for its turn on the line, or drops it. What of its
// flow was let through before goes first.
func (q *sendQueue) wait(now time.Duration, sa *outboundSA, b []byte, esp int, tos uint8) {
	// The error is net.ErrClosed; the flush that ends the batch meets it again.
	_ = q.flush(now)
	p := meter.Packet{Data: b, Cost: esp + encapsulation(sa.remote), Control: urgent(tos), ECT: tos&ecnMask != notECT}
	if !sa.conn.up.Enqueue(now, &p) {
		sa.conn.counters.dropOut(DropMeter, 1)
	}
}

// admit asks for what a run needs: sequence numbers from the first one returned
// on, and room in the slab for outer bytes. Without, it is dropped.
func (q *sendQueue) admit(now time.Duration, run *runNote, outer int) (sequence uint64, ok bool) {
	conn := run.sa.conn
	sequence, state, err := run.sa.out.Reserve(run.packets, run.bytes)
	q.t.lifetime(conn, run.sa.spiIn, state, run.sa.hard)
	if err != nil {
		conn.counters.dropOut(DropExhausted, run.packets)
		return 0, false
	}
	q.room(now, outer)
	run.first, run.last = sequence, sequence+uint64(run.packets)-1
	return sequence, true
}

// room makes room in the slab for a run of outer bytes.
func (q *sendQueue) room(now time.Duration, outer int) {
	if cap(q.slab)-len(q.slab) < outer || len(q.runs) == cap(q.runs) {
		// The error is net.ErrClosed; the flush that ends the batch meets it
		// again.
		_ = q.flush(now)
	}
}

// queue makes a run of what was sealed from start on.
func (q *sendQueue) queue(run *runNote, start, outer, segment int, tos uint8) {
	if len(q.slab)-start != outer {
		// The SA was removed, and its keys erased, under our hands.
		q.slab = q.slab[:start]
		run.sa.turns.pass(run.last)
		run.sa.conn.counters.dropOut(DropNoSA, run.packets)
		return
	}
	if q.extend(run, start, segment, tos) {
		return
	}
	q.runs = append(q.runs, udp.Run{
		Payload: q.slab[start:], SegmentSize: segment,
		Local: run.sa.local, Remote: run.sa.remote, TOS: tos, MayFragment: run.whole,
	})
	q.notes = append(q.notes, *run)
}

// extend makes what was sealed from start on part of the last run, if it goes to
// the same place and what was the end of that run is a whole segment: a
// superpacket rarely fills its messages, and several together do.
func (q *sendQueue) extend(more *runNote, start, segment int, tos uint8) bool {
	if len(q.runs) == 0 {
		return false
	}
	run, note := &q.runs[len(q.runs)-1], &q.notes[len(q.notes)-1]
	if note.whole || more.whole || note.sa != more.sa || note.last+1 != more.first || run.TOS != tos || run.SegmentSize != segment || len(run.Payload)%segment != 0 {
		return false
	}
	run.Payload = q.slab[start-len(run.Payload):]
	note.packets += more.packets
	note.bytes += more.bytes
	note.last = more.last
	return true
}

// flush sends every run and accounts for it. Its error is final.
func (q *sendQueue) flush(now time.Duration) error {
	if len(q.runs) == 0 {
		return nil
	}
	var err error
	for sent := 0; sent < len(q.runs); {
		n := q.inTurn(sent)
		if err == nil {
			err = q.sender.Send(q.runs[sent : sent+n])
		}
		for i := sent; i < sent+n; i++ {
			q.notes[i].sa.turns.pass(q.notes[i].last)
			q.settle(now, &q.runs[i], &q.notes[i], err)
		}
		sent += n
	}
	clear(q.notes) // SAs that are gone must not be kept alive here
	q.slab, q.runs, q.notes = q.slab[:0], q.runs[:0], q.notes[:0]
	return err
}

// inTurn waits for the turn of a run, and tells how many from it on can leave
// together.
func (q *sendQueue) inTurn(from int) int {
	q.notes[from].sa.turns.wait(q.notes[from].first, q.t.patience)
	n := 1
	for from+n < len(q.notes) && q.follows(from, from+n) {
		n++
	}
	return n
}

// follows tells whether a run can leave with those from another one on: it is
// its turn, or will be once they left.
func (q *sendQueue) follows(from, at int) bool {
	run := &q.notes[at]
	if run.sa.turns.due(run.first) {
		return true
	}
	for i := at - 1; i >= from; i-- {
		if q.notes[i].sa.turns == run.sa.turns {
			return q.notes[i].last+1 == run.first
		}
	}
	return false
}

// settle counts what was sent of a run and what was not.
func (q *sendQueue) settle(now time.Duration, run *udp.Run, note *runNote, err error) {
	counters, lost := &note.sa.conn.counters, run.Lost
	switch {
	case err != nil:
		lost = note.packets
		counters.dropOut(DropSend, lost)
	case run.Result == udp.TooBig:
		counters.dropOut(DropTooBig, lost)
		if !note.whole {
			q.lowerPath(now, run, note.sa)
		}
	case run.Result == udp.Dropped:
		counters.dropOut(DropSend, lost)
	}
	if sent := note.packets - lost; sent > 0 {
		// Which ones were lost is not known: they are taken for average.
		counters.sent.add(sent, note.bytes*sent/note.packets)
	}
}

// lowerPath learns a smaller path MTU from the local kernel's refusal, which is
// about an interface.
func (q *sendQueue) lowerPath(now time.Duration, run *udp.Run, sa *outboundSA) {
	outer := min(run.SegmentSize, len(run.Payload)) + encapsulation(run.Remote)
	known := 0
	if q.t.cfg.InterfaceMTU != nil {
		if mtu, err := q.t.cfg.InterfaceMTU(run.Local.Addr(), run.Remote.Addr()); err == nil {
			known = mtu
		}
	}
	sa.conn.path.lower(now, outer, known)
}

// lifetime tells the world that an SA reached a limit. esp reports Soft once
// by itself and Hard again and again.
func (t *Tunnel) lifetime(c *connection, spiIn uint32, state esp.LimitState, hard *atomic.Bool) {
	if state == esp.OK || t.cfg.OnLifetime == nil {
		return
	}
	if state == esp.Hard && hard.Swap(true) {
		return
	}
	t.cfg.OnLifetime(c.name, spiIn, state == esp.Hard)
}

// once tells whether a second has passed since *last, and makes now the last.
func once(last *atomic.Int64, now time.Duration) bool {
	before := last.Load()
	if before != 0 && int64(now)-before < int64(askInterval) {
		return false
	}
	return last.CompareAndSwap(before, int64(now))
}

package tunnel

import "causeway/tunnel/tun"

const (
	// drainBytes is how much of a queue is read before it is sealed and sent:
	// two or three superpackets of the usual size, which fill their messages better
	// than one, or many small packets. What is read is still in the cache when it
	// is sealed.
	drainBytes = 128 << 10
	// drainAlign keeps packets in the arena on cache lines of their own.
	drainAlign = 64
)

// superSource reads one queue of a SuperDevice until it is dry.
type superSource struct {
	superReplies
	reader tun.Reader
	arena  []byte
}

func newSuperSource(device tun.SuperDevice, queue int) *superSource {
	return &superSource{
		superReplies: superReplies{writer: device.NewWriter(queue)},
		reader:       device.NewReader(queue),
		arena:        make([]byte, drainBytes+drainAlign+tun.MaxPacket),
	}
}

// Descriptor implements pollable, if the reader does.
func (s *superSource) Descriptor() int {
	if p, ok := s.reader.(pollable); ok {
		return p.Descriptor()
	}
	return -1
}

// carry implements source.
func (s *superSource) carry(w *outboundWorker, wait bool) (some bool, err error) {
	n, o, err := s.reader.Read(s.arena[:tun.MaxPacket], wait)
	if err != nil {
		return false, readError(err)
	}
	if n == 0 {
		return false, nil
	}
	w.begin()
	at := 0
	for packets := 1; n > 0; packets++ {
		w.take(s.arena[at:at+n:at+n], &o)
		at = (at + n + drainAlign - 1) &^ (drainAlign - 1)
		if at >= drainBytes || packets == maxPending {
			break
		}
		n, o, err = s.reader.Read(s.arena[at:at+tun.MaxPacket], false)
		if err != nil {
			break // the next call meets it again
		}
	}
	return true, w.end()
}

// superReplies is replies to a SuperDevice.
type superReplies struct {
	writer tun.Writer
	reply  [1][]byte
}

func (s *superReplies) write(b []byte) {
	s.reply[0] = b[tun.HeaderRoom:]
	_ = s.writer.Write(tun.Offload{}, s.reply[:])
}

// take carries one packet or superpacket of a SuperDevice.
func (w *outboundWorker) take(b []byte, o *tun.Offload) {
	w.carried += len(b)
	if o.Kind != tun.Single {
		w.super(b, o)
		return
	}
	if o.Partial && complete(b, o) != nil {
		w.t.unattributed.dropOut(DropMalformed, 1)
		return
	}
	w.one(b)
}

// super seals a superpacket: one decision for all of its segments, each of
// which goes straight from where it was read into the send slab.
func (w *outboundWorker) super(b []byte, o *tun.Offload) {
	p := &w.packet
	if p.parse(b) != nil || w.cut.start(b, p, o) != nil {
		w.t.unattributed.dropOut(DropMalformed, o.Segments(len(b)))
		return
	}
	w.seal()
	_, _, sa := w.find(p)
	if sa == nil || w.cut.length() > sa.fits(w.now) || w.cut.flags&tcpFlagSYN != 0 || sa.pads() || sa.transport != nil && !sa.transport.carries(b, p) {
		w.apart()
		return
	}
	if table := sa.conn.config.Load().Translate; table != nil {
		// The headers are what segments are made from: from the new ones, now.
		n := w.cut.count()
		if table.RewriteOutbound(b) != nil || p.parse(b) != nil || w.cut.start(b, p, o) != nil {
			sa.conn.counters.dropOut(DropMalformed, n)
			return
		}
	}
	tos, nextHeader := outerTOS(p.tos), sa.transport.nextHeader(b, p)
	for w.cut.count() > 0 {
		w.send.sealSegments(w.scratch, w.now, sa, tos, nextHeader, &w.cut)
	}
}

// apart carries a superpacket segment by segment: each may be answered or
// fragmented.
func (w *outboundWorker) apart() {
	for n := w.cut.count(); n > 0; n-- {
		w.one(w.cut.next())
		w.seal() // the next segment is written over this one
	}
}

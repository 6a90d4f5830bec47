package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"

	"causeway/esp"
	"causeway/tunnel/tun"
)

const (
	// maxTrain is the most packets of one superpacket: what every kernel with
	// USO takes, and more than fit it at the usual MTU.
	maxTrain = 64
	// maxTrains and maxQueued bound what waits for one flush: one batch of
	// messages as large as they get. Beyond, it is flushed early.
	maxTrains = 256
	maxQueued = receiveMessages * openBatch

	tcpFlagACK = 0x10
	tcpFlagECE = 0x40
)

// superQueue gathers opened packets into superpackets, which the kernel
// forwards or delivers as one. Packets stay where they were decrypted. The
// order within a flow is kept: only its newest train takes packets, and trains
// are written in the order of their first packets.
//
// A superpacket tells the kernel that its checksums need not be verified, so
// every packet in it was verified here. One that fails, or does not fit, is
// written by itself as it came: whoever damaged it, its receiver is to notice.
type superQueue struct {
	t        *Tunnel
	device   tun.SuperDevice
	writers  []tun.Writer // by queue, made when first needed
	writer   tun.Writer   // the one in use
	tcp, udp bool         // the device takes superpackets of these

	turns  *turns // of the batch that is written; nil: nobody else writes
	number uint64

	trains []train
	queued []queuedPacket
	newest [flowCacheSize]int16 // by flowKey.slot: 1 + index of the train, 0 for none
	pieces [][]byte             // of the superpacket being written
	saved  [maxTemplate]byte    // its first headers, as they came
}

// train is one or more packets of one flow, to be written as one.
type train struct {
	key         flowKey
	v4, tcp     bool
	upper       int // offset of the TCP or UDP header
	header      int // headers together
	size        int // payload of each packet but the last
	payload     int // all of it
	packets     int
	first, last int32  // in queued
	open        bool   // may take more
	verified    bool   // the first packet was; the others always are
	pushed      bool   // a packet with PSH is the last
	sequence    uint32 // TCP: expected next
}

// queuedPacket is a link in the chain of a train.
type queuedPacket struct {
	b    []byte
	next int32
}

func newSuperQueue(t *Tunnel, writer tun.Writer, offloads tun.Offloads) *superQueue {
	return &superQueue{
		t: t, writer: writer, tcp: offloads.TSO, udp: offloads.USO,
		trains: make([]train, 0, maxTrains),
		queued: make([]queuedPacket, 0, maxQueued),
		pieces: make([][]byte, 0, maxTrain),
	}
}

// queuesOf makes one that writes to the queue of that number, modulo how many
// there are, until another is entered.
func queuesOf(t *Tunnel, device tun.SuperDevice, queue int) *superQueue {
	q := newSuperQueue(t, nil, device.Offloads())
	q.device, q.writers = device, make([]tun.Writer, device.Queues())
	q.enter(nil, 0, queue)
	return q
}

// enter implements deliverer.
func (q *superQueue) enter(turns *turns, number uint64, queue int) {
	q.turns, q.number = turns, number
	queue %= len(q.writers)
	if q.writers[queue] == nil {
		q.writers[queue] = q.device.NewWriter(queue)
	}
	q.writer = q.writers[queue]
}

// push queues the packet that was opened into e; p describes it.
func (q *superQueue) push(e *esp.Packet, p *packet) {
	if len(q.trains) == cap(q.trains) || len(q.queued) == cap(q.queued) {
		// The error is final; the flush that ends the batch meets it again.
		_ = q.flush()
	}
	b := e.Payload[:p.length]
	q.queued = append(q.queued, queuedPacket{b: b})
	n := int32(len(q.queued) - 1)
	slot := &q.newest[p.key.slot()]
	fresh := train{key: p.key, first: n, last: n, packets: 1}
	fresh.open = q.candidate(b, p) && fresh.describe(b, p)
	if at := *slot; at != 0 && fresh.open {
		if old := &q.trains[at-1]; old.key == p.key && q.join(old, &fresh, b) {
			return
		}
	}
	if fresh.pushed {
		fresh.open = false
	}
	q.trains = append(q.trains, fresh)
	*slot = int16(len(q.trains))
}

// candidate tells whether the packet may be part of any superpacket.
func (q *superQueue) candidate(b []byte, p *packet) bool {
	switch {
	case !p.whole:
		return false
	case p.version == 4 && p.headerLen != ipv4HeaderLen, p.version == 6 && p.headerLen != ipv6HeaderLen:
		return false // options or extension headers
	case p.protocol == protoTCP:
		if !q.tcp || p.length < p.headerLen+tcpHeaderLen {
			return false
		}
		const mayHave = tcpFlagACK | tcpFlagPSH | tcpFlagECE
		flags := b[p.headerLen+13]
		urgent := binary.BigEndian.Uint16(b[p.headerLen+18:]) // kept also where URG is not set
		return flags&tcpFlagACK != 0 && flags&^mayHave == 0 && urgent == 0
	case p.protocol == protoUDP:
		if !q.udp || p.length < p.headerLen+udpHeaderLen {
			return false
		}
		udp := b[p.headerLen:]
		return int(binary.BigEndian.Uint16(udp[4:])) == p.length-p.headerLen &&
			binary.BigEndian.Uint16(udp[udpChecksumAt:]) != 0
	}
	return false
}

// describe fills in what a candidate's headers say; false if it has no payload.
func (r *train) describe(b []byte, p *packet) bool {
	r.v4, r.tcp, r.upper = p.version == 4, p.protocol == protoTCP, p.headerLen
	if !r.tcp {
		r.header = p.headerLen + udpHeaderLen
	} else {
		tcp := b[p.headerLen:]
		headerLen := int(tcp[12]>>4) * 4
		if headerLen < tcpHeaderLen {
			return false
		}
		r.header = p.headerLen + headerLen
		r.pushed = tcp[13]&tcpFlagPSH != 0
	}
	r.size = p.length - r.header
	r.payload = r.size
	if r.tcp && r.size > 0 {
		r.sequence = binary.BigEndian.Uint32(b[p.headerLen+4:]) + uint32(r.size)
	}
	return r.size > 0
}

// join appends the packet b, which fresh describes, to the train if it is its
// next.
func (q *superQueue) join(r, fresh *train, b []byte) bool {
	if !r.open || r.packets == maxTrain || fresh.size > r.size || r.header != fresh.header ||
		r.header+r.payload+fresh.size > tun.MaxPacket {
		return false
	}
	head := q.queued[r.first].b
	if !r.sameHeaders(head, b) {
		return false
	}
	if !r.verified {
		r.verified = r.verify(head)
		r.open = r.verified
	}
	if !r.verified || !r.verify(b) {
		return false
	}
	q.queued[r.last].next = fresh.first
	r.last = fresh.first
	r.packets++
	r.payload += fresh.size
	r.sequence, r.pushed = fresh.sequence, fresh.pushed
	r.open = fresh.size == r.size && !r.pushed
	return true
}

// sameHeaders tells whether one header can stand for both packets.
func (r *train) sameHeaders(head, b []byte) bool {
	if r.v4 {
		const df = 0x40
		if b[1] != head[1] || b[6] != head[6] || b[8] != head[8] {
			return false
		}
		// Without DF the ID matters, and the kernel will count (RFC 6864 §4).
		id := binary.BigEndian.Uint16(head[4:]) + uint16(r.packets)
		if b[6]&df == 0 && binary.BigEndian.Uint16(b[4:]) != id {
			return false
		}
	} else if binary.BigEndian.Uint32(b) != binary.BigEndian.Uint32(head) || b[7] != head[7] {
		return false
	}
	if !r.tcp {
		return true
	}
	old, tcp := head[r.upper:r.header], b[r.upper:r.header]
	// Acknowledgement, flags and window; of the flags only PSH may differ.
	const push = tcpFlagPSH << 16
	differ := binary.BigEndian.Uint64(old[8:]) ^ binary.BigEndian.Uint64(tcp[8:])
	return differ&^push == 0 && binary.BigEndian.Uint32(tcp[4:]) == r.sequence &&
		bytes.Equal(old[tcpHeaderLen:], tcp[tcpHeaderLen:])
}

// verify checks the checksums of a packet with the train's headers.
func (r *train) verify(b []byte) bool {
	if r.v4 && checksum(b[:ipv4HeaderLen], 0) != 0 {
		return false
	}
	return checksum(b[r.upper:], r.pseudoHeader(b, len(b)-r.upper)) == 0
}

// pseudoHeader is the sum for length bytes of upper layer.
func (r *train) pseudoHeader(b []byte, length int) uint64 {
	acc := uint64(length)
	if r.tcp {
		acc += protoTCP
	} else {
		acc += protoUDP
	}
	if r.v4 {
		return sum(b[12:ipv4HeaderLen], acc)
	}
	return sum(b[8:ipv6HeaderLen], acc)
}

// flush writes what is queued. Its error is final; packets that the device
// refused are counted.
func (q *superQueue) flush() (err error) {
	if q.turns != nil {
		q.turns.await(q.number)
	}
	for i := range q.trains {
		if err = q.write(&q.trains[i]); err != nil {
			break
		}
	}
	clear(q.newest[:])
	q.trains, q.queued = q.trains[:0], q.queued[:0]
	return err
}

// write hands one train to the device: as one, or one by one if it is refused.
func (q *superQueue) write(r *train) error {
	head := q.queued[r.first].b
	if r.packets == 1 {
		return q.single(head)
	}
	q.pieces = append(q.pieces[:0], head)
	for at := r.first; at != r.last; {
		at = q.queued[at].next
		q.pieces = append(q.pieces, q.queued[at].b[r.header:])
	}
	copy(q.saved[:], head[:r.header])
	o := r.merge(head)
	err := q.writer.Write(o, q.pieces)
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	copy(head, q.saved[:r.header])
	for at := r.first; ; at = q.queued[at].next {
		if err := q.single(q.queued[at].b); err != nil || at == r.last {
			return err
		}
	}
}

func (q *superQueue) single(b []byte) error {
	q.pieces = append(q.pieces[:0], b)
	err := q.writer.Write(tun.Offload{}, q.pieces)
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	q.t.unattributed.dropIn(DropDevice, 1)
	return nil
}

// merge makes the headers of the first packet those of the superpacket.
func (r *train) merge(head []byte) tun.Offload {
	total := r.header + r.payload
	if r.v4 {
		before := binary.BigEndian.Uint16(head[2:])
		binary.BigEndian.PutUint16(head[2:], uint16(total))
		field := adjust(binary.BigEndian.Uint16(head[10:]), before, uint16(total))
		binary.BigEndian.PutUint16(head[10:], field)
	} else {
		binary.BigEndian.PutUint16(head[4:], uint16(total-ipv6HeaderLen))
	}
	o := tun.Offload{
		Kind: tun.UDP, Partial: true, HeaderLen: r.header, SegmentSize: r.size,
		ChecksumStart: r.upper, ChecksumOffset: udpChecksumAt,
	}
	upper := head[r.upper:]
	if r.tcp {
		o.Kind, o.ChecksumOffset = tun.TCP6, tcpChecksumAt
		if r.v4 {
			o.Kind = tun.TCP4
		}
		if r.pushed {
			upper[13] |= tcpFlagPSH
		}
	} else {
		binary.BigEndian.PutUint16(upper[4:], uint16(total-r.upper))
	}
	partial := fold(r.pseudoHeader(head, total-r.upper))
	binary.BigEndian.PutUint16(upper[o.ChecksumOffset:], partial)
	return o
}

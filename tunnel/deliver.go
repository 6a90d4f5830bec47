package tunnel

import (
	"errors"
	"os"

	"causeway/esp"
	"causeway/tunnel/tun"
)

const (
	// heads is how many flows of one device write can be coalesced; further
	// ones are written packet by packet.
	heads      = 32
	headStride = tun.HeaderRoom + tun.MaxPacket + 1089 // see readStride

	tcpFlagsEndTrain = 0x0f // FIN, SYN, RST, PSH
)

// deliverer takes opened packets on to the TUN device. It belongs to one worker.
type deliverer interface {
	// enter has what is pushed go to a queue of the device, in the turn of a batch.
	enter(turns *turns, number uint64, queue int)
	// push queues the packet that was opened into e; p describes it.
	push(e *esp.Packet, p *packet)
	// flush writes what is queued. Its error is final.
	flush() error
}

// newDeliverer makes one that writes to the queue, modulo how many there are.
func newDeliverer(t *Tunnel, queue int) deliverer {
	switch device := t.cfg.Device.(type) {
	case tun.SuperDevice:
		return queuesOf(t, device, queue)
	case tun.BatchDevice:
		return newDeviceQueue(t, device)
	}
	panic("tunnel: New let a device pass that is of no kind")
}

// deviceQueue gathers opened packets for one write to a BatchDevice. They stay
// where they were decrypted, except the first of each flow: the device
// coalesces into the buffer of that one, so it gets a buffer with room.
type deviceQueue struct {
	t      *Tunnel
	device tun.BatchDevice
	bufs   [][]byte

	heads    [][]byte
	nextHead int

	// The packet queued last, to guess whether the next continues its train.
	last    flowKey
	lastLen int
	open    bool
}

func newDeviceQueue(t *Tunnel, device tun.BatchDevice) *deviceQueue {
	q := &deviceQueue{
		t: t, device: device,
		bufs:  make([][]byte, 0, device.BatchSize()),
		heads: make([][]byte, heads),
	}
	slab := make([]byte, heads*headStride)
	for i := range q.heads {
		start := i * headStride
		end := start + tun.HeaderRoom + tun.MaxPacket
		q.heads[i] = slab[start:end:end]
	}
	return q
}

// enter implements deliverer. The device has one queue, and whoever fills it
// shares no socket.
func (q *deviceQueue) enter(*turns, uint64, int) {}

// push queues the packet that was opened into e; p describes it.
func (q *deviceQueue) push(e *esp.Packet, p *packet) {
	if len(q.bufs) == cap(q.bufs) {
		// The error is final; the flush that ends the batch meets it again.
		_ = q.flush()
	}
	b := e.Payload[:p.length]
	room, inPlace := headroom(e)
	if (!inPlace || !q.continues(b, p)) && q.nextHead < len(q.heads) {
		head := q.heads[q.nextHead]
		q.nextHead++
		n := copy(head[tun.HeaderRoom:], b)
		q.bufs = append(q.bufs, head[:tun.HeaderRoom+n])
		return
	}
	if !inPlace {
		_ = q.flush()
		q.push(e, p)
		return
	}
	end := room + len(b)
	q.bufs = append(q.bufs, e.Bytes[room-tun.HeaderRoom:end:end])
}

// headroom is where the payload begins in the ESP packet, and whether the
// bytes before it, which are ours, suffice for the device's header.
func headroom(e *esp.Packet) (at int, enough bool) {
	at = cap(e.Bytes) - cap(e.Payload)
	if at < tun.HeaderRoom || at >= len(e.Bytes) || &e.Bytes[at] != &e.Payload[0] {
		return 0, false
	}
	return at, true
}

// continues guesses whether the device will append the packet to the one
// before: same flow, no longer, and nothing that ends a train in between. A
// wrong guess costs a copy or a coalescing, nothing else.
func (q *deviceQueue) continues(b []byte, p *packet) bool {
	same := q.open && p.key == q.last && p.length <= q.lastLen
	ends := same && p.length < q.lastLen
	switch p.protocol {
	case protoTCP:
		flags := p.headerLen + 13
		ends = ends || p.length <= flags || b[flags]&tcpFlagsEndTrain != 0
	case protoUDP:
	default:
		ends = true
	}
	q.last, q.lastLen, q.open = p.key, p.length, p.whole && !ends
	return same
}

// flush writes what is queued. Its error is final; packets that the device
// refused are counted.
func (q *deviceQueue) flush() error {
	q.nextHead, q.open = 0, false
	if len(q.bufs) == 0 {
		return nil
	}
	refused, err := q.device.Write(q.bufs, tun.HeaderRoom)
	q.bufs = q.bufs[:0]
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrClosed) {
		return err
	}
	q.t.unattributed.dropIn(DropDevice, refused)
	return nil
}

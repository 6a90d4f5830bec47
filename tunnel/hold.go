package tunnel

import (
	"bytes"
	"context"
	"sync"
	"time"

	"causeway/tunnel/tun"
)

const (
	// maxHeld and maxHeldBytes bound what a connection that waits for traffic
	// holds until it has a Child SA, and maxHeldTime for how long: a negotiation
	// whose messages were lost once or twice is through by then, and who waits for
	// an answer has not given up.
	maxHeld      = 64
	maxHeldBytes = 64 << 10
	maxHeldTime  = 5 * time.Second
)

// held is the packets that brought a connection up, or try to: they leave when
// it has a Child SA. Its lock is also what orders them before all others: with
// it held they are sent and the SA becomes known to the workers.
type held struct {
	mu      sync.Mutex
	packets []heldPacket // oldest first
	bytes   int
	closed  bool // the connection was removed
}

type heldPacket struct {
	bytes []byte
	since time.Duration // Tunnel.now
}

// add takes a copy of the packet if there is room.
func (h *held) add(now time.Duration, b []byte) bool {
	if h.closed || len(h.packets) == maxHeld || h.bytes+len(b) > maxHeldBytes {
		return false
	}
	h.packets = append(h.packets, heldPacket{bytes.Clone(b), now})
	h.bytes += len(b)
	return true
}

// expired takes out what has been held for too long.
func (h *held) expired(now time.Duration) []heldPacket {
	n := 0
	for n < len(h.packets) && now-h.packets[n].since >= maxHeldTime {
		n++
	}
	out := h.packets[:n]
	h.keep(h.packets[n:])
	return out
}

// round takes out what has been held for too long, describes the oldest of the
// others in p and tells since when that is held; 0: there are none.
func (h *held) round(now time.Duration, p *packet) (old []heldPacket, since time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old = h.expired(now)
	if len(h.packets) == 0 {
		return old, 0
	}
	_ = p.parse(h.packets[0].bytes) // it did when it came; now, since who sends it rewrites it
	return old, h.packets[0].since
}

// keep makes packets what is held.
func (h *held) keep(packets []heldPacket) {
	h.packets, h.bytes = packets, 0
	for i := range packets {
		h.bytes += len(packets[i].bytes)
	}
	if len(packets) == 0 {
		h.packets = nil
	}
}

// hold keeps a packet that found no SA until there is one. If there is by now,
// it returns that instead.
func (w *outboundWorker) hold(c *connection, b []byte, p *packet) (sa *outboundSA, ok bool) {
	h := &c.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if list := c.outbound.Load(); len(list.children) > 0 {
		return c.carrier(list, p.key.flow(), w.number), false
	}
	if !h.add(w.now, b) {
		return nil, false
	}
	if len(h.packets) == 1 {
		w.t.holder.wake()
	}
	return nil, true
}

// holder does with held packets what a worker does with others. It is off the
// workers' path and takes its time.
type holder struct {
	wakes chan struct{} // a connection begins to hold

	mu sync.Mutex
	w  *outboundWorker // nil until there is something to do
}

func newHolder() *holder { return &holder{wakes: make(chan struct{}, 1)} }

func (h *holder) wake() {
	select {
	case h.wakes <- struct{}{}:
	default:
	}
}

// begin is the worker, at the start of a batch. mu is held.
func (h *holder) begin(t *Tunnel) *outboundWorker {
	if h.w == nil {
		h.w = newSourceless(t, 0)
		h.w.replies = newReplies(t)
	}
	h.w.begin()
	return h.w
}

// publish makes next the SAs that the connection sends on, after it sent what
// was held for one of them. What arrives meanwhile and finds no SA waits for the
// lock and finds one then: nothing overtakes what was held. Tunnel.mu is held.
func (t *Tunnel) publish(c *connection, next *outboundList) {
	h := &c.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.packets) > 0 {
		h.keep(t.holder.send(t, c, next, h.packets))
	}
	t.setOutbound(c, next)
}

// send carries the packets that list has an SA for and returns the others,
// which may be of a Child SA still to come.
func (h *holder) send(t *Tunnel, c *connection, list *outboundList, packets []heldPacket) (rest []heldPacket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.begin(t)
	p := &w.packet
	for _, one := range packets {
		if p.parse(one.bytes) != nil {
			continue // no: it did when it came
		}
		_, dst := p.key.addresses()
		if w.now-one.since >= maxHeldTime || !w.forwarding.behind(dst, c) || !w.mayEnter(c, p) {
			w.refuse(c, list, one.bytes, p)
			continue
		}
		if sa := c.carrier(list, p.key.flow(), w.number); sa != nil {
			w.onward(sa, one.bytes, p)
		} else {
			rest = append(rest, one)
		}
	}
	// The error is net.ErrClosed, which ends the workers, too.
	_ = w.end()
	return rest
}

// refuse drops packets that were held in vain.
func (h *holder) refuse(t *Tunnel, c *connection, packets []heldPacket) {
	if len(packets) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.begin(t)
	for _, one := range packets {
		if w.packet.parse(one.bytes) == nil {
			w.refuse(c, c.outbound.Load(), one.bytes, &w.packet)
		}
	}
}

// releaseHeld ends the holding of a connection that is removed.
func (t *Tunnel) releaseHeld(c *connection) {
	h := &c.held
	h.mu.Lock()
	packets := h.packets
	h.keep(nil)
	h.closed = true
	h.mu.Unlock()
	t.holder.refuse(t, c, packets)
}

// watchHeld refuses what was held for too long, and goes on to say that there
// is traffic while something is held, until ctx ends.
func (t *Tunnel) watchHeld(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.holder.wakes:
		case <-timer.C:
		}
		if next := t.roundHeld(t.now()); next > 0 {
			timer.Reset(next)
		}
	}
}

// roundHeld does what is due, and tells how soon it wants to be called again;
// 0: not before the next wake.
func (t *Tunnel) roundHeld(now time.Duration) (next time.Duration) {
	for _, c := range t.forwarding.Load().connections {
		var oldest packet
		old, since := c.held.round(now, &oldest)
		t.holder.refuse(t, c, old)
		if since == 0 {
			continue
		}
		due := min(since+maxHeldTime-now, askInterval)
		if next == 0 || due < next {
			next = due
		}
		t.ask(c, now, &oldest)
	}
	return next
}

// replies gives packets of the gateway's own to the kernel: b[HeaderRoom:] of
// each. An error concerns that one packet, which its receiver can do without.
type replies interface{ write(b []byte) }

func newReplies(t *Tunnel) replies {
	switch device := t.cfg.Device.(type) {
	case tun.SuperDevice:
		return &superReplies{writer: device.NewWriter(0)}
	case tun.BatchDevice:
		return &batchReplies{device: device}
	}
	panic("tunnel: New let a device pass that is of no kind")
}

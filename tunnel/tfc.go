package tunnel

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"causeway/esp"
)

// TFC is what hides the pattern of a connection's traffic (RFC 4303 §2.6, §2.7).
// The zero value hides nothing.
type TFC struct {
	// Padding has inner packets padded to a multiple of so many bytes, and no
	// longer than the path carries whole. 0 and 1: none.
	Padding int
	// Dummies is how many packets that mean nothing are sent each second, on
	// average, whether or not there are others.
	Dummies int
}

const (
	// paddingSlab holds padded packets until they are sealed.
	paddingSlab = 256 << 10
	// dummyTick is how exactly the times of dummy packets are kept.
	dummyTick = 20 * time.Millisecond
	// idleTick is how soon a connection that begins to want dummies has some.
	idleTick = time.Second
	// dummyBurst bounds how many are made up for at once.
	dummyBurst = 100
)

// pads tells whether packets are padded at all. In transport mode nothing would say
// where they end (RFC 4303 §2.7).
func (c *outboundSA) pads() bool {
	return c.conn.config.Load().TFC.Padding > 1 && c.out.TFC() && c.transport == nil
}

// padded is the length that a packet of n bytes has after padding. Padding cuts none
// that fits.
func (c *outboundSA) padded(n, fits int, version uint8) int {
	if !c.pads() {
		return n
	}
	multiple := c.conn.config.Load().TFC.Padding
	most := fits
	if n > fits {
		most = innerMTU(fits, version)
	}
	return max(n, min((n+multiple-1)/multiple*multiple, most))
}

// pad copies a packet to where zeros can follow it, up to size. The receiver
// knows the packet's end from its IP header (RFC 4303 §2.7).
func (w *outboundWorker) pad(b []byte, size int) []byte {
	if w.padding == nil {
		w.padding = make([]byte, 0, paddingSlab)
	}
	if cap(w.padding)-len(w.padding) < size {
		w.seal()
	}
	start := len(w.padding)
	w.padding = w.padding[:start+size]
	out := w.padding[start : start+size : start+size]
	clear(out[copy(out, b):])
	return out
}

// sendDummies sends the dummy packets of all connections until ctx ends.
func (t *Tunnel) sendDummies(ctx context.Context) error {
	d := &dummies{next: map[*connection]time.Duration{}, scratch: esp.NewScratch(), zeros: make([]byte, t.cfg.OuterMTU)}
	d.send.init(t, 0)
	d.send.paid = true
	timer := time.NewTimer(idleTick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		wait := idleTick
		if d.round(t.now(), t.forwarding.Load()) {
			wait = dummyTick
		}
		if err := d.send.flush(t.now()); errors.Is(err, net.ErrClosed) {
			return err
		}
		timer.Reset(wait)
	}
}

// dummies sends the dummy packets of a Tunnel. It belongs to one goroutine.
type dummies struct {
	next    map[*connection]time.Duration // when the next one is due
	send    sendQueue
	scratch *esp.Scratch
	zeros   []byte
}

// round sends what is due and tells whether anybody wants dummies.
func (d *dummies) round(now time.Duration, f *forwarding) (wanted bool) {
	for c := range d.next {
		if f.connections[c.name] != c {
			delete(d.next, c)
		}
	}
	for _, c := range f.connections {
		rate := c.config.Load().TFC.Dummies
		list := c.outbound.Load().children
		if rate <= 0 || len(list) == 0 {
			delete(d.next, c)
			continue
		}
		wanted = true
		at, known := d.next[c]
		if !known {
			at = now
		}
		for n := 0; at <= now && n < dummyBurst; n++ {
			d.one(now, list[0])
			// Times as of independent events: an observer learns nothing from them.
			at += time.Duration(rand.ExpFloat64() / float64(rate) * float64(time.Second))
		}
		d.next[c] = max(at, now)
	}
	return wanted
}

// one seals a dummy packet of any length that a packet can have, padded as
// others are. It takes bandwidth that is to spare, and counts as no packet.
func (d *dummies) one(now time.Duration, sa *outboundSA) {
	mtu := sa.fits(now) - sa.transport.headerLen()
	size := sa.padded(ipv4HeaderLen+rand.IntN(max(1, mtu-ipv4HeaderLen+1)), mtu, 4)
	size = min(size, len(d.zeros))
	outer := sa.out.SealedLen(size)
	if !sa.conn.up.Admit(now, outer+encapsulation(sa.remote), false) {
		return
	}
	note := runNote{sa: sa, packets: 1, bytes: size}
	d.send.room(now, outer) // not with the lock held
	var sequence uint64
	var ok bool
	sa.uncarried.during(1, uint64(size), func() bool {
		sequence, ok = d.send.admit(now, &note, outer)
		return ok
	})
	if !ok {
		return
	}
	start := len(d.send.slab)
	d.send.slab = sa.out.Seal(d.scratch, d.send.slab, d.zeros[:size], esp.NextHeaderDummy, sequence)
	note.packets, note.bytes = 0, 0
	d.send.queue(&note, start, outer, outer, 0)
}

package tunnel

import (
	"context"
	"time"

	"causeway/esp"
	"causeway/routing/meter"
)

const (
	// maxReleased is how many packets that waited are taken on at a time.
	maxReleased = 256
	// releasePause is the least time between two looks at a line on which
	// packets wait. What comes due meanwhile leaves together.
	releasePause = 500 * time.Microsecond
)

// urgent tells whether a packet is control traffic or the like, which goes
// first: DSCP CS6 and CS7 (RFC 2474 §4.2.2.2), expedited forwarding (RFC 3246)
// and voice-admit (RFC 5865).
func urgent(tos uint8) bool {
	const voiceAdmit, expedited, cs6 = 44, 46, 48
	dscp := tos >> 2
	return dscp >= cs6 || dscp == expedited || dscp == voiceAdmit
}

// releaser takes on the packets whose turn on a line has come.
type releaser interface {
	// one takes a packet on, or counts it as dropped.
	one(c *connection, r *meter.Released)
	// drop counts one that waited for too long.
	drop(c *connection)
	begin()
	// end lets what was taken on leave. Its error is final.
	end() error
}

// release serves the packets that wait for the line, until ctx ends.
func (t *Tunnel) release(ctx context.Context, line *meter.Line, wake <-chan struct{}, to releaser) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()

	out := make([]meter.Released, 0, maxReleased)
	for {
		var due time.Duration
		now := t.now()
		out, due = line.Dequeue(now, out[:0])
		if len(out) > 0 {
			to.begin()
			for i := range out {
				t.released(&out[i], to)
			}
			if err := to.end(); err != nil {
				return err
			}
			line.Settle(out)
			clear(out)
		}
		if len(out) == cap(out) {
			continue
		}
		timer.Reset(max(releasePause, due-now))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-wake:
		}
	}
}

func (t *Tunnel) released(r *meter.Released, to releaser) {
	c := r.Class.Owner().(*connection)
	if r.Verdict == meter.Drop {
		to.drop(c)
		return
	}
	to.one(c, r)
}

// wakeOf makes the line's Wake and what it tells.
func wakeOf(line *meter.Line) <-chan struct{} {
	wakes := make(chan struct{}, 1)
	line.Wake = func() {
		select {
		case wakes <- struct{}{}:
		default:
		}
	}
	return wakes
}

// upRelease seals what waited.
type upRelease struct{ *outboundWorker }

func newUpRelease(t *Tunnel) upRelease {
	w := newSourceless(t, 0)
	w.send.paid = true
	return upRelease{w}
}

// drop implements releaser.
func (u upRelease) drop(c *connection) { c.counters.dropOut(DropMeter, 1) }

// one implements releaser. The packet was found a Child SA before it had to
// wait, which may be gone by now.
func (u upRelease) one(c *connection, r *meter.Released) {
	w, p := u.outboundWorker, &u.packet
	if p.parse(r.Data) != nil {
		c.counters.dropOut(DropMalformed, 1)
		return
	}
	flow := p.key.flow()
	sa := c.outbound.Load().match(&flow, everybody)
	if sa == nil {
		c.counters.dropOut(DropNoSA, 1)
		return
	}
	fits := sa.fits(w.now)
	larger := p.length > innerMTU(fits, p.version)
	if larger && (sa.transport == nil || p.df) {
		c.counters.dropOut(DropTooBig, 1) // the path has become narrower meanwhile
		return
	}
	if r.Verdict == meter.Mark {
		setECN(r.Data, p, ecnMarked)
	}
	if larger {
		w.sealWhole(sa, r.Data, p)
		return
	}
	w.queue(sa, r.Data, p, fits)
}

// downRelease gives what waited to the device.
type downRelease struct {
	out    deliverer
	packet packet
}

func newDownRelease(t *Tunnel) *downRelease { return &downRelease{out: newDeliverer(t, 0)} }

func (d *downRelease) drop(c *connection) { c.counters.dropIn(DropMeter, 1) }
func (d *downRelease) begin()             {}
func (d *downRelease) end() error         { return d.out.flush() }

// one implements releaser.
func (d *downRelease) one(c *connection, r *meter.Released) {
	p := &d.packet
	if p.parse(r.Data) != nil {
		c.counters.dropIn(DropMalformed, 1)
		return
	}
	if r.Verdict == meter.Mark {
		setECN(r.Data, p, ecnMarked)
	}
	c.counters.received.add(1, p.length)
	d.out.push(&esp.Packet{Payload: r.Data}, p)
}

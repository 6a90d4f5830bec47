package gateway

import (
	"context"
	"time"

	"causeway/routing/kernel"
	"causeway/routing/probe"
)

const (
	// linkPeriod is how often the links of private lines are looked at. The kernel
	// tells of a lost carrier, too, but holds such news back for up to a second
	// (net/core/link_watch.c), and of traffic it never tells.
	linkPeriod = 50 * time.Millisecond
	// busyTime is how long a line counts as busy after packets passed.
	busyTime = time.Second
	// busyBytes of packets longer than probes have to pass in a period.
	busyBytes = 250
)

// The least frame that is counted for a probe and its answer.
const (
	etherHeader = 14
	probeFrame4 = etherHeader + 46 // Ethernet's least payload
	probeFrame6 = etherHeader + 40 + 24
)

// traffic is what a link has carried, and until when that makes it busy.
type traffic struct {
	packets, bytes uint64
	until          time.Time
	busy           bool // the prober was told
}

// look takes the link's counters and tells whether it is busy. Probes of both ends
// pass all the time, so packets count by what they are longer than those: frame
// is a probe's length.
func (t *traffic) look(now time.Time, l kernel.Link, frame uint64) bool {
	packets, bytes := l.Packets-t.packets, l.Bytes-t.bytes
	known := t.packets > 0 && l.Packets >= t.packets && l.Bytes >= t.bytes
	t.packets, t.bytes = l.Packets, l.Bytes
	if known && bytes > packets*frame+busyBytes {
		t.until = now.Add(busyTime)
	}
	return now.Before(t.until)
}

// linkDown is told that an interface carries nothing any more: its private
// lines are down without waiting for a probe.
func (p *paths) linkDown(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.all {
		if w.line.Interface == name {
			w.hint(probe.Cut)
		}
	}
}

// hint tells the prober; false if it has not yet taken earlier ones.
func (w *watched) hint(h probe.Hint) bool {
	select {
	case w.hints <- h:
		return true
	default:
		return false
	}
}

// watchLinks looks at the interfaces of the private lines that work, until ctx
// ends: one without a carrier takes its lines down, and one that packets pass
// has them probed more often. While no line works nothing wakes it.
func (p *paths) watchLinks(ctx context.Context, look func(name string) kernel.Link) {
	tick := time.NewTicker(linkPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		lines := p.linesUp()
		for name := range lines {
			p.seen(name, look(name))
		}
		if len(lines) > 0 {
			continue
		}
		tick.Stop()
		select {
		case <-p.lineUp:
			tick.Reset(linkPeriod)
		case <-ctx.Done():
			return
		}
	}
}

// seen takes what is known of an interface now.
func (p *paths) seen(name string, l kernel.Link) {
	if !l.Carrier {
		p.linkDown(name)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.all {
		if w.line.Interface != name || w.probe.Busy == 0 {
			continue
		}
		frame, h := uint64(probeFrame4), probe.Quiet
		if w.probe.Target.Is6() {
			frame = probeFrame6
		}
		busy := w.link.look(time.Now(), l, frame)
		if busy {
			h = probe.Busy
		}
		if busy != w.link.busy && w.hint(h) {
			w.link.busy = busy
		}
	}
}

// linesUp are the interfaces of the private lines that work.
func (p *paths) linesUp() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[string]bool
	for _, w := range p.all {
		if w.up && w.line.Interface != "" {
			if out == nil {
				out = map[string]bool{}
			}
			out[w.line.Interface] = true
		}
	}
	return out
}

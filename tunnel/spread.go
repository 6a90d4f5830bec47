package tunnel

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"causeway/tunnel/tun"
)

const (
	// spreadLook is how often a busy tunnel looks whether its flows are to be
	// spread or gathered.
	spreadLook = 200 * time.Millisecond
	// calmFor is how long the workers must have had little to do before flows that
	// were spread are gathered again.
	calmFor = 10 * time.Second
	// switchesToSpread is how often in a look a packet of another flow of the same
	// connection must have followed: one flow alone has one queue either way, and
	// connections have their homes evenly.
	switchesToSpread = 16
)

// load is what a worker with a TUN queue had to do, for the spreader. Its worker
// alone adds.
type load struct {
	idle     atomic.Int64  // how long it rested
	since    atomic.Int64  // rests since then; 0 if it does not
	switches atomic.Uint32 // how often another flow of the connection before came
}

// rests and wakes are the begin and the end of a rest.
func (l *load) rests(at time.Duration) { l.since.Store(int64(at)) }

func (l *load) wakes(since, at time.Duration) time.Duration {
	l.since.Store(0)
	l.idle.Add(int64(at - since))
	return at - since
}

// rested is how long it rested until now.
func (l *load) rested(now time.Duration) time.Duration {
	rested := l.idle.Load()
	if since := l.since.Load(); since != 0 {
		rested += max(0, int64(now)-since)
	}
	return time.Duration(rested)
}

// spreader decides whether the flows take the TUN queue of the worker that
// receives them, which costs least, or are spread over all. It looks only while a
// worker is busy.
type spreader struct {
	device   tun.Spreader
	overruns func() uint64
	busy     chan struct{} // a worker has much to do
	loads    []*load
}

// newSpreader makes that of a tunnel; nil if its device or its kernel cannot.
func newSpreader(t *Tunnel) *spreader {
	device, ok := t.cfg.Device.(tun.Spreader)
	if !ok || !t.cfg.Device.Offloads().Steering || t.cfg.Overruns == nil {
		return nil
	}
	return &spreader{device: device, overruns: t.cfg.Overruns, busy: make(chan struct{}, 1)}
}

// watch adds what a worker with a queue had to do.
func (s *spreader) watch(l *load) {
	if s != nil {
		s.loads = append(s.loads, l)
	}
}

// nudge says that a worker has much to do.
func (s *spreader) nudge() {
	if s == nil {
		return
	}
	select {
	case s.busy <- struct{}{}:
	default:
	}
}

// run looks until ctx ends.
func (s *spreader) run(ctx context.Context, now func() time.Duration) error {
	look := time.NewTimer(spreadLook)
	defer look.Stop()
	choice := spreadChoice{overruns: s.overruns()}
	before := s.total(now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if !choice.spread {
			select {
			case <-ctx.Done():
				return nil
			case <-s.busy:
			}
		}
		total := s.total(now())
		spread := choice.look(s.overruns(), total.since(before))
		before = total
		if spread != choice.spread && s.device.Spread(spread) != nil {
			return nil // the flows stay where they are
		}
		choice.spread = spread
		look.Reset(spreadLook)
	}
}

// totals are what the workers had to do.
type totals struct {
	elapsed  time.Duration
	work     []time.Duration // by worker
	switches uint32
}

func (s *spreader) total(now time.Duration) totals {
	t := totals{elapsed: now}
	for _, l := range s.loads {
		t.work = append(t.work, now-l.rested(now))
		t.switches += l.switches.Load()
	}
	return t
}

func (t totals) since(before totals) totals {
	d := totals{elapsed: t.elapsed - before.elapsed, switches: t.switches - before.switches}
	for i, w := range t.work {
		d.work = append(d.work, w-before.work[i])
	}
	return d
}

// uneven tells whether a worker had more than twice as much to do as another.
func (t totals) uneven() bool { return slices.Max(t.work) > 2*slices.Min(t.work) }

// all is the work of all workers together.
func (t totals) all() (sum time.Duration) {
	for _, w := range t.work {
		sum += w
	}
	return sum
}

// spreadChoice is whether flows are spread, and what that rests upon.
type spreadChoice struct {
	spread   bool
	overruns uint64        // as last seen
	calm     time.Duration // how long one worker would have done
}

// look says whether flows are to be spread, after what the workers did since the
// last look: they are once a queue overflows while another worker has little to do,
// and until one worker would have done for all for a while.
func (c *spreadChoice) look(overruns uint64, done totals) bool {
	overflowed := overruns > c.overruns
	c.overruns = overruns
	switch {
	case c.spread && done.switches >= switchesToSpread && (overflowed || done.all() > done.elapsed*3/4):
		c.calm = 0
		return true
	case c.spread:
		c.calm += done.elapsed
		return c.calm < calmFor
	}
	c.calm = 0
	return overflowed && done.switches >= switchesToSpread && done.uneven()
}

package ike

import (
	"context"
	"maps"
	"sync"
	"time"
)

// Set makes the engine run exactly these connections. New ones start; those
// that are equal to what runs are not touched; those that differ in what the
// next negotiation can take up keep their SAs; the others, and those no longer
// wanted, delete their SAs at the peer first, for as long as ctx allows.
func (e *Engine) Set(ctx context.Context, connections []Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.owners.Load().byName
	next := make(map[string]*owner, len(connections))
	coming := map[string]*owner{}
	for i := range connections {
		c := &connections[i]
		o := old[c.Settings.Name]
		switch {
		case o == nil:
			coming[c.Settings.Name] = newOwner(e, *c)
		case o.same(c):
			next[c.Settings.Name] = o
		case o.takes(c):
			o.change(ctx, c)
			next[c.Settings.Name] = o
		default:
			coming[c.Settings.Name] = e.successor(o, *c)
		}
	}
	kept := newOwnerSet(maps.Clone(next))
	kept.coming = coming
	e.owners.Store(kept)
	endAll(ctx, leftOut(old, next))
	for i := range connections {
		name := connections[i].Settings.Name
		o := coming[name]
		if o == nil {
			continue
		}
		if before := old[name]; before != nil && before.resting.Load() {
			o.rest() // by a command that came meanwhile
		}
		next[name] = o
		e.running.Go(o.run)
	}
	e.owners.Store(newOwnerSet(next))
}

// successor is what is to run in the place of before, which still does. Where the
// configuration says of the start what it said, it is as wanted as that is, by commands.
func (e *Engine) successor(before *owner, c Connection) *owner {
	o := newOwner(e, c)
	was, start := before.status.Load(), before.conn().Start
	switch {
	case !before.initiates():
	case start == StartAlways && !was.Wanted, start == StartOnTraffic && !was.WaitsForTraffic:
		o.rest()
	case start == c.Start && was.Wanted && o.initiates():
		o.keep.want(time.Now(), true)
		o.publish()
	}
	return o
}

// rest has a connection that does not run yet begin as `down` leaves it.
func (o *owner) rest() {
	o.keep.rest()
	o.resting.Store(true)
	o.publish()
}

// leftOut are the owners of old that next has not.
func leftOut(old, next map[string]*owner) []*owner {
	var out []*owner
	for name, o := range old {
		if next[name] != o {
			out = append(out, o)
		}
	}
	return out
}

// endAll ends the owners side by side.
func endAll(ctx context.Context, owners []*owner) {
	var wg sync.WaitGroup
	for _, o := range owners {
		wg.Go(func() { o.end(ctx) })
	}
	wg.Wait()
}

// Close deletes all SAs at the peers, for as long as ctx allows, and ends
// every goroutine of the engine.
func (e *Engine) Close(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	set := e.owners.Swap(&ownerSet{})
	endAll(ctx, leftOut(set.byName, nil))
	e.cancel()
	e.running.Wait()
	e.jobs.Wait()
}

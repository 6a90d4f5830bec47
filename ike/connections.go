package ike

import (
	"context"
	"maps"
	"sync"
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
	for i := range connections {
		c := &connections[i]
		o := old[c.Settings.Name]
		switch {
		case o == nil:
		case o.same(c):
			next[c.Settings.Name] = o
		case o.takes(c):
			o.change(ctx, c)
			next[c.Settings.Name] = o
		}
	}
	kept := newOwnerSet(maps.Clone(next))
	e.owners.Store(kept)
	endAll(ctx, leftOut(old, next))
	for _, c := range connections {
		name := c.Settings.Name
		if next[name] == nil {
			next[name] = e.start(c)
		}
	}
	e.owners.Store(newOwnerSet(next))
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

func (e *Engine) start(c Connection) *owner {
	o := newOwner(e, c)
	e.running.Go(func() { o.run() })
	return o
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

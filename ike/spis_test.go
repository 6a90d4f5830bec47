package ike

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// A connection that ends by force, or whose machine had a defect, gives its SPIs back,
// those of Child SAs too that were still being made.
func TestSPIsAreGivenBack(t *testing.T) {
	for name, end := range map[string]func(a *host){
		"by force": func(a *host) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			a.engine.Set(ctx, nil)
		},
		"by a defect": func(a *host) {
			a.random.tripped.Store(true)
			time.Sleep(time.Minute) // of a liveness check, say
		},
	} {
		t.Run(name, func(t *testing.T) {
			pair(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, _ *host) {
				time.Sleep(5 * time.Second)
				wantUp(t, a, "to-right")
				n.setDrop(func(netip.Addr, netip.Addr) bool { return true })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = a.engine.Rekey(ctx, "to-right", false, true) // has no answer
				if n := a.data.held(); n != 2 {
					t.Fatalf("%d SPIs are reserved, want that of the Child SA and of what replaces it", n)
				}
				end(a)
				if n := a.data.held(); n != 0 {
					t.Errorf("%d SPIs are reserved for nobody", n)
				}
			})
		})
	}
}

// held is how many SPIs are reserved or in use.
func (d *fakeDataPath) held() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.reserved)
}

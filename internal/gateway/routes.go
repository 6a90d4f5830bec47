package gateway

import (
	"context"
	"net/netip"
	"sync"

	"go.uber.org/zap"

	"causeway/ike"
	"causeway/routing/kernel"
)

// routeTable is what the gateway needs of routing/kernel.
type routeTable interface {
	Set(kernel.Desired) error
	Clear() error
}

// routeKeeper keeps the kernel's routes equal to what the connections want.
type routeKeeper struct {
	kicked chan struct{} // holds one: somebody changed something

	mu    sync.Mutex
	table routeTable
	// told is the text of the error that was logged last, so that one that
	// stays is logged once.
	told string
}

func newRouteKeeper(t routeTable) *routeKeeper {
	return &routeKeeper{kicked: make(chan struct{}, 1), table: t}
}

// kick asks for the routes to be brought up to date, soon. It never blocks.
func (k *routeKeeper) kick() {
	select {
	case k.kicked <- struct{}{}:
	default:
	}
}

func (k *routeKeeper) set(d kernel.Desired) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.Set(d)
}

func (k *routeKeeper) clear() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.Clear()
}

// news tells whether err is another one than the last time.
func (k *routeKeeper) news(err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	changed := text != k.told
	k.told = text
	return changed && err != nil
}

// keepRoutes brings the routes up to date whenever a connection changed, until
// ctx ends.
func (g *Gateway) keepRoutes(ctx context.Context) {
	for {
		select {
		case <-g.routes.kicked:
			if err := g.reconcile(); err != nil && g.routes.news(err) {
				g.log.Error("routes are not as wanted", zap.Error(err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// reconcile makes the interface and the routes what they should be now.
func (g *Gateway) reconcile() error {
	cfg := g.config.Load()
	d := kernel.Desired{
		Interface: g.device.Name(), Addresses: cfg.Gateway.Interface.Addresses, MTU: g.mtu, Up: true,
	}
	carrying := map[string]ike.ConnectionStatus{}
	for _, s := range g.engine.Status() {
		if routed(s) {
			carrying[s.Name] = s
		}
	}
	for _, c := range cfg.Connections {
		s, ok := carrying[c.Name]
		if !ok || !cfg.Gateway.Interface.Routes {
			continue
		}
		for _, p := range c.Remote.Networks {
			d.Routes = append(d.Routes, kernel.Route{Prefix: p})
		}
		d.LocalNetworks = append(d.LocalNetworks, c.Local.Networks...)
		d.Peers = append(d.Peers, peersOf(s, literalAddresses(c.Remote))...)
	}
	return g.routes.set(d)
}

// routed tells whether a connection's networks lead into the tunnel: while it
// is up, and also while it is wanted and is not. Traffic for a tunnel that is
// down is refused there; it never leaves in the clear by another route.
func routed(s ike.ConnectionStatus) bool {
	return s.Wanted || s.WaitsForTraffic || s.State == ike.StateUp || s.State == ike.StateRekeying
}

// peersOf are the outer addresses that must not be reached through the tunnel.
func peersOf(s ike.ConnectionStatus, configured []netip.Addr) []netip.Addr {
	out := configured
	for _, i := range s.IKE {
		out = append(out, i.Remote.Addr())
	}
	return out
}

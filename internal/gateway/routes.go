package gateway

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"causeway/config"
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

	// mu is held while the wanted state is computed and applied, so that an
	// older one never overtakes a newer.
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

// set applies what wanted computes.
func (k *routeKeeper) set(wanted func() kernel.Desired) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.Set(wanted())
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
	return changed
}

// recheck is how often the routes are looked at although no connection changed:
// the next hop to a peer may have changed, or somebody removed a route.
const recheck = 30 * time.Second

// keep calls reconcile whenever somebody kicked, and every so often, until ctx
// ends; told hears what is new.
func (k *routeKeeper) keep(ctx context.Context, reconcile func() error, told func(err error)) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-k.kicked:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := reconcile(); k.news(err) {
			told(err)
		}
	}
}

// keepRoutes brings the routes up to date whenever a connection changed, until
// ctx ends.
func (g *Gateway) keepRoutes(ctx context.Context) {
	g.routes.keep(ctx, g.reconcile, func(err error) {
		if err != nil {
			g.log.Error("not all routes are in place", zap.Error(err))
			return
		}
		g.log.Info("all routes are in place again")
	})
}

// reconcile makes the interface and the routes what they should be now. Its
// error is a *routesError.
func (g *Gateway) reconcile() error {
	err := g.routes.set(func() kernel.Desired {
		return desired(g.config.Load(), g.engine.Status(), g.device.Name(), g.mtu)
	})
	if err != nil {
		return &routesError{err}
	}
	return nil
}

// desired is the state of the interface and the routes for a configuration and
// what its connections are at now.
func desired(cfg *config.Config, connections []ike.ConnectionStatus, device string, mtu int) kernel.Desired {
	d := kernel.Desired{Interface: device, Addresses: cfg.Gateway.Interface.Addresses, MTU: mtu, Up: true}
	if !cfg.Gateway.Interface.Routes {
		return d
	}
	carrying := map[string]ike.ConnectionStatus{}
	for _, s := range connections {
		if routed(s) {
			carrying[s.Name] = s
		}
	}
	for _, c := range cfg.Connections {
		s, ok := carrying[c.Name]
		if !ok {
			continue
		}
		for _, p := range c.Remote.Networks {
			d.Routes = append(d.Routes, kernel.Route{Prefix: p})
		}
		d.LocalNetworks = append(d.LocalNetworks, c.Local.Networks...)
		d.Peers = append(d.Peers, peersOf(s, literalAddresses(c.Remote))...)
	}
	return d
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

package gateway

import (
	"cmp"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/ike"
	"causeway/routing/kernel"
)

// routeTable is what the gateway needs of routing/kernel.
type routeTable interface {
	Set(kernel.Desired) error
	Crowded() []netip.Prefix
	Clear() error
}

// routeKeeper keeps the kernel's routes equal to what the connections want.
type routeKeeper struct {
	kicked chan struct{} // holds one: somebody changed something

	// mu is held while the wanted state is computed and applied, so that an
	// older one never overtakes a newer.
	mu    sync.Mutex
	table routeTable
	// applied is what was set last, without an error; nil: look again. Most
	// changes of connections change no route.
	applied *kernel.Desired
	// told is the text of the error that was logged last, so that one that
	// stays is logged once.
	told    string
	crowded []netip.Prefix
	// disturbance is pending while somebody else changed something.
	disturbance *time.Timer
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
	d := wanted()
	if k.applied != nil && reflect.DeepEqual(*k.applied, d) {
		return nil
	}
	k.applied = nil
	err := k.table.Set(d)
	if err == nil {
		k.applied = &d
	}
	return err
}

// suspect makes the next set look at the kernel's state again.
func (k *routeKeeper) suspect() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.applied = nil
}

// settleTime is how long changes of others are gathered: a routing daemon makes
// many at once.
const settleTime = time.Second

// disturbed is told that somebody else changed routes or interfaces.
func (k *routeKeeper) disturbed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.disturbance != nil {
		return
	}
	k.disturbance = time.AfterFunc(settleTime, func() {
		k.mu.Lock()
		k.disturbance, k.applied = nil, nil
		k.mu.Unlock()
		k.kick()
	})
}

func (k *routeKeeper) clear() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.disturbance != nil {
		k.disturbance.Stop()
	}
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

// crowding is the networks in which the host has too many routes, and whether they are
// others than the last time.
func (k *routeKeeper) crowding() (networks []netip.Prefix, news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.crowded
	k.crowded = k.table.Crowded()
	return k.crowded, !slices.Equal(before, k.crowded)
}

func tellCrowded(log *zap.Logger, networks []netip.Prefix) {
	if len(networks) == 0 {
		log.Info("peers that are not listed are answered past the tunnel again")
		return
	}
	log.Warn("this host has so many routes inside a remote network that a peer which moves there, or is not known yet, is not answered past the tunnel: list its addresses in remote.address",
		zap.Stringers("networks", networks))
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
			k.suspect()
		case <-ctx.Done():
			return
		}
		if err := reconcile(); k.news(err) {
			told(err)
		}
	}
}

// keepRoutes brings the routes up to date whenever a connection, a path or
// somebody else changed something, until ctx ends.
func (g *Gateway) keepRoutes(ctx context.Context) {
	moved := settled(addressSettles, g.engine.RoutesChanged)
	changed := func(urgent bool) {
		if urgent {
			g.routes.suspect()
			g.routes.kick()
		}
		g.routes.disturbed()
		moved()
	}
	if stop, err := g.kernel.Watch(changed, g.paths.linkDown); err != nil {
		g.log.Warn("changes of the routes by others are noticed only twice a minute", zap.Error(err))
	} else {
		defer stop()
	}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		g.paths.watchLinks(ctx, g.kernel.Link)
	}()
	defer func() { <-watching }()
	g.routes.keep(ctx, g.reconcile, func(err error) {
		if err != nil {
			g.log.Error("not all routes are in place", zap.Error(err))
			return
		}
		g.log.Info("all routes are in place again")
	})
}

// addressSettles is how long the routes are left alone before the ways to the
// peers are looked at: a change of address is several changes of routes.
const addressSettles = 200 * time.Millisecond

// settled calls f once, a while after the first of several calls.
func settled(after time.Duration, f func()) func() {
	var pending atomic.Bool
	return func() {
		if pending.CompareAndSwap(false, true) {
			time.AfterFunc(after, func() {
				pending.Store(false)
				f()
			})
		}
	}
}

// reconcile makes the interface and the routes what they should be now. Its
// error is a *routesError.
func (g *Gateway) reconcile() error {
	g.followHosts()
	err := g.routes.set(func() kernel.Desired {
		d := desired(g.config.Load(), g.engine.Status(), g.paths.directUp, g.conns.LocalAddr, g.device.Name(), g.mtu)
		d.Superpacket = superpacket(g.device)
		return d
	})
	if networks, news := g.routes.crowding(); news {
		tellCrowded(g.log, networks)
	}
	if err != nil {
		return &routesError{err}
	}
	return nil
}

// desired is the state of the interface and the routes for a configuration and
// what its connections and private lines are at now. localTo is the address that
// this host has towards a peer.
func desired(cfg *config.Config, connections []ike.ConnectionStatus, directUp func(connection string) bool, localTo func(netip.Addr) (netip.Addr, error), device string, mtu int) kernel.Desired {
	i := &cfg.Gateway.Interface
	d := kernel.Desired{
		Interface: device, Addresses: i.Addresses, Strong: i.StrongHost, MTU: mtu, Up: true,
		Table: i.RouteTable, FailClosed: i.FailClosed, Own: kernel.Own{Ports: ownPorts(cfg)}, Outside: i.OutsideNetworks,
	}
	d.Addresses = append(slices.Clip(d.Addresses), given(cfg, connections)...)
	if !i.Routes {
		return d
	}
	status := statusByName(connections)
	// Of two routes to one network the first holds.
	var lines, tunnels []kernel.Route
	for _, c := range byMetric(cfg.Connections) {
		via := kernel.Via{Interface: c.Direct.Interface, NextHop: c.Direct.NextHop}
		direct := c.Direct.Interface != "" && directUp(c.Name)
		if target := c.Direct.Probe.Target; c.Direct.Interface != "" && target != c.Direct.NextHop {
			// The probe takes the line whatever the verdict.
			lines = append(lines, kernel.Route{Prefix: netip.PrefixFrom(target, target.BitLen()), Metric: i.RouteMetric, Via: via})
		}
		s, known := status[c.Name]
		tunnel := known && routed(*s)
		if tunnel && isTransport(c) {
			d.Hosts = append(d.Hosts, hostsOf(c, s, localTo)...)
		}
		for _, p := range c.Remote.Networks {
			switch {
			case direct && (!via.NextHop.IsValid() || via.NextHop.Is4() == p.Addr().Is4()):
				lines = append(lines, kernel.Route{Prefix: p, Metric: i.RouteMetric, Via: via})
			case tunnel:
				tunnels = append(tunnels, kernel.Route{Prefix: p, Metric: i.RouteMetric})
			}
		}
		if !tunnel && !direct {
			continue
		}
		d.LocalNetworks = append(d.LocalNetworks, c.Local.Networks...)
		if i.Namespace == "" { // else the peers are reached from another namespace
			d.Peers = append(d.Peers, peersOf(s, literalAddresses(c.Remote))...)
		}
	}
	d.Routes = append(lines, tunnels...)
	if i.SourceRules {
		d.Rules = d.LocalNetworks
	}
	return d
}

// given are the addresses that peers gave this end (Mode Config): all that their
// Child SAs carry of ours.
func given(cfg *config.Config, connections []ike.ConnectionStatus) []netip.Prefix {
	var out []netip.Prefix
	for i := range cfg.Connections {
		c := &cfg.Connections[i]
		if c.IKE.ModeConfig != config.ModeConfigRequest {
			continue
		}
		for _, s := range connections {
			if s.Name == c.Name && len(s.Children) > 0 && len(s.Children[0].LocalSelectors) == 1 {
				a := s.Children[0].LocalSelectors[0].Start
				out = append(out, netip.PrefixFrom(a, a.BitLen()))
			}
		}
	}
	return out
}

func byMetric(connections []config.Connection) []*config.Connection {
	sorted := make([]*config.Connection, len(connections))
	for i := range connections {
		sorted[i] = &connections[i]
	}
	slices.SortStableFunc(sorted, func(a, b *config.Connection) int { return cmp.Compare(a.Metric, b.Metric) })
	return sorted
}

// routed tells whether a connection's networks lead into the tunnel: while it
// is up, and also while it is wanted and is not. Traffic for a tunnel that is
// down is refused there; it never leaves in the clear by another route.
func routed(s ike.ConnectionStatus) bool {
	return s.Wanted || s.WaitsForTraffic || s.State == ike.StateUp || s.State == ike.StateRekeying
}

// peersOf are the outer addresses that must not be reached through the tunnel.
func peersOf(s *ike.ConnectionStatus, configured []netip.Addr) []netip.Addr {
	out := configured
	if s == nil {
		return out
	}
	for _, i := range s.IKE {
		out = append(out, i.Remote.Addr())
	}
	return out
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/routing"
	"causeway/routing/meter"
	"causeway/tunnel"
)

// Reload implements control.Backend: it reads the configuration file again and
// applies what changed. A file with a problem, or a change that needs a
// restart, leaves everything as it is. What came of it is in the log, too.
func (g *Gateway) Reload(ctx context.Context) (control.Applied, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	notifySupervisor(reloadingState()...)
	defer notifySupervisor("READY=1")
	next, text, problems := load(g.options)
	done, err := g.adopt(ctx, next, text, problems)
	if done != "" {
		g.log.Info(done)
	}
	if err != nil {
		logReloadFailure(g.log, err)
		return control.Applied{}, err
	}
	var applied control.Applied
	for _, w := range problems.Warnings() {
		applied.Warnings = append(applied.Warnings, w.String())
	}
	return applied, nil
}

func logReloadFailure(log *zap.Logger, err error) {
	var p *control.Problem
	if !errors.As(err, &p) {
		p = &control.Problem{Reason: control.ReasonInternal, Message: err.Error()}
	}
	log.Error("reload: "+p.Message, zap.String(fieldReason, p.Reason), zap.String(fieldHint, p.Hint))
}

// adopt applies a configuration that was read, and its text, if it can be. It
// says what it changed, also where only routes are not in place. g.reloading is held.
func (g *Gateway) adopt(ctx context.Context, next *config.Config, text []byte, problems config.Problems) (done string, err error) {
	if err := badConfiguration(problems); err != nil {
		return "", err
	}
	difference := config.Diff(g.config.Load(), next)
	if keys := needRestart(difference.Settings); len(keys) > 0 {
		return "", &control.Problem{
			Reason: control.ReasonRestartNeeded, Message: strings.Join(keys, ", ") + " cannot change while the gateway runs",
			Hint: "restart causeway, or change it back; nothing was changed",
		}
	}
	if g.lacksBareESP(next) {
		return "", &control.Problem{
			Reason: control.ReasonRestartNeeded, Message: "esp.encapsulation: never needs sockets that this process was not allowed to open",
			Hint: "restart causeway as root or with CAP_NET_RAW, or use auto; nothing was changed",
		}
	}
	for _, w := range problems.Warnings() {
		g.log.Warn(w.Unmarked())
	}
	if difference.IsZero() {
		g.text = text
		return "configuration reloaded: nothing has changed", nil
	}
	var routes *routesError
	err = g.apply(ctx, g.config.Load(), next)
	if err != nil && !errors.As(err, &routes) {
		return "", err
	}
	g.text = text // whatever of the routes
	return "configuration reloaded: " + describeDifference(difference), err
}

// lacksBareESP tells whether a configuration wants sockets that were not opened: only a
// start may open them.
func (g *Gateway) lacksBareESP(cfg *config.Config) bool {
	return wantsBareESP(cfg) && !g.conns.Features().BareESP
}

// badConfiguration is the problems' errors as the API shows them; nil for none.
func badConfiguration(problems config.Problems) error {
	if problems.Err() == nil {
		return nil
	}
	return &control.Problem{
		Reason: control.ReasonBadConfiguration, Message: "the configuration has errors\n" + problems.Errors().String(),
		Hint: "nothing was changed; the running configuration stays in force",
	}
}

// changeable are the settings outside connections that a reload applies; a key
// stands for those below it, too.
var changeable = []string{
	"gateway.name", "gateway.identity", "gateway.interface.addresses", "gateway.interface.routes",
	"gateway.interface.strong_host", "gateway.interface.fail_closed", "gateway.interface.route_table", "gateway.interface.route_metric", "gateway.interface.source_rules",
	"gateway.interface.outside_networks",
	"gateway.bandwidth", "log.level",
}

// needRestart are the keys among those given that only a restart can change.
func needRestart(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		return slices.ContainsFunc(changeable, func(c string) bool {
			return key == c || strings.HasPrefix(key, c+".")
		})
	})
}

// describeDifference names what a reload changes, never the values: some are
// secret.
func describeDifference(d config.Difference) string {
	var parts []string
	for _, c := range d.Added {
		parts = append(parts, "added "+c.Name)
	}
	for _, c := range d.Removed {
		parts = append(parts, "removed "+c.Name)
	}
	for _, c := range d.Changed {
		parts = append(parts, fmt.Sprintf("changed %s (%s)", c.New.Name, strings.Join(c.Keys, ", ")))
	}
	if len(d.Settings) > 0 {
		parts = append(parts, "changed "+strings.Join(d.Settings, ", "))
	}
	return strings.Join(parts, "; ")
}

// routesError says that everything else was applied.
type routesError struct{ err error }

func (e *routesError) Error() string { return e.err.Error() }
func (e *routesError) Unwrap() error { return e.err }

// As lets the API show the error in its own words.
func (e *routesError) As(target any) bool {
	p, ok := target.(**control.Problem)
	if ok {
		*p = &control.Problem{
			Reason: control.ReasonRoutes, Message: e.Error(),
			Hint: "everything else is in force; it is tried again with every change and twice a minute",
		}
	}
	return ok
}

// apply makes the data path, the engine and the routes equal to cfg, where it
// differs from before; nil: nothing runs yet.
func (g *Gateway) apply(ctx context.Context, before, cfg *config.Config) error {
	wanted, err := connections(cfg, g.fetcher)
	if err != nil {
		return err
	}
	known := sites(cfg, g.engine.Status())
	table, err := routing.Build(known, localNetworks(cfg)...)
	if err != nil {
		return err
	}
	if err := setLevel(g.level, cfg.Log.Level); err != nil {
		return err
	}
	g.config.Store(cfg)
	g.carryAs(before, cfg, known, table)
	g.paths.set(cfg)
	for _, c := range cfg.Connections {
		g.tunnel.SetAvoided(c.Name, !g.paths.tunnelUp(c.Name))
	}
	deleting, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	g.engine.Set(deleting, wanted)
	g.forget(before, cfg)
	return g.reconcile()
}

// carryAs gives the data path what is new or other in cfg, whose sites are known,
// and in table. What cfg has no more goes later, once the engine has let go of it.
func (g *Gateway) carryAs(before, cfg *config.Config, known []routing.Site, table *routing.Table) {
	if before == nil || before.Gateway.Bandwidth != cfg.Gateway.Bandwidth {
		g.tunnel.SetBandwidth(cfg.Gateway.Bandwidth.Up, cfg.Gateway.Bandwidth.Down)
	}
	g.tunnel.SetAddresses(ownAddresses(cfg))
	difference := config.Diff(before, cfg)
	fresh := difference.Added
	for _, c := range difference.Changed {
		fresh = append(fresh, c.New)
	}
	for _, c := range fresh {
		g.tally.Know(c.Name)
		g.tunnel.AddConnection(c.Name, connectionConfig(c))
		g.dataPath.setReplayWindow(c.Name, c.ESP.ReplayWindow)
	}
	g.sited.Lock()
	defer g.sited.Unlock()
	if before == nil || !slices.Equal(g.sites, known) || !slices.Equal(localNetworks(before), localNetworks(cfg)) {
		g.sites = known
		g.tunnel.SetRoutes(table)
	}
}

// connectionConfig is what the data path needs to know of a connection.
func connectionConfig(c config.Connection) tunnel.ConnectionConfig {
	share := meter.Share{Guarantee: c.Bandwidth.Guarantee, Ceiling: c.Bandwidth.Ceiling, Weight: c.Bandwidth.Weight}
	tfc := tunnel.TFC{Padding: c.ESP.TFCPadding, Dummies: c.ESP.TFCDummies}
	return tunnel.ConnectionConfig{
		Transit: c.Transit, Share: share, TFC: tfc, Translate: translationOf(c),
		Hold: c.Start == config.StartOnTraffic, OwnSAs: ownSAs(c.ESP.PerCore),
	}
}

// ownSAs is how many workers may ask for a Child SA of their own: there may be fewer.
func ownSAs(perCore int) int {
	if perCore == config.PerCoreAuto {
		return math.MaxInt
	}
	return perCore
}

// forget removes from the data path the connections that cfg has no more.
func (g *Gateway) forget(before, cfg *config.Config) {
	if before == nil {
		return
	}
	kept := map[string]bool{}
	for _, c := range cfg.Connections {
		kept[c.Name] = true
	}
	var gone []string
	for _, c := range before.Connections {
		if !kept[c.Name] {
			gone = append(gone, c.Name)
		}
	}
	g.usage.remove(gone, func() {
		for _, name := range gone {
			g.tunnel.RemoveConnection(name)
			g.dataPath.forget(name)
			g.tally.Forget(name)
		}
	})
}

// sites are the networks behind the peers, for the data path's table, and the peers
// themselves in transport mode.
func sites(cfg *config.Config, connections []ike.ConnectionStatus) []routing.Site {
	var out []routing.Site
	status, taken := statusByName(connections), map[netip.Addr]bool{}
	for _, c := range cfg.Connections {
		if isTransport(&c) {
			out = append(out, hostSites(&c, status[c.Name], taken)...)
			continue
		}
		for _, p := range c.Remote.Networks {
			out = append(out, routing.Site{Prefix: p, Connection: c.Name, Metric: c.Metric})
		}
	}
	return out
}

func statusByName(connections []ike.ConnectionStatus) map[string]*ike.ConnectionStatus {
	out := make(map[string]*ike.ConnectionStatus, len(connections))
	for i := range connections {
		out[connections[i].Name] = &connections[i]
	}
	return out
}

// localNetworks are this gateway's side of all connections.
func localNetworks(cfg *config.Config) []netip.Prefix {
	out := slices.Clone(cfg.Gateway.Interface.Addresses)
	for _, c := range cfg.Connections {
		out = append(out, c.Local.Networks...)
	}
	return out
}

// Up implements control.Backend.
func (g *Gateway) Up(ctx context.Context, connection string) error {
	if err := g.engine.Up(ctx, connection); err != nil {
		return problem(err)
	}
	return g.reconcile() // so that a packet sent now finds its route
}

// Down implements control.Backend.
func (g *Gateway) Down(ctx context.Context, connection string) error {
	if err := g.engine.Down(ctx, connection); err != nil {
		return problem(err)
	}
	return g.reconcile()
}

// Rekey implements control.Backend.
func (g *Gateway) Rekey(ctx context.Context, connection string, ikeSA, children bool) error {
	return problem(g.engine.Rekey(ctx, connection, ikeSA, children))
}

// problem is err in the API's words; nil stays nil.
func problem(err error) error {
	var f *sa.Failure
	if errors.As(err, &f) {
		return problemOf(f)
	}
	return err
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/routing/kernel"
	"causeway/tunnel"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// Options say what to run.
type Options struct {
	// ConfigPath is the configuration file; Reload reads it again.
	ConfigPath string
	// Version is shown in status.
	Version string
	// Socket replaces control.socket when it is not empty.
	Socket string
	// Reload receives a value whenever the file is to be read again.
	Reload <-chan struct{}
}

// Gateway is one running gateway.
type Gateway struct {
	// constant after Run's set-up
	path, version string
	started       time.Time
	log           *zap.Logger
	conns         *udp.Conns
	device        tun.Device
	mtu, workers  int
	tunnel        *tunnel.Tunnel
	dataPath      *dataPath
	engine        *ike.Engine
	stream        *control.Stream
	routes        *routeKeeper

	config atomic.Pointer[config.Config]
	// reloading serialises reloads.
	reloading sync.Mutex
}

// shutdownTime is how long the peers have to answer the deletion of SAs.
const shutdownTime = 5 * time.Second

// Run runs a gateway until ctx ends, and takes it down: SAs are deleted at the
// peers, routes and the device removed. An error that is a
// *config.InvalidError means that the configuration is bad and nothing was
// started.
func Run(ctx context.Context, opt Options) (err error) {
	cfg, problems := config.Load(opt.ConfigPath, Checks())
	if err := problems.Err(); err != nil {
		return err
	}
	if opt.Socket != "" {
		cfg.Control.Socket = opt.Socket
	}
	log, err := newLogger(cfg.Log)
	if err != nil {
		return fmt.Errorf("gateway: logger: %w", err)
	}
	defer log.Sync()
	for _, w := range problems.Warnings() {
		log.Warn(w.String())
	}
	g := &Gateway{path: opt.ConfigPath, version: opt.Version, started: time.Now(), log: log, stream: control.NewStream()}
	g.config.Store(cfg)
	if err := g.open(cfg); err != nil {
		return err
	}
	return g.run(ctx, opt.Reload)
}

// open acquires what the gateway needs of the system; on failure it gives all
// of it back.
func (g *Gateway) open(cfg *config.Config) (err error) {
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.conns, err = udp.Listen(udp.Config{
		Addresses: cfg.Gateway.Listen.Addresses, IKEPort: cfg.Gateway.Listen.IKEPort, NATPort: cfg.Gateway.Listen.NATPort,
	}); err != nil {
		return err
	}
	outerMTU := g.outerMTU(cfg)
	if g.mtu, err = deviceMTU(cfg, outerMTU); err != nil {
		return err
	}
	table, err := kernel.Open(0)
	if err != nil {
		return err
	}
	g.routes = newRouteKeeper(table)
	if err := table.RemoveLeftovers(cfg.Gateway.Interface.Name); err != nil {
		return err
	}
	if g.device, err = tun.Open(cfg.Gateway.Interface.Name, g.mtu); err != nil {
		return err
	}
	g.workers = cfg.Gateway.Workers
	if g.workers == 0 {
		g.workers = runtime.GOMAXPROCS(0)
	}
	return g.openTunnel(cfg, outerMTU)
}

func (g *Gateway) openTunnel(cfg *config.Config, outerMTU int) (err error) {
	address4, address6 := ownAddresses(cfg)
	g.tunnel, err = tunnel.New(tunnel.Config{
		Device: g.device, Transport: tunnel.UDP(g.conns), Workers: g.workers,
		OuterMTU: outerMTU, InnerMTU: g.mtu, Address4: address4, Address6: address6,
		OnIKE:           func(b []byte, local, remote netip.AddrPort) { g.engine.Receive(b, local, remote) },
		OnTrafficNeeded: func(connection string, f selector.Flow) { g.engine.TrafficNeeded(connection, f) },
		OnLifetime:      func(connection string, spiIn uint32, hard bool) { g.engine.LifetimeHit(connection, spiIn, hard) },
		OnEndpoint: func(connection string, spiIn uint32, local, remote netip.AddrPort) {
			g.engine.EndpointSeen(connection, spiIn, local, remote)
		},
	})
	if err != nil {
		return err
	}
	g.dataPath = &dataPath{tunnel: g.tunnel, replayWindows: map[string]int{}}
	g.engine, err = ike.NewEngine(ike.EngineConfig{
		Transport: g.conns, DataPath: g.dataPath, Report: g.report, Changed: func(string) { g.routes.kick() },
		IKEPort: cfg.Gateway.Listen.IKEPort, NATPort: cfg.Gateway.Listen.NATPort,
	})
	return err
}

// close gives back what open took, without ceremony.
func (g *Gateway) close() {
	if g.device != nil {
		g.device.Close()
	}
	if g.conns != nil {
		g.conns.Close()
	}
}

// run serves until ctx ends or the data path fails.
func (g *Gateway) run(ctx context.Context, reload <-chan struct{}) error {
	defer g.close()
	carrying, stopCarrying := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { failed <- g.tunnel.Run(carrying) }()
	server, err := g.serve()
	if err == nil {
		err = g.apply(ctx, g.config.Load())
	}
	routing := make(chan struct{})
	go func() {
		defer close(routing)
		g.keepRoutes(carrying)
	}()
	if err == nil {
		g.log.Info("gateway started", zap.String("version", g.version), zap.String("interface", g.device.Name()),
			zap.Int("mtu", g.mtu), zap.Int("connections", len(g.config.Load().Connections)))
		err = g.wait(ctx, reload, failed)
	}
	ending, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	g.engine.Close(ending)
	server.Close(ending)
	stopCarrying()
	<-routing
	err = errors.Join(err, g.routes.clear())
	if err == nil {
		g.log.Info("gateway ended")
	}
	return err
}

// wait returns when the gateway is to end: nil if it was asked to.
func (g *Gateway) wait(ctx context.Context, reload <-chan struct{}, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("gateway: the data path ended: %w", err)
		case <-reload:
			if err := g.Reload(ctx); err != nil {
				g.log.Error("configuration not reloaded; the running one stays", zap.Error(err))
			}
		}
	}
}

// serve starts the control API. The server is never nil.
func (g *Gateway) serve() (*control.Server, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(control.NewCollector(g), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	server := control.NewServer(g, g.stream, registry)
	cfg := g.config.Load().Control
	if err := server.ListenSocket(cfg.Socket); err != nil {
		return server, err
	}
	if cfg.HTTP == "" {
		return server, nil
	}
	return server, server.ListenMetrics(cfg.HTTP)
}

// report is told everything that the engine's machines say.
func (g *Gateway) report(r sa.Report) {
	g.followNAT(r)
	if ofInterestToFew(r) && !g.log.Core().Enabled(zap.DebugLevel) && !g.stream.Heard() {
		return
	}
	ev := eventOf(r, time.Now())
	logEvent(g.log, ev)
	g.stream.Publish(ev)
}

// ofInterestToFew tells whether r comes once per message: strangers decide how
// often, so nothing is spent on it that nobody sees.
func ofInterestToFew(r sa.Report) bool {
	switch r.(type) {
	case sa.MessageTrace, sa.MessageDropped:
		return true
	}
	return false
}

// followNAT sends keepalives for the connections where this side is behind a
// NAT (RFC 3948 §4).
func (g *Gateway) followNAT(r sa.Report) {
	switch r := r.(type) {
	case sa.IKEEstablished:
		if behindNAT(r.IKE.NAT) {
			g.tunnel.SetKeepalive(r.Connection, r.IKE.Local, r.IKE.Remote)
		} else {
			g.tunnel.SetKeepalive(r.Connection, netip.AddrPort{}, netip.AddrPort{})
		}
	case sa.IKEClosed:
		if !r.Replaced {
			g.tunnel.SetKeepalive(r.Connection, netip.AddrPort{}, netip.AddrPort{})
		}
	}
}

// ownAddresses are the sources of ICMP errors: the interface's own addresses.
func ownAddresses(cfg *config.Config) (v4, v6 netip.Addr) {
	for _, p := range cfg.Gateway.Interface.Addresses {
		switch {
		case p.Addr().Is4() && !v4.IsValid():
			v4 = p.Addr()
		case p.Addr().Is6() && !v6.IsValid():
			v6 = p.Addr()
		}
	}
	return v4, v6
}

var _ ike.DataPath = (*dataPath)(nil)
var _ ike.Transport = (*udp.Conns)(nil)
var _ control.Backend = (*Gateway)(nil)
var _ routeTable = (*kernel.Kernel)(nil)

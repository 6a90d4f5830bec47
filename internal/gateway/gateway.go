package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/auth/online"
	"causeway/internal/control"
	"causeway/routing"
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
	// KeyLog is a directory for the keys of every SA, for debugging; empty writes
	// none.
	KeyLog string
	// Reload receives a value whenever the file is to be read again.
	Reload <-chan struct{}
}

// Gateway is one running gateway. Every field but config is set before the
// first goroutine starts and constant from then on; the engine starts without
// connections and reports nothing until apply gives it some.
type Gateway struct {
	options      Options
	started      time.Time
	log          *zap.Logger
	level        zap.AtomicLevel
	conns        *udp.Conns
	device       tun.Device
	mtu, workers int
	tunnel       *tunnel.Tunnel
	dataPath     *dataPath
	engine       *ike.Engine
	kernel       *kernel.Kernel
	routes       *routeKeeper
	paths        *paths
	stream       *control.Stream
	tally        *control.Tally
	keys         *keyLog // nil: none
	usage        *usageKeeper
	fetcher      *online.Fetcher // shared by all connections that may ask

	config atomic.Pointer[config.Config]
	// reloading serialises changes of the configuration; text is that of the
	// running one.
	reloading sync.Mutex
	text      []byte
	// sited is held while sites, which the data path knows, change.
	sited sync.Mutex
	sites []routing.Site
}

// Run runs a gateway until ctx ends, and takes it down: SAs are deleted at the
// peers, routes and the device removed. An error that is a
// *config.InvalidError means that the configuration is bad and nothing was
// started.
func Run(ctx context.Context, opt Options) (err error) {
	cfg, text, problems := load(opt)
	if err := problems.Err(); err != nil {
		return err
	}
	log, level, err := newLogger(cfg.Log, os.Stderr)
	if err != nil {
		return fmt.Errorf("gateway: log: %w", err)
	}
	defer log.Sync()
	for _, w := range problems.Warnings() {
		log.Warn(w.Unmarked())
	}
	g := &Gateway{
		options: opt, started: time.Now(), log: log, level: level,
		stream: control.NewStream(), tally: control.NewTally(), fetcher: online.New(),
	}
	g.config.Store(cfg)
	g.text = text
	g.usage = newUsageKeeper(cfg.Usage, log, g.countUsage)
	if err := g.open(cfg); err != nil {
		return err
	}
	return g.run(ctx, opt.Reload)
}

// load reads the configuration file; what the command line says goes first.
func load(opt Options) (*config.Config, []byte, config.Problems) {
	cfg, text, problems := config.LoadText(opt.ConfigPath, Checks())
	return opt.over(cfg), text, problems
}

// over puts what the command line says over a configuration, which may be nil.
func (opt Options) over(cfg *config.Config) *config.Config {
	if cfg != nil && opt.Socket != "" {
		cfg.Control.Socket = opt.Socket
	}
	return cfg
}

// open acquires what the gateway needs of the system; on failure it gives all
// of it back. The sockets come first: where another gateway runs they fail, and
// its routes are not taken for leftovers.
func (g *Gateway) open(cfg *config.Config) (err error) {
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if err := chooseCipher(cfg); err != nil {
		return err
	}
	if g.workers = cfg.Gateway.Workers; g.workers == 0 {
		g.workers = processors
	}
	if g.keys, err = openKeyLog(g.options.KeyLog, g.log); err != nil {
		return err
	}
	if g.conns, err = udp.Listen(socketConfig(cfg, g.workers)); err != nil {
		return err
	}
	outerMTU := g.outerMTU(cfg)
	if g.mtu, err = deviceMTU(cfg, outerMTU); err != nil {
		return err
	}
	if g.kernel, err = kernel.Open(kernelOptions(cfg)); err != nil {
		return err
	}
	g.routes = newRouteKeeper(g.kernel)
	g.paths = newPaths(g.openPath, g.pathChanged)
	if err := g.kernel.RemoveLeftovers(cfg.Gateway.Interface.Name); err != nil {
		return err
	}
	if err = g.kernel.Within(func() (err error) {
		g.device, err = tun.Open(deviceConfig(cfg, g.mtu, g.workers))
		return err
	}); err != nil {
		return err
	}
	g.tellRefused()
	spareProcessors(g.workers + 1)
	return g.openTunnel(cfg, outerMTU)
}

func (g *Gateway) openTunnel(cfg *config.Config, outerMTU int) (err error) {
	g.tunnel, err = tunnel.New(tunnel.Config{
		Device: g.device, Transport: tunnel.UDP(g.conns), Workers: g.workers,
		OuterMTU: outerMTU, InterfaceMTU: kernel.PathMTU, InnerMTU: g.mtu,
		IKEPorts:        ownPorts(cfg),
		Overruns:        func() uint64 { return g.kernel.Overruns(g.device.Name()) },
		OnIKE:           func(b []byte, local, remote netip.AddrPort) { g.engine.Receive(b, local, remote) },
		OnTrafficNeeded: func(connection string, f selector.Flow) { g.engine.TrafficNeeded(connection, f, 0) },
		OnOwnSAWanted:   func(connection string, f selector.Flow, worker int) { g.engine.TrafficNeeded(connection, f, worker) },
		OnLifetime:      func(connection string, spiIn uint32, hard bool) { g.engine.LifetimeHit(connection, spiIn, hard) },
		OnUnknownSPI:    func(spi uint32, local, remote netip.AddrPort) { g.engine.UnknownSPI(spi, local, remote) },
		OnEndpoint: func(connection string, spiIn uint32, local, remote netip.AddrPort) {
			g.engine.EndpointSeen(connection, spiIn, local, remote)
		},
		OnProbe: func(connection string, size, most int) { g.engine.ProbePath(connection, size, most) },
	})
	if err != nil {
		return err
	}
	g.dataPath = &dataPath{tunnel: g.tunnel, keys: g.keys, replayWindows: map[string]int{}}
	g.engine, err = ike.NewEngine(ike.EngineConfig{
		Transport: chargedTransport{g.conns, cfg.Gateway.Listen.NATPort, g.tunnel.SentIKE}, DataPath: g.dataPath, Report: g.report, Traced: g.traced, Changed: func(string) { g.routes.kick() },
		IKEPort: cfg.Gateway.Listen.IKEPort, NATPort: cfg.Gateway.Listen.NATPort, KeyLog: g.keys.told(),
		CrashSecret: g.crashSecret(cfg),
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
	if g.kernel != nil {
		g.kernel.Close()
	}
	g.keys.close()
}

// ownPorts are the UDP ports of this gateway.
func ownPorts(cfg *config.Config) []uint16 {
	return []uint16{cfg.Gateway.Listen.IKEPort, cfg.Gateway.Listen.NATPort}
}

func kernelOptions(cfg *config.Config) kernel.Options {
	i := &cfg.Gateway.Interface
	return kernel.Options{Protocol: uint8(i.RouteProtocol), Namespace: i.Namespace}
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
var _ control.Backend = (*Gateway)(nil)
var _ routeTable = (*kernel.Kernel)(nil)

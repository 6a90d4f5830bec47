package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"causeway/internal/control"
)

// shutdownTime is how long the peers have to answer the deletion of SAs.
const shutdownTime = 5 * time.Second

// carrier is the data path while it runs.
type carrier struct {
	stop context.CancelFunc
	done chan struct{} // closed when it ended
	err  error         // why, once done is closed
}

// carry starts the data path.
func (g *Gateway) carry() *carrier {
	ctx, cancel := context.WithCancel(context.Background())
	c := &carrier{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = g.tunnel.Run(ctx)
	}()
	return c
}

// while is ctx, or one that has ended if the data path has: nothing reaches the
// peers any more.
func (c *carrier) while(ctx context.Context) context.Context {
	select {
	case <-c.done:
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return ended
	default:
		return ctx
	}
}

// run serves until ctx ends or the data path fails. What it starts ends in the
// opposite order: the API, which shows the end to the last; then the routes;
// and the device and the sockets last, which the peers' answers come by.
func (g *Gateway) run(ctx context.Context, reload <-chan struct{}) error {
	defer g.close()
	boundGarbage()
	carrier := g.carry()
	server, err := g.serve()
	if err == nil {
		err = g.start(ctx)
	}
	metering, stopMetering := context.WithCancel(context.Background())
	metered := make(chan struct{})
	go func() {
		defer close(metered)
		g.usage.run(metering, g.connectionNames)
	}()
	routing, stopRouting := context.WithCancel(context.Background())
	routed := make(chan struct{})
	go func() {
		defer close(routed)
		g.keepRoutes(routing)
	}()
	if err == nil {
		notifySupervisor("READY=1")
		err = g.wait(ctx, reload, carrier)
	}
	notifySupervisor("STOPPING=1")
	ending, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	g.fetcher.Close()
	g.engine.Close(carrier.while(ending))
	server.Close(ending)
	g.paths.close()
	stopRouting()
	<-routed
	err = errors.Join(err, g.routes.clear())
	carrier.stop()
	<-carrier.done
	stopMetering()
	<-metered
	g.usage.close(g.connectionNames())
	if err == nil {
		g.log.Info("gateway ended")
	}
	return err
}

// start gives everybody the configuration for the first time. A route that the
// kernel refuses is no reason to leave the other connections down. The API
// answers meanwhile; a reload waits.
func (g *Gateway) start(ctx context.Context) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	cfg := g.config.Load()
	err := g.apply(ctx, nil, cfg)
	var refused *routesError
	if errors.As(err, &refused) {
		g.routes.news(err)
		g.log.Error("not all routes are in place", zap.Error(err))
		err = nil
	}
	if err == nil {
		g.log.Info("gateway started", zap.String("name", cfg.Gateway.Name), zap.String("version", g.options.Version),
			zap.String("interface", g.device.Name()), zap.Int("mtu", g.mtu), zap.Strings("listen", g.listening()), zap.Int("connections", len(cfg.Connections)))
	}
	return err
}

// listening are the outer addresses and ports.
func (g *Gateway) listening() []string {
	var out []string
	for _, r := range g.conns.Receivers() {
		if r.Bare() {
			out = append(out, r.Local().Addr().String()+"/esp") // without UDP
			continue
		}
		out = append(out, r.Local().String())
	}
	return slices.Compact(out) // workers share
}

// wait returns when the gateway is to end: nil if it was asked to.
func (g *Gateway) wait(ctx context.Context, reload <-chan struct{}, c *carrier) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.done:
			if c.err == nil {
				return errors.New("gateway: the data path ended: the device or the sockets were closed")
			}
			return fmt.Errorf("gateway: the data path ended: %w", c.err)
		case <-reload:
			// Reload says in the log what came of it.
			_, _ = g.Reload(ctx)
		}
	}
}

// serve starts the control API. The server is never nil.
func (g *Gateway) serve() (*control.Server, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(control.NewCollector(g), g.tally, collectors.NewGoCollector(),
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

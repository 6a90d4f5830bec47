package gateway

import (
	"context"
	"errors"
	"fmt"

	"causeway/config"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/routing"
	"causeway/tunnel"
)

// Reload implements control.Backend: it reads the configuration file again and
// applies what changed. A file with a problem, or a change that needs a
// restart, leaves everything as it is.
func (g *Gateway) Reload(ctx context.Context) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	next, problems := config.Load(g.path, Checks())
	if err := problems.Err(); err != nil {
		return &control.Problem{Reason: "bad_configuration", Message: err.Error(), Hint: "nothing was changed"}
	}
	old := g.config.Load()
	next.Control.Socket = old.Control.Socket // it may come from the command line
	if fields := restartNeeded(old, next); fields != "" {
		return &control.Problem{
			Reason: "restart_needed", Message: fields + " cannot change while the gateway runs",
			Hint: "restart causeway; nothing was changed",
		}
	}
	for _, w := range problems.Warnings() {
		g.log.Warn(w.String())
	}
	if err := g.apply(ctx, next); err != nil {
		return err
	}
	g.log.Info("configuration reloaded")
	return nil
}

// restartNeeded names what differs and cannot be applied; empty for nothing.
func restartNeeded(old, next *config.Config) string {
	switch {
	case fmt.Sprint(old.Gateway.Listen) != fmt.Sprint(next.Gateway.Listen):
		return "gateway.listen"
	case old.Gateway.Interface.Name != next.Gateway.Interface.Name:
		return "gateway.interface.name"
	case old.Gateway.Interface.MTU != next.Gateway.Interface.MTU:
		return "gateway.interface.mtu"
	case old.Gateway.Workers != next.Gateway.Workers:
		return "gateway.workers"
	case old.Control.HTTP != next.Control.HTTP:
		return "control.http"
	case old.Log != next.Log:
		return "log"
	}
	return ""
}

// apply makes the data path, the engine and the routes equal to cfg.
func (g *Gateway) apply(ctx context.Context, cfg *config.Config) error {
	wanted, err := connections(cfg)
	if err != nil {
		return err
	}
	table, err := routing.Build(sites(cfg))
	if err != nil {
		return err
	}
	before := g.config.Swap(cfg)
	for _, c := range cfg.Connections {
		g.tunnel.AddConnection(c.Name, tunnel.ConnectionConfig{})
		g.dataPath.setReplayWindow(c.Name, c.ESP.ReplayWindow)
	}
	g.tunnel.SetRoutes(table)
	deleting, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	g.engine.Set(deleting, wanted)
	g.forget(before, cfg)
	return g.reconcile()
}

// forget removes from the data path the connections that cfg has no more.
func (g *Gateway) forget(before, cfg *config.Config) {
	kept := map[string]bool{}
	for _, c := range cfg.Connections {
		kept[c.Name] = true
	}
	for _, c := range before.Connections {
		if !kept[c.Name] {
			g.tunnel.RemoveConnection(c.Name)
		}
	}
}

func sites(cfg *config.Config) []routing.Site {
	var out []routing.Site
	for i, c := range cfg.Connections {
		for _, p := range c.Remote.Networks {
			out = append(out, routing.Site{Prefix: p, Connection: c.Name, ID: uint32(i)})
		}
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

// problem is err in the API's words.
func problem(err error) error {
	var f *sa.Failure
	if errors.As(err, &f) {
		return problemOf(f)
	}
	return err
}

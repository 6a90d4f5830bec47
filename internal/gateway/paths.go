package gateway

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/internal/control"
	"causeway/routing/probe"
	"causeway/tunnel"
)

// pathKind tells a connection's private line from its tunnel.
type pathKind string

const (
	pathDirect pathKind = "direct"
	pathTunnel pathKind = "tunnel"
)

// pathID names one path.
type pathID struct {
	connection string
	kind       pathKind
}

// watched is one path with a prober. Its settings are constant.
type watched struct {
	line   config.Direct // of a private line
	source netip.Addr    // of probes through a tunnel
	probe  config.Probe
	cancel context.CancelFunc
	hints  chan probe.Hint
	done   chan struct{}
	// ---- guarded by paths.mu
	up    bool
	since time.Time
	link  traffic
}

// paths watches the private lines, and the tunnels that are to be probed.
type paths struct {
	open    func(pathID, *watched) probe.Line
	changed func(id pathID, up bool, why error)
	lineUp  chan struct{} // holds one: a line works that did not

	mu  sync.Mutex
	all map[pathID]*watched
}

func newPaths(open func(pathID, *watched) probe.Line, changed func(pathID, bool, error)) *paths {
	return &paths{open: open, changed: changed, lineUp: make(chan struct{}, 1), all: map[pathID]*watched{}}
}

// set makes the watched paths those of the configuration. One whose settings
// are the same goes on as it is.
func (p *paths) set(cfg *config.Config) {
	wanted := map[pathID]*watched{}
	source4, source6 := ownAddresses(cfg)
	for _, c := range cfg.Connections {
		if c.Direct.Interface != "" {
			wanted[pathID{c.Name, pathDirect}] = &watched{line: c.Direct, probe: c.Direct.Probe}
		}
		if c.Probe.Target.IsValid() {
			w := &watched{probe: c.Probe, source: source4}
			if c.Probe.Target.Is6() {
				w.source = source6
			}
			wanted[pathID{c.Name, pathTunnel}] = w
		}
	}
	for _, w := range p.swap(wanted) {
		w.cancel()
		<-w.done
	}
}

// swap starts what is new and returns what is to end. Of a path with other
// settings the verdict is kept until the new prober has its own: a changed
// interval is no reason to move traffic.
func (p *paths) swap(wanted map[pathID]*watched) (ending []*watched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, old := range p.all {
		next := wanted[id]
		if next != nil && next.line == old.line && next.source == old.source && next.probe == old.probe {
			wanted[id] = old
			continue
		}
		ending = append(ending, old)
	}
	for id, w := range wanted {
		if w.done != nil {
			continue
		}
		w.since = time.Now()
		if old := p.all[id]; old != nil && old.line.Interface == w.line.Interface && old.line.NextHop == w.line.NextHop && old.probe.Target == w.probe.Target {
			w.up, w.since = old.up, old.since
		}
		p.start(id, w)
	}
	p.all = wanted
	return ending
}

func (p *paths) start(id pathID, w *watched) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done, w.hints = cancel, make(chan struct{}), make(chan probe.Hint, 4)
	line, up := p.open(id, w), w.up
	go func() {
		defer close(w.done)
		settings := probe.Settings{Interval: w.probe.Interval, Timeout: w.probe.Timeout, Busy: w.probe.Busy, Lost: w.probe.Lost, Recovered: w.probe.Recovered}
		probe.Run(ctx, line, settings, up, w.hints, func(up bool, why error) {
			if p.record(id, w, up) {
				p.changed(id, up, why)
			}
		})
	}()
}

// record keeps a verdict; false if the path is watched in another way now.
func (p *paths) record(id pathID, w *watched, up bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[id] != w {
		return false
	}
	if w.up != up {
		w.up, w.since = up, time.Now()
	}
	if up {
		select {
		case p.lineUp <- struct{}{}:
		default:
		}
	}
	return true
}

// directUp tells whether the connection's private line works.
func (p *paths) directUp(connection string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[pathID{connection, pathDirect}]
	return w != nil && w.up
}

// tunnelUp tells whether the connection's tunnel may be preferred: its probes
// are answered, or there are none.
func (p *paths) tunnelUp(connection string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[pathID{connection, pathTunnel}]
	return w == nil || w.up
}

// status is what the API shows of a connection's paths; nil without any.
func (p *paths) status(connection string) []control.Path {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []control.Path
	for _, kind := range []pathKind{pathDirect, pathTunnel} {
		w := p.all[pathID{connection, kind}]
		if w == nil {
			continue
		}
		state := "down"
		if w.up {
			state = "up"
		}
		out = append(out, control.Path{
			Kind: string(kind), State: state, Since: w.since, Interface: w.line.Interface, Target: w.probe.Target.String(),
		})
	}
	return out
}

// close ends every prober.
func (p *paths) close() { p.set(&config.Config{}) }

// openPath makes the line that a path's probes take.
func (g *Gateway) openPath(id pathID, w *watched) probe.Line {
	if id.kind == pathDirect {
		return probe.NewSocket(w.probe.Target, w.line.Interface, g.kernel.Within)
	}
	return probe.NewInjected(w.probe.Target, w.source, g.device.Name(), g.kernel.Within, func(packet []byte) error {
		err := g.tunnel.Inject(id.connection, packet)
		if errors.Is(err, tunnel.ErrNoSA) {
			return nil // the connection is down, which is told elsewhere; nobody answers
		}
		return err
	})
}

// pathChanged moves the traffic to where a verdict says, and tells of it.
func (g *Gateway) pathChanged(id pathID, up bool, why error) {
	ev := pathEvent(id, up, why)
	ev.At = time.Now()
	if id.kind == pathTunnel {
		g.tunnel.SetAvoided(id.connection, !up)
	}
	if err := g.reconcile(); g.routes.news(err) && err != nil {
		g.log.Error("not all routes are in place", zap.Error(err))
	}
	g.tally.Count(id.connection, ev.Type, "")
	logEvent(g.log, ev)
	g.stream.Publish(ev)
}

// pathEvent puts a verdict into words.
func pathEvent(id pathID, up bool, why error) control.Event {
	what := "the private line"
	if id.kind == pathTunnel {
		what = "the tunnel"
	}
	fields := []string{"path", string(id.kind)}
	if up {
		return event(kindPathUp, levelInfo, id.connection, "probes of "+what+" are answered again: it carries the traffic", fields...)
	}
	message := "probes of " + what + " are not answered: the traffic takes another way if there is one"
	if why != nil {
		message = what + " cannot be probed: " + why.Error()
		fields = append(fields, "error", why.Error())
	}
	return event(kindPathDown, levelWarn, id.connection, message, fields...)
}

package tunnel

import (
	"maps"
	"net/netip"

	"causeway/routing"
)

// forwarding is what a worker needs to get from an address to a connection. It
// is immutable: a change is a new value, and with it every flow is looked up
// anew.
type forwarding struct {
	routes      *routing.Table // nil: no routes yet
	connections map[string]*connection
	// groups are the choices of each group of routes; nil for a connection
	// that is not known.
	groups [][]*connection
	// only is, by group, the connection that is the one choice, nil where there
	// are several or it is not known. Most groups are so, and this is what a
	// look-up among a thousand of them costs: one line of the cache.
	only []*connection
}

func newForwarding(routes *routing.Table, connections map[string]*connection) *forwarding {
	f := &forwarding{routes: routes, connections: connections, groups: make([][]*connection, len(routes.Groups())), only: make([]*connection, len(routes.Groups()))}
	for i, g := range routes.Groups() {
		f.groups[i] = make([]*connection, len(g.Choices()))
		for k, c := range g.Choices() {
			f.groups[i][k] = connections[c.Connection]
		}
		if len(f.groups[i]) == 1 {
			f.only[i] = f.groups[i][0]
		}
	}
	return f
}

// toward is the connection that carries a flow to dst, or nil. Of several it is
// the best that is usable now.
func (f *forwarding) toward(dst netip.Addr, flow *flowKey) *connection {
	i, ok := f.routes.Index(dst)
	if !ok {
		return nil
	}
	if c := f.only[i]; c != nil {
		return c
	}
	choices := f.groups[i]
	g := f.routes.Groups()[i]
	return choices[g.Select(flow.hash(), func(i int) bool { return choices[i] != nil && choices[i].usable() })]
}

// behind tells whether the address is at a site of the connection.
func (f *forwarding) behind(a netip.Addr, c *connection) bool {
	i, ok := f.routes.Index(a)
	if !ok {
		return false
	}
	if only := f.only[i]; only != nil {
		return only == c
	}
	for _, choice := range f.groups[i] {
		if choice == c {
			return true
		}
	}
	return false
}

// mayEnter tells whether a packet from src may go to the sites of c: it comes
// from this gateway's side or from a site of c itself, or both connections
// allow transit.
func (f *forwarding) mayEnter(c *connection, src netip.Addr) bool {
	if !f.routes.IsSite(src) || f.behind(src, c) {
		return true
	}
	if !c.config.Load().Transit {
		return false
	}
	g, _ := f.routes.Lookup(src)
	for _, from := range f.groups[g.Index()] {
		if from != nil && from.config.Load().Transit {
			return true
		}
	}
	return false
}

// usable tells whether the connection can carry packets now.
func (c *connection) usable() bool {
	return !c.avoided.Load() && len(c.outbound.Load().children) > 0
}

// setOutbound replaces the connection's list of SAs to send on. Where it
// becomes usable or stops to be, the workers choose anew. Tunnel.mu is held.
func (t *Tunnel) setOutbound(c *connection, next *outboundList) {
	before := len(c.show(next).children)
	if (before == 0) != (len(next.children) == 0) {
		t.renew()
	}
}

// renew makes the workers look up every flow again. Tunnel.mu is held.
func (t *Tunnel) renew() {
	next := *t.forwarding.Load()
	t.forwarding.Store(&next)
}

// change is a copy of the connections, for the next forwarding. Tunnel.mu is
// held.
func (f *forwarding) change() map[string]*connection {
	next := maps.Clone(f.connections)
	if next == nil {
		next = map[string]*connection{}
	}
	return next
}

// SetAvoided makes the connection stand back, although it may have SAs, while
// another one with the same prefixes is usable: probes say that nothing arrives
// at its site. It is the last choice and not forbidden.
func (t *Tunnel) SetAvoided(name string, avoided bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.forwarding.Load().connections[name]; c != nil && c.avoided.Swap(avoided) != avoided {
		t.renew()
	}
}

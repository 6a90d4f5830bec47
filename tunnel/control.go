package tunnel

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/routing"
)

// eraseDelay is far longer than a worker takes for one batch.
const eraseDelay = time.Second

// childPair is one Child SA pair, named by its inbound SPI.
type childPair struct {
	conn *connection
	in   *inboundSA
	out  *outboundSA // nil until activated
}

// AddConnection makes the connection known, or changes the configuration of a
// known one and leaves its Child SAs alone.
func (t *Tunnel) AddConnection(name string, cfg ConnectionConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.forwarding.Load()
	if c := old.connections[name]; c != nil {
		c.up.Set(cfg.Share)
		c.down.Set(cfg.Share)
		if before := c.config.Swap(&cfg); before.Transit != cfg.Transit || before.Translate != cfg.Translate {
			t.renew()
		}
		c.lookAhead()
		return
	}
	next := old.change()
	next[name] = t.newConnection(name, cfg)
	t.forwarding.Store(newForwarding(old.routes, next))
}

// RemoveConnection forgets the connection and its Child SAs. Removing an
// unknown one is harmless.
func (t *Tunnel) RemoveConnection(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.forwarding.Load()
	c := old.connections[name]
	if c == nil {
		return
	}
	for spi, pair := range t.children {
		if pair.conn == c {
			t.removeChild(spi)
		}
	}
	next := old.change()
	delete(next, name)
	t.forwarding.Store(newForwarding(old.routes, next))
	t.releaseHeld(c)
	t.keepalives.removed(name)
	c.up.Close()
	c.down.Close()
	t.settled[c.home]--
	last := c.counters.snapshot()
	t.retired.add(&last)
}

// SetBandwidth changes what all connections may carry together in each
// direction, in bits a second of outer IP packets; 0 is unlimited.
func (t *Tunnel) SetBandwidth(up, down uint64) {
	t.up.Set(up)
	t.down.Set(down)
}

// addresses are the device's own, of either family.
type addresses struct{ v4, v6 netip.Addr }

// SetAddresses changes where ICMP errors come from. Without an address of a family
// they come in the name of the destination that cannot be reached.
func (t *Tunnel) SetAddresses(v4, v6 netip.Addr) { t.own.Store(&addresses{v4, v6}) }

// SetRoutes replaces the table that maps addresses behind the peers to
// connections. Sites of connections that were not added are as good as absent.
func (t *Tunnel) SetRoutes(routes *routing.Table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forwarding.Store(newForwarding(routes, t.forwarding.Load().connections))
}

// AllocateSPI reserves an inbound SPI; RemoveChild or ReleaseSPI frees it. The SPIs
// of a connection whose Child SAs are for all workers are at home with one: the
// kernel merges by addresses and ports, so what its SAs receive comes in one order
// only if it comes to one socket. A Child SA that is for the worker of the number
// resource, counted from 1, is at home there (RFC 9611).
func (t *Tunnel) AllocateSPI(connection string, resource int) (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	home := 0
	if c := t.forwarding.Load().connections[connection]; c != nil {
		home = c.home
	}
	if resource > 0 {
		home = (resource - 1) % len(t.sad.homes)
	}
	spi, err := t.sad.allocate(home)
	if err == nil && resource > 0 {
		t.sad.resources[spi] = resource
	}
	return spi, err
}

// emptiest is the worker that is home to the fewest connections, which now has
// one more.
func (t *Tunnel) emptiest() int {
	least := 0
	for i, n := range t.settled {
		if n < t.settled[least] {
			least = i
		}
	}
	t.settled[least]++
	return least
}

// ReleaseSPI frees an SPI that no SA was installed for; otherwise it does
// nothing.
func (t *Tunnel) ReleaseSPI(spi uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.children[spi] == nil {
		t.sad.release(spi)
	}
}

// InstallInbound starts to receive on the SA, whose SPI AllocateSPI gave out.
func (t *Tunnel) InstallInbound(name string, in *esp.Inbound, policy *selector.Policy, local, remote netip.AddrPort) error {
	return t.install(name, in, policy, local, remote, nil)
}

func (t *Tunnel) install(name string, in *esp.Inbound, policy *selector.Policy, local, remote netip.AddrPort, mode *transportMode) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.forwarding.Load().connections[name]
	if c == nil {
		return fmt.Errorf("tunnel: connection %q is not known to the data path", name)
	}
	spi := in.SPI()
	if !t.sad.isReserved(spi) {
		return fmt.Errorf("tunnel: connection %q: SPI %08x was not allocated", name, spi)
	}
	if t.children[spi] != nil {
		return fmt.Errorf("tunnel: connection %q: SPI %08x has an SA already", name, spi)
	}
	sa := (&inboundSA{spi: spi, in: in, policy: policy, conn: c, hard: new(atomic.Bool), heard: new(heard), transport: mode}).at(local, remote)
	t.children[spi] = &childPair{conn: c, in: sa}
	if in.ReplayWindow() < narrowWindow {
		t.hands.narrow.Store(true)
	}
	t.sad.install(sa)
	t.takeEarly(spi)
	return nil
}

// ActivateOutbound starts to send on the SA, before any other Child SA of the
// connection whose selectors match too; what was held for it goes first. spiIn names the pair that it belongs
// to, which must be installed. A pair that was activated before only becomes the
// preferred one and keeps the SA it has, which MoveChildren has kept where the peer
// is: sequence numbers, and with them the nonces of AES-GCM, must never start again
// under the same key.
func (t *Tunnel) ActivateOutbound(name string, out *esp.Outbound, policy *selector.Policy, spiIn uint32, local, remote netip.AddrPort) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	pair := t.children[spiIn]
	if pair == nil || pair.conn.name != name {
		return fmt.Errorf("tunnel: connection %q: no inbound SA %08x to activate an outbound SA for", name, spiIn)
	}
	if pair.out == nil {
		pair.out = &outboundSA{
			conn: pair.conn, out: out, policy: policy, spiIn: spiIn, resource: t.sad.resources[spiIn],
			local: local, remote: remote,
			mtu: t.childMTU(out, remote, pair.in.transport), hard: new(atomic.Bool), turns: new(turns), uncarried: new(uncarried), transport: pair.in.transport,
		}
	}
	others := pair.conn.outbound.Load().without(spiIn).children
	t.publish(pair.conn, newOutboundList(append([]*outboundSA{pair.out}, others...)...))
	return nil
}

// StopOutbound sends no more on the Child SA with that inbound SPI, which is still
// received on. Stopping one that is not sent on is harmless.
func (t *Tunnel) StopOutbound(spiIn uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pair := t.children[spiIn]; pair != nil && pair.out != nil {
		t.setOutbound(pair.conn, pair.conn.outbound.Load().without(spiIn))
	}
}

// RemoveChild ends the Child SA pair with that inbound SPI in both directions
// and frees the SPI. Removing an unknown one is harmless.
func (t *Tunnel) RemoveChild(spiIn uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeChild(spiIn)
}

func (t *Tunnel) removeChild(spiIn uint32) {
	pair := t.children[spiIn]
	if pair == nil {
		return
	}
	delete(t.children, spiIn)
	if pair.out != nil {
		t.setOutbound(pair.conn, pair.conn.outbound.Load().without(spiIn))
	}
	t.sad.release(spiIn)
	// A worker may be in the middle of a batch with these SAs, and what it
	// sends is still welcome: the keys go when it is certainly done.
	time.AfterFunc(eraseDelay, func() {
		pair.in.in.Erase()
		if pair.out != nil {
			pair.out.out.Erase()
		}
	})
}

// MoveChildren gives the Child SAs with those inbound SPIs, which are of one connection, a
// new pair of outer addresses, also where they are stopped. ESP without UDP stays without.
// What the path MTU was is forgotten.
func (t *Tunnel) MoveChildren(spisIn []uint32, local, remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var c *connection
	for _, spi := range spisIn {
		pair := t.children[spi]
		if pair == nil {
			continue
		}
		c = pair.conn
		t.move(pair, local, remote)
	}
	if c == nil {
		return
	}
	next := slices.Clone(c.outbound.Load().children)
	for i, old := range next {
		next[i] = t.children[old.spiIn].out
	}
	c.path.reset()
	c.show(newOutboundList(next...))
}

func (t *Tunnel) move(pair *childPair, local, remote netip.AddrPort) {
	pair.in = pair.in.at(keepBare(pair.in.remote, local, remote))
	t.sad.install(pair.in)
	if pair.out != nil { // also one that is stopped: it may be sent on again
		moved := *pair.out
		moved.local, moved.remote = keepBare(moved.remote, local, remote)
		moved.mtu = t.childMTU(moved.out, moved.remote, moved.transport)
		pair.out = &moved
	}
}

// SkipAhead leaves out sequence numbers of what is sent on the Child SA of that inbound
// SPI; of one that is not there, or not sent on, nothing.
func (t *Tunnel) SkipAhead(spiIn uint32, by uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pair := t.children[spiIn]; pair != nil && pair.out != nil {
		pair.out.uncarried.during(by, 0, func() bool { return pair.out.out.Skip(by) })
	}
}

// ChildCounters is what the Child SA pair carried; false if there is none.
func (t *Tunnel) ChildCounters(spiIn uint32) (ChildCounters, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pair := t.children[spiIn]
	if pair == nil {
		return ChildCounters{}, false
	}
	n := ChildCounters{PacketsIn: pair.in.in.Packets(), BytesIn: pair.in.in.Bytes()}
	if pair.out != nil {
		n.PacketsOut, n.BytesOut = pair.out.uncarried.without(pair.out.out)
	}
	return n, true
}

// ConnectionCounters is what the connection carried and dropped since it was
// added; false if it is unknown.
func (t *Tunnel) ConnectionCounters(name string) (Counters, bool) {
	c := t.forwarding.Load().connections[name]
	if c == nil {
		return Counters{}, false
	}
	n := c.counters.snapshot()
	n.LimitedIn, n.LimitedOut = c.down.Limited(t.now()), c.up.Limited(t.now())
	return n, true
}

// TotalCounters is what all connections, past ones included, carried and
// dropped, with the drops that belong to none.
func (t *Tunnel) TotalCounters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.unattributed.snapshot()
	total.add(&t.retired)
	for _, c := range t.forwarding.Load().connections {
		n := c.counters.snapshot()
		total.add(&n)
	}
	return total
}

// LastInbound is when the last authentic ESP packet of a Child SA arrived, by its inbound
// SPI: proof of the peer's life (RFC 7296 §2.4). Zero if none did.
func (t *Tunnel) LastInbound(spiIn uint32) time.Time {
	sa := t.sad.lookup(spiIn)
	if sa == nil {
		return time.Time{}
	}
	last := sa.heard.at.Load()
	if last == 0 {
		return time.Time{}
	}
	return t.start.Add(time.Duration(last))
}

package ike

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// network joins engines in memory: a datagram arrives a millisecond later, on
// a goroutine of its own, unless drop says otherwise.
type network struct {
	mu    sync.Mutex
	hosts map[netip.Addr]*host
	drop  func(from, to netip.Addr) bool
	names func(name string) []netip.Addr // what the name servers answer
}

func (n *network) setNames(names func(name string) []netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names = names
}

func (n *network) resolve(_ context.Context, name string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names != nil {
		if found := n.names(name); len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("lookup %s: no such host", name)
}

func (n *network) setDrop(drop func(from, to netip.Addr) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = drop
}

// host is one engine with a data path that only remembers.
type host struct {
	t       *testing.T
	net     *network
	address netip.Addr
	engine  *Engine
	data    *fakeDataPath
	random  *trippedReader
	shift   uint16 // of its ports, by a NAT in front of it; 0: there is none

	mu      sync.Mutex
	reports []sa.Report
}

// trippedReader is entropy that panics once when it was tripped: the way to
// make a machine panic.
type trippedReader struct{ tripped atomic.Bool }

func (r *trippedReader) Read(b []byte) (int, error) {
	if r.tripped.CompareAndSwap(true, false) {
		panic("out of entropy")
	}
	return rand.Read(b)
}

func newNetwork() *network { return &network{hosts: map[netip.Addr]*host{}} }

func (n *network) host(t *testing.T, address string) *host {
	t.Helper()
	h := &host{t: t, net: n, address: netip.MustParseAddr(address), data: newFakeDataPath()}
	n.mu.Lock()
	n.hosts[h.address] = h
	n.mu.Unlock()
	var err error
	h.random = &trippedReader{}
	h.engine, err = NewEngine(EngineConfig{Transport: h, DataPath: h.data, Report: h.report, Random: h.random, Resolve: n.resolve})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *host) report(r sa.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = append(h.reports, r)
}

// SendIKE implements Transport.
func (h *host) SendIKE(b []byte, local, remote netip.AddrPort) error {
	h.net.mu.Lock()
	to, drop := h.net.hosts[remote.Addr()], h.net.drop
	h.net.mu.Unlock()
	if to == nil {
		return fmt.Errorf("no route to %v", remote)
	}
	if drop != nil && drop(local.Addr(), remote.Addr()) {
		return nil
	}
	copied := append([]byte(nil), b...)
	at, from := netip.AddrPortFrom(remote.Addr(), remote.Port()-to.shift), netip.AddrPortFrom(local.Addr(), local.Port()+h.shift)
	time.AfterFunc(time.Millisecond, func() { to.engine.Receive(copied, at, from) })
	return nil
}

// SendProbe implements Transport.
func (h *host) SendProbe(b []byte, local, remote netip.AddrPort) error {
	return h.SendIKE(b, local, remote)
}

// HasAddr implements Transport.
func (h *host) HasAddr(a netip.Addr) bool { return a == h.address }

// LocalAddr implements Transport.
func (h *host) LocalAddr(netip.Addr) (netip.Addr, error) { return h.address, nil }

// last returns the newest report of type R.
func last[R sa.Report](h *host) (found R, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.reports {
		if r, is := r.(R); is {
			found, ok = r, true
		}
	}
	return found, ok
}

func (h *host) status(name string) ConnectionStatus {
	h.t.Helper()
	for _, s := range h.engine.Status() {
		if s.Name == name {
			return s
		}
	}
	h.t.Fatalf("%v has no connection %q", h.address, name)
	return ConnectionStatus{}
}

// fakeDataPath remembers which SAs are installed, and that nothing is
// installed twice or activated before it is installed.
type fakeDataPath struct {
	mu       sync.Mutex
	next     uint32
	reserved map[uint32]bool // SPIs
	inbound  map[uint32]*sa.Child
	outbound map[uint32]*sa.Child
	problems []string
	refuse   error
	declines error
	heard    map[uint32]time.Time      // by inbound SPI
	moved    map[uint32]netip.AddrPort // by inbound SPI
	received map[uint32]uint64         // packets, by inbound SPI
	sent     atomic.Uint64             // packets, on every Child SA
}

func newFakeDataPath() *fakeDataPath {
	return &fakeDataPath{next: 0x1000, reserved: map[uint32]bool{}, inbound: map[uint32]*sa.Child{}, outbound: map[uint32]*sa.Child{}, heard: map[uint32]time.Time{}, moved: map[uint32]netip.AddrPort{}, received: map[uint32]uint64{}}
}

func (d *fakeDataPath) AllocateSPI(string, int) (uint32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	d.reserved[d.next] = true
	return d.next, nil
}

func (d *fakeDataPath) Accepts(string, *sa.Child) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.declines
}

func (d *fakeDataPath) decline(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.declines = err
}

func (d *fakeDataPath) InstallInbound(_ string, c *sa.Child) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return d.refuse
	}
	if d.inbound[c.SPIIn] != nil {
		d.problems = append(d.problems, fmt.Sprintf("%08x installed twice", c.SPIIn))
	}
	d.inbound[c.SPIIn] = c
	return nil
}

func (d *fakeDataPath) ActivateOutbound(_ string, c *sa.Child) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inbound[c.SPIIn] == nil {
		d.problems = append(d.problems, fmt.Sprintf("%08x activated before it was installed", c.SPIIn))
	}
	d.outbound[c.SPIIn] = c
	return nil
}

func (d *fakeDataPath) StopOutbound(_ string, spiIn uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.outbound, spiIn)
}

func (d *fakeDataPath) RemoveChild(_ string, spiIn uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.reserved, spiIn)
	delete(d.inbound, spiIn)
	delete(d.outbound, spiIn)
}

func (d *fakeDataPath) SkipAhead(string, uint32, uint64) {}

func (d *fakeDataPath) MoveChildren(_ string, spisIn []uint32, _, remote netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, spi := range spisIn {
		d.moved[spi] = remote
	}
}

func (d *fakeDataPath) Carried(spiIn uint32) (in, out uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.received[spiIn], d.sent.Load()
}

func (d *fakeDataPath) LastInbound(spiIn uint32) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard[spiIn]
}

// hear is ESP on every Child SA with that peer.
func (d *fakeDataPath) hear(from netip.Addr) {
	for _, spi := range d.with(from) {
		d.mu.Lock()
		d.heard[spi] = time.Now()
		d.received[spi]++
		d.mu.Unlock()
	}
}

// with are the inbound SPIs of the Child SAs with that peer.
func (d *fakeDataPath) with(peer netip.Addr) (spis []uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for spi, c := range d.inbound {
		if c.Remote.Addr() == peer {
			spis = append(spis, spi)
		}
	}
	return spis
}

// installed is how many inbound and outbound SAs there are.
func (d *fakeDataPath) installed() (in, out int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inbound), len(d.outbound)
}

// connection is one with a peer, any-to-any, under a shared key.
func connection(t *testing.T, name, remote, psk string, start StartPolicy) Connection {
	t.Helper()
	proposal := func(p transform.Protocol, keywords string) []transform.Proposal {
		out, err := transform.ParseProposal(p, keywords)
		if err != nil {
			t.Fatal(err)
		}
		return []transform.Proposal{out}
	}
	settings := &sa.Settings{
		Name:          name,
		PSK:           auth.NewSecret([]byte(psk)),
		IKEProposals:  proposal(transform.IKE, "aes256gcm16-prfsha384-x25519"),
		ESPProposals:  proposal(transform.ESP, "aes256gcm16-esn"),
		Children:      []sa.ChildSettings{{Name: name, Local: selector.Any(), Remote: selector.Any()}},
		IKELifetime:   8 * time.Hour,
		ChildLifetime: sa.Lifetime{Time: time.Hour},
		DPD:           30 * time.Second,
	}
	c := Connection{Settings: settings, Start: start}
	if remote != "" {
		c.Remotes = []string{remote}
		settings.RemoteAddresses = []netip.Addr{netip.MustParseAddr(remote)}
	} else {
		settings.RespondOnly = true
	}
	return c
}

func (h *host) set(connections ...Connection) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.engine.Set(ctx, connections)
}

func (h *host) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.engine.Close(ctx)
	h.data.mu.Lock()
	defer h.data.mu.Unlock()
	for _, p := range h.data.problems {
		h.t.Errorf("%v: %s", h.address, p)
	}
	if n := len(h.data.inbound) + len(h.data.outbound); n != 0 {
		h.t.Errorf("%v: %d SAs are left in the data path", h.address, n)
	}
}

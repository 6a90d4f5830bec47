package ike

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"causeway/esp/selector"
	"causeway/ike/cookie"
	"causeway/ike/sa"
)

// EngineConfig is what an Engine is made of.
type EngineConfig struct {
	Transport Transport
	DataPath  DataPath
	// Report is told everything that happens, from many goroutines. It must
	// not block.
	Report func(sa.Report)
	// Traced tells whether anybody looks at sa.MessageTrace now; nil: always.
	// Those of strangers are not made where nobody does.
	Traced func() bool
	// Changed is told when what a connection wants or has changed, after
	// Status shows it. It must not block; nil is not called.
	Changed func(connection string)
	// KeyLog is told the keys of each IKE SA of IKEv2, for debugging; nil tells
	// nobody.
	KeyLog func(sa.IKEKeys)
	// CrashSecret proves to peers that this host lost its state, if it outlives
	// that (RFC 6290); nil: it cannot be proved.
	CrashSecret []byte
	// Random is the source of all entropy; nil is crypto/rand. It must be
	// safe for concurrent use.
	Random io.Reader
	// Resolve finds the addresses of a DNS name; nil asks the system.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)
	// IKEPort and NATPort are the local ports; 0 means 500 and 4500.
	IKEPort, NATPort uint16
	// Retransmit is the schedule of IKE requests; zero is the default.
	Retransmit sa.RetransmitPolicy
}

// maxWaiting bounds the jobs that wait for servers outside: each may take
// seconds, and holds a file.
const maxWaiting = 32

// Engine runs the machines of all connections. Its methods may be called from
// any goroutine.
type Engine struct {
	cfg     EngineConfig
	workers chan struct{} // one slot for each core
	waiting chan struct{} // one for each job that may wait for the network at a time
	// strangers are the slots for peers that are not authenticated: however many
	// come, the work of those who are does not wait behind theirs.
	strangers chan struct{}
	jobs      sync.WaitGroup
	ctx       context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup

	v1, v2 *version
	// gate and gatev1 are the goroutines' of the versions' acceptors.
	gate, gatev1 *cookie.Gate

	mu     sync.Mutex // writers of owners
	owners atomic.Pointer[ownerSet]
}

// ownerSet is the immutable set of running connections.
type ownerSet struct {
	byName map[string]*owner
	// ordered is by how much a connection demands of the peer's address.
	ordered []*owner
	// coming do not run yet: others end first. Whoever looks sees them already, so that
	// the routes of what is wanted stay, and commands wait for them.
	coming map[string]*owner
}

// NewEngine starts an engine without connections.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if cfg.Transport == nil || cfg.DataPath == nil || cfg.Report == nil {
		return nil, errors.New("ike: an engine needs a transport, a data path and a report function")
	}
	if cfg.Changed == nil {
		cfg.Changed = func(string) {}
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Resolve == nil {
		cfg.Resolve = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	if cfg.IKEPort == 0 {
		cfg.IKEPort = 500
	}
	if cfg.NATPort == 0 {
		cfg.NATPort = 4500
	}
	gate, err := cookie.New(cookie.Config{Random: cfg.Random})
	if err != nil {
		return nil, fmt.Errorf("ike: %w", err)
	}
	// IKEv1 has no cookies to ask for: it answers up to a bound, and then not.
	gatev1, err := cookie.New(cookie.Config{Random: cfg.Random, ChallengeTotal: 1024, ChallengeSource: 64, MaxTotal: 1024, MaxSource: 64, ChallengeRate: 20, ChallengeBurst: 40})
	if err != nil {
		return nil, fmt.Errorf("ike: %w", err)
	}
	e := &Engine{cfg: cfg, gate: gate, gatev1: gatev1,
		workers:   make(chan struct{}, runtime.NumCPU()),
		waiting:   make(chan struct{}, maxWaiting),
		strangers: make(chan struct{}, max(1, runtime.NumCPU()/2))}
	e.owners.Store(&ownerSet{})
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.v1, e.v2 = e.newIKEv1(), e.newIKEv2()
	e.running.Go(func() { e.v1.acceptor.run(e.ctx) })
	e.running.Go(func() { e.v2.acceptor.run(e.ctx) })
	return e, nil
}

// candidatesOf finds the connections of a version that a peer at remote may be
// (the RFCs give no order): those that name its address first.
func (e *Engine) candidatesOf(version int) func(local, remote netip.Addr) []*sa.Settings {
	return func(local, remote netip.Addr) []*sa.Settings {
		var out []*sa.Settings
		for _, o := range e.owners.Load().ordered {
			if s := o.conn().Settings; s.IKEVersion() == version && accepts(s.LocalAddresses, local) && accepts(s.RemoteAddresses, remote) {
				out = append(out, s)
			}
		}
		return out
	}
}

// versionOf is what a connection speaks.
func (e *Engine) versionOf(s *sa.Settings) *version { return e.version(uint8(s.IKEVersion())) }

func accepts(allowed []netip.Addr, a netip.Addr) bool {
	return len(allowed) == 0 || slices.Contains(allowed, a)
}

func (e *Engine) owner(name string) *owner { return e.owners.Load().byName[name] }

func newOwnerSet(owners map[string]*owner) *ownerSet {
	s := &ownerSet{byName: owners}
	for _, o := range owners {
		s.ordered = append(s.ordered, o)
	}
	slices.SortFunc(s.ordered, func(a, b *owner) int {
		if d := a.vagueness() - b.vagueness(); d != 0 {
			return d
		}
		return strings.Compare(a.conn().Settings.Name, b.conn().Settings.Name)
	})
	return s
}

// TrafficNeeded says that a packet wants a Child SA of the connection, or a worker,
// counted from 1, one of its own (RFC 9611).
func (e *Engine) TrafficNeeded(connection string, flow selector.Flow, resource int) {
	if o := e.owner(connection); o != nil {
		o.inbox.offer(sa.TrafficNeeded{Flow: flow, Resource: resource})
	}
}

// LifetimeHit says that a Child SA reached a limit in bytes, packets or
// sequence numbers. It is not lost, and the caller, who carries packets, does
// not wait for it.
func (e *Engine) LifetimeHit(connection string, spiIn uint32, hard bool) {
	if o := e.owner(connection); o != nil {
		e.jobs.Go(func() {
			o.inbox.post(func() { o.step(sa.LifetimeHit{SPI: spiIn, Hard: hard}) })
		})
	}
}

// UnknownSPI says that ESP came from remote on an SPI that the data path does not
// know. It concerns whoever has an IKE SA with remote, else the acceptor; anybody
// may have sent it. Ports of 0 are ESP without UDP.
func (e *Engine) UnknownSPI(spi uint32, local, remote netip.AddrPort) {
	known := false
	for _, o := range e.with(remote) {
		known = true
		o.inbox.offer(sa.UnknownSPI{SPI: spi, Local: local, Remote: remote})
	}
	if known {
		return
	}
	if remote.Port() == 0 {
		local, remote = netip.AddrPortFrom(local.Addr(), e.cfg.IKEPort), netip.AddrPortFrom(remote.Addr(), ikePort)
	}
	e.v2.acceptor.inbox.offer(sa.UnknownSPI{SPI: spi, Local: local, Remote: remote})
}

// with are the connections that have an IKE SA with remote; a port of 0 is any.
func (e *Engine) with(remote netip.AddrPort) (out []*owner) {
	for _, o := range e.owners.Load().ordered {
		if slices.ContainsFunc(o.status.Load().IKE, func(i sa.IKEInfo) bool {
			return i.Remote.Addr() == remote.Addr() && (i.Remote.Port() == remote.Port() || remote.Port() == 0)
		}) {
			out = append(out, o)
		}
	}
	return out
}

// RoutesChanged says that addresses or routes of this host changed, so that the
// way to a peer may begin at another address.
func (e *Engine) RoutesChanged() {
	for _, o := range e.owners.Load().byName {
		o.inbox.offer(sa.LocalAddress{}) // followRoute finds which
	}
}

// EndpointSeen says that authentic ESP of a Child SA came from a new address.
func (e *Engine) EndpointSeen(connection string, spiIn uint32, local, remote netip.AddrPort) {
	if o := e.owner(connection); o != nil {
		o.inbox.offer(sa.EndpointSeen{SPI: spiIn, Local: local, Remote: remote})
	}
}

// ProbePath asks whether a packet of size octets reaches the connection's peer;
// most is the size of the largest that can leave at all. PathProbed reports the
// answer, if there is one.
func (e *Engine) ProbePath(connection string, size, most int) {
	if o := e.owner(connection); o != nil {
		o.inbox.offer(sa.ProbePath{Size: size, Most: most})
	}
}

// DroppedOfStrangers is how many messages of peers that are not known yet came faster
// than they could be looked at.
func (e *Engine) DroppedOfStrangers() (n uint64) {
	for _, v := range []*version{e.v1, e.v2} {
		n += v.acceptor.inbox.dropped.Load()
	}
	return n
}

// Status is every connection's status, by name.
func (e *Engine) Status() []ConnectionStatus {
	set := e.owners.Load()
	out := make([]ConnectionStatus, 0, len(set.byName)+len(set.coming))
	for _, owners := range []map[string]*owner{set.byName, set.coming} {
		for _, o := range owners {
			out = append(out, o.statusNow())
		}
	}
	slices.SortFunc(out, func(a, b ConnectionStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

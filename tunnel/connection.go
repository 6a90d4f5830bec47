package tunnel

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"causeway/esp"
	"causeway/esp/prefetch"
	"causeway/esp/selector"
	"causeway/routing/meter"
	"causeway/routing/translate"
)

// ConnectionConfig is what the data path knows of a connection beyond its SAs.
type ConnectionConfig struct {
	// Share is its part of the bandwidth of each direction.
	Share meter.Share
	// TFC hides the pattern of the traffic.
	TFC TFC
	// Translate rewrites the addresses of its packets; nil: none.
	Translate *translate.Table
	// Transit lets packets pass between this connection's sites and those of
	// others that allow it, too.
	Transit bool
	// Hold keeps the first packets while the connection has no Child SA and sends
	// them when it has one: it waits for traffic to come up.
	Hold bool
	// OwnSAs is how many workers may ask for a Child SA of their own (RFC 9611).
	OwnSAs int
}

// connection is the forwarding state of one connection, which workers read.
//
// What every packet reads comes first, together.
type connection struct {
	config   atomic.Pointer[ConnectionConfig]
	outbound atomic.Pointer[outboundList] // never nil
	up, down *meter.Class                 // what it has of the lines
	path     pathMTU
	ahead    prefetch.Lines // what sealing for it reads and writes
	name     string
	home     int // the worker that its SPIs are steered to
	counters counters
	asked    atomic.Int64   // Tunnel.now of the last OnTrafficNeeded
	moved    atomic.Int64   // Tunnel.now of the last OnEndpoint
	own      []atomic.Int64 // by worker: Tunnel.now of its last request for an SA of its own
	avoided  atomic.Bool    // another connection of the same prefixes goes first
	held     held
}

func (t *Tunnel) newConnection(name string, cfg ConnectionConfig) *connection {
	c := &connection{name: name, home: t.emptiest(), own: make([]atomic.Int64, len(t.sad.homes))}
	c.up, c.down = t.up.NewClass(cfg.Share, c), t.down.NewClass(cfg.Share, c)
	c.config.Store(&cfg)
	c.outbound.Store(newOutboundList())
	return c
}

// show replaces the list of SAs to send on and returns the one before. Tunnel.mu
// is held.
func (c *connection) show(next *outboundList) (before *outboundList) {
	before = c.outbound.Swap(next)
	c.lookAhead()
	return before
}

// lookAhead notes what sealing for the connection takes now. Tunnel.mu is held.
func (c *connection) lookAhead() {
	c.ahead.Clear()
	list := c.outbound.Load()
	if len(list.children) == 0 {
		return
	}
	sa := list.children[0]
	prefetch.Add(&c.ahead, list)
	prefetch.Add(&c.ahead, sa)
	prefetch.Add(&c.ahead, sa.policy)
	prefetch.Add(&c.ahead, c.config.Load())
	sa.out.Prefetch(&c.ahead)
	prefetch.Add(&c.ahead, c.up)
	prefetch.Add(&c.ahead, sa.turns)
	prefetch.Add(&c.ahead, &c.counters.sent)
}

// outboundSA is one Child SA to send on. Immutable; hard, turns and uncarried are
// shared by the copies that MoveChildren makes.
type outboundSA struct {
	conn          *connection
	out           *esp.Outbound
	policy        *selector.Policy
	spiIn         uint32 // names the pair
	mtu           int    // of inner packets, before the path lowered it
	turns         *turns
	uncarried     *uncarried
	transport     *transportMode // nil: tunnel mode
	local, remote netip.AddrPort
	hard          *atomic.Bool // the hard limit has been reported
	resource      int          // the worker that it is for, counted from 1; 0: all
}

// rank is how far the SA suits the worker of a number: its own, one for all, one for
// another worker. everybody is none of them.
func (sa *outboundSA) rank(worker int) int {
	switch sa.resource {
	case worker + 1:
		return ownRank
	case 0:
		return ownRank - 1
	}
	return ownRank - 2
}

const (
	ownRank   = 3
	everybody = -1
)

// outboundList is the Child SAs of a connection, newest first: after a rekey
// both the old and the new match, and the new must carry.
type outboundList struct {
	children []*outboundSA
	few      [2]*outboundSA // where children lies if it fits: one step less to an SA
}

func newOutboundList(children ...*outboundSA) *outboundList {
	l := &outboundList{}
	l.children = append(l.few[:0], children...)
	return l
}

// without is the list without the SA of a pair.
func (l *outboundList) without(spiIn uint32) *outboundList {
	return newOutboundList(slices.DeleteFunc(slices.Clone(l.children), func(c *outboundSA) bool { return c.spiIn == spiIn })...)
}

// carrier finds the SA for the flow of a worker, or nil. Selectors are about addresses
// as the peer knows them.
func (c *connection) carrier(list *outboundList, f selector.Flow, worker int) *outboundSA {
	if table := c.config.Load().Translate; table != nil {
		var err error
		if f.Src, f.Dst, err = table.Outbound(f.Src, f.Dst); err != nil {
			return nil
		}
	}
	return list.match(&f, worker)
}

// match finds the SA for the flow, or nil (RFC 4301 §5.1): of those that suit the
// worker best the newest.
func (l *outboundList) match(f *selector.Flow, worker int) *outboundSA {
	var best *outboundSA
	rank := 0
	for _, c := range l.children {
		if r := c.rank(worker); r > rank && c.policy.Outbound(f) {
			if best, rank = c, r; r == ownRank {
				break
			}
		}
	}
	return best
}

const (
	flowCacheBits = 6
	flowCacheSize = 1 << flowCacheBits
)

// slot is where the flow has its place in a direct-mapped cache. Whoever
// makes flows collide only makes his own packets slower.
func (k *flowKey) slot() uint64 { return k.hash() >> (64 - flowCacheBits) }

// hash spreads flows, in its upper bits.
func (k *flowKey) hash() uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 / golden ratio: multiplicative hashing
	h := (k.srcLow ^ k.srcHigh) * odd
	h = (h ^ k.dstLow ^ k.dstHigh) * odd
	return (h ^ k.upper) * odd
}

// outboundCache remembers which SA carries a flow, for one worker. An entry
// holds only as long as the snapshots that it was derived from.
type outboundCache [flowCacheSize]struct {
	key  flowKey
	from *forwarding
	list *outboundList
	sa   *outboundSA
}

// inboundCache remembers which flows an SA may carry, for one worker.
type inboundCache [flowCacheSize]struct {
	key  flowKey
	from *forwarding
	sa   *inboundSA
}

package tunnel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"causeway/esp"
	"causeway/tunnel/tun"
)

const (
	// maxPending is how many packets wait to be grouped into runs.
	maxPending = 128

	askInterval = time.Second // of OnTrafficNeeded and OnEndpoint, by connection
)

// outboundWorker carries packets of one TUN queue to the sockets. It belongs
// to one goroutine.
type outboundWorker struct {
	t       *Tunnel
	number  int // of the worker, or everybody
	scratch *esp.Scratch
	source  source
	replies replies

	carried    int           // bytes, until the worker moderates
	now        time.Duration // of this batch
	forwarding *forwarding   // of this batch
	cache      outboundCache
	warm       *connection // of the packet before
	slot       uint64      // of the packet before, in the cache
	switches   uint32      // how often it changed within a connection
	packet     packet      // the one being looked at
	pending    []outboundPacket
	send       sendQueue

	fragments []byte
	assembler assembler
	padding   []byte // of packets in pending, made when first needed
	icmp      *icmpLimiter
	reply     []byte // one ICMP error with room for the device's header
	cut       segmenter
}

// source is where packets come from. It belongs to one worker.
type source interface {
	// carry takes packets through to the sockets, and tells whether there were
	// any; with wait it waits for some. Its error is final.
	carry(w *outboundWorker, wait bool) (some bool, err error)
	replies
}

// outboundPacket is an inner packet that was found an SA and waits to be
// sealed.
type outboundPacket struct {
	bytes      []byte
	skip       int // of bytes, the header that stays outside
	sa         *outboundSA
	sealed     int // length as ESP
	tos        uint8
	nextHeader uint8
	whole      bool // larger than the path takes, to be cut after it was sealed
}

// outbound is the packet b as it waits to be sealed.
func (c *outboundSA) outbound(b []byte, p *packet) outboundPacket {
	skip := c.transport.headerLen()
	return outboundPacket{
		bytes: b, skip: skip, sa: c, sealed: c.out.SealedLen(len(b) - skip),
		tos: outerTOS(p.tos), nextHeader: c.transport.nextHeader(b, p),
	}
}

// newOutboundWorker makes the worker of one queue of the device.
func newOutboundWorker(t *Tunnel, queue int) *outboundWorker {
	w := newSourceless(t, queue)
	w.number = queue
	switch device := t.cfg.Device.(type) {
	case tun.SuperDevice:
		w.source = newSuperSource(device, queue)
	case tun.BatchDevice:
		w.source = newBatchSource(device)
	}
	w.replies = w.source
	return w
}

// newSourceless makes an outboundWorker that is not given its packets by a source
// and sends as the worker of that number. Without replies it answers nothing.
func newSourceless(t *Tunnel, worker int) *outboundWorker {
	w := &outboundWorker{
		t:         t,
		number:    everybody,
		scratch:   esp.NewScratch(),
		pending:   make([]outboundPacket, 0, maxPending),
		fragments: make([]byte, 0, fragmentScratch),
		icmp:      newICMPLimiter(),
		reply:     make([]byte, tun.HeaderRoom, tun.HeaderRoom+icmpMaxLen),
	}
	w.send.init(t, worker)
	return w
}

// run carries packets until the device or the sockets are closed.
func (w *outboundWorker) run() error {
	for {
		if _, err := w.source.carry(w, true); err != nil {
			return err
		}
	}
}

// begin is the start of a batch, end takes it to the sockets.
func (w *outboundWorker) begin() { w.now, w.forwarding = w.t.now(), w.t.forwarding.Load() }

func (w *outboundWorker) end() error {
	w.seal()
	return w.send.flush(w.now)
}

// readError is the error of a device as the end of a worker.
func readError(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return err
	}
	return fmt.Errorf("tunnel: cannot read from the TUN device: %w", err)
}

// one finds the SA of an inner packet and queues it, or drops it.
func (w *outboundWorker) one(b []byte) {
	p := &w.packet
	if p.parse(b) != nil {
		w.t.unattributed.dropOut(DropMalformed, 1)
		return
	}
	b = b[:p.length]
	if sa := w.lookup(b, p); sa != nil {
		w.onward(sa, b, p)
	}
}

// onward queues a packet that was found an SA, in a size that the path takes.
func (w *outboundWorker) onward(sa *outboundSA, b []byte, p *packet) {
	cut, assembled := !p.df, sa.transport != nil && !p.whole
	if sa.transport != nil {
		if b, cut = w.transportable(sa, b, p); b == nil {
			return
		}
	}
	fits := sa.fits(w.now)
	mtu := innerMTU(fits, p.version)
	if p.protocol == protoTCP {
		clampMSS(b, p, fits)
	}
	switch {
	case assembled: // the next fragments may take its place
		w.sealWhole(sa, b, p)
	case p.length <= mtu:
		if w.translate(sa, b) {
			w.queue(sa, b, p, fits)
		}
	case !cut:
		sa.conn.counters.dropOut(DropTooBig, 1)
		w.answer(b, p, icmpTooBig, mtu)
	case sa.transport != nil:
		w.sealWhole(sa, b, p)
	default:
		if w.translate(sa, b) {
			w.fragment(sa, b, p, fits)
		}
	}
}

// translate gives a packet the addresses that the peer knows; a packet that
// cannot have them is dropped.
func (w *outboundWorker) translate(sa *outboundSA, b []byte) bool {
	table := sa.conn.config.Load().Translate
	if table == nil || table.RewriteOutbound(b) == nil {
		return true
	}
	sa.conn.counters.dropOut(DropMalformed, 1)
	return false
}

// lookup finds the SA of a packet. It returns nil after it dealt with one that
// has none.
func (w *outboundWorker) lookup(b []byte, p *packet) *outboundSA {
	conn, list, sa := w.find(p)
	switch {
	case sa != nil:
		return sa
	case conn == nil:
		w.t.unattributed.dropOut(DropNoRoute, 1)
		w.answer(b, p, icmpProhibited, 0)
	case !w.mayEnter(conn, p):
		conn.counters.dropOut(DropTransit, 1)
		w.answer(b, p, icmpProhibited, 0)
	case w.looped(conn, list, p):
		conn.counters.dropOut(DropLoop, 1)
	default:
		return w.unserved(conn, list, b, p)
	}
	return nil
}

// find is the SPD: destination to connection, flow to Child SA (RFC 4301 §5.1).
// It tells how far it came.
func (w *outboundWorker) find(p *packet) (*connection, *outboundList, *outboundSA) {
	slot := p.key.slot()
	entry := &w.cache[slot]
	if entry.key == p.key && entry.from == w.forwarding && entry.list == entry.sa.conn.outbound.Load() {
		w.fetch(entry.sa.conn, slot)
		return entry.sa.conn, entry.list, entry.sa
	}
	_, dst := p.key.addresses()
	conn := w.forwarding.toward(dst, &p.key)
	if conn == nil {
		return nil, nil, nil
	}
	w.fetch(conn, slot)
	if !w.mayEnter(conn, p) {
		return conn, nil, nil
	}
	list := conn.outbound.Load()
	sa := conn.carrier(list, p.key.flow(), w.number)
	if sa != nil && w.t.isOwn(sa, &p.key) {
		return conn, list, nil
	}
	if sa != nil && w.content(conn, sa, p) {
		entry.key, entry.from, entry.list, entry.sa = p.key, w.forwarding, list, sa
	}
	return conn, list, sa
}

// content asks for an SA of the worker's own where the one it found is for all, and
// tells whether the answer may be remembered: not before it asked.
func (w *outboundWorker) content(c *connection, sa *outboundSA, p *packet) bool {
	if len(c.own) < 2 || w.number < 0 || sa.resource == w.number+1 || w.number >= min(c.config.Load().OwnSAs, len(c.own)) || w.t.cfg.OnOwnSAWanted == nil {
		return true
	}
	if !once(&c.own[w.number], w.now) {
		return false
	}
	w.t.cfg.OnOwnSAWanted(c.name, p.key.flow(), w.number+1)
	return true
}

// fetch has all come at once that the connection's packets take. slot is the
// packet's in the cache.
func (w *outboundWorker) fetch(c *connection, slot uint64) {
	if c != w.warm {
		w.warm = c
		c.ahead.Fetch()
	} else if slot != w.slot {
		w.switches++
	}
	w.slot = slot
}

func (w *outboundWorker) mayEnter(c *connection, p *packet) bool {
	src, _ := p.key.addresses()
	return w.forwarding.mayEnter(c, src)
}

// unserved deals with a packet of a connection that has no Child SA for it:
// the connection is down, or its selectors do not include the flow. If it came
// up meanwhile the SA is returned.
func (w *outboundWorker) unserved(c *connection, list *outboundList, b []byte, p *packet) *outboundSA {
	if len(list.children) == 0 && c.config.Load().Hold {
		sa, ok := w.hold(c, b, p)
		if sa != nil {
			return sa
		}
		w.t.ask(c, w.now, p)
		if !ok {
			w.refuse(c, c.outbound.Load(), b, p)
		}
		return nil
	}
	w.t.ask(c, w.now, p)
	w.refuse(c, list, b, p)
	return nil
}

// ask tells that a packet of the connection found no SA.
func (t *Tunnel) ask(c *connection, now time.Duration, p *packet) {
	if t.cfg.OnTrafficNeeded != nil && once(&c.asked, now) {
		t.cfg.OnTrafficNeeded(c.name, p.key.flow())
	}
}

// refuse drops a packet for which the connection, with the SAs of list, has
// none.
func (w *outboundWorker) refuse(c *connection, list *outboundList, b []byte, p *packet) {
	c.counters.dropOut(DropNoSA, 1)
	if len(list.children) == 0 {
		w.answer(b, p, icmpHostUnreachable, 0)
	} else {
		w.answer(b, p, icmpProhibited, 0)
	}
}

// queue has a packet sealed with others, and cut after that if it is longer than what
// fits.
func (w *outboundWorker) queue(sa *outboundSA, b []byte, p *packet, fits int) {
	if size := sa.padded(len(b), fits, p.version); size > len(b) {
		b = w.pad(b, size)
	}
	one := sa.outbound(b, p)
	one.whole = len(b) > fits
	w.pending = append(w.pending, one)
	if len(w.pending) == cap(w.pending) {
		w.seal()
	}
}

// fragment cuts an IPv4 packet before encryption (RFC 4301 §8.1), so that the
// peer's gateway need not reassemble. The fragments live in scratch memory
// until they are sealed.
func (w *outboundWorker) fragment(sa *outboundSA, b []byte, p *packet, fits int) {
	w.seal()
	it := fragment4(w.fragments[:0], b, innerMTU(fits, p.version))
	for {
		piece := it.next()
		if piece == nil {
			break
		}
		w.queue(sa, piece, p, fits)
	}
	w.seal()
}

// answer sends an ICMP error about the packet back into the device, unless the
// rules or the rate limit forbid it.
func (w *outboundWorker) answer(b []byte, p *packet, why icmpError, mtu int) {
	src, dst := p.key.addresses()
	if w.replies == nil || !mayAnswer(b, p, src, dst) || !w.icmp.allow(w.now, &p.key) {
		return
	}
	own := w.t.own.Load()
	from := own.v4
	if p.version == 6 {
		from = own.v6
	}
	w.replies.write(appendICMP(w.reply[:tun.HeaderRoom], b, p, from, why, mtu))
}

// seal encrypts what is pending, one run of equal packets after the other.
func (w *outboundWorker) seal() {
	for rest := w.pending; len(rest) > 0; {
		n := runLength(rest)
		w.send.seal(w.scratch, w.now, rest[:n])
		rest = rest[n:]
	}
	w.pending, w.padding = w.pending[:0], w.padding[:0]
}

// runLength is how many of the packets go out as one run: same SA, same outer
// TOS, same size; a shorter one may end it, as UDP_SEGMENT demands.
func runLength(packets []outboundPacket) int {
	head := &packets[0]
	total := head.sealed
	n := 1
	for n < len(packets) && n < maxRunSegments {
		next := &packets[n]
		if next.sa != head.sa || next.tos != head.tos || next.sealed > head.sealed || head.whole || next.whole || total+next.sealed > maxRunBytes {
			break
		}
		n++
		total += next.sealed
		if next.sealed < head.sealed {
			break
		}
	}
	return n
}

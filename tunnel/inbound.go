package tunnel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"causeway/esp"
	"causeway/routing/meter"
	"causeway/tunnel/udp"
)

const (
	// receiveMessages is how many messages one system call may bring at most,
	// where each is a single datagram. At 16 instead of 64, a datagram costs 50 ns
	// more.
	receiveMessages = 64
	// openBatch is how many packets of one SA share the replay window's lock:
	// the most that the kernel merges into one train.
	openBatch = 64
)

// inboundWorker carries what arrives on sockets to the TUN device. It belongs to
// one goroutine.
type inboundWorker struct {
	t       *Tunnel
	batch   *udp.Batch
	scratch *esp.Scratch

	carried    int           // bytes, until the worker moderates
	now        time.Duration // of this batch
	forwarding *forwarding   // of this batch
	cache      inboundCache
	warm       *inboundSA // of the packets before
	packet     packet     // the one being looked at

	// The packets of one SA, from one message, that wait to be opened.
	sa            *inboundSA
	local, remote netip.AddrPort
	tos           uint8
	sealed        []esp.Packet

	out      deliverer
	restored []byte // packets of transport mode, until they are written; made when first needed
}

// newInboundWorker makes one that writes to the queue of that number, modulo
// how many there are.
func newInboundWorker(t *Tunnel, queue int) *inboundWorker {
	return &inboundWorker{
		t:       t,
		batch:   udp.NewBatch(receiveMessages),
		scratch: esp.NewScratch(),
		sealed:  make([]esp.Packet, 0, openBatch),
		out:     newDeliverer(t, queue),
	}
}

// run carries what arrives on one socket until it is closed.
func (w *inboundWorker) run(r Receiver) error {
	for {
		n, err := w.receive(r, true)
		if err == nil {
			err = w.carry(w.batch.Messages[:n])
		}
		if err != nil {
			return err
		}
	}
}

// receive fills the batch. Its error is final.
func (w *inboundWorker) receive(r Receiver, wait bool) (n int, err error) {
	if wait {
		n, err = r.Receive(w.batch)
	} else {
		n, err = r.TryReceive(w.batch)
	}
	switch {
	case errors.Is(err, net.ErrClosed):
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("tunnel: cannot receive from the socket: %w", err)
	}
	return n, nil
}

// carry takes messages through to the device.
func (w *inboundWorker) carry(messages []udp.Message) error {
	w.begin()
	for i := range messages {
		w.message(&messages[i])
	}
	return w.out.flush()
}

// begin is the start of a batch.
func (w *inboundWorker) begin() {
	w.now, w.forwarding = w.t.now(), w.t.forwarding.Load()
	w.restored = w.restored[:0]
}

// message takes one train apart: the kernel merges by addresses and ports, so
// IKE, keepalives and different SAs may follow each other in it.
func (w *inboundWorker) message(m *udp.Message) {
	w.local, w.remote, w.tos = m.Local, m.Remote, m.TOS
	w.carried += len(m.Payload)
	for i := range m.Segments() {
		segment := m.Segment(i)
		if m.Bare {
			w.esp(segment)
			continue
		}
		if !m.Encapsulated {
			w.ike(segment, 0)
			continue
		}
		switch udp.Classify(segment) {
		case udp.KindESP:
			w.esp(segment)
		case udp.KindIKE:
			w.ike(segment, udp.MarkerSize)
		case udp.KindKeepalive:
			w.t.unattributed.dropIn(DropKeepalive, 1)
		default:
			w.t.unattributed.dropIn(DropMalformed, 1)
		}
	}
	w.open()
}

// ike passes on what is behind the marker of a datagram.
func (w *inboundWorker) ike(b []byte, marker int) {
	w.t.down.Charge(w.now, len(b)+encapsulation(w.remote))
	if w.t.cfg.OnIKE != nil {
		w.t.cfg.OnIKE(b[marker:], w.local, w.remote)
	}
}

// SentIKE counts an IKE message that went out beside the data path, as so many
// bytes of UDP payload: it never waits, and others make room for it.
func (t *Tunnel) SentIKE(bytes int, local, remote netip.AddrPort) {
	t.up.Charge(t.now(), bytes+encapsulation(remote))
	t.keepalives.sentIKE(local, remote)
}

// esp finds the SA of an ESP packet and queues it behind others of that SA.
func (w *inboundWorker) esp(b []byte) {
	spi, ok := esp.SPI(b)
	if !ok {
		w.t.unattributed.dropIn(DropMalformed, 1)
		return
	}
	if w.sa == nil || w.sa.spi != spi {
		w.open()
		w.sa = w.t.sad.lookup(spi)
		if w.sa == nil && w.t.holdEarly(earlyPacket{spi: spi, bytes: b, local: w.local, remote: w.remote, tos: w.tos, at: w.now}) {
			return
		}
		if w.sa == nil {
			w.t.unattributed.dropIn(DropUnknownSPI, 1)
			w.t.stray(spi, w.local, w.remote, w.now)
			return
		}
		w.fetch(w.sa)
	}
	w.sealed = append(w.sealed, esp.Packet{Bytes: b})
	if len(w.sealed) == cap(w.sealed) {
		sa := w.sa
		w.open()
		w.sa = sa
	}
}

// fetch has the memory of an SA come while its packets are gathered.
func (w *inboundWorker) fetch(sa *inboundSA) {
	if sa != w.warm {
		w.warm = sa
		sa.lines.Fetch()
	}
}

// open decrypts what is queued and passes it on.
func (w *inboundWorker) open() {
	sa := w.sa
	w.sa = nil
	if len(w.sealed) == 0 {
		return
	}
	sa.in.OpenBatch(w.scratch, w.sealed)
	w.t.lifetime(sa.conn, sa.spi, sa.in.Limit(), sa.hard)
	packets, outer := 0, 0
	for i := range w.sealed {
		p := &w.sealed[i]
		if p.Err != nil {
			sa.conn.counters.dropIn(dropOf(p.Err), 1)
			continue
		}
		packets++
		outer += len(p.Bytes)
	}
	if packets > 0 {
		w.alive(sa)
		w.deliver(sa, packets, outer)
	}
	clear(w.sealed)
	w.sealed = w.sealed[:0]
}

// dropOf is the reason for which esp refused a packet.
func dropOf(err error) Drop {
	switch err {
	case esp.ErrReplay:
		return DropReplay
	case esp.ErrAuthentication:
		return DropAuthentication
	case esp.ErrExhausted:
		return DropExhausted
	default:
		return DropMalformed
	}
}

// alive notes that authentic, fresh ESP arrived, and from where. ESP without UDP
// names no port that anything could be sent to: it is taken, on every SA (RFC
// 7296 §2.23), and moves nothing.
func (w *inboundWorker) alive(sa *inboundSA) {
	sa.heard.at.Store(int64(w.now))
	if bare(w.remote) || bare(sa.remote) || w.remote == sa.remote || w.t.cfg.OnEndpoint == nil || !once(&sa.conn.moved, w.now) {
		return
	}
	w.t.cfg.OnEndpoint(sa.conn.name, sa.spi, w.local, w.remote)
}

// deliver passes the authentic packets of the queue on to the device.
func (w *inboundWorker) deliver(sa *inboundSA, packets, outer int) {
	conn := sa.conn
	pass := conn.down.Admit(w.now, outer+packets*encapsulation(w.remote), false)
	taken, bytes := 0, 0
	for i := range w.sealed {
		p := &w.sealed[i]
		if p.Err != nil {
			continue
		}
		why, ok := w.accept(sa, p)
		if !ok {
			conn.counters.dropIn(why, 1)
			continue
		}
		if !pass && w.wait(conn, p) {
			continue
		}
		taken++
		bytes += w.packet.length
		w.out.push(p, &w.packet)
	}
	conn.counters.received.add(taken, bytes)
}

// wait lets an accepted packet wait for its turn on the line, or drops it; false
// if it is urgent and may pass nevertheless. What of its flow came before goes
// first.
func (w *inboundWorker) wait(conn *connection, e *esp.Packet) bool {
	p := &w.packet
	cost := len(e.Bytes) + encapsulation(w.remote)
	if urgent(p.tos) && conn.down.Admit(w.now, cost, true) {
		return false
	}
	// The error is final; the flush that ends the batch meets it again.
	_ = w.out.flush()
	packet := meter.Packet{Data: e.Payload[:p.length], Cost: cost, Control: urgent(p.tos), ECT: p.tos&ecnMask != notECT}
	if !conn.down.Enqueue(w.now, &packet) {
		conn.counters.dropIn(DropMeter, 1)
	}
	return true
}

// accept checks an inner packet (RFC 4301 §5.2) and gives it what the outer
// header had to say. Afterwards w.packet describes it.
func (w *inboundWorker) accept(sa *inboundSA, p *esp.Packet) (why Drop, ok bool) {
	if p.NextHeader == protoNone {
		return DropDummy, false
	}
	inner := &w.packet
	if sa.transport != nil {
		if why, ok := w.restore(sa.transport, p); !ok {
			return why, false
		}
	} else if inner.parse(p.Payload) != nil || p.NextHeader != inner.nextHeader() {
		return DropMalformed, false
	}
	if !w.permitted(sa, inner) {
		return DropSelector, false
	}
	b := p.Payload[:inner.length]
	if table := sa.conn.config.Load().Translate; table != nil && (table.RewriteInbound(b) != nil || inner.parse(b) != nil) {
		return DropMalformed, false
	}
	if sa.transport == nil { // else there is one header, which says it already
		ecn, ok := decapsulated(inner.tos, w.tos)
		if !ok {
			return DropECN, false
		}
		if ecn != inner.tos&ecnMask {
			setECN(b, inner, ecn)
		}
	}
	if inner.protocol == protoTCP {
		w.clamp(sa, b, inner)
	}
	return 0, true
}

// permitted tells whether the SA may carry the flow: it lies within the
// negotiated selectors, and its source is behind this connection and no other.
// The second matters where the selectors are any-to-any.
func (w *inboundWorker) permitted(sa *inboundSA, p *packet) bool {
	entry := &w.cache[p.key.slot()]
	if entry.key == p.key && entry.from == w.forwarding && entry.sa == sa {
		return true
	}
	flow := p.key.flow()
	if !sa.policy.Inbound(&flow) {
		return false
	}
	src := flow.Src
	if table := sa.conn.config.Load().Translate; table != nil {
		var err error
		if src, _, err = table.Inbound(src, flow.Dst); err != nil {
			return false
		}
	}
	if !w.forwarding.behind(src, sa.conn) {
		return false
	}
	entry.key, entry.from, entry.sa = p.key, w.forwarding, sa
	return true
}

// clamp lowers the MSS that the far host announces to what we can send it.
func (w *inboundWorker) clamp(sa *inboundSA, b []byte, p *packet) {
	if list := sa.conn.outbound.Load(); len(list.children) > 0 {
		clampMSS(b, p, list.children[0].fits(w.now))
	}
}

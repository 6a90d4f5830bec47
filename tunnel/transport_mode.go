package tunnel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/tun"
)

// Transport mode (RFC 4303 §3.1.1): ESP takes the place of the IP header's payload,
// so what is sealed is what follows that header, and who receives it makes the
// header anew of what the outer one says. Which packets between the two outer
// addresses come here the kernel's rules decide (routing/kernel).

// Ends are the two addresses of a Child SA in transport mode, and what the peer
// calls them: behind a NAT each end has names of its own (RFC 7296 §2.23.1).
type Ends struct {
	Local, Remote                 netip.Addr
	OriginalLocal, OriginalRemote netip.Addr
}

const (
	// restoreSlab holds restored packets until they are written. What is opened has
	// 8 to 24 bytes before it, too few for an IP header.
	restoreSlab = 256 << 10
	// restoredHops is the TTL of a restored packet. The one that the peer sent it
	// with did not come along; it is as if the two hosts were neighbours, which is
	// what the peer's integrity check is worth more than (RFC 5082).
	restoredHops = 255

	udpLiteChecksumAt = udpChecksumAt
	dccpChecksumAt    = 6
	icmp6ChecksumAt   = 2
)

// transportMode is what the data path knows of a Child SA in transport mode; nil is
// tunnel mode. Immutable.
type transportMode struct {
	ends   Ends
	header []byte // of a restored packet, without what differs
	// ours and theirs are the sums of both addresses, as we and as the peer have
	// them, folded: checksums differ by what they differ by (RFC 3948 §3.1.2).
	ours, theirs uint16
}

func newTransportMode(e Ends) (*transportMode, error) {
	if !e.Local.IsValid() || !e.Remote.IsValid() || e.Local.Is4() != e.Remote.Is4() {
		return nil, fmt.Errorf("tunnel: transport mode from %v to %v: two addresses of one family are needed", e.Local, e.Remote)
	}
	m := &transportMode{ends: e}
	m.ours = addressSum(e.Local, e.Remote)
	m.theirs = addressSum(e.OriginalLocal, e.OriginalRemote)
	if e.Local.Is4() {
		// An atomic datagram (RFC 6864 §4): nobody cuts it from here on.
		m.header = make([]byte, ipv4HeaderLen)
		m.header[0], m.header[6], m.header[8] = 0x45, 0x40, restoredHops
		copy(m.header[12:], e.Remote.AsSlice())
		copy(m.header[16:], e.Local.AsSlice())
		return m, nil
	}
	m.header = make([]byte, ipv6HeaderLen)
	m.header[0], m.header[7] = 0x60, restoredHops
	copy(m.header[8:], e.Remote.AsSlice())
	copy(m.header[24:], e.Local.AsSlice())
	return m, nil
}

// addressSum is what addresses are of a checksum. Ones that are not known are
// nothing of it.
func addressSum(addresses ...netip.Addr) uint16 {
	acc := uint64(0)
	for _, a := range addresses {
		acc = sum(a.AsSlice(), acc)
	}
	return fold(acc)
}

// headerLen is how much of a packet stays outside of ESP.
func (m *transportMode) headerLen() int {
	if m == nil {
		return 0
	}
	return len(m.header)
}

// carries tells whether a packet has nothing but the plain header before what can
// be sealed: our sockets send no options, and of IPv6 only what is for the
// destination may be inside (RFC 4303 §3.1.1).
func (m *transportMode) carries(b []byte, p *packet) bool {
	if p.version == 4 {
		return p.headerLen == ipv4HeaderLen
	}
	switch b[6] {
	case protoHopByHop, protoRouting, protoFragment:
		return false
	}
	return true
}

// nextHeader is what ESP says of the packet (RFC 4303 §2.6).
func (m *transportMode) nextHeader(b []byte, p *packet) uint8 {
	switch {
	case m == nil:
		return p.nextHeader()
	case p.version == 4:
		return p.protocol
	}
	return b[6]
}

// restore makes an IP packet of what was opened, with the DSCP and ECN bits of the
// outer header, which is the same in transport mode. Afterwards w.packet describes
// it.
func (w *inboundWorker) restore(m *transportMode, e *esp.Packet) (why Drop, ok bool) {
	n := len(m.header) + len(e.Payload)
	if n > tun.MaxPacket || m.ends.Local.Is6() && (e.NextHeader == protoHopByHop || e.NextHeader == protoRouting || e.NextHeader == protoFragment) {
		return DropMalformed, false
	}
	slab := w.room(tun.HeaderRoom + n)
	b := slab[tun.HeaderRoom:]
	copy(b[copy(b, m.header):], e.Payload)
	if m.ends.Local.Is4() {
		b[1], b[9] = w.tos, e.NextHeader
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		binary.BigEndian.PutUint16(b[10:], checksum(b[:ipv4HeaderLen], 0))
	} else {
		b[0], b[1], b[6] = 0x60|w.tos>>4, w.tos<<4, e.NextHeader
		binary.BigEndian.PutUint16(b[4:], uint16(n-ipv6HeaderLen))
	}
	if w.packet.parse(b) != nil || !w.packet.whole {
		return DropMalformed, false
	}
	m.fixChecksum(b, &w.packet)
	e.Bytes, e.Payload = slab, b
	return 0, true
}

// room is n bytes that last until the next flush.
func (w *inboundWorker) room(n int) []byte {
	if w.restored == nil {
		w.restored = make([]byte, 0, restoreSlab)
	}
	if cap(w.restored)-len(w.restored) < n {
		// The error is final; the flush that ends the batch meets it again.
		_ = w.out.flush()
		w.restored = w.restored[:0]
	}
	start := len(w.restored)
	w.restored = w.restored[:start+n]
	return w.restored[start : start+n : start+n]
}

// fixChecksum makes a checksum that the peer computed with its names of the
// addresses one with ours. It stays as wrong as it was.
func (m *transportMode) fixChecksum(b []byte, p *packet) {
	if m.ours == m.theirs {
		return
	}
	at := p.headerLen
	switch p.protocol {
	case protoTCP:
		at += tcpChecksumAt
	case protoUDP, protoUDPLite:
		at += udpLiteChecksumAt
	case protoDCCP:
		at += dccpChecksumAt
	case protoICMPv6:
		at += icmp6ChecksumAt
	default:
		return
	}
	if at+2 > p.length {
		return
	}
	field := binary.BigEndian.Uint16(b[at:])
	if field == 0 && p.protocol == protoUDP {
		return // there is none
	}
	binary.BigEndian.PutUint16(b[at:], nonZero(adjust(field, m.theirs, m.ours)))
}

// InstallTransport is InstallInbound of a Child SA in transport mode.
func (t *Tunnel) InstallTransport(name string, in *esp.Inbound, policy *selector.Policy, local, remote netip.AddrPort, ends Ends) error {
	m, err := newTransportMode(ends)
	if err != nil {
		return err
	}
	return t.install(name, in, policy, local, remote, m)
}

// transportable is a packet that can be sealed in transport mode: the whole one, if
// b was the last fragment of it that was missing; cut tells whether it may be cut
// outside. It is nil for one that waits for others, or cannot be.
func (w *outboundWorker) transportable(sa *outboundSA, b []byte, p *packet) (whole []byte, cut bool) {
	counters := &sa.conn.counters
	if cut = !p.df; !p.whole {
		f, ok := pieceOf(b, p)
		if !ok {
			counters.dropOut(DropOptions, 1)
			return nil, false
		}
		dropped := 0
		b, dropped = w.assembler.add(w.now, &f)
		counters.dropOut(DropFragment, dropped)
		if b == nil {
			return nil, false
		}
		if flow := w.wholeFlow(b, p); flow == nil || !sa.policy.Outbound(flow) {
			counters.dropOut(DropNoSA, 1)
			return nil, false
		}
		cut = true
	}
	if !sa.transport.carries(b, p) {
		counters.dropOut(DropOptions, 1)
		w.answer(b, p, icmpProhibited, 0)
		return nil, false
	}
	return b, cut
}

// wholeFlow is the flow of a packet that was put together, now that all of it can be
// seen; nil if it is malformed.
func (w *outboundWorker) wholeFlow(b []byte, p *packet) *selector.Flow {
	if p.parse(b) != nil {
		return nil
	}
	flow := p.key.flow()
	return &flow
}

// sealWhole seals a packet that is larger than the path takes and may be cut: after
// it was sealed, for in transport mode nothing else can be (RFC 4303 §3.3.4).
func (w *outboundWorker) sealWhole(sa *outboundSA, b []byte, p *packet) {
	w.seal()
	one := sa.outbound(b, p)
	if one.sealed > maxRunBytes {
		sa.conn.counters.dropOut(DropTooBig, 1)
		return
	}
	one.whole = true
	w.pending = append(w.pending, one)
	w.seal()
}

// isOwn tells whether a flow is what the gateway itself sends to the SA's peer.
func (t *Tunnel) isOwn(sa *outboundSA, k *flowKey) bool {
	protocol := uint8(k.upper >> 32)
	if protocol != protoESP && protocol != protoUDP {
		return false
	}
	src, dst := k.addresses()
	if src != sa.local.Addr().WithZone("") || dst != sa.remote.Addr().WithZone("") {
		return false
	}
	return protocol == protoESP || slices.Contains(t.cfg.IKEPorts, uint16(k.upper>>16))
}

// looped tells whether a packet that found no SA did so because it is our own.
func (w *outboundWorker) looped(c *connection, list *outboundList, p *packet) bool {
	sa := c.carrier(list, p.key.flow(), everybody)
	return sa != nil && w.t.isOwn(sa, &p.key)
}

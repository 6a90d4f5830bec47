package ikev2

import (
	"net/netip"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// message is a received message whose payloads may be read: it was never
// encrypted, or its encryption held.
type message struct {
	wire.Header
	Payloads []wire.Payload
	// raw is what a repeat of the message is known by: the datagram, or that of
	// its first fragment (RFC 7383 §2.6.1).
	raw           []byte
	size          int // octets of all its datagrams
	fragments     int // how many datagrams; 0: it was not cut
	local, remote netip.AddrPort

	// first and plain are the payloads as they were laid out.
	first wire.PayloadType
	plain []byte
}

// parse reads the payloads of a message that was decrypted.
func (m *message) parse() (err error) {
	if m.Payloads, err = wire.ParsePayloads(m.first, m.plain); err != nil {
		return &syntaxError{err.Error()}
	}
	return nil
}

func (m *message) isResponse() bool { return m.Flags.Response() }

// payload is the first payload of a type of payloads, or its zero value.
func payload[P wire.Payload](m *message) (p P, ok bool) {
	for _, q := range m.Payloads {
		if p, ok = q.(P); ok {
			return p, true
		}
	}
	return p, false
}

// identity is the IDi or IDr payload.
func (m *message) identity(initiator bool) *wire.Identification {
	for _, p := range m.Payloads {
		if id, ok := p.(*wire.Identification); ok && id.Initiator == initiator {
			return id
		}
	}
	return nil
}

// selectors is the TSi or TSr payload.
func (m *message) selectors(initiator bool) *wire.TrafficSelectors {
	for _, p := range m.Payloads {
		if ts, ok := p.(*wire.TrafficSelectors); ok && ts.Initiator == initiator {
			return ts
		}
	}
	return nil
}

// notify is the first Notify payload of a type, or nil.
func (m *message) notify(t wire.NotifyType) *wire.Notify { return wire.FindNotify(m.Payloads, t) }

// errorNotify is the first Notify payload that reports an error, or nil.
func (m *message) errorNotify() *wire.Notify {
	for _, p := range m.Payloads {
		if n, ok := p.(*wire.Notify); ok && n.NotifyType.IsError() {
			return n
		}
	}
	return nil
}

// notify makes a Notify payload about the IKE SA or the exchange.
func notify(t wire.NotifyType, data []byte) *wire.Notify {
	return &wire.Notify{NotifyType: t, Data: data}
}

// traceReceived reports a message that was received.
func traceReceived(connection string, m *message) sa.MessageTrace {
	t := trace(connection, false, m.Header, wire.Summary(m.Payloads), m.size, m.local, m.remote, 0)
	t.Fragments = m.fragments
	return t
}

// trace reports a message that was sent or received.
func trace(connection string, sent bool, h wire.Header, summary string, size int, local, remote netip.AddrPort, repeat int) sa.MessageTrace {
	return sa.MessageTrace{
		Connection: connection, Sent: sent, Local: local, Remote: remote,
		SPIi: h.InitiatorSPI, SPIr: h.ResponderSPI,
		Exchange: h.Exchange.String(), Response: h.Flags.Response(), MessageID: h.MessageID,
		Bytes: size, Summary: summary, Retransmit: repeat,
	}
}

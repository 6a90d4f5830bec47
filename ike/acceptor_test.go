package ike

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// listed is a stranger that notes what it is told.
type listed struct{ got chan sa.Event }

func (l listed) Step(dst []sa.Action, _ time.Time, ev sa.Event) []sa.Action {
	l.got <- ev
	return dst
}

func (listed) Deadline() time.Time { return time.Time{} }

// TestBesideAFlood fills the queue of first messages: what shows a cookie, and what
// names a half-open IKE SA, is taken all the same, in its order and long before the last
// of them. A flood of forged cookies keeps neither first messages nor work waiting.
func TestBesideAFlood(t *testing.T) {
	const spi, many = 7, 3 * queueSize
	got := listed{make(chan sa.Event)}
	v := &version{ours: localSPIv2, spis: spiTable{m: map[uint64]*inbox{}}, stranger: func() stranger { return got }}
	v.acceptor = newAcceptor(&Engine{}, v)
	v.spis.register(spi, v.acceptor.inbox)
	message := func(h wire.Header, first wire.Payload) sa.Datagram {
		h.Flags = wire.FlagInitiator
		raw, err := (&wire.Message{Header: h, Payloads: []wire.Payload{first}}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		d := sa.Datagram{Raw: raw, Remote: netip.MustParseAddrPort("192.0.2.1:500")}
		header, ok := readHeader(raw)
		if !ok {
			t.Fatal("no header")
		}
		v.receive(header, d)
		return d
	}
	for i := range uint64(many) {
		message(wire.Header{InitiatorSPI: i + 1, Exchange: wire.ExchangeIKESAInit}, &wire.Nonce{Data: make([]byte, 32)})
	}
	first := []sa.Datagram{
		message(wire.Header{InitiatorSPI: 1, Exchange: wire.ExchangeIKESAInit}, &wire.Notify{NotifyType: wire.NotifyCookie, Data: []byte{1}}),
		message(wire.Header{InitiatorSPI: 1, ResponderSPI: spi, Exchange: wire.ExchangeIKEAuth}, &wire.Nonce{Data: make([]byte, 32)}),
	}
	message(wire.Header{InitiatorSPI: 1, ResponderSPI: spi + 1, Exchange: wire.ExchangeIKEAuth}, &wire.Nonce{Data: make([]byte, 32)})
	if n := v.acceptor.inbox.dropped.Load(); n != many-queueSize+1 {
		t.Errorf("%d messages are dropped", n)
	}
	go v.acceptor.run(t.Context())
	for n := 0; len(first) > 0; n++ {
		if d := (<-got.got).(sa.Datagram); &d.Raw[0] == &first[0].Raw[0] {
			first = first[1:]
		} else if n == queueSize-1 { // each turn is one of two at random
			t.Fatal("first messages went before all else")
		}
	}

	worked := make(chan struct{})
	go v.acceptor.inbox.post(func() { close(worked) })
	refill := func() {
		for len(v.acceptor.further.datagrams) < queueSize {
			message(wire.Header{InitiatorSPI: 1, Exchange: wire.ExchangeIKESAInit}, &wire.Notify{NotifyType: wire.NotifyCookie, Data: []byte{1}})
		}
	}
	plain := false
	for n := 0; worked != nil || !plain; n++ {
		refill()
		select {
		case ev := <-got.got:
			h, _ := readHeader(ev.(sa.Datagram).Raw)
			plain = plain || wire.PayloadType(h.next) != wire.PayloadNotify
		case <-worked:
			worked = nil
		}
		if n == 100*queueSize {
			t.Fatalf("of a flood of cookies nothing else is looked at: a first message %v, work %v", plain, worked == nil)
		}
	}
}

package ikev2_test

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// attacked is an acceptor that wants a cookie of everybody but the first.
type attacked struct {
	*ikev2.Acceptor
	t *testing.T
}

func newAttacked(t *testing.T) *attacked {
	t.Helper()
	gate, err := cookie.New(cookie.Config{Random: rand.Reader, AcceptRate: 1, AcceptBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	a := &attacked{ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader,
		Candidates: func(netip.Addr, netip.Addr) []*sa.Settings { return nil }}), t}
	a.ask(initRequest(t, func(*wire.Message) {}))
	return a
}

// ask has the request come, and gives the answer, if there is one, and why it was
// dropped, if it was.
func (a *attacked) ask(raw []byte) (answer *wire.Message, size int, dropped sa.Reason) {
	a.t.Helper()
	for _, act := range a.Step(nil, time.Unix(0, 0), sa.Datagram{Raw: raw, Local: atA, Remote: atB}) {
		switch act := act.(type) {
		case sa.Send:
			m, err := wire.ParseMessage(act.Bytes)
			if err != nil {
				a.t.Fatal(err)
			}
			answer, size = m, len(act.Bytes)
		case sa.Emit:
			if d, ok := act.Report.(sa.MessageDropped); ok {
				dropped = d.Reason
			}
		}
	}
	return answer, size, dropped
}

// While it wants cookies nothing of a request is read but what they are made of: the
// parsers of payloads are for those who have shown their address.
func TestCookieBeforePayloads(t *testing.T) {
	a := newAttacked(t)
	raw := initRequest(t, func(m *wire.Message) {})
	binary.BigEndian.PutUint16(raw[wire.HeaderLen+wire.GenericHeaderLen+2:], 0xffff) // the proposal's length
	if _, err := wire.ParseMessage(raw); err == nil {
		t.Fatal("the request is not malformed")
	}
	m, _, dropped := a.ask(raw)
	if m == nil || dropped != "" {
		t.Fatalf("%v is answered, and dropped for %q", m, dropped)
	}
	fresh := wire.FindNotify(m.Payloads, wire.NotifyCookie)
	if fresh == nil {
		t.Fatalf("the answer is %v", m.Payloads)
	}
	if m, _, dropped := a.ask(before(raw, fresh)); m != nil || dropped != sa.ReasonInvalidSyntax {
		t.Errorf("with its cookie %v is answered, and dropped for %q", m, dropped)
	}
}

// before is the request with the notification as its first payload.
func before(raw []byte, n *wire.Notify) []byte {
	first := binary.BigEndian.AppendUint16([]byte{raw[16], 0}, uint16(8+len(n.Data)))
	first = binary.BigEndian.AppendUint16(append(first, 0, 0), uint16(n.NotifyType))
	out := append(append(append([]byte(nil), raw[:wire.HeaderLen]...), append(first, n.Data...)...), raw[wire.HeaderLen:]...)
	out[16] = byte(wire.PayloadNotify)
	binary.BigEndian.PutUint32(out[24:], uint32(len(out)))
	return out
}

// Whatever is sent in the name of an address, we send no more to it.
func TestCookieIsNoAmplification(t *testing.T) {
	a := newAttacked(t)
	answered := 0
	for n := wire.MinNonceLen; n <= wire.MaxNonceLen; n++ {
		raw, err := (&wire.Message{Header: wire.Header{InitiatorSPI: 2, Exchange: wire.ExchangeIKESAInit, Flags: wire.FlagInitiator},
			Payloads: []wire.Payload{&wire.Nonce{Data: make([]byte, n)}}}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, size, _ := a.ask(raw)
		if size > len(raw) {
			t.Errorf("%d octets are answered with %d", len(raw), size)
		}
		if m != nil {
			answered++
		}
	}
	if answered == 0 {
		t.Error("none is answered")
	}
}

package ikev2_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// crashing is two hosts with an IKE SA whose ends have each other's token.
func crashing(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.CrashDetection, b.CrashDetection = true, true
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	return w
}

var atA, atB = netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("192.0.2.2:4500")

// protected is a message with these header fields that looks encrypted.
func protected(t *testing.T, h wire.Header) []byte {
	t.Helper()
	raw, err := wire.AppendEncrypted(nil, h, wire.PayloadNone, 64)
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, make([]byte, 64)...)
}

// token is the token in the last message that is on the network, or nil.
func token(t *testing.T, w *transcript.World) []byte {
	t.Helper()
	if len(w.Network) == 0 {
		return nil
	}
	m, err := wire.ParseMessage(w.Drop(len(w.Network) - 1).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if n := wire.FindNotify(m.Payloads, wire.NotifyQuickCrashDetection); n != nil {
		return n.Data
	}
	return nil
}

// A stranger who knows the SPIs of a living IKE SA gets no token for it from
// either end, whatever role he claims and wherever he asks from (RFC 6290 §9.2).
func TestNoTokenOfALivingIKESA(t *testing.T) {
	w := crashing(t)
	ike := w.A.Machine.Snapshot().IKE[0]
	for _, victim := range []*transcript.Host{w.A, w.B} {
		for _, flags := range []wire.Flags{0, wire.FlagInitiator, wire.FlagResponse, wire.FlagInitiator | wire.FlagResponse} {
			for _, spis := range [][2]uint64{{ike.SPIi, ike.SPIr}, {ike.SPIr, ike.SPIi}} {
				for _, ex := range []wire.ExchangeType{wire.ExchangeInformational, wire.ExchangeIKEAuth, wire.ExchangeCreateChildSA, 99} {
					raw := protected(t, wire.Header{InitiatorSPI: spis[0], ResponderSPI: spis[1], Exchange: ex, Flags: flags, MessageID: 7})
					local := netip.AddrPortFrom(victim.Addr, 4500)
					victim.Receive(sa.Datagram{Raw: raw, Local: local, Remote: netip.MustParseAddrPort("203.0.113.66:4500")})
					if got := token(t, w); got != nil {
						t.Errorf("%s shows a token for %x as %v in %v", victim.Name, spis, flags, ex)
					}
				}
			}
		}
	}
	if !up(w.A) || !up(w.B) {
		t.Error("the IKE SA is gone")
	}
}

// The token of the other role is another one, so that it proves nothing.
func TestTokenOfTheOtherRole(t *testing.T) {
	w := crashing(t)
	ike := w.A.Machine.Snapshot().IKE[0]
	w.B.Crash()
	show := func(flags wire.Flags) {
		raw := protected(t, wire.Header{InitiatorSPI: ike.SPIi, ResponderSPI: ike.SPIr, Exchange: wire.ExchangeInformational, Flags: flags, MessageID: 7})
		w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: atA})
		if len(w.Network) != 1 {
			t.Fatalf("b answers with %d messages", len(w.Network))
		}
		answer := w.Drop(0).Bytes
		answer[19] = byte(wire.FlagResponse) // as the responder of the IKE SA
		w.A.Receive(sa.Datagram{Raw: answer, Local: atA, Remote: atB})
		w.Network = nil // a asks whether b lives
	}
	if show(0); !up(w.A) {
		t.Error("a believed the token that b as the initiator would have")
	}
	if show(wire.FlagInitiator); up(w.A) {
		t.Error("a did not believe the token")
	}
}

// What is not the token, or not shown as RFC 6290 §4.5 says, ends nothing.
func TestWrongToken(t *testing.T) {
	w := crashing(t)
	ike := w.A.Machine.Snapshot().IKE[0]
	for _, ps := range [][]wire.Payload{
		{notify(wire.NotifyInvalidIKESPI, 0, nil)},
		{notify(wire.NotifyQuickCrashDetection, 1, nil)},
		{notify(wire.NotifyInvalidIKESPI, 0, nil), notify(wire.NotifyQuickCrashDetection, 1, nil)},
		{notify(wire.NotifyInvalidIKESPI, 0, nil), &wire.Notify{Protocol: 1, NotifyType: wire.NotifyQuickCrashDetection, Data: make([]byte, 32)}},
		{notify(wire.NotifyInvalidIKESPI, 0, nil), &wire.Notify{Protocol: 1, NotifyType: wire.NotifyQuickCrashDetection, Data: make([]byte, 4000)}},
	} {
		m := wire.Message{Header: wire.Header{InitiatorSPI: ike.SPIi, ResponderSPI: ike.SPIr, Exchange: wire.ExchangeInformational,
			Flags: wire.FlagResponse, MessageID: 2}, Payloads: ps}
		raw, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.A.Receive(sa.Datagram{Raw: raw, Local: atA, Remote: atB})
		if !up(w.A) {
			t.Fatalf("%s ended the IKE SA", wire.Summary(ps))
		}
	}
	told := 0
	for _, r := range w.A.Reports {
		if d, ok := r.(sa.MessageDropped); ok && strings.Contains(d.Detail, "token") {
			told++
		}
	}
	if told != 3 {
		t.Errorf("a tells of %d wrong tokens", told)
	}
}

// A new token counts in any message of the IKE SA, and of several that are shown it is
// enough that one is right (RFC 6290 §4.4, §4.5).
func TestTokenIsReplaced(t *testing.T) {
	renewed := &wire.Notify{Protocol: 1, NotifyType: wire.NotifyQuickCrashDetection, Data: make([]byte, 16)}
	for _, request := range []bool{true, false} {
		a, b := transcript.Pair()
		a.CrashDetection, b.CrashDetection, a.DPD = true, true, 0
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.DeliverAll()
		w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
		w.Advance(10*time.Second, true)
		w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload { return append(slices.Clone(ps), renewed) }
		if request {
			forge(w, wire.ExchangeInformational, renewed)
		} else {
			w.Advance(time.Minute, true) // b asks whether a lives
		}
		ike := w.B.Machine.Snapshot().IKE[0]
		ps := []wire.Payload{notify(wire.NotifyInvalidIKESPI, 0, nil)}
		for n := range 3 {
			ps = append(ps, &wire.Notify{Protocol: 1, NotifyType: wire.NotifyQuickCrashDetection, Data: bytes.Repeat([]byte{byte(n + 1)}, 32)})
		}
		m := wire.Message{Header: wire.Header{InitiatorSPI: ike.SPIi, ResponderSPI: ike.SPIr, Exchange: wire.ExchangeInformational,
			Flags: wire.FlagResponse | wire.FlagInitiator, MessageID: 2}, Payloads: append(ps, renewed)}
		raw, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: netip.MustParseAddrPort("203.0.113.9:4500")}); up(w.B) {
			t.Errorf("in a request %v: b did not take the new token", request)
		}
	}
}

// A stranger gets no more tokens than the gate allows him answers.
func TestTokensAreLimited(t *testing.T) {
	w := crashing(t)
	shown := 0
	for i := range uint64(1000) {
		raw := protected(t, wire.Header{InitiatorSPI: i + 1, ResponderSPI: i + 2, Exchange: wire.ExchangeInformational, Flags: wire.FlagInitiator})
		w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: netip.MustParseAddrPort("203.0.113.66:4500")})
		if token(t, w) != nil {
			shown++
		}
	}
	if shown == 0 || shown > 40 {
		t.Errorf("%d tokens for 1000 requests at once", shown)
	}
}

// invalidSPI is the message that says so without an IKE SA; n tells it from others.
func invalidSPI(t *testing.T, n int, spi uint32) []byte {
	t.Helper()
	m := wire.Message{Header: wire.Header{InitiatorSPI: uint64(n + 1), Exchange: wire.ExchangeInformational, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{&wire.Notify{NotifyType: wire.NotifyInvalidSPI, Data: binary.BigEndian.AppendUint32(nil, spi)}}}
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// INVALID_SPI, which anybody can send, has us ask the peer, and not often.
func TestInvalidSPIIsAHint(t *testing.T) {
	w := crashing(t)
	spi := w.A.Outbound[0].SPIOut
	for i := range 50 {
		w.A.Receive(sa.Datagram{Raw: invalidSPI(t, i, spi), Local: atA, Remote: netip.MustParseAddrPort("192.0.2.2:6666")})
	}
	if len(w.Network) != 1 {
		t.Errorf("a sent %d messages", len(w.Network))
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// A flood of such hints does not have all connections gone through each time.
func TestInvalidSPIIsLimited(t *testing.T) {
	gate, err := cookie.New(cookie.Config{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	a := ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader})
	doubts := 0
	for i := range 1000 {
		for _, act := range a.Step(nil, time.Unix(0, 0), sa.Datagram{Raw: invalidSPI(t, i, 1), Local: atA, Remote: atB}) {
			if _, ok := act.(sa.Doubt); ok {
				doubts++
			}
		}
	}
	if doubts == 0 || doubts > 40 {
		t.Errorf("%d hints of 1000 at once were taken on", doubts)
	}
}

package ikev2_test

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// failures counts what a host would write to its log at level info and above.
func failures(h *transcript.Host) (n int) {
	for _, r := range h.Reports {
		switch r.(type) {
		case sa.Failed, sa.Connecting:
			n++
		}
	}
	return n
}

// A flood from addresses that nobody has cannot fill a log, whatever it differs
// in; the failures that come in peace are reported.
func TestSpoofedFailuresAreThinnedOut(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	strange := initRequest(t, func(m *wire.Message) {
		m.Payloads[0].(*wire.SecurityAssociation).Proposals[0].Transforms[0].ID = 3
	})
	send := func(n uint32) {
		var from [4]byte
		binary.BigEndian.PutUint32(from[:], 0xc6336400+n)
		w.B.Receive(sa.Datagram{Raw: append([]byte(nil), strange...), Local: netip.MustParseAddrPort("192.0.2.2:500"),
			Remote: netip.AddrPortFrom(netip.AddrFrom4(from), 500)})
	}
	for n := range uint32(3000) {
		send(n)
	}
	if n := failures(w.B); n == 0 || n > 50 {
		t.Errorf("3000 forged requests in no time: %d failures", n)
	}
	before := failures(w.B)
	for n := range uint32(20) {
		w.Advance(2*time.Second, false)
		send(5000 + n)
	}
	if n := failures(w.B) - before; n != 20 {
		t.Errorf("20 requests in 40 s: %d failures", n)
	}
}

// The same of somebody who goes on to IKE_AUTH and has no key; a peer that has
// it is seen all the same.
func TestWrongKeysAreThinnedOut(t *testing.T) {
	a, b := transcript.Pair()
	right := a.PSK
	a.PSK = auth.NewSecret([]byte("a guess"))
	w := transcript.New(a, b, nil)
	for i := range 200 {
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
		w.Advance(10*time.Millisecond, true)
	}
	if n := failures(w.B); n == 0 || n > 80 {
		t.Errorf("200 wrong keys in 2 s: %d reports", n)
	}
	good := *a
	good.PSK = right
	w.A.Settings = &good
	w.A.Crash()
	w.A.Up()
	w.DeliverAll()
	if _, ok := w.B.Reports[len(w.B.Reports)-2].(sa.IKEEstablished); !ok || !up(w.B) {
		t.Errorf("b reports %T of the peer with the key", w.B.Reports[len(w.B.Reports)-2])
	}
}

// What one forged request costs does not grow with the connections that it may
// be for, if their proposals are the same.
func TestForgedRequestsAreCheap(t *testing.T) {
	raw := initRequest(t, func(m *wire.Message) {
		p := &m.Payloads[0].(*wire.SecurityAssociation).Proposals
		(*p)[0].Transforms[0].ID = 3
		for i := range uint8(40) {
			next := (*p)[0]
			next.Number = i + 2
			*p = append(*p, next)
		}
	})
	cost := func(connections int) float64 {
		var all []*sa.Settings
		for range connections {
			s, _ := transcript.Pair()
			all = append(all, s)
		}
		gate, err := cookie.New(cookie.Config{Random: rand.Reader, ResponseRate: 1e6, ResponseBurst: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		a := ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader,
			Candidates: func(_, _ netip.Addr) []*sa.Settings { return all }})
		d := sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")}
		return testing.AllocsPerRun(10, func() { a.Step(nil, transcript.Epoch, d) })
	}
	if one, many := cost(1), cost(500); many > 2*one {
		t.Errorf("%v allocations for 1 connection, %v for 500", one, many)
	}
}

// What is kept of a peer before it is authenticated is bounded.
func TestLongMessagesOfStrangers(t *testing.T) {
	a, b := transcript.Pair()
	a.LocalIdentity = auth.Identity{Type: wire.IDKeyID, Data: strings.Repeat("x", 20000)}
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	if n := len(w.B.Reports); n == 0 || w.B.Acceptor.HalfOpen() != 1 {
		t.Errorf("an IKE_AUTH of 20,000 octets: %d reports, %d half-open", n, w.B.Acceptor.HalfOpen())
	}
}

// Those who open and never finish do not shut out the others: the oldest makes
// room, and the table stays as large as it may be.
func TestAFullTableTakesNewPeers(t *testing.T) {
	gate, err := cookie.New(cookie.Config{Random: rand.Reader, ChallengeTotal: 1000})
	if err != nil {
		t.Fatal(err)
	}
	_, settings := transcript.Pair()
	a := ikev2.NewAcceptor(ikev2.AcceptorConfig{Gate: gate, Random: rand.Reader, Limit: 8,
		Candidates: func(_, _ netip.Addr) []*sa.Settings { return []*sa.Settings{settings} }})
	answered, registered := 0, map[uint64]bool{}
	var perform func([]sa.Action)
	perform = func(actions []sa.Action) {
		for _, act := range actions {
			switch act := act.(type) {
			case sa.StartWork:
				perform(a.Step(nil, transcript.Epoch, sa.WorkDone{Ticket: act.Ticket, Result: act.Job.Run()}))
			case sa.Send:
				answered++
			case sa.RegisterSPI:
				registered[act.SPI] = true
			case sa.ReleaseSPI:
				delete(registered, act.SPI)
			}
		}
	}
	for i := range uint64(20) {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 500)
		perform(a.Step(nil, transcript.Epoch, sa.Datagram{Raw: transcript.InitRequest(i + 1),
			Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: from}))
	}
	if answered != 20 || a.HalfOpen() != 8 || len(registered) != 8 || gate.HalfOpen(transcript.Epoch) != 8 {
		t.Errorf("%d answered, %d half-open, %d SPIs, %d counted; want 20, 8, 8, 8",
			answered, a.HalfOpen(), len(registered), gate.HalfOpen(transcript.Epoch))
	}
}

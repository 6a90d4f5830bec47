package ikev2_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// resumable is two hosts that resume sessions and had one, which is lost: a has a
// ticket, and shows it when it comes up.
func resumable(t *testing.T, change func(a, b *sa.Settings)) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.SessionResumption, b.SessionResumption = true, true
	if change != nil {
		change(a, b)
	}
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	lose(w)
	return w
}

// lose lets the path be down until both ends gave up.
func lose(w *transcript.World) {
	w.Advance(3*time.Minute, false)
	for len(w.Network) > 0 {
		w.Drop(0)
	}
}

// shown is the IKE_SESSION_RESUME request that is on the network.
func shown(t *testing.T, w *transcript.World) *wire.Message {
	t.Helper()
	if len(w.Network) != 1 {
		t.Fatalf("%d messages are on the network", len(w.Network))
	}
	m, err := wire.ParseMessage(w.Network[0].Bytes)
	if err != nil || m.Exchange != wire.ExchangeIKESessionResume {
		t.Fatalf("a sends %v: %v", m.Header, err)
	}
	return m
}

// thief sends an IKE_SESSION_RESUME of his own to b, and gives the answer, or nil.
func thief(t *testing.T, w *transcript.World, spi uint64, ps ...wire.Payload) *wire.Message {
	t.Helper()
	raw, err := (&wire.Message{Header: wire.Header{InitiatorSPI: spi, Exchange: wire.ExchangeIKESessionResume, Flags: wire.FlagInitiator}, Payloads: ps}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	before := len(w.Network)
	w.B.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("203.0.113.66:500")})
	if len(w.Network) == before {
		return nil
	}
	m, err := wire.ParseMessage(w.Drop(before).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func nacked(m *wire.Message) bool {
	return m != nil && m.ResponderSPI == 0 && len(m.Payloads) == 1 && wire.FindNotify(m.Payloads, wire.NotifyTicketNack) != nil
}

func nonce(b byte) *wire.Nonce { return &wire.Nonce{Data: bytes.Repeat([]byte{b}, 32)} }

func ticketOf(m *wire.Message) *wire.Notify {
	return wire.FindNotify(m.Payloads, wire.NotifyTicketOpaque)
}

func resumed(w *transcript.World) bool {
	i := w.A.Snapshot().IKE
	return len(i) == 1 && i[0].Resumed && len(w.B.Snapshot().IKE) == 1 && w.B.Snapshot().IKE[0].Resumed
}

// Who saw a ticket on the path cannot use it, and does not use it up (RFC 5723
// §4.3.1); once its owner did, it counts no more.
func TestStolenTicket(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	stolen := ticketOf(shown(t, w))
	if m := thief(t, w, 66, nonce(6), stolen); m == nil || m.ResponderSPI == 0 {
		t.Fatal("b did not answer the first who shows the ticket")
	} else {
		raw := protected(t, wire.Header{InitiatorSPI: 66, ResponderSPI: m.ResponderSPI, Exchange: wire.ExchangeIKEAuth, Flags: wire.FlagInitiator, MessageID: 1})
		w.B.Receive(sa.Datagram{Raw: raw, Local: atB, Remote: netip.MustParseAddrPort("203.0.113.66:4500")})
	}
	if len(w.B.Snapshot().IKE) != 0 {
		t.Error("the thief has an IKE SA")
	}
	w.DeliverAll()
	if !resumed(w) {
		t.Fatal("the owner of the ticket did not resume its session")
	}
	if !nacked(thief(t, w, 67, nonce(7), stolen)) {
		t.Error("a ticket that was used is taken again")
	}
}

// The IKE SA that the ticket is of ends where the gateway still has it, without a DELETE, and
// whether or not its peer says INITIAL_CONTACT (RFC 5723 §4.3.4).
func TestResumptionEndsTheIKESAOfTheTicket(t *testing.T) {
	w := resumable(t, func(_, b *sa.Settings) { b.DPD = 0 })
	if n := len(w.B.Snapshot().IKE); n != 1 {
		t.Fatalf("b has %d IKE SAs", n)
	}
	w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
			n, ok := p.(*wire.Notify)
			return ok && n.NotifyType == wire.NotifyInitialContact
		})
	}
	w.A.Up()
	for range 4 { // IKE_SESSION_RESUME and IKE_AUTH
		w.Deliver(0)
	}
	s := w.B.Snapshot()
	if !resumed(w) || len(s.IKE) != 1 || len(s.Children) != 1 || len(w.Network) > 0 {
		t.Errorf("resumed %v: b has %d IKE SAs and %d Child SAs, and says more: %v", resumed(w), len(s.IKE), len(s.Children), w.Network)
	}
}

// Two that come with one ticket at once do not both get an IKE SA of it, though both
// have its keys.
func TestTicketIsUsedOnce(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	again := bytes.Clone(w.Network[0].Bytes)
	again[7]++ // another SPI: another attempt with the same keys
	w.B.Receive(sa.Datagram{Raw: again, Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
	if m, _ := wire.ParseMessage(w.Drop(1).Bytes); m.ResponderSPI == 0 {
		t.Fatal("b did not answer the second")
	}
	w.DeliverAll()
	if !resumed(w) {
		t.Fatal("not resumed")
	}
	// A third that begins now is refused, and so would be the second's IKE_AUTH.
	if !nacked(thief(t, w, 67, nonce(7), ticketOf(&wire.Message{Payloads: parsed(t, again)}))) {
		t.Error("the ticket counts twice")
	}
}

func parsed(t *testing.T, raw []byte) []wire.Payload {
	t.Helper()
	m, err := wire.ParseMessage(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m.Payloads
}

// What is no ticket of b's is answered TICKET_NACK, or not at all, and leaves nothing
// behind.
func TestHostileTickets(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	real := ticketOf(shown(t, w))
	opaque := func(data []byte) *wire.Notify { return &wire.Notify{NotifyType: wire.NotifyTicketOpaque, Data: data} }
	changed := bytes.Clone(real.Data)
	changed[len(changed)/2] ^= 1
	for name, n := range map[string]*wire.Notify{
		"empty": opaque(nil), "short": opaque(real.Data[:20]), "changed": opaque(changed), "longer": opaque(append(bytes.Clone(real.Data), 0)),
		"zeros": opaque(make([]byte, 512)), "huge": opaque(make([]byte, 7<<10)),
	} {
		if m := thief(t, w, 66, nonce(6), n); !nacked(m) {
			t.Errorf("%s: b answers %v", name, m)
		}
	}
	for name, ps := range map[string][]wire.Payload{
		"no nonce": {real}, "two nonces": {nonce(1), nonce(2), real}, "nothing": {},
		"too long": {nonce(1), opaque(make([]byte, 9<<10))},
	} {
		if m := thief(t, w, 66, ps...); m != nil {
			t.Errorf("%s: b answers %v", name, m)
		}
	}
	if m := thief(t, w, 66, nonce(1), &wire.Notify{NotifyType: wire.NotifyTicketRequest}); !nacked(m) {
		t.Errorf("without a ticket: b answers %v", m)
	}
	if n := w.B.Acceptor.HalfOpen(); n != 0 {
		t.Errorf("%d half-open IKE SAs of tickets that are none", n)
	}
}

// A flood of a ticket that somebody saw is bounded as one of IKE_SA_INIT is: by
// cookies, and by the number of half-open IKE SAs.
func TestFloodOfTickets(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	stolen := ticketOf(shown(t, w))
	open, challenged := 0, 0
	for i := range 5000 {
		m := thief(t, w, uint64(1000+i), nonce(byte(i)), stolen)
		switch {
		case m == nil:
		case m.ResponderSPI != 0:
			open++
		case wire.FindNotify(m.Payloads, wire.NotifyCookie) != nil:
			challenged++
		}
	}
	if open > 32 || challenged == 0 || w.B.Acceptor.HalfOpen() != open {
		t.Errorf("%d half-open IKE SAs and %d cookies", open, challenged)
	}
}

// The keys of a ticket do not make another identity out of its owner.
func TestTicketOfAnotherIdentity(t *testing.T) {
	w := resumable(t, nil)
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		out := slices.Clone(ps)
		for i, p := range out {
			if id, ok := p.(*wire.Identification); ok && id.Initiator {
				out[i] = transcript.Identity("root.example").Payload(true)
			}
		}
		return out
	}
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	w.Deliver(0)
	if len(w.B.Snapshot().IKE) != 0 {
		t.Error("b took another identity than that of the ticket")
	}
	if !slices.ContainsFunc(w.B.Reports, func(r sa.Report) bool {
		f, ok := r.(sa.Failed)
		return ok && f.Failure.Reason == sa.ReasonIdentityMismatch
	}) {
		t.Errorf("b does not say so: %v", w.B.Reports)
	}
	w.A.Faulty = nil
	w.DeliverAll()
	if i := w.A.Snapshot().IKE; len(i) != 1 || i[0].Resumed {
		t.Errorf("a did not make a whole exchange: %+v", i)
	}
}

// A gateway that cannot prove to have the ticket's keys is not believed.
func TestGatewayWithoutTheKeys(t *testing.T) {
	w := resumable(t, nil)
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if a, ok := p.(*wire.Authentication); ok {
				wrong := *a
				wrong.Data = bytes.Repeat([]byte{1}, len(a.Data))
				out[i] = &wrong
			}
		}
		return out
	}
	w.A.Up()
	w.DeliverAll()
	if f := w.A.Snapshot().LastFailure; f == nil || f.Reason != sa.ReasonAuthenticationFailed || up(w.A) {
		t.Errorf("a believes b: %v", f)
	}
}

// A ticket that a peer gives is kept within bounds, and for no longer than a day.
func TestForeignTickets(t *testing.T) {
	give := func(lifetime uint32, size int) *transcript.World {
		a, b := transcript.Pair()
		a.SessionResumption = true
		w := transcript.New(a, b, nil)
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if h.Exchange == wire.ExchangeIKEAuth {
				data := append([]byte{byte(lifetime >> 24), byte(lifetime >> 16), byte(lifetime >> 8), byte(lifetime)}, make([]byte, size)...)
				ps = append(slices.Clone(ps), &wire.Notify{NotifyType: wire.NotifyTicketLTOpaque, Data: data})
			}
			return ps
		}
		w.A.Up()
		w.DeliverAll()
		return w
	}
	for _, c := range []struct {
		lifetime uint32
		size     int
		after    time.Duration
		want     wire.ExchangeType
	}{
		{3600, 400, 3 * time.Minute, wire.ExchangeIKESessionResume},
		{3600, 1200, 3 * time.Minute, wire.ExchangeIKESessionResume},
		{3600, 1201, 3 * time.Minute, wire.ExchangeIKESAInit},
		{3600, 0, 3 * time.Minute, wire.ExchangeIKESAInit},
		{0, 400, 3 * time.Minute, wire.ExchangeIKESAInit},
		{3600, 400, time.Hour, wire.ExchangeIKESAInit},
		{1<<32 - 1, 400, 23 * time.Hour, wire.ExchangeIKESessionResume},
		{1<<32 - 1, 400, 25 * time.Hour, wire.ExchangeIKESAInit},
	} {
		t.Run(fmt.Sprint(c.lifetime, c.size, c.after), func(t *testing.T) {
			w := give(c.lifetime, c.size)
			w.Advance(c.after, false)
			for len(w.Network) > 0 {
				w.Drop(0)
			}
			w.A.Up()
			m, err := wire.ParseMessage(w.Network[0].Bytes)
			if err != nil || m.Exchange != c.want {
				t.Errorf("a sends %v, want %v", m.Header, c.want)
			}
		})
	}
}

// A change of what the connection authenticates with ends its tickets, at either
// end; a change of something else, or the same files read again, does not.
func TestTicketsAreBoundToTheConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *sa.Settings)
		ends   bool
	}{
		"nothing":         {func(*sa.Settings) {}, false},
		"dpd":             {func(s *sa.Settings) { s.DPD = time.Minute }, false},
		"key":             {func(s *sa.Settings) { s.PSK = auth.NewSecret([]byte("another")) }, true},
		"same key":        {func(s *sa.Settings) { s.PSK = auth.NewSecret(bytes.Clone(s.PSK.Bytes())) }, false},
		"local identity":  {func(s *sa.Settings) { s.LocalIdentity = transcript.Identity("other.example") }, true},
		"remote identity": {func(s *sa.Settings) { s.RemoteIdentity = transcript.Identity("other.example") }, true},
		"any identity":    {func(s *sa.Settings) { s.RemoteIdentity, s.AnyRemoteIdentity = auth.Identity{}, true }, true},
		"proposals": {func(s *sa.Settings) {
			s.IKEProposals = append(slices.Clone(s.IKEProposals), transcript.Proposals(1, "aes128-sha256-x25519")...)
		}, true},
		"ppk":          {func(s *sa.Settings) { s.PPK = &sa.PPK{ID: "q", Secret: auth.NewSecret([]byte("quantum"))} }, true},
		"name":         {func(s *sa.Settings) { s.Name = "renamed" }, true},
		"switched off": {func(s *sa.Settings) { s.SessionResumption = false }, true},
	} {
		for _, end := range []string{"a", "b"} {
			t.Run(name+" at "+end, func(t *testing.T) {
				w := resumable(t, nil)
				h := map[string]*transcript.Host{"a": w.A, "b": w.B}[end]
				changed := *h.Settings
				c.change(&changed)
				h.Settings = &changed
				h.Machine.Reconfigure(&changed)
				w.A.Up()
				m, err := wire.ParseMessage(w.Network[0].Bytes)
				if err != nil {
					t.Fatal(err)
				}
				if end == "a" {
					if got := m.Exchange == wire.ExchangeIKESAInit; got != c.ends {
						t.Errorf("a sends %v", m.Exchange)
					}
					return
				}
				w.Deliver(0)
				if got := nacked(&wire.Message{Header: wire.Header{}, Payloads: parsed(t, w.Network[0].Bytes)}); got != c.ends {
					t.Errorf("b answers %v", w.Network[0])
				}
			})
		}
	}
}

// A connection that changes between IKE_SESSION_RESUME and IKE_AUTH is not resumed
// either.
func TestConfigurationChangesDuringResumption(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	changed := *w.B.Settings
	changed.PSK = auth.NewSecret([]byte("another"))
	w.B.Settings = &changed
	w.B.Machine.Reconfigure(&changed)
	w.Deliver(0)
	if len(w.B.Snapshot().IKE) != 0 {
		t.Error("b resumed what its new key did not authenticate")
	}
}

// The keys of a ticket are erased when it goes.
func TestTicketsAreErased(t *testing.T) {
	w := resumable(t, nil)
	key := w.A.Machine.TicketKey()
	if len(key) == 0 {
		t.Fatal("a has no ticket")
	}
	w.A.Step(sa.Down{})
	if !bytes.Equal(key, make([]byte, len(key))) || w.A.Machine.TicketKey() != nil {
		t.Error("the key of a ticket that was thrown away is still there")
	}
}

// Tickets that are good for a second have a peer asked for others once a minute, and not
// twice a second.
func TestShortTickets(t *testing.T) {
	a, b := transcript.Pair()
	a.SessionResumption, a.DPD, b.DPD = true, 0, 0
	w := transcript.New(a, b, nil)
	asked := 0
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if !h.Flags.Response() || h.Exchange != wire.ExchangeIKEAuth && h.Exchange != wire.ExchangeInformational {
			return ps
		}
		asked++
		return append(slices.Clone(ps), &wire.Notify{NotifyType: wire.NotifyTicketLTOpaque, Data: append([]byte{0, 0, 0, 1}, make([]byte, 400)...)})
	}
	w.A.Up()
	w.Advance(10*time.Minute, true)
	if asked < 10 || asked > 15 {
		t.Errorf("b was asked %d times in ten minutes", asked)
	}
}

// A ticket costs a gateway under attack no work without a cookie.
func TestTicketsNeedCookies(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	stolen := ticketOf(shown(t, w))
	w.B.Restart(cookie.Config{ChallengeTotal: 1, ChallengeSource: 1})
	if m := thief(t, w, 1, nonce(1), stolen); m == nil || m.ResponderSPI == 0 {
		t.Fatalf("the first: %v", m)
	}
	m := thief(t, w, 2, nonce(2), stolen)
	if m == nil || wire.FindNotify(m.Payloads, wire.NotifyCookie) == nil || m.Exchange != wire.ExchangeIKESessionResume {
		t.Errorf("the second: %v", m)
	}
}

// A ticket ends with its IKE SA: when that is replaced, by a rekey or by another one
// that no ticket came with, and when either end deletes it (RFC 5723 §6.2).
func TestTicketEndsWithItsIKESA(t *testing.T) {
	withoutTickets := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
			n, ok := p.(*wire.Notify)
			return ok && n.NotifyType == wire.NotifyTicketLTOpaque
		})
	}
	for name, end := range map[string]func(w *transcript.World){
		"rekey":          func(w *transcript.World) { w.A.Step(sa.Rekey{IKE: true}) },
		"rekey of b":     func(w *transcript.World) { w.B.Step(sa.Rekey{IKE: true}) },
		"authentication": func(w *transcript.World) { w.A.Step(sa.Rekey{Reauthenticate: true}) },
		"delete":         func(w *transcript.World) { w.B.Step(sa.Down{}) },
	} {
		a, b := transcript.Pair()
		a.SessionResumption, b.SessionResumption = true, true
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil || w.A.Machine.TicketKey() == nil {
			t.Fatalf("%s: no ticket: %v", name, err)
		}
		w.B.Faulty = withoutTickets
		end(w)
		w.Advance(20*time.Second, true)
		if w.A.Machine.TicketKey() != nil {
			t.Errorf("%s: a keeps the ticket", name)
		}
	}
}

// AUTH of a resumption covers what it covers otherwise: message, nonce and identity
// (RFC 5723 §4.3.3).
func TestResumedAuthCoversTheSignedOctets(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil || !resumed(w) {
		t.Fatalf("not resumed: %v", err)
	}
	if w.A.Machine.ResumedAlone() || w.B.Machine.ResumedAlone() {
		t.Error("AUTH covered the message alone")
	}
}

// A session that was made without the post-quantum key is not resumed once that is
// required.
func TestTicketWithoutRequiredPPK(t *testing.T) {
	key := &sa.PPK{ID: "q", Secret: auth.NewSecret([]byte("quantum"))}
	w := resumable(t, func(_, b *sa.Settings) { b.PPK = key })
	changed, required := *w.B.Settings, *key
	required.Required = true
	changed.PPK = &required
	w.B.Settings = &changed
	w.B.Machine.Reconfigure(&changed)
	w.A.Up()
	w.DeliverAll()
	if up(w.A) || up(w.B) {
		t.Error("a session without the key that is required now goes on")
	}
}

// Where a peer's address is its identity, a ticket that it got at one does not make it
// that one at another.
func TestTicketAtAnotherAddress(t *testing.T) {
	for _, late := range []bool{false, true} { // with IKE_AUTH only
		w := resumable(t, func(a, b *sa.Settings) {
			a.LocalIdentity, b.RemoteIdentity = auth.Identity{}, auth.Identity{}
			b.RemoteAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.99")}
		})
		if late {
			w.A.Up()
			w.Deliver(0)
			w.Deliver(0)
			p := w.Drop(0)
			w.B.Receive(sa.Datagram{Raw: p.Bytes, Local: p.Destination, Remote: netip.MustParseAddrPort("192.0.2.99:4500")})
			if len(w.B.Snapshot().IKE) != 0 {
				t.Error("b takes 192.0.2.99 for 192.0.2.1")
			}
			continue
		}
		w.A.Addr = netip.MustParseAddr("192.0.2.99")
		w.A.Up()
		w.DeliverAll()
		if i := w.B.Snapshot().IKE; len(i) != 1 || i[0].Resumed || i[0].RemoteIdentity != "192.0.2.99" {
			t.Errorf("b has %+v", i)
		}
	}
}

// The answer to a ticket that was thrown away meanwhile is not taken: its key is
// overwritten, and keys that come of that anybody could make.
func TestTicketThrownAwayMeanwhile(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	shown(t, w)
	w.A.Machine.ForgetTicket()
	w.Deliver(0)
	w.Deliver(0)
	m, err := wire.ParseMessage(w.Network[len(w.Network)-1].Bytes)
	if err != nil || m.Exchange != wire.ExchangeIKESAInit {
		t.Errorf("a goes on with %v", m.Header)
	}
}

package ikev2_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// ticketIn is the ticket in a message, with its lifetime, or nil.
func ticketIn(ps []wire.Payload) *wire.Notify { return wire.FindNotify(ps, wire.NotifyTicketLTOpaque) }

// onlyIn changes the payloads of one kind of message.
func onlyIn(ex wire.ExchangeType, response bool, change func([]wire.Payload) []wire.Payload) func(wire.Header, []wire.Payload) []wire.Payload {
	return func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != ex || h.Flags.Response() != response {
			return ps
		}
		return change(ps)
	}
}

func omitting(ps []wire.Payload, types ...wire.NotifyType) []wire.Payload {
	return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
		n, ok := p.(*wire.Notify)
		return ok && slices.Contains(types, n.NotifyType)
	})
}

// Who began is given a ticket, when it asks; who did not ask gets none, and who did not
// begin hears TICKET_NACK (RFC 5723 §4.1, §4.2).
func TestWhoIsGivenATicket(t *testing.T) {
	for _, asks := range []bool{true, false} {
		a, b := transcript.Pair()
		a.SessionResumption, b.SessionResumption = true, true
		w := transcript.New(a, b, nil)
		given := false
		w.B.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			given = given || ticketIn(ps) != nil
			return ps
		}
		if !asks {
			w.A.Faulty = onlyIn(wire.ExchangeIKEAuth, false, func(ps []wire.Payload) []wire.Payload { return omitting(ps, wire.NotifyTicketRequest) })
		}
		w.Stand()
		if given != asks {
			t.Errorf("a asks: %v, and is given a ticket: %v", asks, given)
		}
		for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeInformational, notify(wire.NotifyTicketRequest, 0, nil)) {
			if s, ok := act.(sa.Send); ok {
				w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
			}
		}
		if got := answer(w.A); got != "N(TICKET_NACK)" {
			t.Errorf("b, which did not begin, is answered %s", got)
		}
	}
}

// A ticket that the peer will give later, and says so with TICKET_ACK, is asked for again
// (RFC 5723 §4.2).
func TestTicketThatComesLater(t *testing.T) {
	a, b := transcript.Pair()
	a.SessionResumption, b.SessionResumption = true, true
	asked := false
	w := transcript.New(a, b, func(line string) {
		asked = asked || strings.Contains(line, "a sends INFORMATIONAL") && strings.Contains(line, "N(TICKET_REQUEST)")
	})
	w.B.Faulty = onlyIn(wire.ExchangeIKEAuth, true, func(ps []wire.Payload) []wire.Payload {
		return append(omitting(ps, wire.NotifyTicketLTOpaque), notify(wire.NotifyTicketAck, 0, nil))
	})
	w.Stand()
	w.Advance(2*time.Minute, true)
	if !asked || len(w.A.Machine.TicketKey()) == 0 {
		t.Errorf("a asks again: %v, and has a ticket: %v", asked, len(w.A.Machine.TicketKey()) > 0)
	}
}

// A ticket that an IKE SA was made with is not shown again, though the peer gave no other
// (RFC 5723 §4.3.1).
func TestTicketIsShownOnce(t *testing.T) {
	w := resumable(t, nil)
	w.B.Faulty = onlyIn(wire.ExchangeIKEAuth, true, func(ps []wire.Payload) []wire.Payload { return omitting(ps, wire.NotifyTicketLTOpaque) })
	w.A.Up()
	w.DeliverAll()
	if !resumed(w) {
		t.Fatal("not resumed")
	}
	if len(w.A.Machine.TicketKey()) > 0 {
		t.Error("a keeps the ticket that it showed")
	}
}

// A wrong proof does not use the ticket up (RFC 5723 §4.3.1).
func TestWrongProofSpendsNoTicket(t *testing.T) {
	w := resumable(t, nil)
	w.A.Up()
	seen := ticketOf(shown(t, w))
	w.A.Faulty = onlyIn(wire.ExchangeIKEAuth, false, func(ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if p.Type() == wire.PayloadAUTH {
				out[i] = &wire.Authentication{Method: wire.AuthSharedKey, Data: make([]byte, 32)}
			}
		}
		return out
	})
	for range 3 {
		w.Deliver(0)
	}
	if len(w.B.Snapshot().IKE) != 0 {
		t.Fatal("b takes a wrong proof")
	}
	if m := thief(t, w, 66, nonce(6), seen); m == nil || m.ResponderSPI == 0 {
		t.Error("a wrong proof used the ticket up")
	}
}

// IKE_SESSION_RESUME is answered with a REDIRECT as IKE_SA_INIT is, and followed (RFC 5723
// §4.3.2).
func TestRedirectOfAResumption(t *testing.T) {
	w := resumable(t, func(a, _ *sa.Settings) { a.FollowRedirects = true })
	changed := *w.B.Settings
	changed.RedirectTo = "198.51.100.7"
	w.B.Settings = &changed
	w.B.Machine.Reconfigure(&changed)
	w.A.Up()
	shown(t, w)
	w.Deliver(0)
	if m, err := wire.ParseMessage(w.Network[0].Bytes); err != nil || m.Summary() != "N(REDIRECT)" {
		t.Errorf("b answers %v: %v", m, err)
	}
	w.DeliverAll()
	if !slices.ContainsFunc(w.A.Reports, func(r sa.Report) bool {
		to, ok := r.(sa.RedirectedTo)
		return ok && to.To == "198.51.100.7"
	}) {
		t.Error("a is not sent elsewhere")
	}
}

// NATs are found in a resumption as in IKE_SA_INIT, by both ends; a peer that does not look
// for them has no NAT traversal, and its ESP goes without UDP (RFC 5723 §4.3.2, §5; RFC
// 7296 §2.23).
func TestNATOfAResumption(t *testing.T) {
	a, b := transcript.Pair()
	a.SessionResumption, b.SessionResumption = true, true
	w := transcript.New(a, b, nil)
	w.Stand()
	lose(w)
	w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 20000
	w.A.Up()
	shown(t, w)
	w.DeliverAll()
	if i, o := w.A.Snapshot().IKE, w.B.Snapshot().IKE; !resumed(w) || i[0].NAT != "local" || o[0].NAT != "remote" {
		t.Errorf("a has %+v, b has %+v", i, o)
	}
	w = resumable(t, nil)
	w.A.Faulty = onlyIn(wire.ExchangeIKESessionResume, false, func(ps []wire.Payload) []wire.Payload {
		return omitting(ps, wire.NotifyNATDetectionSourceIP, wire.NotifyNATDetectionDestinationIP)
	})
	w.A.Up()
	w.DeliverAll()
	if c := w.B.Sends("net"); !resumed(w) || c == nil || !c.Bare {
		t.Errorf("b sends to a peer without NAT traversal on %+v", c)
	}
}

// A ticket ends with its IKE SA, and with no other: it is thrown away at once when that is
// rekeyed, and stays when an older one ends (RFC 5723 §6.2).
func TestWhichTicketEnds(t *testing.T) {
	a, b := transcript.Pair()
	a.SessionResumption, b.SessionResumption = true, true
	w := transcript.New(a, b, nil)
	w.Stand()
	w.A.Step(sa.Rekey{IKE: true})
	w.Deliver(0)
	w.Deliver(0)
	if len(w.A.Machine.TicketKey()) > 0 {
		t.Error("a has the ticket of an IKE SA that was replaced")
	}
	w.Advance(10*time.Second, true)
	if len(w.A.Machine.TicketKey()) == 0 {
		t.Error("a has no ticket of the new IKE SA")
	}
	w.A.Step(sa.Rekey{Reauthenticate: true})
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil || len(w.A.Machine.TicketKey()) == 0 {
		t.Errorf("the end of the older IKE SA took the ticket of the newer one: %v", err)
	}
}

// A ticket lives no longer than the IKE SA may without a rekey, and than the peer's
// authentication counts; a resumption does not renew that (RFC 5723 §6.2).
func TestLifetimeOfATicket(t *testing.T) {
	for name, change := range map[string]func(b *sa.Settings){
		"a rekey":          func(b *sa.Settings) { b.IKELifetime = 10 * time.Minute },
		"reauthentication": func(b *sa.Settings) { b.Reauthentication, b.RespondOnly = 10*time.Minute, true },
	} {
		a, b := transcript.Pair()
		a.SessionResumption, b.SessionResumption = true, true
		change(b)
		w := transcript.New(a, b, nil)
		var life uint32
		w.B.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			if n := ticketIn(ps); n != nil {
				life = binary.BigEndian.Uint32(n.Data)
			}
			return ps
		}
		w.Stand()
		if life == 0 || life > 660 {
			t.Errorf("before %s after 10 minutes, b gives a ticket for %d s", name, life)
		}
	}
	w := resumable(t, func(a, b *sa.Settings) { b.Reauthentication, b.RespondOnly = 10*time.Minute, true })
	w.B.Faulty = onlyIn(wire.ExchangeIKEAuth, true, func(ps []wire.Payload) []wire.Payload { return omitting(ps, wire.NotifyAuthLifetime) })
	before := w.Now
	w.A.Up()
	w.DeliverAll()
	if !resumed(w) || before.Sub(transcript.Epoch) > 5*time.Minute {
		t.Fatal("not resumed in time")
	}
	w.A.Machine.Reconfigure(func() *sa.Settings { s := *w.A.Settings; s.RespondOnly = true; return &s }()) // it does not begin anew
	w.Advance(transcript.Epoch.Add(11*time.Minute+10*time.Second).Sub(w.Now), true)
	if n := len(w.B.Snapshot().IKE); n != 0 {
		t.Errorf("b has %d IKE SAs of a peer that was authenticated 11 minutes before", n)
	}
}

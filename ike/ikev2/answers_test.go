package ikev2_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A COOKIE is taken whatever SPI the responder puts beside it (RFC 7296 §2.6).
func TestCookieBesideAnSPI(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.A.Up()
	request, err := wire.ParseMessage(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h := wire.Header{InitiatorSPI: request.InitiatorSPI, ResponderSPI: 77, Exchange: wire.ExchangeIKESAInit, Flags: wire.FlagResponse}
	cookie := &wire.Notify{NotifyType: wire.NotifyCookie, Data: []byte("a cookie")}
	raw, err := (&wire.Message{Header: h, Payloads: []wire.Payload{cookie}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.A.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.1:500"), Remote: netip.MustParseAddrPort("192.0.2.2:500")})
	w.Drop(0)
	again, err := wire.ParseMessage(w.Network[len(w.Network)-1].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if n := wire.FindNotify(again.Payloads, wire.NotifyCookie); n == nil || string(n.Data) != "a cookie" || again.ResponderSPI != 0 {
		t.Errorf("a sends %s with the responder's SPI %x", again.Summary(), again.ResponderSPI)
	}
	if want := "N(COOKIE) " + request.Summary(); again.Summary() != want {
		t.Errorf("a sends %s, which is not %s", again.Summary(), want)
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// Every request that is authentic is answered, and one that may not be made with the
// error (§2.21.3): an exchange that there is not, or that is over.
func TestMisplacedExchanges(t *testing.T) {
	for ex, ps := range map[wire.ExchangeType][]wire.Payload{
		wire.ExchangeIKEAuth: inAuth(), wire.ExchangeIKEIntermediate: {&wire.KeyExchange{Group: 31, Data: make([]byte, 32)}}, 240: nil,
	} {
		w := tunnel(t)
		if got := forge(w, ex, ps...); got != "N(INVALID_SYNTAX)" || up(w.B) {
			t.Errorf("b answers %q to %v and is %v", got, ex, w.B.Machine.Snapshot().State)
		}
		w.DeliverAll()
		if up(w.A) {
			t.Errorf("a still has the IKE SA in which %v was invalid", ex)
		}
	}
}

// inAuth are the payloads of an IKE_AUTH request that a sound peer could send.
func inAuth() []wire.Payload {
	return append(slices.DeleteFunc(childOffer(0x1234), func(p wire.Payload) bool { return p.Type() == wire.PayloadNonce }),
		&wire.Identification{Initiator: true, IDType: wire.IDFQDN, Data: []byte("a.example")},
		&wire.Authentication{Method: wire.AuthSharedKey, Data: make([]byte, 32)})
}

// Before the peer is authenticated a request of another exchange than the next one is
// dropped, with whatever keys it comes: the true one may still come (§1, §1.2; RFC 9370
// §2.2.2).
func TestMisplacedBeforeAuth(t *testing.T) {
	for ex, ps := range map[wire.ExchangeType][]wire.Payload{
		wire.ExchangeIKEAuth: inAuth(), wire.ExchangeInformational: {&wire.Delete{Protocol: wire.ProtocolIKE}}, wire.ExchangeCreateChildSA: childOffer(0x1234),
	} {
		a, b := transcript.Pair()
		a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem512")
		b.IKEProposals = a.IKEProposals
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.A.Up()
		w.Deliver(0)
		w.Deliver(0)
		next := *w.Network[0] // IKE_INTERMEDIATE
		w.Drop(0)
		w.B.Actions = nil
		if got := forge(w, ex, ps...); got != "nothing" {
			t.Errorf("b answers %q to %v", got, ex)
		}
		w.B.Receive(sa.Datagram{Raw: next.Bytes, Local: next.Destination, Remote: next.Source})
		if got := answer(w.B); got != "KE" {
			t.Errorf("b answers %q after %v", got, ex)
		}
	}
}

// A copy of a request of the peer, which anybody can send, is no sign that it lives (§2.4).
func TestCopiesProveNoLife(t *testing.T) {
	w := tunnel(t)
	var request sa.Send
	for _, act := range w.A.Machine.Forge(w.Now, wire.ExchangeInformational) {
		if s, ok := act.(sa.Send); ok {
			request = s
		}
	}
	for range 300 { // a is dead
		w.B.Receive(sa.Datagram{Raw: slices.Clone(request.Bytes), Local: request.Remote, Remote: request.Local})
		w.Advance(time.Second, false)
		w.Network = nil
	}
	if up(w.B) {
		t.Error("b takes the copies of a stranger for a")
	}
}

// An answer that makes no sense ends the IKE SA at both ends: the peer, which believes
// in it, is told (§2.21, §2.21.2).
func TestBadAnswersEndTheIKESA(t *testing.T) {
	twice := func(ps []wire.Payload) []wire.Payload { return append(slices.Clone(ps), ps[0]) }
	critical := func(ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), &wire.Unknown{PayloadType: 200, Critical: true})
	}
	for _, c := range []struct {
		name  string
		in    wire.ExchangeType
		ask   sa.Event
		alter func([]wire.Payload) []wire.Payload
		want  string
	}{
		{"two identities", wire.ExchangeIKEAuth, nil, twice, "N(INVALID_SYNTAX)"},
		{"a critical payload", wire.ExchangeIKEAuth, nil, critical, "N(UNSUPPORTED_CRITICAL_PAYLOAD)"},
		{"two SAs for a Child SA", wire.ExchangeCreateChildSA, sa.Rekey{Children: true}, twice, "D(IKE)"},
		{"two SAs for an IKE SA", wire.ExchangeCreateChildSA, sa.Rekey{IKE: true}, twice, "D(IKE)"},
		{"a critical payload behind a liveness check", wire.ExchangeInformational, nil, critical, "D(IKE)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := transcript.Pair()
			told := false
			w := transcript.New(a, b, func(line string) {
				t.Log(line)
				told = told || strings.Contains(line, "a sends INFORMATIONAL") && strings.HasSuffix(line, c.want)
			})
			faulty := func(h wire.Header, ps []wire.Payload) []wire.Payload {
				if h.Exchange != c.in || !h.Flags.Response() {
					return ps
				}
				w.B.Faulty = nil
				return c.alter(ps)
			}
			if c.in == wire.ExchangeIKEAuth {
				w.B.Faulty = faulty
			}
			w.A.Up()
			w.DeliverAll()
			var first uint64
			if c.in != wire.ExchangeIKEAuth {
				first, w.B.Faulty = w.A.Machine.Snapshot().IKE[0].SPIi, faulty
			}
			if c.ask != nil {
				w.A.Step(c.ask)
				w.DeliverAll()
			}
			if c.in == wire.ExchangeInformational {
				w.Advance(a.DPD, true)
			}
			if !told {
				t.Errorf("a does not say %s", c.want)
			}
			for _, h := range []*transcript.Host{w.A, w.B} {
				for _, i := range h.Machine.Snapshot().IKE {
					if first == 0 || i.SPIi == first {
						t.Errorf("%s still has the IKE SA, which is %v", h.Name, i.State)
					}
				}
			}
		})
	}
}

// What an initiator says of our IKE_AUTH ends the IKE SA right behind it, and is
// nothing later (§2.21.2).
func TestErrorsBehindAuth(t *testing.T) {
	for _, n := range []wire.NotifyType{wire.NotifyInvalidSyntax, wire.NotifyUnsupportedCriticalPayload} {
		for _, late := range []bool{false, true} {
			w := tunnel(t)
			if late {
				w.Advance(w.A.Settings.DPD, true)
			}
			if got := forge(w, wire.ExchangeInformational, notify(n, 0, nil)); got != "" || up(w.B) != late {
				t.Errorf("b answers %q to %v and is %v, later %v", got, n, w.B.Machine.Snapshot().State, late)
			}
		}
	}
}

// A responder that does not take a cookie with another group gives another cookie, and
// the request is repeated with that (RFC 7296 §2.6.1).
func TestAnotherCookieAfterAGroup(t *testing.T) {
	a, b := transcript.Pair()
	a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ecp256")
	b.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-ecp256")
	w := transcript.New(a, b, nil)
	w.A.Up()
	for _, n := range []*wire.Notify{
		{NotifyType: wire.NotifyCookie, Data: []byte("one")},
		{NotifyType: wire.NotifyInvalidKEPayload, Data: []byte{0, 19}},
		{NotifyType: wire.NotifyCookie, Data: []byte("another")},
	} {
		tell(t, w, n)
	}
	again, err := wire.ParseMessage(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if n := wire.FindNotify(again.Payloads, wire.NotifyCookie); n == nil || string(n.Data) != "another" {
		t.Errorf("a sends %s", again.Summary())
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// tell answers a's IKE_SA_INIT on the network with n alone, in b's place.
func tell(t *testing.T, w *transcript.World, n *wire.Notify) {
	t.Helper()
	h, err := wire.ParseHeader(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h.Flags = wire.FlagResponse
	raw, err := (&wire.Message{Header: h, Payloads: []wire.Payload{n}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Drop(0)
	w.A.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.1:500"), Remote: netip.MustParseAddrPort("192.0.2.2:500")})
}

// An answer chooses one proposal: of one with two nothing is made (§2.7).
func TestAnswerOfTwoProposals(t *testing.T) {
	for name, ask := range map[string]sa.Event{"IKE_SA_INIT": nil, "IKE_AUTH": nil, "a Child SA": sa.Rekey{Children: true}, "an IKE SA": sa.Rekey{IKE: true}} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		if ask != nil {
			w.Stand()
		}
		before := w.A.Snapshot()
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			out := slices.Clone(ps)
			for i, p := range ps {
				if offer, ok := p.(*wire.SecurityAssociation); ok && h.Flags.Response() && (ask != nil || h.Exchange.String() == name) {
					out[i] = &wire.SecurityAssociation{Proposals: append(slices.Clone(offer.Proposals), offer.Proposals...)}
				}
			}
			return out
		}
		if ask == nil {
			w.A.Up()
		} else {
			w.A.Step(ask)
		}
		w.DeliverAll()
		after := w.A.Snapshot()
		switch {
		case len(after.Children) > len(before.Children):
			t.Errorf("%s: a has a Child SA", name)
		case len(after.Children) > 0 && after.Children[0].Child.SPIIn != before.Children[0].Child.SPIIn:
			t.Errorf("%s: a has another Child SA", name)
		case len(after.IKE) > 0 && len(before.IKE) > 0 && after.IKE[0].SPIi != before.IKE[0].SPIi:
			t.Errorf("%s: a has another IKE SA", name)
		}
	}
}

// The responder may narrow, and only that: nothing is made of an answer with more than was
// asked for, and the peer hears that its Child SA is not taken (§2.9).
func TestAnswerWiderThanTheOffer(t *testing.T) {
	for _, initiator := range []bool{true, false} { // TSi or TSr
		a, b := transcript.Pair()
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			out := slices.Clone(ps)
			for i, p := range ps {
				if ts, ok := p.(*wire.TrafficSelectors); ok && h.Flags.Response() && ts.Initiator == initiator {
					wide := ts.Selectors[0]
					wide.Start, wide.End = netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.255.255.255")
					out[i] = &wire.TrafficSelectors{Initiator: initiator, Selectors: []wire.TrafficSelector{wide}}
				}
			}
			return out
		}
		w.A.Up()
		w.DeliverAll()
		f := w.A.Snapshot().LastFailure
		if na, nb := len(w.A.Snapshot().Children), len(w.B.Snapshot().Children); na+nb > 0 || f == nil || f.Reason != sa.ReasonSelectorMismatch {
			t.Errorf("TSi %v: a has %d Child SAs, b has %d, and the failure is %v", initiator, na, nb, f)
		}
	}
}

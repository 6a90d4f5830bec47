package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A share of another method than the one whose turn it is, though it is as long, ends the
// key exchange (RFC 9370 §2.2.2, §2.2.4).
func TestShareOfAnotherMethod(t *testing.T) {
	for _, c := range []struct {
		exchange wire.ExchangeType
		response bool
		ask      sa.Rekey
	}{
		{wire.ExchangeIKEIntermediate, false, sa.Rekey{}}, {wire.ExchangeIKEIntermediate, true, sa.Rekey{}},
		{wire.ExchangeIKEFollowupKE, false, sa.Rekey{Children: true}}, {wire.ExchangeIKEFollowupKE, true, sa.Rekey{Children: true}},
		{wire.ExchangeIKEFollowupKE, false, sa.Rekey{IKE: true}}, {wire.ExchangeIKEFollowupKE, true, sa.Rekey{IKE: true}},
	} {
		w := hybrid(t)
		other := func(h wire.Header, ps []wire.Payload) []wire.Payload {
			out := slices.Clone(ps)
			for i, p := range out {
				if ke, ok := p.(*wire.KeyExchange); ok && h.Exchange == c.exchange && h.Flags.Response() == c.response {
					out[i] = &wire.KeyExchange{Group: ke.Group + 1, Data: ke.Data}
				}
			}
			return out
		}
		w.A.Faulty, w.B.Faulty = other, other
		w.A.Up()
		w.DeliverAll()
		if c.exchange == wire.ExchangeIKEIntermediate {
			if up(w.A) || up(w.B) {
				t.Errorf("%+v: an IKE SA was made", c)
			}
			continue
		}
		spi := w.A.Snapshot().Children[0].Child.SPIIn
		w.A.Step(c.ask)
		w.DeliverAll()
		if s := w.A.Snapshot(); c.ask.Children && len(s.Children) > 0 && s.Children[len(s.Children)-1].Child.SPIIn != spi {
			t.Errorf("%+v: a Child SA was made", c)
		}
		if c.ask.IKE && len(w.A.Machine.Snapshot().IKE) > 1 {
			t.Errorf("%+v: an IKE SA was made", c)
		}
	}
}

// Several additional key exchanges behind CREATE_CHILD_SA are one IKE_FOLLOWUP_KE each, and
// every answer but the last has a link (RFC 9370 §2.2.4).
func TestSeveralFollowUps(t *testing.T) {
	a, b := transcript.Pair()
	a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke2_mlkem512")
	a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem768-ke2_mlkem512")
	b.IKEProposals, b.ESPProposals = a.IKEProposals, a.ESPProposals
	w := transcript.New(a, b, nil)
	w.Stand()
	var links []bool
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange == wire.ExchangeIKEFollowupKE {
			links = append(links, wire.FindNotify(ps, wire.NotifyAdditionalKeyExchange) != nil)
		}
		return ps
	}
	for _, ask := range []sa.Rekey{{Children: true}, {IKE: true}} {
		links = nil
		w.A.Step(ask)
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil || !slices.Equal(links, []bool{true, false}) {
			t.Errorf("%+v: the answers have links %v: %v", ask, links, err)
		}
	}
}

// An IKE_FOLLOWUP_KE with another link than was given is answered STATE_NOT_FOUND (RFC
// 9370 §2.2.4).
func TestAnotherLink(t *testing.T) {
	w := hybrid(t)
	w.Stand()
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if n, ok := p.(*wire.Notify); ok && n.NotifyType == wire.NotifyAdditionalKeyExchange {
				other := slices.Clone(n.Data)
				other[0] ^= 1
				out[i] = &wire.Notify{NotifyType: n.NotifyType, Data: other}
			}
		}
		return out
	}
	w.A.Step(sa.Rekey{Children: true})
	w.DeliverAll()
	if got := answer(w.B); got != "N(STATE_NOT_FOUND)" {
		t.Errorf("b answers %s", got)
	}
}

// A request to rekey the IKE SA while it is being rekeyed by IKE_FOLLOWUP_KE is put off
// (RFC 9370 §2.2.4).
func TestRekeyDuringFollowUps(t *testing.T) {
	w := hybrid(t)
	w.Stand()
	var said []wire.Payload
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange == wire.ExchangeCreateChildSA {
			said = ps
		}
		return ps
	}
	w.A.Step(sa.Rekey{IKE: true})
	w.Deliver(0)
	w.Deliver(0)
	if got := answer(w.A); got != "KE N(ADDITIONAL_KEY_EXCHANGE)" {
		t.Fatalf("a sends %s", got)
	}
	for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeCreateChildSA, said...) {
		if s, ok := act.(sa.Send); ok {
			w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
		}
	}
	if got := answer(w.A); got != "N(TEMPORARY_FAILURE)" {
		t.Errorf("a answers %s", got)
	}
}

// IKE_INTERMEDIATE has the message IDs from 1 on; one out of turn is not answered, and the
// true one still is (RFC 9242 §3.2).
func TestIntermediateOutOfTurn(t *testing.T) {
	w := hybrid(t)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	next := *w.Network[0]
	w.Drop(0)
	w.A.Machine.SetMessageIDs(2, 0)
	w.B.Actions = nil
	if got := forge(w, wire.ExchangeIKEIntermediate, &wire.KeyExchange{Group: 36, Data: make([]byte, 1184)}); got != "nothing" {
		t.Errorf("b answers %s to message ID 2", got)
	}
	w.B.Receive(sa.Datagram{Raw: next.Bytes, Local: next.Destination, Remote: next.Source})
	if got := answer(w.B); got != "KE" {
		t.Errorf("b answers %s to message ID 1", got)
	}
}

// An answer that chooses additional key exchanges and does not announce IKE_INTERMEDIATE is
// not taken (RFC 9370 §2.2.1).
func TestAdditionalWithoutTheAnnouncement(t *testing.T) {
	w := hybrid(t)
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
			n, ok := p.(*wire.Notify)
			return ok && n.NotifyType == wire.NotifyIntermediateExchangeSupported
		})
	}
	w.A.Up()
	w.DeliverAll()
	if i := slices.IndexFunc(w.A.Actions, func(act sa.Action) bool {
		e, ok := act.(sa.Emit)
		tr, sent := e.Report.(sa.MessageTrace)
		return ok && sent && tr.Sent && tr.Exchange == wire.ExchangeIKEIntermediate.String()
	}); i >= 0 || up(w.A) {
		t.Error("a goes on with IKE_INTERMEDIATE")
	}
}

package ikev2_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A public value in an answer that there cannot be ends the IKE SA: the peer hears a
// DELETE (RFC 6989 §2.5).
func TestInvalidPublicValueInAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		exchange wire.ExchangeType
		ask      sa.Rekey
	}{
		"rekey of the IKE SA":               {wire.ExchangeCreateChildSA, sa.Rekey{IKE: true}},
		"rekey of a Child SA":               {wire.ExchangeCreateChildSA, sa.Rekey{Children: true}},
		"follow-up, rekey of the IKE SA":    {wire.ExchangeIKEFollowupKE, sa.Rekey{IKE: true}},
		"follow-up, rekey of the Child SAs": {wire.ExchangeIKEFollowupKE, sa.Rekey{Children: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := hybrid(t)
			w.A.Up()
			w.DeliverAll()
			if err := transcript.Agree(w); err != nil {
				t.Fatal(err)
			}
			w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
				out := slices.Clone(ps)
				for i, p := range out {
					if ke, ok := p.(*wire.KeyExchange); ok && h.Exchange == c.exchange && h.Flags.Response() {
						out[i] = &wire.KeyExchange{Group: ke.Group, Data: make([]byte, len(ke.Data)-1)}
					}
				}
				return out
			}
			w.A.Step(c.ask)
			for len(w.Network) > 0 && answer(w.A) != "D(IKE)" {
				w.Deliver(0)
			}
			if answer(w.A) != "D(IKE)" {
				t.Fatalf("a sends %s", answer(w.A))
			}
			w.DeliverAll()
			if up(w.A) || len(w.A.Inbound) != 0 {
				t.Error("a goes on")
			}
			// After the last exchange of a rekey b has the new IKE SA, which a liveness
			// check ends.
			w.B.Faulty = nil
			w.Advance(5*time.Minute, true)
			if len(w.B.Inbound) != 0 && !up(w.A) {
				t.Error("b goes on")
			}
		})
	}
}

// An answer to the rekey of an IKE SA that chooses what was not offered ends it, at the
// peer too.
func TestAnswerToARekeyThatDoesNotFit(t *testing.T) {
	w := hybrid(t)
	w.A.Up()
	w.DeliverAll()
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if o, ok := p.(*wire.SecurityAssociation); ok && h.Flags.Response() {
				chosen := o.Proposals[0]
				chosen.Transforms = append(slices.Clone(chosen.Transforms), wire.Transform{Type: 7, ID: 36}) // ML-KEM-768 once more
				out[i] = &wire.SecurityAssociation{Proposals: []wire.Proposal{chosen}}
			}
		}
		return out
	}
	w.A.Step(sa.Rekey{IKE: true})
	for len(w.Network) > 0 && answer(w.A) != "D(IKE)" {
		w.Deliver(0)
	}
	if answer(w.A) != "D(IKE)" {
		t.Errorf("a sends %s", answer(w.A))
	}
	f := w.A.Snapshot().LastFailure
	if f == nil || !strings.Contains(f.Local, "ke1_mlkem768") || !strings.Contains(f.Remote, "a key share of group") {
		t.Errorf("shown is %+v", f)
	}
}

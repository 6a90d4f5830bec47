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

// Proposals with additional key exchanges are skipped, NONE too, where the initiator did
// not announce IKE_INTERMEDIATE; the others count (RFC 9370 §2.2.1).
func TestAdditionalKeyExchangesWithoutIntermediate(t *testing.T) {
	const additional1, mlkem768 = 6, 36
	offer := func(m *wire.Message) *wire.SecurityAssociation { return m.Payloads[0].(*wire.SecurityAssociation) }
	with := func(p wire.Proposal, id uint16) wire.Proposal {
		p.Transforms = append(slices.Clone(p.Transforms), wire.Transform{Type: additional1, ID: id})
		return p
	}
	for name, c := range map[string]struct {
		change func(*wire.Message)
		want   string
	}{
		"alone": {func(m *wire.Message) { offer(m).Proposals[0] = with(offer(m).Proposals[0], mlkem768) }, "N(NO_PROPOSAL_CHOSEN)"},
		"none":  {func(m *wire.Message) { offer(m).Proposals[0] = with(offer(m).Proposals[0], 0) }, "N(NO_PROPOSAL_CHOSEN)"},
		"before another": {func(m *wire.Message) {
			second := offer(m).Proposals[0]
			second.Number = 2
			offer(m).Proposals = []wire.Proposal{with(offer(m).Proposals[0], mlkem768), second}
		}, "SA KE No N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)"},
	} {
		a, b := transcript.Pair()
		b.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem768", "aes256gcm16-prfsha256-x25519")
		w := transcript.New(a, b, nil)
		w.B.Receive(sa.Datagram{Raw: initRequest(t, c.change), Local: atB, Remote: atA})
		if got := answer(w.B); got != c.want {
			t.Errorf("%s: b answers %s, want %s", name, got, c.want)
		}
	}
}

// A peer that loses the state of additional key exchanges time and again ends the IKE SA
// (RFC 9370 §2.2.4): where we may begin another, once that stands in its place.
func TestStateIsLostTimeAndAgain(t *testing.T) {
	for _, ask := range []sa.Rekey{{IKE: true}, {Children: true}} {
		for _, respondOnly := range []bool{false, true} {
			w := hybrid(t)
			w.B.Settings.RespondOnly = respondOnly
			w.A.Up()
			w.DeliverAll()
			w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
			w.DeliverAll()
			lost, deleted := 0, false
			w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
				deleted = deleted || wire.Summary(ps) == "D(IKE)"
				if h.Exchange != wire.ExchangeIKEFollowupKE || h.Flags.Response() {
					return ps
				}
				lost++ // since it names what a does not know
				return []wire.Payload{ps[0], notify(wire.NotifyAdditionalKeyExchange, 0, nil)}
			}
			for range 10 {
				w.B.Step(ask)
				w.DeliverAll()
				if deleted {
					break
				}
			}
			most := 3
			if respondOnly {
				most = 4
			}
			if lost != most || !deleted {
				t.Errorf("%+v, responds only %v: after %d times the IKE SA is deleted: %v", ask, respondOnly, lost, deleted)
			}
			if !respondOnly && len(w.B.Inbound) == 0 {
				t.Errorf("%+v: there is no Child SA any more", ask)
			}
		}
	}
}

// collision is two ends that replace the same at once, each with an additional key
// exchange, after both CREATE_CHILD_SA were answered; the end that goes on, and the other.
func collision(t *testing.T, ask sa.Rekey, broken bool) (w *transcript.World, loser *transcript.Host) {
	t.Helper()
	w = hybrid(t)
	w.A.Up()
	w.DeliverAll()
	w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
	w.Advance(10*time.Second, true)
	for _, h := range []*transcript.Host{w.A, w.B} {
		h.Faulty = func(header wire.Header, ps []wire.Payload) []wire.Payload {
			if header.Exchange == wire.ExchangeIKEFollowupKE && !header.Flags.Response() && broken {
				broken = false
				return []wire.Payload{ps[0], notify(wire.NotifyAdditionalKeyExchange, 0, nil)}
			}
			return ps
		}
	}
	w.A.Step(ask)
	w.B.Step(ask)
	for range 4 {
		w.Deliver(0)
	}
	var follow []*transcript.Host
	for _, p := range w.Network {
		if h, err := wire.ParseHeader(p.Bytes); err == nil && h.Exchange == wire.ExchangeIKEFollowupKE {
			follow = append(follow, p.From)
		}
	}
	if len(follow) != 1 {
		t.Fatalf("%d ends go on with their key exchanges", len(follow))
	}
	if loser = w.B; follow[0] == w.B {
		loser = w.A
	}
	return w, loser
}

// Of two crossing rekeys the one with the lowest nonce goes no further than
// CREATE_CHILD_SA (RFC 9370 §2.2.4); where the other fails after all, there is another.
func TestCollisionEndsBeforeFollowUps(t *testing.T) {
	for _, ask := range []sa.Rekey{{IKE: true}, {Children: true}} {
		for _, broken := range []bool{false, true} {
			w, loser := collision(t, ask, broken)
			before := loser.Snapshot().Children[0].Child.SPIIn
			w.Advance(2*time.Minute, true)
			if err := transcript.Agree(w); err != nil {
				t.Errorf("%+v, broken %v: %v", ask, broken, err)
			}
			if now := loser.Snapshot().Children[0].Child.SPIIn; ask.Children && now == before {
				t.Errorf("broken %v: the Child SA was not replaced", broken)
			}
		}
	}
}

// A faulty peer goes on with the key exchanges of a collision that it lost. Nothing is
// made of their secrets, which are erased by then, and of the SPI, which is given back:
// the peer hears STATE_NOT_FOUND.
func TestTheLoserGoesOn(t *testing.T) {
	refused := 0
	for seed := range uint64(16) {
		w := hybrid(t)
		w.A.Reseed(seed)
		w.A.Up()
		w.DeliverAll()
		w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
		w.Advance(10*time.Second, true)
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if h.Exchange != wire.ExchangeCreateChildSA || !h.Flags.Response() {
				return ps
			}
			ps = slices.Clone(ps)
			for i, p := range ps {
				if n, ok := p.(*wire.Nonce); ok { // a is to see another one as the lowest than b
					ps[i] = &wire.Nonce{Data: filled(len(n.Data), 0xff)}
				}
			}
			return ps
		}
		w.A.Step(sa.Rekey{Children: true})
		w.B.Step(sa.Rekey{Children: true})
		w.Deliver(1) // b's request
		w.Deliver(0) // a's request
		w.Deliver(0) // a's answer
		if h, err := wire.ParseHeader(w.Network[len(w.Network)-1].Bytes); err != nil || h.Exchange != wire.ExchangeIKEFollowupKE {
			continue // b knows that it lost
		}
		w.HoldWork = true
		w.Deliver(0) // b's answer, from which a sees that b lost
		w.Deliver(0) // b's additional key exchange
		w.HoldWork = false
		w.Work()
		for _, p := range w.Network {
			if h, err := wire.ParseHeader(p.Bytes); err == nil && p.From == w.A && h.Exchange == wire.ExchangeIKEFollowupKE && !h.Flags.Response() {
				refused++ // a goes on, too
			}
		}
		if len(w.Faults) > 0 {
			t.Errorf("seed %d: %v", seed, w.Faults)
		}
	}
	if refused == 0 {
		t.Error("b never went on after it lost")
	}
}

// An answer of INVALID_SYNTAX ends the IKE SA at both ends, whatever was wrong (RFC 7296
// §2.21.3): here a share of another method than was agreed.
func TestOtherShareInAFollowUp(t *testing.T) {
	w := hybrid(t)
	w.Stand()
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEFollowupKE || h.Flags.Response() {
			return ps
		}
		out := slices.Clone(ps)
		for i, p := range out {
			if ke, ok := p.(*wire.KeyExchange); ok {
				out[i] = &wire.KeyExchange{Group: ke.Group + 1, Data: ke.Data}
			}
		}
		return out
	}
	w.A.Step(sa.Rekey{IKE: true})
	w.DeliverAll()
	if up(w.A) || up(w.B) || len(w.Faults) > 0 {
		t.Errorf("a is up: %v, b is up: %v, faults %v", up(w.A), up(w.B), w.Faults)
	}
}

// ESP on a Child SA whose last key exchange the peer has answered, and we have not heard,
// is of no Child SA that only the peer has.
func TestESPBeforeTheLastKeyExchange(t *testing.T) {
	a, b := transcript.Pair()
	a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem512")
	b.ESPProposals = a.ESPProposals
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(sa.Rekey{Children: true})
	for len(w.B.Snapshot().Children) < 2 {
		w.Deliver(0)
	}
	made := w.B.Snapshot().Children[1].Child
	w.A.Step(sa.UnknownSPI{SPI: made.SPIOut, Local: made.Remote, Remote: made.Local})
	w.DeliverAll()
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Error(err, w.Faults)
	}
	if w.A.Sends("net").SPIIn != made.SPIOut {
		t.Error("a had the new Child SA deleted")
	}
}

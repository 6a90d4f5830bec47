package ikev2_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// A request is repeated bit by bit the same, and so is its answer, which the responder
// sends once for each request that comes and never by itself (RFC 7296 §2.1).
func TestRepeatsAreIdentical(t *testing.T) {
	a, b := transcript.Pair()
	a.DPD, b.DPD = 0, 0
	a.IKEProposals = transcript.Proposals(1, "aes256-sha256-x25519") // each message has an IV of its own
	b.IKEProposals = a.IKEProposals
	w := transcript.New(a, b, nil)
	w.Stand()
	w.A.Step(sa.Rekey{Children: true})
	w.Advance(5*time.Second, false)
	requests := slices.Clone(w.Network)
	if len(requests) < 2 {
		t.Fatalf("a sends %d requests", len(requests))
	}
	w.Network = nil
	for _, p := range requests {
		if !bytes.Equal(p.Bytes, requests[0].Bytes) {
			t.Error("a repeats another request")
		}
		w.B.Receive(sa.Datagram{Raw: slices.Clone(p.Bytes), Local: p.Destination, Remote: p.Source})
	}
	answers := slices.Clone(w.Network)
	if len(answers) != len(requests) {
		t.Errorf("b answers %d times to %d requests", len(answers), len(requests))
	}
	for _, p := range answers {
		if !bytes.Equal(p.Bytes, answers[0].Bytes) {
			t.Error("b gives another answer")
		}
	}
	w.Network = nil
	for range 20 {
		w.Now = w.Now.Add(time.Second)
		w.B.Step(sa.TimerDue{})
	}
	if slices.ContainsFunc(w.Network, func(p *transcript.Packet) bool { return p.From == w.B }) {
		t.Errorf("b sends %v by itself", w.Network)
	}
}

// An IKE SA is replaced long before its message IDs wrap, whichever end's those are (RFC
// 7296 §2.2). Each end counts its own requests.
func TestMessageIDsNeverWrap(t *testing.T) {
	const half = 1 << 31
	for _, c := range []struct {
		send, receive uint32
		replaced      bool
	}{{half - 1, 0, false}, {0, half - 1, false}, {half, 0, true}, {0, half, true}} {
		w := tunnel(t)
		w.A.Machine.SetMessageIDs(c.send, c.receive)
		w.A.Step(sa.TimerDue{})
		if got := len(w.Network) == 1 && answer(w.A) == "SA No KE"; got != c.replaced {
			t.Errorf("a sends request %d, awaits %d, and rekeys: %v", c.send, c.receive, got)
		}
	}
	w := tunnel(t)
	for range 3 {
		if got := forge(w, wire.ExchangeInformational); got != "" {
			t.Fatalf("b answers %q", got)
		}
		w.DeliverAll()
	}
	if id := header(t, w.B.Machine.ForgeRaw(wire.ExchangeInformational, 0, nil)).MessageID; id != 0 {
		t.Errorf("the first request of b has message ID %d", id)
	}
	w.A.Actions = nil
	if got := forgeTo(w.B, w.A, w); got != "" {
		t.Errorf("a answers %q to it", got)
	}
}

func header(t *testing.T, raw []byte) wire.Header {
	t.Helper()
	h, err := wire.ParseHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// An IKE SA that replaces another counts from 0 again, at both ends, and who asked for it
// is its initiator (RFC 7296 §2.2, §2.18).
func TestRekeyedIKESACountsAnew(t *testing.T) {
	for _, byA := range []bool{true, false} {
		w := tunnel(t)
		for range 3 { // the old one has come further, both ways
			forge(w, wire.ExchangeInformational)
			w.DeliverAll()
		}
		asks := w.A
		if !byA {
			asks = w.B
		}
		asks.Step(sa.Rekey{IKE: true})
		w.DeliverAll()
		for _, h := range []*transcript.Host{w.A, w.B} {
			got := header(t, h.Machine.ForgeRaw(wire.ExchangeInformational, 0, nil))
			if got.MessageID != 0 || got.Flags.Initiator() != (h == asks) {
				t.Errorf("a rekeyed %v: the first request of %s is %v, flags %v", byA, h.Name, got, got.Flags)
			}
		}
		if got := forge(w, wire.ExchangeInformational); got != "" {
			t.Errorf("b answers %q to the first request", got)
		}
		w.DeliverAll()
		w.Advance(time.Minute, true)
		if err := transcript.Agree(w); err != nil {
			t.Errorf("a rekeyed %v: %v", byA, err)
		}
	}
}

// AUTH covers the ID payload as it came, its reserved octets too (RFC 7296 §2.15).
func TestReservedOctetsOfAnIdentityCount(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		out := slices.Clone(ps)
		var id *wire.Identification
		var proof *wire.Authentication
		for i, p := range out {
			switch p := p.(type) {
			case *wire.Identification:
				if p.Initiator {
					id, proof = w.A.Machine.ShownWith([3]byte{1, 2, 3}, p)
					out[i] = id
				}
			case *wire.Authentication:
				out[i] = proof
			}
		}
		return out
	}
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

const (
	unknownError  wire.NotifyType = 8191  // of the private range of errors
	unknownStatus wire.NotifyType = 40999 // and of status types
)

// An error type that is not known, in an answer, means that the request failed; in a
// request it means nothing, and no unknown status type ever does (RFC 7296 §3.10.1).
func TestUnknownNotifyTypes(t *testing.T) {
	w := tunnel(t)
	for _, n := range []wire.NotifyType{unknownError, unknownStatus} {
		if got := forge(w, wire.ExchangeInformational, notify(n, 0, nil)); got != "" || !up(w.A) || !up(w.B) {
			t.Errorf("b answers %q to %v in a request", got, n)
		}
	}
	answered := func(n wire.NotifyType, alone bool) (rekeyed bool) {
		w := tunnel(t)
		before := w.A.Snapshot().Children[0].Child.SPIIn
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			switch {
			case h.Exchange != wire.ExchangeCreateChildSA || !h.Flags.Response():
				return ps
			case alone:
				return []wire.Payload{notify(n, 0, nil)}
			}
			return append(slices.Clone(ps), notify(n, 0, nil))
		}
		w.A.Step(sa.Rekey{Children: true})
		w.Deliver(0)
		w.Deliver(0)
		if !up(w.A) {
			t.Errorf("%v in an answer ends the IKE SA", n)
		}
		c := w.A.Snapshot().Children
		return c[len(c)-1].Child.SPIIn != before
	}
	if answered(unknownError, true) {
		t.Error("a Child SA came of an answer with an unknown error")
	}
	if !answered(unknownStatus, false) {
		t.Error("an unknown status type in an answer failed the request")
	}
}

// A request is served while one of our own is on its way (RFC 7296 §2.3).
func TestRequestsCross(t *testing.T) {
	w := tunnel(t)
	w.A.Step(sa.Rekey{Children: true}) // stays on the network
	for range 3 {
		w.B.Step(sa.Rekey{IKE: true}) // is refused for now, which is an answer
		w.Advance(100*time.Millisecond, false)
	}
	before := len(w.Network)
	if before < 2 {
		t.Fatalf("%d requests are on the network", before)
	}
	w.Deliver(1)
	last := w.Network[len(w.Network)-1]
	if h, err := wire.ParseHeader(last.Bytes); err != nil || last.From != w.A || !h.Flags.Response() {
		t.Errorf("a does not answer while its own request is on its way: %v", h)
	}
}

// Vendor IDs, and payloads of unknown types that are not critical, change nothing in
// any exchange (RFC 7296 §2.5, §3.12).
func TestVendorIDsAreIgnored(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	more := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return append([]wire.Payload{&wire.VendorID{Data: []byte("somebody")}, &wire.Unknown{PayloadType: 200, Data: []byte{1}}}, ps...)
	}
	w.A.Faulty, w.B.Faulty = more, more
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	for _, rekey := range []sa.Rekey{{Children: true}, {IKE: true}} {
		w.A.Step(rekey)
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Error(err)
		}
	}
}

// No payload that this sends is critical: all its types are of RFC 7296 (§3.2).
func TestNothingSentIsCritical(t *testing.T) {
	id := transcript.Identity("a.example")
	for _, p := range []wire.Payload{
		&wire.SecurityAssociation{}, &wire.KeyExchange{Group: 19, Data: []byte{1}}, &wire.Nonce{Data: make([]byte, 32)}, notify(wire.NotifyInitialContact, 0, nil),
		id.Payload(true), id.Payload(false), &wire.Authentication{Method: wire.AuthSharedKey, Data: []byte{1}}, &wire.Certificate{Encoding: wire.CertX509Signature, Data: []byte{1}},
		&wire.CertificateRequest{Encoding: wire.CertX509Signature}, &wire.Delete{Protocol: wire.ProtocolIKE}, &wire.VendorID{Data: []byte{1}},
	} {
		raw, err := (&wire.Message{Header: wire.Header{InitiatorSPI: 1, Exchange: wire.ExchangeInformational}, Payloads: []wire.Payload{p}}).Append(nil)
		if err != nil {
			continue // a payload that cannot be empty
		}
		if raw[29] != 0 {
			t.Errorf("%v is sent with flags %#x", p.Type(), raw[29])
		}
	}
}

// Payloads may come in any order (RFC 7296 §2.5), but for those whose order means
// something.
func TestPayloadsInAnyOrder(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	reversed := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		ps = slices.Clone(ps)
		slices.Reverse(ps)
		return ps
	}
	w.A.Faulty, w.B.Faulty = reversed, reversed
	w.A.Up()
	w.DeliverAll()
	for _, rekey := range []sa.Rekey{{}, {Children: true}, {IKE: true}} {
		w.A.Step(rekey)
		w.Advance(10*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Errorf("%+v: %v", rekey, err)
		}
	}
}

// Messages of more than 3000 octets are taken, and sent, in every exchange (RFC 7296 §2).
func TestMessagesOf3000Octets(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	long := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		return append(slices.Clone(ps), &wire.VendorID{Data: make([]byte, 3000)})
	}
	w.A.Faulty, w.B.Faulty = long, long
	w.A.Up()
	w.DeliverAll()
	w.A.Step(sa.Rekey{Children: true})
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// An unknown critical payload in IKE_AUTH refuses it whole: the answer has nothing
// else, and there is no IKE SA (RFC 7296 §2.21.2).
func TestCriticalPayloadInAuth(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		return append(slices.Clone(ps), &wire.Unknown{PayloadType: 200, Critical: true})
	}
	w.A.Up()
	w.DeliverAll()
	if got := answer(w.B); got != "N(UNSUPPORTED_CRITICAL_PAYLOAD)" || up(w.A) || up(w.B) {
		t.Errorf("b answers %q", got)
	}
}

// The rekey of an IKE SA has a key exchange (RFC 7296 §1.3.2, §2.18): neither NONE nor
// a request without KE is taken.
func TestRekeyOfTheIKESANeedsAKeyExchange(t *testing.T) {
	for name, group := range map[string][]wire.Transform{
		"no KE payload": {{Type: wire.TransformKeyExchange, ID: 31}},
		"NONE":          {{Type: wire.TransformKeyExchange}},
		"no group":      nil,
	} {
		w := tunnel(t)
		ps := []wire.Payload{
			&wire.SecurityAssociation{Proposals: []wire.Proposal{{Number: 1, Protocol: wire.ProtocolIKE, SPI: make([]byte, 7, 8), Transforms: append([]wire.Transform{
				{Type: wire.TransformEncryption, ID: 20, Attributes: []wire.Attribute{wire.KeyLengthAttribute(256)}}, {Type: wire.TransformPRF, ID: 5},
			}, group...)}}},
			&wire.Nonce{Data: make([]byte, 32)},
		}
		proposal := &ps[0].(*wire.SecurityAssociation).Proposals[0]
		proposal.SPI = append(proposal.SPI, 1)
		want := "N(INVALID_SYNTAX)"
		if name != "no KE payload" {
			ps, want = append(ps, &wire.KeyExchange{Group: 31, Data: append(make([]byte, 31), 9)}), "N(NO_PROPOSAL_CHOSEN)"
		}
		if got := forge(w, wire.ExchangeCreateChildSA, ps...); got != want {
			t.Errorf("%s is answered %s, not %s", name, got, want)
		}
	}
}

// Of several proposals the answer has the number of the one that was chosen (RFC 7296
// §3.3.1). Where that offers to do without a group, and this is what is chosen, the KE
// payload is ignored, and the answer has none (§3.3.6).
func TestAnswerToAProposalOfSeveral(t *testing.T) {
	w := tunnel(t)
	ps := childOffer(77)
	offer := ps[0].(*wire.SecurityAssociation)
	other := offer.Proposals[0]
	other.Transforms = []wire.Transform{{Type: wire.TransformEncryption, ID: 3}, {Type: wire.TransformIntegrity, ID: 2}, {Type: wire.TransformSequenceNumbers}}
	chosen := offer.Proposals[0]
	chosen.Number = 2
	chosen.Transforms = append(slices.Clone(chosen.Transforms), wire.Transform{Type: wire.TransformKeyExchange, ID: 31}, wire.Transform{Type: wire.TransformKeyExchange})
	offer.Proposals = []wire.Proposal{other, chosen}
	var answered []wire.Payload
	w.B.Faulty = func(_ wire.Header, out []wire.Payload) []wire.Payload {
		answered = out
		return out
	}
	got := forge(w, wire.ExchangeCreateChildSA, append(ps, &wire.KeyExchange{Group: 31, Data: append(make([]byte, 31), 9)})...)
	if got != "SA No TSi TSr" {
		t.Fatalf("b answers %s", got)
	}
	if p := answered[0].(*wire.SecurityAssociation).Proposals; len(p) != 1 || p[0].Number != 2 {
		t.Errorf("b answers with %+v", p)
	}
}

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

package ikev2_test

import (
	"slices"
	"strings"
	"testing"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// without is a faulty peer whose IKE_AUTH request lacks these payloads.
func without(types ...wire.PayloadType) func(wire.Header, []wire.Payload) []wire.Payload {
	return func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth || h.Flags.Response() {
			return ps
		}
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool { return slices.Contains(types, p.Type()) })
	}
}

// A request with a part of a Child SA, or with none where the responder did not
// announce that it takes such, is malformed (RFC 6023 §3).
func TestPartOfAChild(t *testing.T) {
	whole := []wire.PayloadType{wire.PayloadSA, wire.PayloadTSi, wire.PayloadTSr}
	for _, c := range []struct {
		policy  sa.Childless
		missing []wire.PayloadType
		taken   bool
	}{
		{sa.ChildlessAllow, nil, true},
		{sa.ChildlessAllow, whole, true},
		{sa.ChildlessNever, whole, false},
		{"", whole, false},
		{sa.ChildlessAllow, whole[:1], false},
		{sa.ChildlessAllow, whole[1:], false},
		{sa.ChildlessForce, whole[2:], false},
	} {
		a, b := transcript.Pair()
		b.Childless = c.policy
		w := transcript.New(a, b, nil)
		w.A.Faulty = without(c.missing...)
		w.A.Up()
		for range 3 {
			w.Deliver(0)
		}
		if up(w.B) != c.taken {
			t.Errorf("%q, without %v: b is up: %v", c.policy, c.missing, up(w.B))
		}
		if got := answer(w.B); !c.taken && got != "N(INVALID_SYNTAX)" {
			t.Errorf("%q, without %v: b answers %s", c.policy, c.missing, got)
		}
	}
}

// The announcement has the Protocol ID of IKE, no SPI and no data (RFC 6023 §3), and is
// heard with any other (RFC 7296 §3.10).
func TestChildlessAnnouncement(t *testing.T) {
	a, b := transcript.Pair()
	a.Childless, b.Childless = sa.ChildlessPrefer, sa.ChildlessAllow
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.Deliver(0)
	m, err := wire.ParseMessage(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	n := wire.FindNotify(m.Payloads, wire.NotifyChildlessIKEv2Supported)
	if n == nil || n.Protocol != wire.ProtocolIKE || len(n.SPI) != 0 || len(n.Data) != 0 {
		t.Fatalf("b announces %+v", n)
	}
	n.Protocol = 0
	if w.Network[0].Bytes, err = m.Append(nil); err != nil {
		t.Fatal(err)
	}
	w.Deliver(0)
	if got := answer(w.A); !strings.Contains(got, "AUTH") || strings.Contains(got, "TSi") {
		t.Errorf("a sends %s: it did not hear that it may do without a Child SA", got)
	}
}

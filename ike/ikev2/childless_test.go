package ikev2_test

import (
	"slices"
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

package ikev2_test

import (
	"slices"
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// quantum are two ends with the same post-quantum key, which neither requires.
func quantum() (a, b *sa.Settings) {
	a, b = transcript.Pair()
	for _, s := range []*sa.Settings{a, b} {
		s.PPK = &sa.PPK{ID: "one", Secret: auth.NewSecret([]byte("quantum"))}
	}
	return a, b
}

// Where both ends announced a post-quantum key, an initiator that names none is
// refused, also if none is required (RFC 8784 §3).
func TestPPKThatIsNotNamed(t *testing.T) {
	a, b := quantum()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeIKEAuth {
			return ps
		}
		// Its AUTH is the one without the key.
		plain := wire.FindNotify(ps, wire.NotifyNoPPKAuth)
		var out []wire.Payload
		for _, p := range ps {
			switch q := p.(type) {
			case *wire.Authentication:
				p = &wire.Authentication{Method: q.Method, Data: plain.Data}
			case *wire.Notify:
				if q.NotifyType == wire.NotifyPPKIdentity || q.NotifyType == wire.NotifyNoPPKAuth {
					continue
				}
			}
			out = append(out, p)
		}
		return out
	}
	w.A.Up()
	w.DeliverAll()
	if up(w.B) || answer(w.B) != "N(AUTHENTICATION_FAILED)" {
		t.Errorf("b answers %s", answer(w.B))
	}
}

// What the responder says in PPK_IDENTITY is ignored: that it is there counts
// (RFC 8784 §3).
func TestPPKIdentityOfTheResponder(t *testing.T) {
	a, b := quantum()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		out := slices.Clone(ps)
		for i, p := range out {
			if n, ok := p.(*wire.Notify); ok && n.NotifyType == wire.NotifyPPKIdentity {
				out[i] = &wire.Notify{NotifyType: n.NotifyType, Data: []byte("\x02another")}
			}
		}
		return out
	}
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil || !up(w.A) {
		t.Error(err)
	}
}

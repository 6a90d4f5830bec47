package ikev2_test

import (
	"testing"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// hybrid is two hosts with an additional key exchange everywhere.
func hybrid(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-x25519-ke1_mlkem768")
	a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem768")
	b.IKEProposals, b.ESPProposals = a.IKEProposals, a.ESPProposals
	return transcript.New(a, b, func(line string) { t.Log(line[:min(len(line), 200)]) })
}

// CVE-2026-35332 (strongSwan): an invalid public value crashed. Here one that
// comes in every place where there is one, from a peer that has the keys: no
// panic, nothing is made of it, and the exchange is refused.
func TestCVE_2026_35332_InvalidPublicValues(t *testing.T) {
	for name, share := range map[string]*wire.KeyExchange{
		"another method":      {Group: 31, Data: make([]byte, 32)},
		"none":                {Group: 0, Data: nil},
		"empty":               {Group: 36, Data: nil},
		"short":               {Group: 36, Data: make([]byte, 1183)},
		"long":                {Group: 36, Data: make([]byte, 1185)},
		"beyond the modulus":  {Group: 36, Data: filled(1184, 0xff)},
		"a method unknown":    {Group: 999, Data: make([]byte, 10)},
		"a ciphertext's size": {Group: 36, Data: make([]byte, 1088)},
	} {
		t.Run("intermediate "+name, func(t *testing.T) {
			w := hybrid(t)
			w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
				if h.Exchange == wire.ExchangeIKEIntermediate {
					return []wire.Payload{share}
				}
				return ps
			}
			w.A.Up()
			w.DeliverAll()
			if up(w.B) || up(w.A) || len(w.B.Inbound) != 0 {
				t.Error("something came of it")
			}
			w.A.Faulty = nil
			w.A.Crash()
			w.A.Reseed(77)
			w.A.Up()
			w.DeliverAll()
			if err := transcript.Agree(w); err != nil {
				t.Error("the next attempt:", err)
			}
		})
		for _, ask := range []sa.Rekey{{IKE: true}, {Children: true}} {
			t.Run("follow-up "+name, func(t *testing.T) {
				w := hybrid(t)
				w.A.Up()
				w.DeliverAll()
				before := len(w.B.Inbound)
				w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
					if h.Exchange == wire.ExchangeIKEFollowupKE && len(ps) == 2 {
						return []wire.Payload{share, ps[1]}
					}
					return ps
				}
				w.A.Step(ask)
				w.DeliverAll()
				if len(w.B.Inbound) > before {
					t.Error("b made a Child SA of it")
				}
			})
		}
	}
}

func filled(n int, b byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/wire"
	"causeway/test/transcript"
)

// The keys of half-open IKE SAs that end are overwritten, in whatever way they end: the
// hosts of transcripts look at every IKE SA whose SPI is given back.
func TestKeysOfHalfOpenAreErased(t *testing.T) {
	for name, last := range map[string]func(w *transcript.World){
		"IKE_AUTH never comes": func(w *transcript.World) { w.Drop(0) },
		"IKE_AUTH is garbage": func(w *transcript.World) {
			p := w.Network[0]
			p.Bytes[len(p.Bytes)-1] ^= 1
			w.Deliver(0)
		},
		"IKE_AUTH is refused": func(w *transcript.World) {
			w.B.Settings.IKEProposals = nil // nobody is able
			w.Deliver(0)
		},
	} {
		w := hybrid(t)
		w.A.Up()
		for {
			h, err := wire.ParseHeader(w.Network[0].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if h.Exchange == wire.ExchangeIKEAuth {
				break
			}
			w.Deliver(0)
		}
		if w.B.Keyed() == 0 {
			t.Fatalf("%s: b has no keys before IKE_AUTH", name)
		}
		last(w)
		w.A.Crash()
		w.Advance(2*time.Minute, false)
		if n := w.B.Keyed(); n > 0 || len(w.Faults) > 0 {
			t.Errorf("%s: %d IKE SAs with keys, %v", name, n, w.Faults)
		}
	}
}

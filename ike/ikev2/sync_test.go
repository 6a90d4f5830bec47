package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// An old synchronization that somebody sends again changes nothing, however often
// the IDs were synchronized since (RFC 6311 §8).
func TestOldSynchronization(t *testing.T) {
	a, b := transcript.Pair()
	a.MessageIDSync, b.MessageIDSync = true, true
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	spi := w.B.Machine.Snapshot().IKE[0].SPIr
	rekey := func() {
		t.Helper()
		for _, h := range []*transcript.Host{w.A, w.B} {
			h.Step(sa.Rekey{Children: true})
			w.Advance(10*time.Second, true)
		}
		if err := transcript.Agree(w); err != nil {
			t.Fatal(err)
		}
	}
	rekey()
	w.B.Step(sa.Synchronize{SPI: spi})
	old := sa.Datagram{Raw: append([]byte(nil), w.Network[0].Bytes...), Local: atA, Remote: atB}
	w.DeliverAll()
	rekey()
	w.B.Step(sa.Synchronize{SPI: spi, Send: 5, Receive: 5})
	w.DeliverAll()
	for range 3 {
		w.A.Receive(sa.Datagram{Raw: append([]byte(nil), old.Raw...), Local: old.Local, Remote: old.Remote})
		w.DeliverAll()
		rekey()
	}
}

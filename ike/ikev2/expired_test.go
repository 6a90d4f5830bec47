package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// A Child SA whose hard lifetime ended is out of the data path: that the peer turns out
// to know it, as it answers a check, has nobody send on it. The hosts of transcripts look
// whether what is sent on is received on, too.
func TestExpiredIsNotSentOn(t *testing.T) {
	w := tunnel(t)
	old := w.B.Snapshot().IKE[0].SPIi
	w.A.Step(sa.Rekey{Reauthenticate: true})
	checked := false
	for range 400 {
		for len(w.Network) > 0 {
			h, err := wire.ParseHeader(w.Network[0].Bytes)
			switch {
			case err == nil && h.InitiatorSPI == old: // the DELETE of the old IKE SA takes its time
				w.Drop(0)
			case w.Network[0].From == w.B && isRequest(h):
				children := w.B.Snapshot().Children
				w.B.Step(sa.LifetimeHit{SPI: children[len(children)-1].Child.SPIIn, Hard: true})
				checked = true
				w.Deliver(0)
			default:
				w.Deliver(0)
			}
		}
		if checked {
			break
		}
		w.Advance(100*time.Millisecond, false)
	}
	if !checked {
		t.Fatal("b never asked whether a knows the new Child SA")
	}
	if len(w.Faults) > 0 {
		t.Error(w.Faults)
	}
}

func isRequest(h wire.Header) bool { return !h.Flags.Response() }

// A Child SA whose hard lifetime ends while the peer's request to replace it is answered
// leaves what it carried to the new one at once: the peer may have nothing more to ask.
func TestExpiresWhileItIsReplaced(t *testing.T) {
	w := wide(t)
	w.Stand()
	w.B.Step(sa.Rekey{Children: true})
	w.HoldWork = true
	w.Deliver(0) // a makes its key share
	w.A.Step(sa.LifetimeHit{SPI: w.A.Snapshot().Children[0].Child.SPIIn, Hard: true})
	w.HoldWork = false
	w.Work()
	w.Deliver(1) // a's DELETE overtakes its answer
	w.DeliverAll()
	if !w.Echo() || len(w.Faults) > 0 {
		t.Error("an end sends nothing that the other receives", w.Faults)
	}
}

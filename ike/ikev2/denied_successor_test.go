package ikev2_test

import (
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/test/transcript"
)

// The peer that replaces an IKE SA loses everything before it showed that it has our
// answer. Its denials of the new one do not count, for a peer without the answer denies it
// truly; that nothing else is heard ends it within the liveness interval.
func TestLostSuccessorIsNoticedInTime(t *testing.T) {
	for _, dpd := range []time.Duration{30 * time.Second, 2 * time.Minute} {
		for _, arrives := range []bool{false, true} {
			a, b := transcript.Pair()
			a.DPD, b.DPD = dpd, dpd
			w := transcript.New(a, b, nil)
			w.Stand()
			w.Advance(10*time.Second, true)
			w.A.Step(sa.Rekey{IKE: true})
			w.Deliver(0)
			if arrives {
				w.Deliver(0)
			}
			w.Network = nil
			w.A.Crash()
			since := w.Now
			for up(w.B) && w.Now.Sub(since) < 5*time.Minute {
				w.Advance(100*time.Millisecond, true)
			}
			if took := w.Now.Sub(since); took > dpd {
				t.Errorf("dpd %v, the answer arrived %v: noticed after %v", dpd, arrives, took)
			}
		}
	}
}

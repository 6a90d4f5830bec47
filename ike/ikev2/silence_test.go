package ikev2_test

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/transcript"
)

// quiet is a tunnel with these liveness intervals of a and b, by the default schedule.
func quiet(t *testing.T, dpdA, dpdB time.Duration) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.DPD, b.DPD = dpdA, dpdB
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	for _, h := range []*transcript.Host{w.A, w.B} {
		h.Retransmit = sa.DefaultRetransmit
		h.Restart(cookie.Config{})
	}
	w.Stand()
	return w
}

// stands is how long a keeps the IKE SA while nothing of IKE arrives; each happens every
// half second.
func stands(w *transcript.World, each func()) time.Duration {
	since := w.Now
	for len(w.A.Machine.Snapshot().IKE) > 0 && w.Now.Sub(since) < 5*time.Minute {
		w.Network = nil
		each()
		w.Advance(500*time.Millisecond, false)
	}
	return w.Now.Sub(since)
}

// A request that is not answered ends the IKE SA when the liveness interval does, and where
// ESP of the peer arrives, or nobody asks for liveness checks, only when its whole schedule
// is over. A liveness check is no exception.
func TestUnansweredRequests(t *testing.T) {
	requests := map[string]func(w *transcript.World){
		"rekey of a Child SA": func(w *transcript.World) { w.A.Step(sa.Rekey{Children: true}) },
		"rekey of the IKE SA": func(w *transcript.World) { w.A.Step(sa.Rekey{IKE: true}) },
		"liveness check":      func(w *transcript.World) { w.A.Step(sa.Doubted{SPI: w.A.Sends("net").SPIOut}) },
		"probe of the path":   func(w *transcript.World) { w.A.Step(sa.ProbePath{Size: 1400, Most: 1500}) },
	}
	for name, begin := range requests {
		t.Run(name, func(t *testing.T) {
			for _, dpd := range []time.Duration{10 * time.Second, 30 * time.Second, time.Minute} {
				w := quiet(t, dpd, 0)
				begin(w)
				if took := stands(w, func() {}); took > dpd {
					t.Errorf("an interval of %v of silence: it stands for %v", dpd, took)
				}
				w = quiet(t, dpd, 0)
				begin(w)
				if took := stands(w, w.A.Hears); took < 75*time.Second || took > 110*time.Second {
					t.Errorf("an interval of %v and ESP that arrives: it stands for %v", dpd, took)
				}
			}
			w := quiet(t, 0, 0)
			if begin(w); len(w.Network) == 0 {
				return // none is sent without liveness checks
			}
			if took := stands(w, func() {}); took < 20*time.Second {
				t.Errorf("no liveness checks: it stands for %v", took)
			}
		})
	}
}

// A host that is without a network until its liveness check is nearly over, and then has
// another address, goes on from there (RFC 4555 §3.5).
func TestMoveBeginsTheQuestionAnew(t *testing.T) {
	w := roaming(t)
	w.Advance(28*time.Second, false)
	w.Network = nil
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	ike := w.A.Machine.Snapshot().IKE
	if w.Advance(10*time.Second, true); !up(w.A) || w.A.Machine.Snapshot().IKE[0].SPIi != ike[0].SPIi {
		t.Error("a gave the IKE SA up though it moved to where it has a network")
	}
}

// A path that is to be probed when the peer was silent for long is not: the peer is asked.
func TestNoProbeInSilence(t *testing.T) {
	w := quiet(t, 45*time.Second, 0)
	w.Advance(17*time.Second, false)
	w.A.Step(sa.ProbePath{Size: 1400, Most: 1500})
	if took := stands(w, func() {}); took > 28*time.Second {
		t.Errorf("after 17 s of silence it stands for %v more", took)
	}
}

// ESP that ends while a request is not answered is silence from then on.
func TestESPEnds(t *testing.T) {
	w := quiet(t, 10*time.Second, 0)
	w.A.Step(sa.Rekey{Children: true})
	since := w.Now
	took := stands(w, func() {
		if w.Now.Sub(since) < 30*time.Second {
			w.A.Hears()
		}
	})
	if took < 39*time.Second || took > 41*time.Second {
		t.Errorf("ESP came for 30 s, and the IKE SA stands for %v", took)
	}
}

// A host that sleeps while it asks does not take the sleep for silence: the answer to what
// it asks then has time to come.
func TestSleepIsNoSilence(t *testing.T) {
	w := quiet(t, 10*time.Second, 0)
	sends := 0
	for sends < 4 {
		w.Advance(100*time.Millisecond, false)
		sends += len(w.Network)
		w.Network = nil
	}
	w.Now = w.Now.Add(10 * time.Minute)
	w.Advance(400*time.Millisecond, false)
	if len(w.Network) != 1 {
		t.Fatalf("%d messages after the sleep", len(w.Network))
	}
	w.DeliverAll()
	if w.Advance(time.Minute, true); !up(w.A) || len(w.A.Machine.Snapshot().IKE) != 1 {
		t.Error("a gave the peer up over its own sleep")
	}
}

// The peer that wants a Child SA with more key exchanges, and goes on no more, is asked as
// any other.
func TestSilenceBetweenKeyExchanges(t *testing.T) {
	a, b := transcript.Pair()
	for _, s := range []*sa.Settings{a, b} {
		s.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-x25519-ke1_mlkem768")
	}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(sa.Rekey{Children: true})
	w.Deliver(0)
	if w.Advance(30*time.Second, false); up(w.B) {
		t.Error("b keeps the IKE SA of a peer that was silent for 30 s")
	}
}

package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// gaveWay has both ends replace the IKE SA at once; b hears of a's DELETE of the old
// one before a ever saw b's request. before is called when b has asked.
func gaveWay(t *testing.T, a, b *sa.Settings, before func(w *transcript.World)) *transcript.World {
	t.Helper()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(sa.Rekey{IKE: true})
	w.B.Step(sa.Rekey{IKE: true})
	if before != nil {
		before(w)
	}
	w.Deliver(0) // a's request
	w.Deliver(1) // its answer
	w.Deliver(1) // a's DELETE
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatal(err, w.Faults)
	}
	return w
}

// An IKE SA that the peer replaces, and deletes while our own replacement is on its
// way, leaves more than its Child SAs to the new one: the time by which the peer is to
// be authenticated anew (RFC 7296 §2.8.3).
func TestReauthenticationOutlivesACollision(t *testing.T) {
	a, b := transcript.Pair()
	b.Reauthentication = time.Hour
	w := gaveWay(t, a, b, nil)
	spi := w.B.Snapshot().IKE[0].SPIi
	w.Advance(70*time.Minute, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatal(err, w.Faults)
	}
	if w.B.Snapshot().IKE[0].SPIi == spi {
		t.Error("the peer was not authenticated anew")
	}
}

// What waits to be said when the IKE SA is replaced is said on the new one: that the
// peer is to go elsewhere (RFC 5685 §5), and that the IKE SA is to end.
func TestWhatWaitsOutlivesARekey(t *testing.T) {
	for name, c := range map[string]struct {
		order func(w *transcript.World)
		done  func(w *transcript.World) bool
	}{
		"REDIRECT": {func(w *transcript.World) {
			changed := *w.B.Settings
			changed.RedirectTo = "192.0.2.77"
			w.B.Settings = &changed
			w.B.Machine.Reconfigure(&changed)
			w.B.Step(sa.TimerDue{})
		}, func(w *transcript.World) bool { return reported[sa.RedirectedTo](w.A) }},
		"DELETE": {func(w *transcript.World) { w.B.Step(sa.Down{}) },
			func(w *transcript.World) bool { return len(w.A.Snapshot().IKE)+len(w.B.Snapshot().IKE) == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := transcript.Pair()
			a.FollowRedirects = true
			w := transcript.New(a, b, func(line string) { t.Log(line) })
			w.Stand()
			w.A.Step(sa.Rekey{IKE: true})
			w.HoldWork = true
			w.Deliver(0)
			c.order(w) // b makes its key share
			w.HoldWork = false
			w.Work()
			w.Advance(10*time.Second, true)
			if !c.done(w) || len(w.Faults) > 0 {
				t.Errorf("it came to nothing; faults %v", w.Faults)
			}
		})
	}
}

func reported[R sa.Report](h *transcript.Host) bool {
	return slices.ContainsFunc(h.Reports, func(r sa.Report) bool { _, is := r.(R); return is })
}

// A rekey of the Child SAs that is asked for while the IKE SA is replaced comes after it:
// who asked waits for it.
func TestChildRekeyIsAskedForDuringARekey(t *testing.T) {
	w := tunnel(t)
	before := w.A.Sends("net").SPIIn
	w.A.Step(sa.Rekey{IKE: true})
	w.A.Step(sa.Rekey{Children: true})
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatal(err, w.Faults)
	}
	if w.A.Sends("net").SPIIn == before {
		t.Error("the Child SA is the same")
	}
}

// A peer that replaces its new IKE SA in turn, while our replacement of the old one is on
// its way, has all that was to happen go with it.
func TestReauthenticationOutlivesTwoRekeys(t *testing.T) {
	a, b := transcript.Pair()
	a.Reauthentication = time.Hour
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(sa.Rekey{IKE: true}) // its request takes its time
	w.B.Step(sa.Rekey{IKE: true})
	w.Deliver(1)
	w.Deliver(1) // b has the new one, and deletes the old, which takes its time, too
	w.B.Step(sa.Rekey{IKE: true})
	w.Deliver(2)
	w.DeliverAll()
	w.Advance(70*time.Minute, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Fatal(err, w.Faults)
	}
	if anew := func(r sa.Report) bool {
		e, ok := r.(sa.IKEEstablished)
		return ok && e.Rekeys == 0 && e.IKE.EstablishedAt.After(transcript.Epoch)
	}; !slices.ContainsFunc(w.A.Reports, anew) {
		t.Error("the peer was not authenticated anew")
	}
}

// A NAT gives the peer another port while both ends replace the IKE SA: where it is heard
// on the old one, or on the new one, is where the other one and the Child SAs go, too (RFC
// 7296 §2.23).
func TestRebindingDuringACollision(t *testing.T) {
	want := netip.MustParseAddrPort("198.51.100.9:34500")
	for name, last := range map[string]func(w *transcript.World){
		"heard on the old IKE SA": func(w *transcript.World) {},
		"heard on the new IKE SA": func(w *transcript.World) {
			w.A.Step(sa.Rekey{Children: true})
			w.Deliver(len(w.Network) - 1) // before the DELETE of the old one
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := transcript.Pair()
			w := transcript.New(a, b, func(line string) { t.Log(line) })
			w.NAT, w.NATShift = want.Addr(), 20000
			w.Stand()
			w.A.Step(sa.Rekey{IKE: true})
			w.B.Step(sa.Rekey{IKE: true})
			w.Deliver(0) // a's request
			w.Drop(0)    // b's
			w.NATShift = 30000
			w.Network[0].Destination = netip.AddrPortFrom(w.A.Addr, 4500)
			w.Deliver(0)
			last(w)
			w.Deliver(0) // a's DELETE
			s := w.B.Snapshot()
			if at := s.IKE[len(s.IKE)-1].Remote; at != want {
				t.Errorf("the IKE SA is with %v", at)
			}
			for _, c := range s.Children {
				if c.Child.Remote != want {
					t.Errorf("a Child SA is with %v", c.Child.Remote)
				}
			}
			if at := w.B.Moved[s.Children[0].Child.SPIIn]; at != want {
				t.Errorf("ESP goes to %v", at)
			}
		})
	}
}

// What a request says that was lost when the peer replaced the IKE SA, and ended the old
// one, is said on the new one.
func TestLostRequestsOutliveARekey(t *testing.T) {
	t.Run("UPDATE_SA_ADDRESSES", func(t *testing.T) {
		w := roaming(t)
		w.Echo()
		w.B.Step(sa.Rekey{IKE: true}) // comes to where a was
		w.A.Also, w.A.Addr = append(w.A.Also, w.A.Addr), netip.MustParseAddr("192.0.2.77")
		w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
		w.Drop(1)
		w.DeliverAll()
		w.Advance(10*time.Second, true)
		if at := w.B.Snapshot().IKE[0].Remote.Addr(); at != w.A.Addr {
			t.Errorf("b has a at %v", at)
		}
	})
	t.Run("REDIRECT", func(t *testing.T) {
		a, b := transcript.Pair()
		a.FollowRedirects = true
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.Stand()
		reload(w.B, func(s *sa.Settings) { s.RedirectTo = "192.0.2.77" })
		w.Drop(0)
		w.A.Step(sa.Rekey{IKE: true})
		w.DeliverAll()
		w.Advance(10*time.Second, true)
		if !reported[sa.RedirectedTo](w.A) {
			t.Error("a was not sent elsewhere")
		}
	})
	t.Run("TICKET_REQUEST", func(t *testing.T) {
		a, b := transcript.Pair()
		a.SessionResumption, b.SessionResumption = true, true
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.Stand()
		asks := false
		w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			asks = asks || wire.FindNotify(ps, wire.NotifyTicketRequest) != nil
			return ps
		}
		for range 60 * 60 {
			if w.Advance(time.Second, false); asks {
				break
			}
			w.DeliverAll()
		}
		if !asks {
			t.Fatal("a asks for no other ticket")
		}
		w.Drop(len(w.Network) - 1)
		w.B.Step(sa.Rekey{IKE: true})
		w.DeliverAll()
		w.Advance(10*time.Second, true)
		if w.A.Machine.TicketKey() == nil {
			t.Error("a has no ticket")
		}
	})
}

package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// Who replaces a Child SA that the peer asked for asks for what is in use, and not for all
// that its own policy has (RFC 7296 §2.9.2).
func TestRekeyAsksForWhatIsInUse(t *testing.T) {
	a, b := transcript.Pair()
	a.Children[0].Local = transcript.Networks("10.1.7.0/24")
	w := transcript.New(a, b, nil)
	w.Stand()
	var proposed *wire.TrafficSelectors
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		for _, p := range ps {
			if ts, ok := p.(*wire.TrafficSelectors); ok && !h.Flags.Response() && !ts.Initiator {
				proposed = ts
			}
		}
		return ps
	}
	w.B.Step(sa.Rekey{Children: true})
	if proposed == nil || len(proposed.Selectors) != 1 || proposed.Selectors[0].Start.String() != "10.1.7.0" || proposed.Selectors[0].End.String() != "10.1.7.255" {
		t.Errorf("b asks for %+v", proposed)
	}
}

// A rekey is answered by what the Child SA was made for, whatever else would fit by then
// (RFC 7296 §2.9.2).
func TestRekeyIsAnsweredByWhatItWasMadeFor(t *testing.T) {
	a, b := transcript.Pair()
	narrow := sa.ChildSettings{Name: "narrow", Local: transcript.Networks("10.2.0.0/16"), Remote: transcript.Networks("10.1.7.0/24")}
	wide := sa.ChildSettings{Name: "wide", Local: transcript.Networks("10.2.0.0/16"), Remote: transcript.Networks("10.1.0.0/16")}
	b.Children = []sa.ChildSettings{narrow}
	w := transcript.New(a, b, nil)
	w.Stand()
	changed := *b
	changed.Children = []sa.ChildSettings{wide, narrow}
	w.B.Machine.Reconfigure(&changed)
	before := w.B.Snapshot().Children[0].Child.SPIIn
	w.A.Step(sa.Rekey{Children: true})
	w.DeliverAll()
	for _, c := range w.B.Snapshot().Children {
		if c.Child.SPIIn == before || c.Child.Name != "narrow" || !c.Child.RemoteSelectors.Equal(narrow.Remote) {
			t.Errorf("b has Child SA %s of %v", c.Child.Name, c.Child.RemoteSelectors)
		}
	}
}

// A Child SA whose hard limit is reached is used no more from that moment on, and not only
// once the peer answered.
func TestHardLimitEndsAtOnce(t *testing.T) {
	w := tunnel(t)
	c := w.A.Sends("net")
	removed := false
	w.A.Actions = nil
	w.A.Step(sa.LifetimeHit{SPI: c.SPIIn, Hard: true})
	for _, act := range w.A.Actions {
		r, ok := act.(sa.RemoveChild)
		removed = removed || ok && r.SPIIn == c.SPIIn
	}
	if !removed {
		t.Error("a still receives on a Child SA whose hard limit is reached")
	}
}

// An IKE SA that is not replaced in time ends, and the failure says why.
func TestHardLifetimeOfTheIKESA(t *testing.T) {
	a, b := transcript.Pair()
	a.IKELifetime = time.Hour
	w := transcript.New(a, b, nil)
	w.Stand()
	w.Advance(50*time.Minute, true)
	w.HoldWork = true // its rekey comes to nothing
	w.Advance(20*time.Minute, true)
	if f := w.A.Snapshot().LastFailure; f == nil || f.Reason != sa.ReasonLifetime {
		t.Errorf("after an hour and 10 minutes the failure is %v", f)
	}
}

// The amounts after which a Child SA is replaced are less than what is configured by a
// random part, so that the two ends rarely do it at once (RFC 7296 §2.8).
func TestAmountsAreJittered(t *testing.T) {
	a, b := transcript.Pair()
	a.ChildLifetime = sa.Lifetime{Bytes: 1e9, Packets: 1e6}
	b.ChildLifetime = a.ChildLifetime
	w := transcript.New(a, b, nil)
	w.Stand()
	var seen []uint64
	for _, h := range []*transcript.Host{w.A, w.B} {
		soft := h.Sends("net").Soft
		if soft.Bytes < 9e8 || soft.Bytes > 1e9 || soft.Packets < 9e5 || soft.Packets > 1e6 {
			t.Errorf("%s replaces after %+v", h.Name, soft)
		}
		seen = append(seen, soft.Bytes, soft.Packets)
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 4 || slices.Contains(seen, 1e9) || slices.Contains(seen, 1e6) {
		t.Errorf("the amounts are %v", seen)
	}
}

// A collision of rekeys is not decided before the peer's side of it: what the peer made is
// not sent on while ours is on its way (RFC 7296 §2.8.1).
func TestRivalIsNotSentOn(t *testing.T) {
	w := tunnel(t)
	before := w.A.Sends("net").SPIIn
	w.A.Step(sa.Rekey{Children: true})
	w.B.Step(sa.Rekey{Children: true})
	w.Deliver(1) // a answers b's while its own is on its way
	w.B.Machine.SetMessageIDs(1, 2)
	if got := forgeTo(w.B, w.A, w); got != "" {
		t.Fatalf("a answers %q", got)
	}
	if c := w.A.Sends("net"); c.SPIIn != before {
		t.Error("a sends on the Child SA of b, which may be the one to go")
	}
}

// forgeTo has one end ask something new, and gives the other's answer.
func forgeTo(from, to *transcript.Host, w *transcript.World) string {
	for _, act := range from.Machine.Forge(w.Now, wire.ExchangeInformational) {
		if s, ok := act.(sa.Send); ok {
			to.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
		}
	}
	return answer(to)
}

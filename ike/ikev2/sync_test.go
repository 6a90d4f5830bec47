package ikev2_test

import (
	"slices"
	"testing"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
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
	w.B.Step(sa.Synchronize{SPI: spi, Send: 2})
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

// A peer that takes over while a request is being answered hears of it once the
// answer is out: that has the ID of its request.
func TestSynchronizationDuringARequest(t *testing.T) {
	a, b := transcript.Pair()
	a.MessageIDSync, b.MessageIDSync = true, true
	w := transcript.New(a, b, nil)
	w.Stand()
	spi := w.B.Machine.Snapshot().IKE[0].SPIr
	answers := func(of wire.ExchangeType) (ids []uint32) {
		for _, p := range w.Network {
			if h, err := wire.ParseHeader(p.Bytes); err == nil && h.Exchange == of && h.Flags.Response() {
				ids = append(ids, h.MessageID)
			}
		}
		return ids
	}
	w.HoldWork = true
	w.B.Step(sa.Rekey{IKE: true})
	w.Work()
	w.Deliver(0) // a computes its key share
	w.B.Step(sa.Synchronize{SPI: spi, Send: 1, Receive: 2})
	w.Deliver(0)
	w.Work()
	if ids := answers(wire.ExchangeCreateChildSA); !slices.Equal(ids, []uint32{0}) {
		t.Errorf("a's answers to request 0 have the IDs %d", ids)
	}
	w.Advance(2*time.Second, false) // b asks again
	for i := len(w.Network) - 1; i >= 0; i-- {
		w.Deliver(i)
	}
	if ids := answers(wire.ExchangeInformational); len(ids) == 0 {
		t.Error("a does not answer the synchronization")
	}
}

// A probe of the path that is on its way when the IDs are synchronized does not
// cost the IKE SA its life: nobody answers its old ID any more.
func TestSynchronizationDuringAProbe(t *testing.T) {
	a, b := transcript.Pair()
	a.MessageIDSync, b.MessageIDSync = true, true
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	w.DeliverAll()
	before := w.B.Machine.Snapshot().IKE[0]
	w.A.Step(sa.ProbePath{Size: 1400, Most: 1500})
	w.Advance(3*time.Second, false) // the probe is lost, and its first repetition
	w.Network = nil
	w.B.Step(sa.Synchronize{SPI: before.SPIr, Send: 0, Receive: 7})
	w.Advance(10*time.Minute, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
	if got := w.A.Machine.Snapshot().IKE; len(got) != 1 || got[0].SPIi != before.SPIi {
		t.Errorf("the IKE SA did not live on: %+v", got)
	}
}

// Each synchronization names a higher ID than the one before, or is dropped, though no
// request came between them; and its answer is bound to it by the nonce (RFC 6311 §5.1).
func TestSynchronizationsRise(t *testing.T) {
	a, b := transcript.Pair()
	a.MessageIDSync, b.MessageIDSync = true, true
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	spi := w.B.Machine.Snapshot().IKE[0].SPIr
	ask := func(send uint32) (answered bool) {
		w.B.Step(sa.Synchronize{SPI: spi, Send: send, Receive: 2})
		w.Deliver(0)
		answered = len(w.Network) > 0
		w.DeliverAll()
		return answered
	}
	for _, c := range []struct {
		send uint32
		want bool
	}{{3, true}, {3, false}, {2, false}, {4, true}, {3, false}, {9, true}} {
		if got := ask(c.send); got != c.want {
			t.Errorf("a synchronization to %d is answered: %v", c.send, got)
		}
	}
	w.B.Step(sa.Synchronize{SPI: spi, Send: 20, Receive: 2})
	w.Deliver(0)
	late := w.Drop(0) // of the first, and a second is on its way
	w.B.Step(sa.Synchronize{SPI: spi, Send: 30, Receive: 2})
	w.B.Receive(sa.Datagram{Raw: late.Bytes, Local: late.Destination, Remote: late.Source})
	w.B.Step(sa.Rekey{Children: true})
	if n := len(w.Network); n != 1 {
		t.Errorf("after the answer to another synchronization b sends %d messages, want its own only", n)
	}
	w.DeliverAll()
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// A peer that takes over has numbers left out on all Child SAs, once, within bounds, and
// only where both ends said that they can (RFC 6311 §4.2, §5.2).
func TestReplayCounterSync(t *testing.T) {
	for _, c := range []struct {
		replay uint64
		agreed bool
		want   int
	}{{1000, true, 2}, {1 << 30, true, 2}, {1<<30 + 1, true, 0}, {0, true, 0}, {1000, false, 0}} {
		a, b := transcript.Pair()
		a.Children = append(a.Children, sa.ChildSettings{Name: "more", Local: transcript.Networks("10.3.0.0/16"), Remote: transcript.Networks("10.4.0.0/16")})
		b.Children = append(b.Children, sa.ChildSettings{Name: "more", Local: transcript.Networks("10.4.0.0/16"), Remote: transcript.Networks("10.3.0.0/16")})
		a.MessageIDSync, b.MessageIDSync = true, true
		w := transcript.New(a, b, nil)
		if !c.agreed {
			w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
				return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
					n, ok := p.(*wire.Notify)
					return ok && n.NotifyType == wire.NotifyIPsecReplayCounterSyncSupported
				})
			}
		}
		w.A.Up()
		w.Advance(10*time.Second, true)
		before := len(w.A.Actions)
		w.B.Step(sa.Synchronize{SPI: w.B.Machine.Snapshot().IKE[0].SPIr, Send: 4, Receive: 4, Replay: c.replay})
		raw := slices.Clone(w.Network[0].Bytes)
		w.DeliverAll()
		w.A.Receive(sa.Datagram{Raw: raw, Local: atA, Remote: atB}) // a repeat
		n := 0
		for _, act := range w.A.Actions[before:] {
			if s, ok := act.(sa.SkipAhead); ok && s.By == c.replay {
				n++
			}
		}
		if n != c.want {
			t.Errorf("behind by %d, agreed %v: %d Child SAs leave numbers out, want %d", c.replay, c.agreed, n, c.want)
		}
	}
}

// Each of the two capabilities is of use without the other, and the responder asserts
// none that the initiator did not (RFC 6311 §5).
func TestSyncCapabilitiesAreApart(t *testing.T) {
	ids, counters := wire.NotifyIKEv2MessageIDSyncSupported, wire.NotifyIPsecReplayCounterSyncSupported
	for _, without := range [][]wire.NotifyType{{ids}, {counters}, {ids, counters}, nil} {
		a, b := transcript.Pair()
		a.MessageIDSync, b.MessageIDSync = true, true
		w := transcript.New(a, b, nil)
		w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
				n, ok := p.(*wire.Notify)
				return ok && slices.Contains(without, n.NotifyType)
			})
		}
		var asserted []wire.NotifyType
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			for _, n := range []wire.NotifyType{ids, counters} {
				if h.Exchange == wire.ExchangeIKEAuth && wire.FindNotify(ps, n) != nil {
					asserted = append(asserted, n)
				}
			}
			return ps
		}
		w.A.Up()
		w.DeliverAll()
		for _, n := range []wire.NotifyType{ids, counters} {
			if slices.Contains(asserted, n) == slices.Contains(without, n) {
				t.Errorf("a leaves out %v, and b asserts %v", without, asserted)
			}
		}
		before := len(w.B.Actions)
		if got := forge(w, wire.ExchangeInformational, &wire.Notify{NotifyType: wire.NotifyIPsecReplayCounterSync, Data: []byte{0, 0, 3, 232}}); got != "" {
			t.Errorf("b answers %s", got)
		}
		skipped := slices.ContainsFunc(w.B.Actions[before:], func(act sa.Action) bool {
			s, ok := act.(sa.SkipAhead)
			return ok && s.By == 1000
		})
		if skipped == slices.Contains(without, counters) {
			t.Errorf("a leaves out %v, and b leaves out numbers: %v", without, skipped)
		}
	}
}

// A Child SA that is missing is made when the IDs are synchronized, and nothing is due
// before: the hosts of transcripts look whether a deadline has passed.
func TestNothingIsDueDuringSynchronization(t *testing.T) {
	a, b := transcript.Pair()
	a.MessageIDSync, b.MessageIDSync = true, true
	w := transcript.New(a, b, nil)
	w.Stand()
	w.A.Step(sa.Synchronize{SPI: w.A.Snapshot().IKE[0].SPIi, Send: 5, Receive: 0})
	w.A.Machine.LoseChildren()
	w.A.Step(sa.TimerDue{})
	w.DeliverAll()
	if len(w.Faults) > 0 || len(w.A.Snapshot().Children) == 0 {
		t.Errorf("%d Child SAs; %v", len(w.A.Snapshot().Children), w.Faults)
	}
}

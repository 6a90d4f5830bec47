package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// perWorker is two hosts of two workers each that may have Child SAs for single ones.
func perWorker(t *testing.T, change func(a, b *sa.Settings)) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.Resources = sa.Resources{Workers: 2, Most: 4}
	b.Resources = a.Resources
	if change != nil {
		change(a, b)
	}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	return w
}

func wantsOwn(w *transcript.World, worker int) {
	flow := selector.Flow{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Protocol: 1}
	w.A.Step(sa.TrafficNeeded{Flow: flow, Resource: worker})
	w.Advance(10*time.Second, true)
}

// A Child SA for a single worker has the algorithms and the selectors of the first; one
// that has not is refused (RFC 9611 §3).
func TestWorkersChildIsLikeTheFirst(t *testing.T) {
	narrow := func(initiator bool) func([]wire.Payload) {
		return func(ps []wire.Payload) {
			for i, p := range ps {
				if ts, ok := p.(*wire.TrafficSelectors); ok && ts.Initiator == initiator {
					s := ts.Selectors[0]
					s.End = s.Start
					ps[i] = &wire.TrafficSelectors{Initiator: initiator, Selectors: []wire.TrafficSelector{s}}
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change func([]wire.Payload)
		want   string
	}{
		"the same":     {func([]wire.Payload) {}, "SA No TSi TSr N(SA_RESOURCE_INFO)"},
		"narrower TSi": {narrow(true), "N(NO_PROPOSAL_CHOSEN)"},
		"narrower TSr": {narrow(false), "N(NO_PROPOSAL_CHOSEN)"},
		"another cipher": {func(ps []wire.Payload) {
			ps[0].(*wire.SecurityAssociation).Proposals[0].Transforms[0].Attributes[0].Value = 128
		}, "N(NO_PROPOSAL_CHOSEN)"},
	} {
		w := perWorker(t, func(_, b *sa.Settings) {
			b.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-aes128gcm16")
		})
		ps := childOffer(0x77)
		c.change(ps)
		if got := forge(w, wire.ExchangeCreateChildSA, append([]wire.Payload{notify(wire.NotifySAResourceInfo, 0, nil)}, ps...)...); got != c.want {
			t.Errorf("%s: b answers %s", name, got)
		}
	}
}

// Who asks for one asks for what the first has, and not for all that its policy has (RFC
// 9611 §3). The notify has neither protocol nor SPI, and says nothing (§5.1, §7).
func TestWorkersChildIsAskedFor(t *testing.T) {
	w := perWorker(t, func(_, b *sa.Settings) { b.Children[0].Remote = transcript.Networks("10.1.0.0/24") })
	var said []wire.Payload
	w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange == wire.ExchangeCreateChildSA {
			said = ps
		}
		return ps
	}
	wantsOwn(w, 1)
	n := wire.FindNotify(said, wire.NotifySAResourceInfo)
	if n == nil || n.Protocol != 0 || len(n.SPI)+len(n.Data) > 0 {
		t.Errorf("a says %+v", n)
	}
	for _, p := range said {
		if ts, ok := p.(*wire.TrafficSelectors); ok && ts.Initiator && (len(ts.Selectors) != 1 || ts.Selectors[0].End.String() != "10.1.0.255") {
			t.Errorf("a asks for %+v", ts.Selectors)
		}
	}
}

// A Child SA that is replaced stays with its worker, and the first goes on to have others
// beside it, though neither end says SA_RESOURCE_INFO again (RFC 9611 §3).
func TestWorkersChildIsReplaced(t *testing.T) {
	w := perWorker(t, nil)
	wantsOwn(w, 1)
	silent := func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Exchange != wire.ExchangeCreateChildSA {
			return ps
		}
		return slices.DeleteFunc(slices.Clone(ps), func(p wire.Payload) bool {
			n, ok := p.(*wire.Notify)
			return ok && n.NotifyType == wire.NotifySAResourceInfo
		})
	}
	w.A.Faulty, w.B.Faulty = silent, silent
	w.A.Step(sa.Rekey{Children: true})
	w.Advance(20*time.Second, true)
	w.A.Faulty, w.B.Faulty = nil, nil
	for _, h := range []*transcript.Host{w.A, w.B} {
		var of []int
		for _, c := range h.Snapshot().Children {
			if c.Child.Rekeys == 0 {
				t.Errorf("%s: Child SA %08x was not replaced", h.Name, c.Child.SPIIn)
			}
			of = append(of, c.Child.Resource)
		}
		if slices.Sort(of); len(of) != 2 || of[0] != 0 || of[1] == 0 {
			t.Errorf("%s has Child SAs for the workers %v", h.Name, of)
		}
	}
	wantsOwn(w, 2)
	if a, b := len(w.A.Snapshot().Children), len(w.B.Snapshot().Children); a != 3 || b != 3 {
		t.Errorf("a has %d Child SAs, and b %d, once another worker needs one", a, b)
	}
}

package tunnel

import (
	"slices"
	"testing"

	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

// ownStage is a gateway of two workers, whose connection has one Child SA for both and
// says which worker asked for its own.
func ownStage(t *testing.T) (s *stage, asked *[]int) {
	t.Helper()
	asked = &[]int{}
	s = newStage(t, func(c *Config) {
		c.Transport = workers{c.Transport, 2}
		c.OnOwnSAWanted = func(_ string, _ selector.Flow, worker int) { *asked = append(*asked, worker) }
	})
	s.AddConnection("peer", ConnectionConfig{OwnSAs: 2})
	s.out.begin()
	return s, asked
}

// own adds a Child SA for a worker, counted from 1, and returns its inbound SPI.
func (s *stage) own(t *testing.T, resource int) uint32 {
	t.Helper()
	return addOwnSA(t, s.Tunnel, resource)
}

// finds is the resource of the SA that a worker finds for a packet.
func finds(t *testing.T, w *outboundWorker) int {
	t.Helper()
	b := udpPacket(t, "10.1.0.1", "10.2.0.1", 100, ipOptions{})
	if err := w.packet.parse(b); err != nil {
		t.Fatal(err)
	}
	_, _, sa := w.find(&w.packet)
	if sa == nil {
		t.Fatal("no SA")
	}
	return sa.resource
}

// TestOwnSAs: a worker sends on the Child SA that is for it, the others on the one
// that is for all, and on another's where there is nothing else (RFC 9611 §4).
func TestOwnSAs(t *testing.T) {
	s, _ := ownStage(t)
	other := newOutboundWorker(s.Tunnel, 1)
	other.begin()
	want := func(what string, first, second int) {
		t.Helper()
		if a, b := finds(t, s.out), finds(t, other); a != first || b != second {
			t.Errorf("%s: the workers send on Child SAs of %d and %d, want %d and %d", what, a, b, first, second)
		}
	}
	shared := s.forwarding.Load().connections["peer"].outbound.Load().children[0].spiIn
	want("one for all", 0, 0)
	spi := s.own(t, 2)
	if home := udp.Home(spi, 2); home != 1 {
		t.Errorf("what worker 2 receives is steered to worker %d", home+1)
	}
	want("one for worker 2", 0, 2)
	newer := s.own(t, 2)
	s.RemoveChild(spi)
	want("which was rekeyed", 0, 2)
	s.own(t, 1)
	want("each its own", 1, 2)
	s.StopOutbound(newer)
	want("worker 2 is back", 1, 0)
	if s.sad.lookup(newer) == nil {
		t.Error("nothing is received on what is only not sent on")
	}
	s.RemoveChild(shared)
	want("nothing for all", 1, 1)
}

// TestAsksForOwnSA: once a second, and the flow is remembered only then, so that it
// asks at all; a worker with its own, or that may not, is silent.
func TestAsksForOwnSA(t *testing.T) {
	s, asked := ownStage(t)
	w := newOutboundWorker(s.Tunnel, 1)
	want := func(what string, workers ...int) {
		t.Helper()
		if finds(t, w); !slices.Equal(*asked, workers) {
			t.Errorf("%s: asked %v, want %v", what, *asked, workers)
		}
	}
	w.begin()
	w.now = askInterval
	want("first packet", 2)
	want("second packet", 2)
	s.publishAgain()
	want("another list within a second", 2)
	w.now += askInterval
	want("a second later", 2, 2)
	w.now += askInterval
	want("remembered", 2, 2)
	s.own(t, 2)
	w.now += askInterval
	want("with its own", 2, 2)

	s, asked = ownStage(t)
	s.AddConnection("peer", ConnectionConfig{OwnSAs: 1})
	w = newOutboundWorker(s.Tunnel, 1)
	w.begin()
	want("one worker may")
}

// publishAgain makes what workers remember of the connection's SAs old.
func (s *stage) publishAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.forwarding.Load().connections["peer"]
	c.show(newOutboundList(c.outbound.Load().children...))
}

package ike

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

const (
	left  = "192.0.2.1"
	right = "192.0.2.2"
)

// pair runs body on two engines that know each other, in virtual time.
func pair(t *testing.T, leftStart, rightStart StartPolicy, body func(t *testing.T, n *network, a, b *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := n.host(t, left), n.host(t, right)
		defer b.close()
		defer a.close()
		b.set(connection(t, "to-left", left, "a long shared key", rightStart))
		a.set(connection(t, "to-right", right, "a long shared key", leftStart))
		body(t, n, a, b)
	})
}

func wantUp(t *testing.T, h *host, name string) {
	t.Helper()
	s := h.status(name)
	if s.State != StateUp || len(s.IKE) != 1 || len(s.Children) != 1 {
		t.Fatalf("%v: %s is %s with %d IKE SAs and %d Child SAs, want up with one of each; last failure: %+v",
			h.address, name, s.State, len(s.IKE), len(s.Children), s.LastFailure)
	}
	if in, out := h.data.installed(); in != 1 || out != 1 {
		t.Fatalf("%v: the data path has %d inbound and %d outbound SAs, want one of each", h.address, in, out)
	}
}

func TestWantedConnectionComesUp(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
	})
}

func TestBothStartAndOnePairStays(t *testing.T) {
	pair(t, StartAlways, StartAlways, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(2 * time.Minute)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
		x, y := a.status("to-right").IKE[0], b.status("to-left").IKE[0]
		if x.SPIi != y.SPIi || x.SPIr != y.SPIr {
			t.Errorf("the two sides keep different IKE SAs: %016x_%016x and %016x_%016x", x.SPIi, x.SPIr, y.SPIi, y.SPIr)
		}
	})
}

func TestComesBackAfterAnHourWithoutNetwork(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, b *host) {
		time.Sleep(5 * time.Second)
		n.setDrop(func(from, to netip.Addr) bool { return true })
		time.Sleep(time.Hour)
		if s := a.status("to-right"); s.State == StateUp || s.LastFailure == nil {
			t.Fatalf("after an hour of silence the connection is %s, last failure %v", s.State, s.LastFailure)
		}
		if in, out := a.data.installed(); in+out != 0 {
			t.Fatalf("after an hour of silence %d SAs are left in the data path", in+out)
		}
		n.setDrop(nil)
		time.Sleep(5 * time.Minute)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
	})
}

func TestUpWaitsForTheResult(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		if err := a.engine.Up(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		wantUp(t, a, "to-right")
		if err := a.engine.Down(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		if s := a.status("to-right"); s.State != StateDown || s.Wanted {
			t.Errorf("after down: %s, wanted %v", s.State, s.Wanted)
		}
		time.Sleep(10 * time.Minute)
		if s := a.status("to-right"); s.State != StateDown {
			t.Errorf("a connection that was taken down is %s ten minutes later", s.State)
		}
	})
}

func TestUpTellsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := n.host(t, left), n.host(t, right)
		defer b.close()
		defer a.close()
		b.set(connection(t, "to-left", left, "one shared key", StartOnDemand))
		a.set(connection(t, "to-right", right, "another shared key", StartOnDemand))
		var f *sa.Failure
		if err := a.engine.Up(t.Context(), "to-right"); !errors.As(err, &f) || f.Reason != sa.ReasonAuthenticationFailed {
			t.Fatalf("up with different keys gives %v, want authentication_failed", err)
		}
		if s := a.status("to-right"); s.State != StateFailed || s.LastFailure == nil {
			t.Errorf("state %s, last failure %v; want failed with the cause", s.State, s.LastFailure)
		}
	})
}

func TestRefusedChildIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := n.host(t, left), n.host(t, right)
		defer b.close()
		defer a.close()
		responder := connection(t, "to-left", left, "a long shared key", StartOnDemand)
		esp, err := transform.ParseProposal(transform.ESP, "aes128-sha256")
		if err != nil {
			t.Fatal(err)
		}
		responder.Settings.ESPProposals = []transform.Proposal{esp}
		b.set(responder)
		a.set(connection(t, "to-right", right, "a long shared key", StartAlways))
		time.Sleep(time.Second) // before anything is tried again
		for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
			s := h.status(name)
			if len(s.IKE) != 1 || s.State != StateFailed || s.LastFailure == nil || s.LastFailure.Reason != sa.ReasonProposalMismatch {
				t.Errorf("%s: %d IKE SAs, %s, last failure %+v; want one, failed with proposal_mismatch", name, len(s.IKE), s.State, s.LastFailure)
			}
		}
		b.set(connection(t, "to-left", left, "a long shared key", StartOnDemand))
		time.Sleep(5 * time.Minute)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
		for h, name := range map[*host]string{a: "to-right", b: "to-left"} {
			if f := h.status(name).LastFailure; f != nil {
				t.Errorf("%s is up and still shows %v", name, f)
			}
		}
	})
}

func TestUpOfUnknownConnection(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		var f *sa.Failure
		if err := a.engine.Up(t.Context(), "nowhere"); !errors.As(err, &f) || f.Reason != sa.ReasonLocalRefused {
			t.Errorf("up of an unknown connection gives %v", err)
		}
	})
}

func TestUpEndsWithItsContext(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, n *network, a, _ *host) {
		n.setDrop(func(from, to netip.Addr) bool { return true })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var f *sa.Failure
		if err := a.engine.Up(ctx, "to-right"); !errors.As(err, &f) || f.Reason != sa.ReasonTimeout {
			t.Errorf("up without an answer gives %v, want timeout", err)
		}
	})
}

func TestRekeyWaitsForTheReplacement(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		before := a.status("to-right")
		if err := a.engine.Rekey(t.Context(), "to-right", true, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
		after := a.status("to-right")
		if before.IKE[0].SPIi == after.IKE[0].SPIi {
			t.Error("the IKE SA is the old one")
		}
		if before.Children[0].SPIIn == after.Children[0].SPIIn {
			t.Error("the Child SA is the old one")
		}
	})
}

// TestRekeyBesideTheOldChild asks for a rekey while the Child SA that the peer
// just replaced is still there: that one is replaced no more.
func TestRekeyBesideTheOldChild(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		other := make(chan error, 1)
		go func() { other <- a.engine.Rekey(t.Context(), "to-right", false, true) }()
		time.Sleep(1500 * time.Microsecond) // a millisecond each way
		if n := len(b.status("to-left").Children); n != 2 {
			t.Fatalf("%d Child SAs between request and delete, want the old and the new", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := b.engine.Rekey(ctx, "to-left", false, true); err != nil {
			t.Error(err)
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
	})
}

func TestTrafficBringsAConnectionUp(t *testing.T) {
	pair(t, StartOnTraffic, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		time.Sleep(time.Minute)
		if s := a.status("to-right"); s.State != StateDown || !s.WaitsForTraffic {
			t.Fatalf("before traffic: %s, waits %v", s.State, s.WaitsForTraffic)
		}
		a.engine.TrafficNeeded("to-right", selector.Flow{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Protocol: 1}, 0)
		time.Sleep(5 * time.Second)
		wantUp(t, a, "to-right")
	})
}

func TestInboundTrafficReplacesLivenessChecks(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, _ *host) {
		time.Sleep(5 * time.Second)
		n.setDrop(func(from, to netip.Addr) bool { return true })
		for range 600 { // ten minutes of ESP without one IKE message
			a.data.hear(netip.MustParseAddr(right))
			time.Sleep(time.Second)
		}
		if s := a.status("to-right"); s.State != StateUp {
			t.Errorf("a peer that sends ESP all the time is %s: %+v", s.State, s.LastFailure)
		}
	})
}

func TestSetLeavesEqualConnectionsAlone(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		before := a.status("to-right").IKE[0].SPIi
		a.set(connection(t, "to-right", right, "a long shared key", StartAlways), connection(t, "other", "192.0.2.9", "k", StartOnDemand))
		if after := a.status("to-right").IKE; len(after) != 1 || after[0].SPIi != before {
			t.Error("an equal connection was touched")
		}
		a.set()
		time.Sleep(5 * time.Second)
		if s := b.status("to-left"); s.State != StateDown {
			t.Errorf("the peer of a removed connection is %s", s.State)
		}
	})
}

func TestDataPathRefusalIsTold(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		a.data.refuse = errors.New("no such suite")
		var f *sa.Failure
		if err := a.engine.Up(t.Context(), "to-right"); !errors.As(err, &f) || f.Reason != sa.ReasonDataPath {
			t.Errorf("up with a refusing data path gives %v, want data_path", err)
		}
		for range 20000 { // it is tried again, and the peer's answers take 2 ms
			time.Sleep(500 * time.Microsecond)
			if s := a.status("to-right"); s.State == StateUp || s.LastFailure == nil {
				t.Fatalf("while nothing carries the connection is %s, last failure %v", s.State, s.LastFailure)
			}
		}
	})
}

// What the data path of either end does not accept in place of a Child SA costs nothing:
// the old one carries on, and the rekey is tried again.
func TestDataPathDeclinesARekey(t *testing.T) {
	for _, declines := range []string{"ours", "the peer's"} {
		pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
			time.Sleep(5 * time.Second)
			before := a.status("to-right").Children[0].SPIIn
			data := a.data
			if declines == "the peer's" {
				data = b.data
			}
			data.decline(errors.New("no such suite"))
			var f *sa.Failure
			err := a.engine.Rekey(t.Context(), "to-right", false, true)
			if !errors.As(err, &f) || data == a.data && f.Reason != sa.ReasonDataPath {
				t.Errorf("%s declines: rekey gives %v", declines, err)
			}
			for range 25 {
				time.Sleep(time.Second)
				if s := a.status("to-right"); len(s.Children) != 1 || s.Children[0].SPIIn != before || s.State != StateUp {
					t.Fatalf("%s declines: the connection is %s with %d Child SAs", declines, s.State, len(s.Children))
				}
				if in, out := a.data.installed(); in != 1 || out != 1 {
					t.Fatalf("%s declines: %d inbound and %d outbound SAs", declines, in, out)
				}
			}
			data.decline(nil)
			time.Sleep(time.Minute)
			if s := a.status("to-right"); len(s.Children) != 1 || s.Children[0].SPIIn == before {
				t.Errorf("%s declined once: it was not tried again: %+v", declines, s.LastFailure)
			}
		})
	}
}

func TestHostileDatagramsAreIgnored(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		from := netip.MustParseAddrPort("203.0.113.66:500")
		to := netip.MustParseAddrPort(left + ":500")
		for n := range 200 {
			junk := make([]byte, n)
			for i := range junk {
				junk[i] = byte(i * n)
			}
			a.engine.Receive(junk, to, from)
		}
		time.Sleep(5 * time.Second)
		wantUp(t, a, "to-right")
		wantUp(t, b, "to-left")
	})
}

func TestAPanicCostsOneConnection(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, b *host) {
		time.Sleep(5 * time.Second)
		c := n.host(t, "192.0.2.3")
		defer c.close()
		c.set(connection(t, "to-left", left, "a third key", StartOnDemand))
		a.set(connection(t, "to-right", right, "a long shared key", StartAlways), connection(t, "to-third", "192.0.2.3", "a third key", StartAlways))
		time.Sleep(5 * time.Second)
		untouched, lost := a.status("to-third").IKE[0].SPIi, a.status("to-right").IKE[0]
		a.random.tripped.Store(true)
		if err := a.engine.Rekey(t.Context(), "to-right", true, false); err == nil {
			t.Fatal("the rekey did not meet the panic")
		}
		if r, ok := last[sa.Failed](a); !ok || r.Failure.Reason != sa.ReasonInternal {
			t.Errorf("reported %+v, want the defect", r)
		}
		if r, ok := last[sa.IKEClosed](a); !ok || r.SPIi != lost.SPIi || r.SPIr != lost.SPIr || r.Failure == nil {
			t.Errorf("of the IKE SA %016x that is lost is reported %+v", lost.SPIi, r)
		}
		time.Sleep(5 * time.Minute)
		if s := a.status("to-right"); s.State != StateUp {
			t.Errorf("five minutes after the panic the connection is %s: %+v", s.State, s.LastFailure)
		}
		if s := a.status("to-third"); s.State != StateUp || s.IKE[0].SPIi != untouched {
			t.Error("a panic of one connection touched another")
		}
		if in, out := a.data.installed(); in != 2 || out != 2 {
			t.Errorf("%d inbound and %d outbound SAs, want two of each", in, out)
		}
	})
}

// inState is a machine whose state is set.
type inState struct {
	machine
	state sa.State
}

func (m inState) Snapshot() sa.Snapshot { return sa.Snapshot{State: m.state} }

// TestRefusingThePeerBacksOff: an attempt that ends since we refuse the peer's proof,
// which it is told, has failed, and the next one waits longer. What was up and is
// closed has not.
func TestRefusingThePeerBacksOff(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		o := a.engine.owner("to-right")
		done := make(chan struct{})
		o.inbox.post(func() {
			defer close(done)
			real := o.machine
			defer func() { o.machine = real }()
			for _, c := range []struct {
				states []sa.State
				want   int
			}{
				{[]sa.State{sa.StateConnecting, sa.StateClosing, sa.StateDown}, 1},
				{[]sa.State{sa.StateConnecting, sa.StateDown}, 2},
				{[]sa.State{sa.StateConnecting, sa.StateClosing, sa.StateDown}, 3},
				{[]sa.State{sa.StateConnecting, sa.StateUp, sa.StateClosing, sa.StateDown}, 0},
			} {
				for _, state := range c.states {
					o.machine = inState{real, state}
					o.settle(time.Now())
				}
				if o.keep.attempt != c.want {
					t.Errorf("%v: %d failed attempts, want %d", c.states, o.keep.attempt, c.want)
				}
			}
			o.keep.rest()
		})
		<-done
	})
}

// TestQuestionComesAtItsTime: a peer is asked when it was silent for a third of the liveness
// interval of 30 s, counted from its last packet and not from when that was noticed.
func TestQuestionComesAtItsTime(t *testing.T) {
	for _, version := range []string{"IKEv2", "IKEv1"} {
		run := map[string]func(*testing.T, StartPolicy, StartPolicy, func(*testing.T, *network, *host, *host)){"IKEv2": pair, "IKEv1": pairv1}[version]
		t.Run(version, func(t *testing.T) {
			run(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, _ *host) {
				time.Sleep(5 * time.Second)
				up := time.Now()
				var first sync.Once
				asked := make(chan time.Time, 1)
				n.setDrop(func(from, _ netip.Addr) bool {
					if from == a.address {
						first.Do(func() { asked <- time.Now() })
					}
					return true
				})
				time.Sleep(3 * time.Second)
				a.data.hear(netip.MustParseAddr(right))
				if got := (<-asked).Sub(up); (got - 13*time.Second).Abs() > time.Second {
					t.Errorf("the peer sent ESP 3 s in, and is asked after %v, want 13 s", got)
				}
			})
		})
	}
}

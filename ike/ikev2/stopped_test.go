package ikev2_test

import (
	"net/netip"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/test/transcript"
)

// resources is a tunnel of two Child SAs, beside the first of which one is for a worker
// of each end.
func resources(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.Children = append(a.Children, sa.ChildSettings{Name: "more", Local: transcript.Networks("10.3.0.0/16"), Remote: transcript.Networks("10.4.0.0/16")})
	b.Children = append(b.Children, sa.ChildSettings{Name: "more", Local: transcript.Networks("10.4.0.0/16"), Remote: transcript.Networks("10.3.0.0/16")})
	a.Resources, b.Resources = sa.Resources{Workers: 2, Most: 4}, sa.Resources{Workers: 2, Most: 4}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(needs(1))
	w.DeliverAll()
	w.A.Ping("net", 1)
	w.Advance(5*time.Second, true)
	if c := w.B.SendsBy("net", 1); c == nil || c.Resource != 1 {
		t.Fatalf("b's worker 1 sends on %+v", c)
	}
	return w
}

func needs(worker int) sa.TrafficNeeded {
	flow := selector.Flow{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Protocol: 1}
	return sa.TrafficNeeded{Flow: flow, Resource: worker}
}

// A Child SA of a worker that is sent on no more, as its IKE SA was reauthenticated,
// stays so whatever the peer asks on that IKE SA.
func TestStoppedIsNotSentOnAgain(t *testing.T) {
	w := resources(t)
	old := w.B.SendsBy("net", 1)
	w.A.Step(sa.Rekey{Reauthenticate: true})
	stopped := false
	for step := 0; step < 40; step++ {
		w.B.Actions = nil
		if len(w.Network) > 0 {
			w.Deliver(0)
		} else {
			w.Advance(time.Second, false)
		}
		for _, act := range w.B.Actions {
			switch act := act.(type) {
			case sa.StopOutbound:
				stopped = stopped || act.SPIIn == old.SPIIn
			case sa.ActivateOutbound:
				if stopped && act.Child.SPIIn == old.SPIIn {
					t.Fatal("b sends on it again")
				}
			}
		}
	}
	if !stopped {
		t.Fatal("b never stopped sending on it")
	}
}

// Child SAs for single workers that a reload does away with lose no packet: the first one
// carries before they go.
func TestFewerWorkers(t *testing.T) {
	w := resources(t)
	w.Advance(40*time.Second, true) // a check of a's shows that it knows them
	changed := *w.B.Settings
	changed.Resources = sa.Resources{}
	w.B.Machine.Reconfigure(&changed)
	w.B.Settings = &changed
	w.B.Step(sa.TimerDue{})
	for len(w.Network) > 0 {
		w.Deliver(0)
		for worker := range 3 {
			if out := w.B.SendsBy("net", worker); w.A.Inbound[out.SPIOut] == nil {
				t.Fatalf("worker %d of b sends on %08x, which a does not receive", worker, out.SPIOut)
			}
		}
	}
	if n := len(w.B.Snapshot().Children); n != 2 {
		t.Errorf("b has %d Child SAs", n)
	}
}

// The Child SA of a worker that the peer may not know yet is not sent on because the last
// one of the worker went with its IKE SA: the one for all carries.
func TestUnknownCarriesForNoWorker(t *testing.T) {
	a, b := transcript.Pair()
	a.Resources, b.Resources = sa.Resources{Workers: 2, Most: 4}, sa.Resources{Workers: 2, Most: 4}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(sa.Rekey{Reauthenticate: true})
	for range 3 { // as far as b's IKE_AUTH answer
		w.Deliver(0)
	}
	w.A.Step(needs(1)) // on the old IKE SA
	w.Deliver(0)       // a has the new one, and asks there, too
	w.Deliver(0)
	w.Deliver(0)
	w.Deliver(0) // a has the answer on the old IKE SA, and deletes it
	w.Deliver(1) // before it has that on the new one
	for worker := range 3 {
		if out := w.B.SendsBy("net", worker); out == nil || w.A.Inbound[out.SPIOut] == nil {
			t.Errorf("worker %d of b sends nothing that a receives", worker)
		}
	}
	w.Advance(time.Minute, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Error(err, w.Faults)
	}
}

// A peer that asks for one of its own beside a first one that allowed it hears that there
// are enough where a reload allows none any more (RFC 9611 §5.2).
func TestNoMoreWorkersAfterAReload(t *testing.T) {
	w := resources(t)
	changed := *w.B.Settings
	changed.Resources = sa.Resources{}
	w.B.Machine.Reconfigure(&changed)
	w.A.Step(needs(2))
	w.DeliverAll()
	if f := w.A.Snapshot().LastFailure; f == nil || f.Reason != sa.ReasonMaxQueue {
		t.Errorf("a is told %v", f)
	}
}

// A late request on an IKE SA that is being deleted has nobody send on its Child SAs, not
// for a moment: the peer may not receive on them any more.
func TestWhatGoesIsNotSentOn(t *testing.T) {
	w := tunnel(t)
	w.B.Step(sa.Rekey{Children: true})
	w.Deliver(0)
	w.Deliver(0) // b deletes the old one, which takes its time
	w.A.Step(sa.Rekey{Reauthenticate: true})
	for range 4 {
		w.Deliver(1)
	}
	going := w.A.Snapshot().IKE[0]
	if going.State != "deleting" {
		t.Fatalf("the old IKE SA is %s", going.State)
	}
	w.A.Actions = nil
	w.Deliver(0)
	for _, act := range w.A.Actions {
		if o, ok := act.(sa.ActivateOutbound); ok {
			t.Errorf("a sends on %08x", o.Child.SPIOut)
		}
	}
	w.DeliverAll()
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil || len(w.Faults) > 0 {
		t.Error(err, w.Faults)
	}
}

// A Child SA that is being deleted is not sent on because the peer turns out to know it.
func TestWhatIsDeletedIsNotSentOn(t *testing.T) {
	a, b := transcript.Pair()
	a.Resources, b.Resources = sa.Resources{Workers: 2, Most: 4}, sa.Resources{Workers: 2, Most: 4}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	w.A.Step(needs(1))
	w.DeliverAll() // b waits for proof that a has it
	w.A.Ping("net", 1)
	changed := *w.B.Settings
	changed.Resources = sa.Resources{}
	w.B.Machine.Reconfigure(&changed)
	w.A.Step(sa.Rekey{Children: true})
	w.Deliver(0) // it is proof enough to delete it
	w.Advance(3*time.Second, false)
	if c := w.B.SendsBy("net", 1); c == nil || c.Resource != 0 {
		t.Errorf("b sends on %+v, which it deletes", c)
	}
}

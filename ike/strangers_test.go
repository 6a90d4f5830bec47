package ike

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/sa"
)

// However much work peers that are not authenticated make, a connection of ours
// does not wait behind it.
func TestStrangersDoNotHoldUpConnections(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		free := make(chan struct{})
		for i := range sa.Ticket(40) {
			a.engine.v2.acceptor.perform.perform(sa.StartWork{Ticket: 1000 + i, Job: waiting{free}})
		}
		if err := a.engine.Up(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		wantUp(t, a, "to-right")
		close(free)
		time.Sleep(time.Second)
	})
}

// Jobs that wait for servers outside leave the workers to those that compute.
func TestWaitingHoldsUpNobody(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		free := make(chan struct{})
		work := performer{engine: a.engine, inbox: a.engine.v2.acceptor.inbox, workers: a.engine.workers, step: func(sa.Event) {}}
		for i := range sa.Ticket(40) {
			work.perform(sa.StartWork{Ticket: 1000 + i, Job: waiting{free}, Waits: true})
		}
		if err := a.engine.Up(t.Context(), "to-right"); err != nil {
			t.Fatal(err)
		}
		wantUp(t, a, "to-right")
		close(free)
		time.Sleep(time.Second)
	})
}

// waiting is work that goes on until free is closed.
type waiting struct{ free chan struct{} }

func (w waiting) Run() any {
	<-w.free
	return nil
}

// A peer on a port of its own is spoken to with the non-ESP marker from the
// first message on, hence from our NAT port (RFC 7296 §2.23).
func TestPortsOfTheFirstMessage(t *testing.T) {
	pair(t, StartOnDemand, StartOnDemand, func(t *testing.T, _ *network, a, _ *host) {
		for _, c := range []struct{ remote, ours, theirs uint16 }{
			{0, 500, 500}, {500, 500, 500}, {4500, 4500, 4500}, {1500, 4500, 1500},
		} {
			conn := connection(t, "other", right, "a long shared key", StartOnDemand)
			conn.RemotePort = c.remote
			a.set(conn)
			_ = a.engine.Up(t.Context(), "other")
			start, ok := last[sa.Connecting](a)
			if !ok || start.Local != netip.AddrPortFrom(a.address, c.ours) || start.Remote.Port() != c.theirs {
				t.Errorf("port %d: starts from %v to %v, want ports %d and %d", c.remote, start.Local, start.Remote, c.ours, c.theirs)
			}
		}
	})
}

// A stranger's work of a connection is done while its workers have enough to do; what
// nobody waits for any more leaves the queue.
func TestStrangersHaveWorkersOfTheirOwn(t *testing.T) {
	h := newNetwork().host(t, left)
	defer h.close()
	done := make(chan sa.Event, 1)
	p := performer{engine: h.engine, inbox: newInbox(), workers: make(chan struct{}), step: func(ev sa.Event) { done <- ev }}
	free := make(chan struct{})
	close(free)
	cancelled := make(chan struct{})
	p.startWork(sa.StartWork{Ticket: 6, Job: waiting{free}, Cancelled: cancelled})
	close(cancelled)
	h.engine.jobs.Wait()
	p.startWork(sa.StartWork{Ticket: 7, Job: waiting{free}, Stranger: true})
	(<-p.inbox.tasks)()
	if ev := (<-done).(sa.WorkDone); ev.Ticket != 7 {
		t.Errorf("done: %+v", ev)
	}
}

// halfOpen is one that tells whether its keys were erased.
type halfOpen struct{ erased bool }

func (*halfOpen) HalfOpen() {}

func (h *halfOpen) Erase() { h.erased = true }

// Of a half-open IKE SA whose connection is gone the keys are erased, and the SPI is free.
func TestHandOverToNobody(t *testing.T) {
	h := newNetwork().host(t, left)
	defer h.close()
	half := &halfOpen{}
	a := newAcceptor(h.engine, h.engine.v2)
	h.engine.v2.spis.register(1, a.inbox)
	a.handOver(sa.Handover{Connection: "gone", SPI: 1, Half: half})
	if !half.erased {
		t.Error("its keys are kept")
	}
	if h.engine.v2.spis.lookup(1) != nil {
		t.Error("its SPI is kept")
	}
}

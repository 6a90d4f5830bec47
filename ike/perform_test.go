package ike

import (
	"testing"
	"time"

	"causeway/ike/sa"
)

type defective struct{}

func (defective) Run() any { panic("a number that nobody thought of") }

// Work that panics costs its machine a failure and nobody anything else.
func TestAPanicOfWork(t *testing.T) {
	h := newNetwork().host(t, left)
	defer h.close()
	var got []sa.Event
	p := performer{engine: h.engine, inbox: newInbox(), workers: make(chan struct{}, 1), step: func(ev sa.Event) { got = append(got, ev) }}
	p.startWork(sa.StartWork{Ticket: 7, Job: defective{}})
	(<-p.inbox.tasks)()
	if len(got) != 1 {
		t.Fatalf("the machine was told %v", got)
	}
	done, ok := got[0].(sa.WorkDone)
	if _, failed := done.Result.(*sa.Failure); !ok || done.Ticket != 7 || !failed {
		t.Errorf("the machine was told %+v", got[0])
	}
	if r, ok := last[sa.Failed](h); !ok || r.Failure.Reason != sa.ReasonInternal {
		t.Errorf("reported %+v, want the defect", r)
	}
	if len(p.workers) != 0 {
		t.Error("the work still has its slot")
	}
}

// Work that still waits for its turn when the engine ends is not begun: servers
// that do not answer do not keep the program from ending.
func TestNoWorkBeginsAfterTheEnd(t *testing.T) {
	h := newNetwork().host(t, left)
	for range maxWaiting {
		h.engine.waiting <- struct{}{}
	}
	p := performer{engine: h.engine, inbox: newInbox(), workers: make(chan struct{}, 1)}
	p.startWork(sa.StartWork{Ticket: 7, Job: defective{}, Waits: true})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.engine.Close(t.Context())
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the engine waits for work that has not begun")
	}
}

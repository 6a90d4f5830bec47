package ike

import (
	"context"
	"net/netip"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// acceptor is the goroutine that owns the half-open responders of one version:
// peers whose connection is not known yet.
type acceptor struct {
	engine  *Engine
	version *version
	inbox   *inbox
	// first are first messages, and further those of peers that it has answered, or
	// that show a cookie: a flood of first messages leaves the others their turns, as a
	// flood of forged cookies does the other way round.
	first, further *queue
	machine        stranger
	perform        performer
	actions        []sa.Action
}

func newAcceptor(e *Engine, v *version) *acceptor {
	a := &acceptor{engine: e, version: v, inbox: newInbox(), first: newQueue(), further: newQueue(), machine: v.stranger()}
	a.perform = performer{engine: e, spis: &v.spis, inbox: a.inbox, workers: e.strangers, step: a.step, sendFailed: a.sendFailed}
	return a
}

func (a *acceptor) run(ctx context.Context) {
	defer close(a.inbox.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		resetTimer(timer, a.machine.Deadline())
		select { // whatever is ready, at random: nothing keeps the rest waiting
		case d := <-a.further.datagrams:
			a.step(a.further.took(d))
		case d := <-a.first.datagrams:
			a.step(a.first.took(d))
		case ev := <-a.inbox.events:
			a.step(ev)
		case task := <-a.inbox.tasks:
			task()
		case <-timer.C:
			a.step(sa.TimerDue{})
		case <-ctx.Done():
			return
		}
	}
}

// offer takes a message, or drops it and counts that; it never blocks. known says
// that it names an SPI of ours. What begins with a notification may show a cookie,
// which has to come first (RFC 7296 §2.6).
func (a *acceptor) offer(h header, known bool, d sa.Datagram) {
	to := a.first
	if known || h.major == 2 && wire.PayloadType(h.next) == wire.PayloadNotify {
		to = a.further
	}
	if !to.put(d) {
		a.inbox.dropped.Add(1)
	}
}

func (a *acceptor) step(ev sa.Event) {
	defer a.contain()
	a.actions = a.machine.Step(a.actions[:0], time.Now(), ev)
	for _, act := range a.actions {
		if e, ok := act.(sa.Emit); ok {
			a.tell(e.Report)
		}
		if a.perform.perform(act) {
			continue
		}
		switch act := act.(type) {
		case sa.Handover:
			a.handOver(act)
		case sa.Doubt:
			for _, o := range a.engine.with(netip.AddrPortFrom(act.Remote.Addr(), 0)) {
				o.inbox.offer(sa.Doubted{SPI: act.SPI})
			}
		}
	}
	clear(a.actions)
}

// handOver gives a half-made SA to its connection. A connection that is gone
// by now leaves the peer without an answer; it tries again and is not found.
func (a *acceptor) handOver(h sa.Handover) {
	o := a.engine.owner(h.Connection)
	if o == nil || !o.inbox.post(func() { o.step(sa.Adopt{Half: h.Half}) }) {
		h.Half.Erase()
		a.version.spis.release(h.SPI, a.inbox)
	}
}

// tell shows a failure in the status of the connection that it concerns. The
// peer is not authenticated, so a connection that is up is left alone.
func (a *acceptor) tell(r sa.Report) {
	f, ok := r.(sa.Failed)
	if !ok || f.Connection == "" {
		return
	}
	if o := a.engine.owner(f.Connection); o != nil {
		a.engine.jobs.Go(func() { o.inbox.post(func() { o.hearsay(f) }) })
	}
}

// sendFailed: an answer to a stranger that the network refuses is dropped; the
// stranger asks again.
func (a *acceptor) sendFailed(s sa.Send, err error) {
	a.engine.cfg.Report(sa.MessageDropped{Remote: s.Remote, Reason: sa.ReasonSendFailed, Detail: err.Error()})
}

// resetTimer arms t for deadline; the zero time is far away.
func resetTimer(t *time.Timer, deadline time.Time) {
	if deadline.IsZero() {
		t.Reset(time.Hour)
		return
	}
	t.Reset(max(0, time.Until(deadline)))
}

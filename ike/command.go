package ike

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/ike/sa"
)

// waiter is a command that waits for its result. It belongs to the owner.
type waiter struct {
	reply chan error // holds one
	// met tells whether the command's goal is reached, given the state.
	met func(o *owner) bool
	// failed is the newest failure since the command began.
	failed *sa.Failure
	// ike and children count the replacements that a rekey still waits for.
	ike, children int
}

func (w *waiter) observe(r sa.Report) {
	switch r := r.(type) {
	case sa.Failed:
		if !r.Stranger { // anybody can fail
			w.failed = r.Failure
		}
	case sa.IKEEstablished:
		if r.Rekeys != 0 {
			w.ike--
		}
	case sa.IKEClosed:
		w.failed = r.Failure
	case sa.ChildEstablished:
		if r.Child.Rekeys != 0 {
			w.children--
		}
	}
}

// answerWaiters replies to the commands whose goal is reached or out of reach.
func (o *owner) answerWaiters() {
	keep := o.waiters[:0]
	for _, w := range o.waiters {
		switch {
		case w.met(o):
			w.reply <- nil
		case w.failed != nil:
			w.reply <- w.failed
		default:
			keep = append(keep, w)
		}
	}
	clear(o.waiters[len(keep):])
	o.waiters = keep
}

// Up brings the connection up, keeps it up from now on, and waits until it
// carries traffic or the attempt failed. The error is a *sa.Failure.
func (e *Engine) Up(ctx context.Context, connection string) error {
	return e.command(ctx, connection, func(o *owner) *waiter {
		up := func(o *owner) bool {
			return o.stateFor(o.machine.Snapshot()) == StateUp
		}
		if !o.initiates() && !up(o) {
			w := &waiter{met: up, failed: o.refusal("this side only responds", "start it from the peer, or set remote.address and mode")}
			return w
		}
		if o.state == sa.StateDown && !o.resolving {
			o.keep.want(time.Now(), true)
		}
		o.keep.wanted = o.initiates()
		o.resting.Store(false)
		return &waiter{met: up}
	})
}

// Down deletes the connection's SAs at the peer, and leaves it down until Up.
func (e *Engine) Down(ctx context.Context, connection string) error {
	return e.command(ctx, connection, func(o *owner) *waiter {
		o.keep.rest()
		o.resting.Store(true)
		o.step(sa.Down{})
		return &waiter{met: func(o *owner) bool { return o.state == sa.StateDown }}
	})
}

// Rekey replaces the IKE SA, the Child SAs, or both, and waits for it.
func (e *Engine) Rekey(ctx context.Context, connection string, ikeSA, children bool) error {
	return e.command(ctx, connection, func(o *owner) *waiter {
		w := &waiter{met: func(*owner) bool { return false }}
		snap := o.machine.Snapshot()
		if snap.State != sa.StateUp && snap.State != sa.StateRekeying {
			w.failed = o.refusal("the connection is not up", fmt.Sprintf("causeway up %s", o.name()))
			return w
		}
		if ikeSA {
			w.ike = 1
		}
		if children {
			w.children = replaceable(snap.Children)
		}
		w.met = func(o *owner) bool {
			if o.state == sa.StateDown && w.failed == nil { // the peer took it down
				w.failed = o.refusal("the connection went down before the rekey was done", fmt.Sprintf("causeway up %s", o.name()))
			}
			return w.ike <= 0 && w.children <= 0
		}
		o.waiters = append(o.waiters, w) // before the step, to see its reports
		w.reply = make(chan error, 1)
		o.step(sa.Rekey{IKE: ikeSA, Children: children})
		return w
	})
}

// replaceable counts the Child SAs that a rekey replaces: not those that have a
// successor already and wait for their end.
func replaceable(children []sa.ChildStatus) int {
	n := 0
	for _, c := range children {
		if c.State == "installed" || c.State == "rekeying" {
			n++
		}
	}
	return n
}

// command runs begin on the owner's goroutine and waits for the result.
func (e *Engine) command(ctx context.Context, connection string, begin func(*owner) *waiter) error {
	set := e.owners.Load()
	o := cmp.Or(set.byName[connection], set.coming[connection])
	if o == nil {
		return &sa.Failure{
			Reason: sa.ReasonLocalRefused, Message: fmt.Sprintf("no connection is named %q", connection),
			Hint: "causeway status lists them",
		}
	}
	started := make(chan *waiter, 1)
	if !o.inbox.post(func() { started <- o.begin(begin) }) {
		return o.refusal("the connection is being taken away", "")
	}
	w := <-started
	select {
	case err := <-w.reply:
		return err
	case <-ctx.Done():
		o.inbox.post(func() { o.abandon(w) })
		return &sa.Failure{
			Reason: sa.ReasonTimeout, Message: "no result within the time allowed; it goes on in the background",
			Hint: fmt.Sprintf("causeway status %s", connection),
		}
	}
}

func (o *owner) begin(begin func(*owner) *waiter) *waiter {
	w := begin(o)
	if w.reply == nil {
		w.reply = make(chan error, 1)
		o.waiters = append(o.waiters, w)
	}
	o.publish()
	o.answerWaiters()
	return w
}

func (o *owner) abandon(w *waiter) {
	for i, x := range o.waiters {
		if x == w {
			o.waiters = append(o.waiters[:i], o.waiters[i+1:]...)
			return
		}
	}
}

func (o *owner) refusal(message, hint string) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonLocalRefused, Message: message, Hint: hint}
}

// end takes the connection down at the peer, waits for the owner's end, and ends it by
// force when ctx does. If IKE_AUTH is on its way then, the owner is left alone with it: the
// peer may have the IKE SA, and is to delete it.
func (o *owner) end(ctx context.Context) {
	go o.inbox.post(func() {
		o.ending = true
		o.keep.rest()
		o.step(sa.Down{})
	})
	select {
	case <-o.inbox.done:
		return
	case <-ctx.Done():
	}
	alone := make(chan bool, 1)
	if !o.inbox.post(func() { alone <- o.leaveAlone() }) || <-alone {
		return
	}
	o.cancel()
	<-o.inbox.done
}

// retireTime is how long an owner goes on that nobody waits for any more: longer than
// IKE_AUTH, or a DELETE behind it, is repeated where the connection is taken down, and a
// late answer is taken.
const retireTime = time.Minute

// leaveAlone has the owner go on by itself for a while if the peer may have an IKE SA
// that cannot be deleted yet. Another may have the name by then, so it says no more.
func (o *owner) leaveAlone() bool {
	o.retired = slices.ContainsFunc(o.machine.Snapshot().IKE, func(i sa.IKEStatus) bool { return i.Promised })
	if o.retired {
		time.AfterFunc(retireTime, o.cancel)
	}
	return o.retired
}

package ike

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"causeway/ike/sa"
)

// owner is the goroutine of one connection. Everything but the zone at the end
// is touched by it alone.
type owner struct {
	engine  *Engine
	version *version // constant
	inbox   *inbox   // constant
	machine machine
	perform performer
	keep    keepUp
	actions []sa.Action
	waiters []*waiter
	// state is the machine's after the last step.
	state sa.State
	// failure is the newest one, until the connection is up again, and failed says
	// that one of them was ours: what strangers try is shown, and changes nothing.
	failure  *sa.Failure
	failedAt time.Time
	failed   bool
	// unmade says that what is being closed never was up: the peer is told that its
	// proof is refused.
	unmade bool
	// at is which of the peer's addresses the connection was up with last, and silent
	// says that the peer answered no more there.
	at        netip.Addr
	silent    bool
	resolving bool
	// carrying: a Child SA was there after the last step.
	carrying bool
	// usable are the Child SAs, by inbound SPI, that the data path took, until the
	// machine removes them.
	usable map[uint32]bool
	// reserved are the inbound SPIs that this connection has of the data path.
	reserved map[uint32]bool
	back     failBack
	idle     idleness
	// refused is set once an attempt found the local network refusing.
	refused error
	ending  bool
	// retired says that nobody waits for its end (command.go).
	retired bool
	// resting: a command took the connection down; only a command or the peer
	// brings it back. A reload reads it, too.
	resting atomic.Bool

	ctx    context.Context
	cancel context.CancelFunc

	// status and current are written by the owner and read by anyone.
	status  atomic.Pointer[ConnectionStatus]
	current atomic.Pointer[Connection]
}

// conn is the connection as it is configured now. Immutable.
func (o *owner) conn() *Connection { return o.current.Load() }

func newOwner(e *Engine, c Connection) *owner {
	o := &owner{engine: e, version: e.versionOf(c.Settings), inbox: newInbox(), state: sa.StateDown, usable: map[uint32]bool{}, reserved: map[uint32]bool{}}
	o.current.Store(&c)
	o.ctx, o.cancel = context.WithCancel(e.ctx)
	o.perform = performer{engine: e, spis: &o.version.spis, inbox: o.inbox, workers: e.workers, step: o.step, sendFailed: o.sendFailed}
	o.machine = o.newMachine()
	if c.Start == StartAlways && o.initiates() {
		o.keep.want(time.Now(), true)
	}
	o.publish()
	return o
}

// newMachine makes one of the version that the connection speaks.
func (o *owner) newMachine() machine {
	return o.version.machine(o.conn().Settings, o.allocateSPI, o.accepts)
}

// allocateSPI is called by the machine in its step.
func (o *owner) allocateSPI(resource int) (uint32, error) {
	spi, err := o.engine.cfg.DataPath.AllocateSPI(o.name(), resource)
	if err == nil {
		o.reserved[spi] = true
	}
	return spi, err
}

// accepts is called by the machine in its step.
func (o *owner) accepts(c *sa.Child) error { return o.engine.cfg.DataPath.Accepts(o.name(), c) }

// initiates tells whether this side may start an IKE SA.
func (o *owner) initiates() bool {
	return len(o.conn().Remotes) > 0 && !o.conn().Settings.RespondOnly
}

// vagueness orders candidates for an unknown peer: those that name its address
// before those that take any.
func (o *owner) vagueness() int {
	if len(o.conn().Settings.RemoteAddresses) == 0 {
		return 1
	}
	return 0
}

func (o *owner) name() string { return o.conn().Settings.Name }

func (o *owner) run() {
	defer o.finish()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		resetTimer(timer, earlier(earlier(o.machine.Deadline(), o.keep.due()), earlier(o.back.at, o.idle.at)))
		select {
		case ev := <-o.inbox.events:
			o.receive(ev)
		case task := <-o.inbox.tasks:
			task()
		case <-timer.C:
			o.tick(time.Now())
		case <-o.ctx.Done():
			return
		}
		if o.ending && o.state == sa.StateDown && (!o.retired || o.machine.Deadline().IsZero()) {
			return
		}
	}
}

// finish leaves nothing behind: not in the data path, not in the SPI table.
func (o *owner) finish() {
	close(o.inbox.done)
	o.cancel()
	for spi := range o.reserved {
		o.engine.cfg.DataPath.RemoveChild(o.name(), spi)
	}
	o.version.spis.releaseAll(o.inbox)
	o.lost(nil)
	for _, w := range o.waiters {
		w.reply <- o.refusal("the connection ended before the command was done", "")
	}
}

// lost reports the end of the IKE SAs that are there, of which the machine itself says
// nothing more.
func (o *owner) lost(f *sa.Failure) {
	for _, i := range o.status.Load().IKE {
		if !i.EstablishedAt.IsZero() {
			o.engine.cfg.Report(sa.IKEClosed{Connection: o.name(), SPIi: i.SPIi, SPIr: i.SPIr, Failure: f})
		}
	}
}

func (o *owner) receive(ev sa.Event) {
	if _, ok := ev.(sa.LocalAddress); ok {
		o.followRoute()
		return
	}
	if _, ok := ev.(sa.TrafficNeeded); ok && o.wakesOnTraffic() {
		o.keep.want(time.Now(), false)
	}
	o.step(ev)
}

// wakesOnTraffic tells whether a packet is a reason to start now.
func (o *owner) wakesOnTraffic() bool {
	return o.state == sa.StateDown && o.conn().Start == StartOnTraffic && o.initiates() &&
		!o.resting.Load() && !o.resolving && o.keep.due().IsZero()
}

// tick does what is due: the machine's timers and the next attempt.
func (o *owner) tick(now time.Time) {
	if d := o.machine.Deadline(); !d.IsZero() && !now.Before(d) {
		o.step(sa.TimerDue{})
	}
	if d := o.keep.due(); !d.IsZero() && !now.Before(d) {
		o.attempt()
	}
	if d := o.back.at; !d.IsZero() && !now.Before(d) {
		o.tryFirst()
	}
	if d := o.idle.at; !d.IsZero() && !now.Before(d) {
		o.lookIdle(now)
	}
}

// step is the only place where the machine moves.
func (o *owner) step(ev sa.Event) {
	defer o.contain()
	now := time.Now()
	actions := o.machine.Step(o.actions[:0], now, ev)
	o.actions = nil // a refused action may step the machine again
	for _, act := range actions {
		o.do(act, now)
	}
	clear(actions)
	o.actions = actions
	o.settle(now)
}

func (o *owner) do(act sa.Action, now time.Time) {
	if e, ok := act.(sa.Emit); ok {
		if o.retired {
			return
		}
		o.observe(e.Report, now)
	}
	if o.perform.perform(act) {
		return
	}
	dp := o.engine.cfg.DataPath
	switch a := act.(type) {
	case sa.InstallInbound:
		o.usable[a.Child.SPIIn] = true
		if err := dp.InstallInbound(o.name(), a.Child); err != nil {
			o.dataPathRefused(a.Child, err)
		}
	case sa.ActivateOutbound:
		if !o.usable[a.Child.SPIIn] {
			return
		}
		if err := dp.ActivateOutbound(o.name(), a.Child); err != nil {
			o.dataPathRefused(a.Child, err)
		}
	case sa.StopOutbound:
		dp.StopOutbound(o.name(), a.SPIIn)
	case sa.RemoveChild:
		delete(o.usable, a.SPIIn)
		delete(o.reserved, a.SPIIn)
		dp.RemoveChild(o.name(), a.SPIIn)
	case sa.Redirect:
		o.redirect(a.To)
	case sa.FindPaths:
		o.findPaths(a)
	case sa.SkipAhead:
		dp.SkipAhead(o.name(), a.SPIIn, a.By)
	case sa.MoveChildren:
		dp.MoveChildren(o.name(), a.SPIsIn, a.Local, a.Remote)
	}
}

// dataPathRefused treats a child that cannot carry traffic after all, though it was
// accepted, as one whose hard lifetime ended: the machine deletes it at the peer and
// tries again.
func (o *owner) dataPathRefused(c *sa.Child, err error) {
	delete(o.usable, c.SPIIn)
	report := sa.Failed{Connection: o.name(), Remote: c.Remote, Failure: sa.DataPathRefuses(c, err)}
	o.engine.cfg.Report(report)
	o.observe(report, time.Now())
	spi := c.SPIIn
	o.engine.jobs.Go(func() {
		o.inbox.post(func() { o.step(sa.LifetimeHit{SPI: spi, Hard: true}) })
	})
}

// observe takes from the machine's reports what commands and status wait for.
func (o *owner) observe(r sa.Report, now time.Time) {
	var f *sa.Failure
	stranger := false
	switch r := r.(type) {
	case sa.Failed:
		// Whoever fails while it is up is not its peer, nor is who is nobody's.
		if stranger = r.Stranger; r.Connection != "" && (!stranger || !o.carrying) {
			f = r.Failure
		}
	case sa.IKEClosed:
		f = r.Failure
		o.silent = f != nil && f.Reason == sa.ReasonLivenessTimeout
	case sa.ChildClosed:
		f = r.Failure
	}
	if f != nil {
		o.failure, o.failedAt, o.failed = f, now, o.failed || !stranger
	}
	for _, w := range o.waiters {
		w.observe(r)
	}
}

// hearsay is a failure of a peer that the acceptor did not get to know.
func (o *owner) hearsay(f sa.Failed) {
	if o.carrying {
		return
	}
	o.failure, o.failedAt = f.Failure, time.Now()
	o.publish()
}

// settle draws the conclusions of a step: whether the connection came up, went
// down or failed, what to do about it, and which commands are answered.
func (o *owner) settle(now time.Time) {
	snap := o.machine.Snapshot()
	was, is := o.state, snap.State
	carried := o.carrying
	o.state, o.carrying = is, o.carries(snap)
	if o.carrying && !carried { // an IKE SA alone ends no failure
		o.failure, o.failed, o.refused = nil, false, nil
	}
	switch {
	case is == was:
	case is == sa.StateUp && was != sa.StateRekeying:
		o.keep.succeeded()
	case is == sa.StateClosing:
		o.unmade = was == sa.StateConnecting
	case is == sa.StateDown && (was == sa.StateConnecting || was == sa.StateClosing && o.unmade):
		o.keep.failed(now, rand.Float64())
	case is == sa.StateDown:
		o.keep.lost(now, rand.Float64(), o.at, o.silent)
	}
	o.noteAddress(snap)
	o.planFailBack(now, snap)
	o.planIdle(now)
	o.publish() // first: who waits for the result may look at once
	o.answerWaiters()
}

// noteAddress keeps where the peer was found that the connection is up with.
func (o *owner) noteAddress(snap sa.Snapshot) {
	for _, i := range snap.IKE {
		if !i.EstablishedAt.IsZero() {
			o.at = foundAt(i.IKEInfo)
		}
	}
}

// publish renews what Status shows.
func (o *owner) publish() {
	snap := o.machine.Snapshot()
	s := &ConnectionStatus{
		Name: o.name(), Wanted: o.keep.wanted, State: o.stateFor(snap),
		WaitsForTraffic: o.conn().Start == StartOnTraffic && o.initiates() && !o.resting.Load(),
		LastFailure:     o.failure, LastFailed: o.failedAt,
		Attempt: o.keep.attempt, NextAttempt: o.keep.due(),
	}
	for _, i := range slices.Backward(snap.IKE) {
		s.IKE = append(s.IKE, i.IKEInfo)
	}
	slices.SortStableFunc(s.IKE, func(a, b sa.IKEInfo) int { return unfinished(a) - unfinished(b) })
	for _, c := range slices.Backward(snap.Children) {
		s.Children = append(s.Children, c.Child)
	}
	old := o.status.Swap(s)
	if o.retired {
		return
	}
	if old == nil || old.Wanted != s.Wanted || old.State != s.State || len(old.Children) != len(s.Children) {
		o.engine.cfg.Changed(s.Name)
	}
}

// unfinished is 1 for an IKE SA whose peer is not authenticated yet, else 0.
func unfinished(i sa.IKEInfo) int {
	if i.EstablishedAt.IsZero() {
		return 1
	}
	return 0
}

// stateFor is the user's word for what the machine does. An IKE SA without a
// Child SA carries nothing: that is not up.
func (o *owner) stateFor(snap sa.Snapshot) State {
	switch snap.State {
	case sa.StateConnecting:
		return StateConnecting
	case sa.StateUp, sa.StateRekeying:
		if !o.carries(snap) {
			if o.failed {
				return StateFailed
			}
			return StateConnecting
		}
		return State(snap.State)
	}
	if o.failed && o.keep.wanted {
		return StateFailed
	}
	return StateDown
}

// carries tells whether a Child SA is there that the data path took and still has: the
// machine keeps one that ended until the peer knows.
func (o *owner) carries(snap sa.Snapshot) bool {
	return slices.ContainsFunc(snap.Children, func(c sa.ChildStatus) bool { return o.usable[c.Child.SPIIn] })
}

func (o *owner) statusNow() ConnectionStatus {
	s := *o.status.Load()
	s.Dropped = o.inbox.dropped.Load()
	return s
}

// earlier is the earlier of two deadlines, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

package ike

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"causeway/ike/sa"
)

// A machine does not panic on anything that the network sends; its fuzzers
// look for that. Should one do it all the same, it costs that connection its
// SAs and not a thousand others theirs.

// contain is deferred around everything that a machine does. It replaces a
// machine that panicked by a new one and reports the defect.
func (o *owner) contain() {
	cause := recover()
	if cause == nil {
		return
	}
	now := time.Now()
	report := defect(o.name(), cause)
	for spi := range o.reserved {
		o.engine.cfg.DataPath.RemoveChild(o.name(), spi)
	}
	o.lost(report.Failure)
	clear(o.reserved)
	clear(o.usable)
	o.version.spis.releaseAll(o.inbox)
	o.machine, o.state, o.actions = o.newMachine(), sa.StateDown, nil
	o.engine.cfg.Report(report)
	o.observe(report, now)
	o.keep.failed(now, rand.Float64())
	o.publish()
	o.answerWaiters()
}

// contain drops all half-open SAs of an acceptor that panicked.
func (a *acceptor) contain() {
	cause := recover()
	if cause == nil {
		return
	}
	a.version.spis.releaseAll(a.inbox)
	a.machine, a.actions = a.version.stranger(), nil
	a.engine.cfg.Report(defect("", cause))
}

// run does work that is nobody's machine: a peer's key share or certificate is in
// it. The machine is given the defect as a result that is none of the job's.
func (p *performer) run(job sa.Job) (result any) {
	defer func() {
		if cause := recover(); cause != nil {
			report := defect("", cause)
			p.engine.cfg.Report(report)
			result = report.Failure
		}
	}()
	return job.Run()
}

func defect(connection string, cause any) sa.Failed {
	return sa.Failed{Connection: connection, Failure: &sa.Failure{
		Reason:  sa.ReasonInternal,
		Message: fmt.Sprintf("a defect of this program: %v", cause),
		Local:   string(debug.Stack()),
		Hint:    "please report this; the SAs that it concerned were dropped and are made again",
	}}
}

package ike

import (
	"causeway/ike/sa"
)

// performer carries out the actions that machines of every kind have in
// common. It belongs to one goroutine.
type performer struct {
	engine *Engine
	inbox  *inbox
	// spis are those of the machine's version.
	spis *spiTable
	// workers are the slots that its work may take.
	workers chan struct{}
	// step feeds an event back to the machine, on the owner's goroutine.
	step func(sa.Event)
	// sendFailed is told when the local network refuses a datagram.
	sendFailed func(sa.Send, error)
}

// perform does act if it is one that needs no connection.
func (p *performer) perform(act sa.Action) (done bool) {
	switch a := act.(type) {
	case sa.Send:
		if a.Whole {
			// Its loss is what it is to find out.
			_ = p.engine.cfg.Transport.SendProbe(a.Bytes, a.Local, a.Remote)
			return true
		}
		if err := p.engine.cfg.Transport.SendIKE(a.Bytes, a.Local, a.Remote); err != nil {
			p.sendFailed(a, err)
		}
	case sa.StartWork:
		p.startWork(a)
	case sa.RegisterSPI:
		p.spis.register(a.SPI, p.inbox)
	case sa.ReleaseSPI:
		p.spis.release(a.SPI, p.inbox)
	case sa.Emit:
		p.engine.cfg.Report(a.Report)
	default:
		return false
	}
	return true
}

// startWork runs the job on a worker, on one of those for strangers, or on one of those
// that may wait for the network; its result comes back as a task. A machine has few jobs
// outstanding, and what is cancelled leaves the queue, so goroutines that wait for a
// worker are bounded by the number of machines.
func (p *performer) startWork(w sa.StartWork) {
	workers := p.workers
	switch {
	case w.Stranger:
		workers = p.engine.strangers
	case w.Waits:
		workers = p.engine.waiting
	}
	p.engine.jobs.Go(func() {
		select {
		case workers <- struct{}{}:
		case <-w.Cancelled:
			return
		case <-p.engine.ctx.Done(): // nobody waits for it any more
			return
		}
		result := p.run(w.Job)
		<-workers
		p.inbox.post(func() { p.step(sa.WorkDone{Ticket: w.Ticket, Result: result}) })
	})
}

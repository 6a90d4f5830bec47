package ikev2

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/wire"
)

// The proof of a peer, before anything of it gets to a connection. Whoever is refused is
// refused here, for whichever connection he was meant or for none: what he can see of it
// does not depend on what that connection has to do, or had to do with others.

// examine finds the connection of a peer that sent IKE_AUTH, and judges its proof (RFC 7296
// §2.15). Whatever is wrong with identity or key, the peer hears AUTHENTICATION_FAILED.
func (a *Acceptor) examine(h *half, msg *message, d sa.Datagram) {
	if h.resumed != nil {
		a.resumeSession(h, msg, d)
		return
	}
	id := msg.identity(true)
	shown, err := auth.FromPayload(id)
	if err != nil {
		a.refuse(h, msg, refuse(wire.NotifyAuthenticationFailed, &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error(), Hint: malformedIdentity}))
		return
	}
	chosen, all, nobody := a.choose(h, shown, msg, d)
	if chosen == nil {
		a.refuse(h, msg, refuse(wire.NotifyAuthenticationFailed, nobody()))
		return
	}
	h.stage = stageJudging
	h.window.accept(msg.raw)
	a.cfg.Gate.Closed(a.now, h.remote)
	h.proof = msg
	if !a.crowd(h) {
		return
	}
	ppk, mismatch := h.takePPK(chosen.PPK, msg)
	x := &examination{association: &h.association, settings: chosen, address: d.Remote.Addr(), ppk: ppk, cover: coverOf(all), now: a.now,
		start: func(job sa.Job, waits bool, then func(any)) {
			work := a.desk.Start(h, job, then)
			work.Stranger, work.Waits = !waits, waits
			a.do(work)
		},
		proven: func() bool {
			h.proven = true
			return a.crowd(h)
		}}
	x.verify(msg, id, func(wrong verdict) {
		switch {
		case nobody != nil:
			a.turnAway(h, "", nobody)
		case mismatch != nil:
			a.turnAway(h, chosen.Name, mismatch)
		case wrong != nil:
			a.turnAway(h, chosen.Name, wrong)
		default:
			a.admitted(h, chosen, ppk)
		}
	})
}

// admitted hands over a peer that proved to be who it should be, if it means us.
func (a *Acceptor) admitted(h *half, c *sa.Settings, ppk *sa.PPK) {
	if asked := h.proof.identity(false); asked != nil {
		if f := askedFor(c.LocalID(h.proof.local.Addr()), asked); f != nil {
			a.turnAway(h, c.Name, func() *sa.Failure { return f })
			return
		}
	}
	a.handOver(h, h.proof, c, ppk)
}

// turnAway refuses a peer, and has it put into words why, in the name of the connection that
// it was meant for.
func (a *Acceptor) turnAway(h *half, connection string, why verdict) {
	msg := h.proof
	a.emit(traceReceived(connection, msg))
	a.answerOver(h, msg, connection, notify(wire.NotifyAuthenticationFailed, nil))
	news := a.strangers.Allow(a.now)
	work := a.desk.Start(msg, &wording{why}, func(result any) {
		f, ok := result.(*sa.Failure)
		if !ok {
			f = internal(fmt.Errorf("a refusal ended without words: %v", result))
		}
		if !news {
			a.dropped(sa.Datagram{Remote: msg.remote}, f.Reason, f.Message)
			return
		}
		a.emit(sa.Failed{Connection: connection, Remote: msg.remote, Failure: f, Stranger: true})
	})
	work.Stranger = true
	a.do(work)
}

// wording puts a refusal into words. That is work for elsewhere, since it takes time which
// differs, and what a Step does it does before anything is sent. It implements sa.Job.
type wording struct{ why verdict }

// Run implements sa.Job.
func (j *wording) Run() any { return j.why() }

// crowd refuses a peer where the proofs of too many wait to be checked, or, of those that
// hold, for what servers say: that of h, or of a source that has more. It reports whether
// h may go on.
func (a *Acceptor) crowd(h *half) bool {
	var waiting []*half
	var from []netip.Addr
	for _, o := range a.halves {
		if o.stage == stageJudging && o.proven == h.proven {
			waiting, from = append(waiting, o), append(from, o.remote.Addr())
		}
	}
	if out := sansio.Displaced(from, slices.Index(waiting, h)); out >= 0 {
		msg := waiting[out].proof
		a.answerOver(waiting[out], msg, "", notify(wire.NotifyTemporaryFailure, nil))
		a.failed(sa.Datagram{Local: msg.local, Remote: msg.remote}, sansio.Crowded())
	}
	return h.stage == stageJudging
}

// resumeSession hands over a peer that showed a ticket to the connection that this is of,
// whose machine knows which tickets were used.
func (a *Acceptor) resumeSession(h *half, msg *message, d sa.Datagram) {
	c, refused := a.chooseResumed(h, d)
	if refused != nil {
		a.refuse(h, msg, refused)
		return
	}
	a.handOver(h, msg, c, nil)
}

// handOver gives the IKE SA with its IKE_AUTH to the connection that it belongs to.
func (a *Acceptor) handOver(h *half, msg *message, c *sa.Settings, ppk *sa.PPK) {
	give := &HalfOpen{association: h.association, since: h.since, auth: msg, settings: c, ppk: ppk}
	// The keys are the machine's now.
	h.association = association{spiI: h.spiI, spiR: h.spiR, local: h.local, remote: h.remote,
		initRequest: h.association.initRequest, initResponse: h.initResponse}
	a.over(h)
	a.do(sa.Handover{Connection: c.Name, SPI: h.spiR, Half: give})
}

package ike

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway/ike/sa"
)

// resolveTimeout bounds one look-up of the peer's names.
const resolveTimeout = 10 * time.Second

// ikePort is where peers listen for IKE_SA_INIT.
const ikePort = 500

// attempt starts to bring the connection up, unless it is up or being made by
// the peer at this moment.
func (o *owner) attempt() {
	o.keep.started()
	if o.state != sa.StateDown || o.resolving { // the look-up's end continues
		return
	}
	o.resolving = true
	o.engine.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(o.ctx, resolveTimeout)
		defer cancel()
		found := o.resolve(ctx)
		o.inbox.post(func() { o.resolved(found) })
	})
}

// resolution is what the peer's names stand for at one moment.
type resolution struct {
	of        []string     // the names, as the configuration had them
	addresses []netip.Addr // in the order of the configuration
	headless  bool         // those of the first name are missing
	err       error        // of a name that was not found
}

// resolve finds the peer's addresses. Names are looked up at every attempt, for
// their addresses change.
func (o *owner) resolve(ctx context.Context) (out resolution) {
	out.of = o.conn().Remotes
	for i, name := range out.of {
		found, err := o.lookUp(ctx, name)
		if err != nil {
			out.err = err
		}
		for _, a := range found {
			out.addresses = append(out.addresses, a.Unmap())
		}
		out.headless = out.headless || i == 0 && len(found) == 0
	}
	return out
}

// resolved goes on with an attempt on the owner's goroutine.
func (o *owner) resolved(found resolution) {
	o.resolving = false
	if o.ending || o.state != sa.StateDown {
		return
	}
	if !slices.Equal(found.of, o.conn().Remotes) { // a reload came meanwhile
		if o.initiates() {
			o.attempt()
		}
		return
	}
	if len(found.addresses) == 0 && found.err != nil {
		o.unresolved(found.err)
		return
	}
	o.keep.learn(found)
	remote, ok := o.keep.address()
	if !ok {
		o.unresolved(errors.New("the peer has no address in the configuration any more"))
		return
	}
	local, err := o.localAddress(remote)
	if err != nil {
		o.attemptFailed(&sa.Failure{
			Reason: sa.ReasonSendFailed, Message: fmt.Sprintf("no way to reach %v: %v", remote, err),
			Local: o.listens(), Remote: remote.String(),
			Hint: "check the routes of this host and gateway.listen.addresses",
		})
		return
	}
	ours, theirs := o.ports()
	o.step(sa.Up{Local: netip.AddrPortFrom(local, ours), Remote: netip.AddrPortFrom(remote, theirs), Tries: o.keep.tries()})
}

// ports are those that IKE_SA_INIT is sent between. A peer on a port of its own
// has one for everything, where IKE comes with the non-ESP marker from the first
// message on (RFC 7296 §2.23).
func (o *owner) ports() (ours, theirs uint16) {
	if p := o.conn().RemotePort; p != 0 && p != ikePort {
		return o.engine.cfg.NATPort, p
	}
	return o.engine.cfg.IKEPort, ikePort
}

// listens says from where the peer may be reached.
func (o *owner) listens() string {
	if own := o.conn().Settings.LocalAddresses; len(own) > 0 {
		return fmt.Sprintf("from %v", own)
	}
	return "from any address of this host"
}

// unresolved ends an attempt that found no address: the next one is for the one
// whose turn it was.
func (o *owner) unresolved(why error) {
	o.attemptEnded(&sa.Failure{
		Reason: sa.ReasonAddressUnresolved, Message: why.Error(),
		Local: "remote.address: " + strings.Join(o.conn().Remotes, ", "),
		Hint:  "check remote.address and the name servers of this host; names are looked up at every attempt",
	}, o.keep.again)
}

// attemptFailed ends an attempt that did not get as far as the machine.
func (o *owner) attemptFailed(f *sa.Failure) { o.attemptEnded(f, o.keep.failed) }

func (o *owner) attemptEnded(f *sa.Failure, plan func(now time.Time, jitter float64)) {
	report := sa.Failed{Connection: o.name(), Failure: f}
	o.engine.cfg.Report(report)
	now := time.Now()
	o.observe(report, now)
	plan(now, rand.Float64())
	o.publish()
	o.answerWaiters()
}

// sendFailed reports a datagram that the local network refuses, once for each
// kind of error: the machine sends again by itself, and gives up in time.
func (o *owner) sendFailed(s sa.Send, err error) {
	if o.refused != nil && o.refused.Error() == err.Error() {
		return
	}
	o.refused = err
	report := sa.Failed{Connection: o.name(), Remote: s.Remote, Failure: &sa.Failure{
		Reason: sa.ReasonSendFailed, Message: err.Error(),
		Local: s.Local.String(), Remote: s.Remote.String(),
		Hint: "check the routes and the firewall of this host; it is tried again",
	}}
	o.engine.cfg.Report(report)
	o.failure, o.failedAt, o.failed = report.Failure, time.Now(), true
}

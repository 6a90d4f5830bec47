package ike

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
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
		addresses, err := o.resolve(ctx)
		o.inbox.post(func() { o.resolved(addresses, err) })
	})
}

// resolve finds the peer's addresses, in the order of the configuration. Names
// are looked up at every attempt, for their addresses change.
func (o *owner) resolve(ctx context.Context) ([]netip.Addr, error) {
	var out []netip.Addr
	var failed error
	for _, name := range o.conn().Remotes {
		if a, err := netip.ParseAddr(name); err == nil {
			out = append(out, a.Unmap())
			continue
		}
		found, err := o.engine.cfg.Resolve(ctx, name)
		if err != nil {
			failed = err
		}
		for _, a := range found {
			out = append(out, a.Unmap())
		}
	}
	if len(out) == 0 && failed != nil {
		return nil, failed
	}
	return out, nil
}

// resolved goes on with an attempt on the owner's goroutine.
func (o *owner) resolved(addresses []netip.Addr, err error) {
	o.resolving = false
	if o.ending || o.state != sa.StateDown {
		return
	}
	if err != nil {
		o.attemptFailed(&sa.Failure{
			Reason: sa.ReasonAddressUnresolved, Message: err.Error(),
			Hint: "check remote.address and the name servers of this host",
		})
		return
	}
	if !slices.Equal(addresses, o.keep.addresses) {
		o.keep.addresses, o.keep.turn = addresses, 0
	}
	remote, ok := o.keep.address()
	if !ok {
		o.attemptFailed(&sa.Failure{Reason: sa.ReasonAddressUnresolved, Message: "the peer's names have no address"})
		return
	}
	local, err := o.localAddress(remote)
	if err != nil {
		o.attemptFailed(&sa.Failure{
			Reason: sa.ReasonSendFailed, Message: fmt.Sprintf("no way to reach %v: %v", remote, err),
			Hint: "check the routes of this host and gateway.listen.addresses",
		})
		return
	}
	ours, theirs := o.ports()
	o.step(sa.Up{Local: netip.AddrPortFrom(local, ours), Remote: netip.AddrPortFrom(remote, theirs)})
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

// attemptFailed ends an attempt that did not get as far as the machine.
func (o *owner) attemptFailed(f *sa.Failure) {
	report := sa.Failed{Connection: o.name(), Failure: f}
	o.engine.cfg.Report(report)
	now := time.Now()
	o.observe(report, now)
	o.keep.failed(now, rand.Float64())
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
		Hint: "check the routes and the firewall of this host; it is tried again",
	}}
	o.engine.cfg.Report(report)
	o.failure, o.failedAt, o.failed = report.Failure, time.Now(), true
}

package ike

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"causeway/ike/sa"
)

// redirect finds out where the gateway is that the peer sends us to (RFC 5685),
// and from where it is reached; the machine hears of it, or why not.
func (o *owner) redirect(to string) {
	o.engine.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(o.ctx, resolveTimeout)
		defer cancel()
		found, err := o.lookUp(ctx, to)
		o.inbox.post(func() { o.step(o.redirected(to, found, err)) })
	})
}

// lookUp is the addresses of a name, or the address that it is.
func (o *owner) lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	found, err := o.engine.cfg.Resolve(ctx, name)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no address", name)
	}
	return found, err
}

// redirected takes the first of the addresses that there is a way to. Who sends us
// somewhere may not be known yet: this host itself, and many at once, are no gateway.
func (o *owner) redirected(to string, found []netip.Addr, err error) sa.Redirected {
	if err != nil {
		return sa.Redirected{Failure: &sa.Failure{Reason: sa.ReasonAddressUnresolved, Remote: "redirects to " + to,
			Message: fmt.Sprintf("the peer sends us to %s: %v", to, err), Hint: "check what the peer's gateway is told to redirect to, and the name servers of this host"}}
	}
	ours, theirs := o.ports()
	err = errors.New("no gateway has that address")
	for _, remote := range found {
		if remote = remote.Unmap(); remote.IsUnspecified() || remote.IsLoopback() || remote.IsMulticast() {
			continue
		}
		var local netip.Addr
		if local, err = o.localAddress(remote); err == nil {
			return sa.Redirected{Local: netip.AddrPortFrom(local, ours), Remote: netip.AddrPortFrom(remote, theirs)}
		}
	}
	return sa.Redirected{Failure: &sa.Failure{Reason: sa.ReasonSendFailed,
		Message: fmt.Sprintf("the peer sends us to %s, which cannot be reached: %v", to, err), Local: o.listens(), Remote: "redirects to " + to, Hint: "check the routes of this host and gateway.listen.addresses"}}
}

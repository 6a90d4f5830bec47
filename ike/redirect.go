package ike

import (
	"context"
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
		addr, err := o.lookUp(ctx, to)
		o.inbox.post(func() { o.step(o.redirected(to, addr, err)) })
	})
}

// lookUp is the first address of a name, or the address that it is.
func (o *owner) lookUp(ctx context.Context, name string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Unmap(), nil
	}
	found, err := o.engine.cfg.Resolve(ctx, name)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(found) == 0 {
		return netip.Addr{}, fmt.Errorf("%s has no address", name)
	}
	return found[0].Unmap(), nil
}

func (o *owner) redirected(to string, remote netip.Addr, err error) sa.Redirected {
	if err != nil {
		return sa.Redirected{Failure: &sa.Failure{Reason: sa.ReasonAddressUnresolved,
			Message: fmt.Sprintf("the peer sends us to %s: %v", to, err), Hint: "check what the peer's gateway is told to redirect to, and the name servers of this host"}}
	}
	local, err := o.localAddress(remote)
	if err != nil {
		return sa.Redirected{Failure: &sa.Failure{Reason: sa.ReasonSendFailed,
			Message: fmt.Sprintf("the peer sends us to %s, which cannot be reached: %v", to, err), Hint: "check the routes of this host and gateway.listen.addresses"}}
	}
	ours, theirs := o.ports()
	return sa.Redirected{Local: netip.AddrPortFrom(local, ours), Remote: netip.AddrPortFrom(remote, theirs)}
}

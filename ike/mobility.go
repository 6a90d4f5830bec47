package ike

import (
	"net/netip"
	"slices"

	"causeway/ike/sa"
)

// Where this host can be reached, for peers that follow (RFC 4555).

// localAddress is the outer source address towards remote: the one that the routes
// choose, or where the connection may not use that, the first of its own that this
// host has.
func (o *owner) localAddress(remote netip.Addr) (netip.Addr, error) {
	transport, allowed := o.engine.cfg.Transport, o.conn().Settings.LocalAddresses
	local, err := transport.LocalAddr(remote)
	if len(allowed) == 0 || err == nil && slices.Contains(allowed, local) {
		return local, err
	}
	var first netip.Addr
	for _, a := range allowed {
		if a.Is4() != remote.Is4() {
			continue
		}
		if transport.HasAddr(a) {
			return a, nil
		}
		if !first.IsValid() {
			first = a
		}
	}
	if first.IsValid() {
		return first, nil
	}
	return local, err
}

// followRoute tells the machine which address the way to the peer begins at now,
// and which others there are. While there is no way nothing changes.
func (o *owner) followRoute() {
	snap := o.machine.Snapshot()
	if !o.conn().Settings.MOBIKE || len(snap.IKE) == 0 {
		return
	}
	i := snap.IKE[0]
	local, err := o.localAddress(i.Remote.Addr())
	if err != nil {
		return
	}
	o.step(sa.LocalAddress{Addr: local, Others: o.reachable(i.Local.Addr(), local)})
}

// reachable are the addresses that this host has of those that it may use, and of
// the one in use, without one.
func (o *owner) reachable(inUse, without netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range append(slices.Clone(o.conn().Settings.LocalAddresses), inUse) {
		if a != without && a.IsValid() && !slices.Contains(out, a) && o.engine.cfg.Transport.HasAddr(a) {
			out = append(out, a)
		}
	}
	return out
}

// findPaths pairs the peer's addresses with ours.
func (o *owner) findPaths(a sa.FindPaths) {
	var paths []sa.Path
	for _, remote := range a.Remotes {
		locals := o.reachable(netip.Addr{}, netip.Addr{})
		if local, err := o.localAddress(remote); err == nil && !slices.Contains(locals, local) {
			locals = append(locals, local)
		}
		for _, local := range locals {
			if local.Is4() == remote.Is4() {
				paths = append(paths, sa.Path{Local: local, Remote: remote})
			}
		}
	}
	// Not at once: the machine is in the middle of a step.
	o.engine.jobs.Go(func() {
		o.inbox.post(func() { o.step(sa.PathsFound{SPI: a.SPI, Paths: paths}) })
	})
}

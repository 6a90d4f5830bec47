package ike

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/sa"
)

// Fail-back: a connection whose peer has several addresses and that is up on
// another than the first tries the first again, with an IKE SA beside the one that
// carries: it takes over when it is up, and until then nothing changes.

const (
	failBackFirst = time.Minute
	failBackMax   = 15 * time.Minute
)

// failBack is when to try the first address again.
type failBack struct {
	at   time.Time // zero: it is in use, or nothing is
	wait time.Duration
}

// planFailBack plans a try, or none where the first address is in use.
func (o *owner) planFailBack(now time.Time, snap sa.Snapshot) {
	if snap.State != sa.StateUp && snap.State != sa.StateRekeying || !o.initiates() || !o.onSpare(snap) {
		o.back = failBack{}
		return
	}
	if o.back.at.IsZero() {
		o.back.wait = min(max(failBackFirst, 2*o.back.wait), failBackMax)
		o.back.at = now.Add(o.back.wait)
	}
}

// onSpare tells whether the IKE SA is with another of the peer's addresses than
// the first.
func (o *owner) onSpare(snap sa.Snapshot) bool {
	for _, i := range slices.Backward(snap.IKE) {
		if i.EstablishedAt.IsZero() || len(o.keep.addresses) == 0 {
			continue // a try that is under way, say
		}
		at := i.Remote.Addr()
		known := slices.Contains(o.keep.addresses, at)
		return known && (o.keep.headless || at != o.keep.addresses[0])
	}
	return false
}

// tryFirst looks the peer's names up anew and starts the try that is due.
func (o *owner) tryFirst() {
	o.back.at = time.Time{}
	o.engine.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(o.ctx, resolveTimeout)
		defer cancel()
		found := o.resolve(ctx)
		o.inbox.post(func() { o.moveToFirst(found) })
	})
}

// moveToFirst goes on with the try. Where there is no first address, or no way to
// it, it is left for later.
func (o *owner) moveToFirst(found resolution) {
	defer func() { o.planFailBack(time.Now(), o.machine.Snapshot()) }()
	if o.ending || found.headless || !slices.Equal(found.of, o.conn().Remotes) || !o.onSpare(o.machine.Snapshot()) {
		return
	}
	o.keep.learn(found)
	remote := o.keep.addresses[0]
	local, err := o.localAddress(remote)
	if err != nil {
		return
	}
	ours, theirs := o.ports()
	o.step(sa.MoveTo{Local: netip.AddrPortFrom(local, ours), Remote: netip.AddrPortFrom(remote, theirs)})
}

package ikev2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Replacing a Child SA (RFC 7296 §1.3.3, §2.8). Nobody loses a packet:
//
//	the one who asks    installs inbound and moves outbound when the answer
//	                    comes, since the peer receives by then; deletes the old
//	the one who answers installs inbound before it answers, and moves outbound
//	                    when the next request shows that the answer arrived
//	both                receive on the old for graceTime more
//
// When both ask at once, four nonces are known. The Child SA whose exchange had
// the lowest is deleted by its maker, and the maker of the other deletes the
// old one (RFC 7296 §2.8.1). Whatever a peer does instead, a DELETE of it is
// obeyed and what remains is used.

// rekeyChild starts to replace c.
func (s *ikeSA) rekeyChild(c *child) {
	c.wantRekey = false
	o, err := s.offerChild(c.settings, c.Resource, false)
	if err != nil {
		c.wantRekey, c.rekeyAfter = true, s.m.later(rekeyWait, waitJitter)
		s.m.fail(s.remote, &sa.Failure{Reason: sa.ReasonDataPath, Message: err.Error(), Hint: noSPI})
		return
	}
	if !c.ours || c.Resource > 0 {
		// What the peer asked for is what it gets again (RFC 7296 §2.9.2).
		o.local, o.remote = c.LocalSelectors, c.RemoteSelectors
	}
	o.rekeys, o.grouped = c, c.grouped
	c.state = childRekeying
	s.startCreate(&createExchange{offer: o, early: s.m.now.Before(c.confirmedAt)})
}

// rekeyChildFailed goes on with the old Child SA, or with the peer's
// replacement of it.
func (s *ikeSA) rekeyChildFailed(x *createExchange, err error) {
	x.offer.release(s.m)
	s.disown(x.offer, err)
	old := x.offer.rekeys
	rival := old.rival
	old.rival = nil
	if !slices.Contains(s.children, old) {
		return // deleted meanwhile
	}
	if rival != nil {
		s.replacedByPeer(old)
		return
	}
	if old.wantDelete {
		old.state = childDeleting
		return
	}
	old.state = childInstalled
	why := notifyIn(err)
	switch {
	case why == wire.NotifyTemporaryFailure, why == wire.NotifyChildSANotFound && x.early:
		old.wantRekey, old.rekeyAfter = true, s.m.later(temporaryWait, waitJitter)
		s.deferred()
		return
	case why == wire.NotifyChildSANotFound:
		// RFC 7296 §2.25: the peer lost it, so it carries nothing.
		s.removeChild(old, ending{remote: true, failure: &sa.Failure{
			Reason: sa.ReasonPeerError, Message: "the peer does not know Child SA " + old.Name + " any more",
			Local: fmt.Sprintf("SPIs %08x in, %08x out", old.SPIIn, old.SPIOut), Remote: why.String(),
			Hint: "another one is made at once; if that comes again and again, the peer's log tells why it deletes them",
		}})
		if old.Resource == 0 { // otherwise its worker asks again
			s.m.retries[old.slot()] = &retry{at: s.m.now}
		}
		return
	}
	old.wantRekey, old.rekeyAfter = true, s.m.later(rekeyWait, waitJitter)
	if old.Resource == 0 && !refusedHere(err) { // otherwise the one for all workers carries on
		s.refusedRekey(&old.refusals, why, old.rekeyAfter, old.expireAt)
	}
	s.m.fail(s.remote, s.childFailure(x.offer, err))
}

// refusedHere tells whether it was our data path that did not take the Child SA.
func refusedHere(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.failure != nil && r.failure.Reason == sa.ReasonDataPath
}

// rekeyed is the Child SA that a peer's REKEY_SA names by the SPI that the peer
// receives on (RFC 7296 §1.3.3).
func (s *ikeSA) rekeyed(n *wire.Notify) (*child, *refusal) {
	notFound := &refusal{notify: wire.Notify{Protocol: n.Protocol, SPI: n.SPI, NotifyType: wire.NotifyChildSANotFound}}
	if n.Protocol != wire.ProtocolESP || len(n.SPI) != 4 {
		notFound.notify.Protocol, notFound.notify.SPI = 0, nil
		return nil, notFound
	}
	c := s.childByOut(binary.BigEndian.Uint32(n.SPI))
	switch {
	case c == nil:
		return nil, notFound
	case c.wantDelete || c.state == childDeleting || c.state == childRekeyed || c.rival != nil:
		// It ends, or it is being replaced by an earlier request.
		return nil, refuse(wire.NotifyTemporaryFailure, nil)
	}
	return c, nil
}

// replacedByPeer leaves c to the peer to delete; we do if it does not.
func (s *ikeSA) replacedByPeer(c *child) {
	if c == nil || !slices.Contains(s.children, c) {
		return
	}
	c.state, c.replaced, c.wantRekey = childRekeyed, true, false
	if t := s.m.now.Add(supersededTime); c.expireAt.IsZero() || t.Before(c.expireAt) {
		c.expireAt = t
	}
	c.rekeyAfter = time.Time{}
}

// unconfirmed is until when the peer may not know what it asked for in place of
// c: our answer may be on its way. Zero: it knows.
func (s *ikeSA) unconfirmed(c *child) time.Time {
	if n := find(s.children, func(o *child) bool { return o.Rekeys == c.SPIIn && !o.ours }); n != nil {
		return n.confirmedAt
	}
	return time.Time{}
}

// takeBack has a Child SA live on that the peer replaced by one which it deletes again:
// its data path may not have taken that one.
func (s *ikeSA) takeBack(gone *child) {
	old := find(s.children, func(o *child) bool { return o.SPIIn == gone.Rekeys })
	if old == nil || old.state != childRekeyed || find(s.children, func(o *child) bool { return o.Rekeys == old.SPIIn }) != nil {
		return
	}
	old.state, old.replaced, old.expireAt = childInstalled, false, time.Time{}
	old.rekeyAfter = s.m.later(rekeyWait, waitJitter)
	if life := old.Hard.Time; life > 0 {
		old.expireAt = old.EstablishedAt.Add(life)
	}
}

// succeeded reports whether another Child SA carries what c does, so that the
// end of c is no loss: what is on its way is still received.
func (s *ikeSA) succeeded(c *child) bool {
	return c.replaced || find(s.children, func(o *child) bool { return o.Rekeys == c.SPIIn && !o.wantDelete }) != nil
}

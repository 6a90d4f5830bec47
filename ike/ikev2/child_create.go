package ikev2

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// CREATE_CHILD_SA for a Child SA, new or in place of another, both roles
// (RFC 7296 §1.3.1, §1.3.3). child_rekey.go has what is special to the latter.

// createExchange is our CREATE_CHILD_SA for a Child SA.
type createExchange struct {
	offer *childOffer
	// rival is the peer's exchange for the same Child SA at the same time.
	rival *childRival
	// early says that the peer may not have known the Child SA to replace when
	// it was asked.
	early bool
}

func (x *createExchange) kind() wire.ExchangeType { return wire.ExchangeCreateChildSA }

func (x *createExchange) abandon(s *ikeSA) { x.offer.release(s.m) }

// createChild makes another Child SA, for all workers or for one.
func (s *ikeSA) createChild(w sa.ChildSettings, resource int) {
	o, err := s.offerChild(w, resource, false)
	if err != nil {
		s.m.postpone(slot{w.Name, resource}, false)
		s.m.fail(s.remote, &sa.Failure{Reason: sa.ReasonDataPath, Message: err.Error(), Hint: noSPI})
		return
	}
	if resource > 0 {
		o.like(s.shared(w.Name))
	}
	s.startCreate(&createExchange{offer: o})
}

// startCreate sends the request, after the key share is made if there is one.
func (s *ikeSA) startCreate(x *createExchange) {
	s.current = x
	o := x.offer
	if o.group == 0 {
		s.request(x, x.payloads())
		return
	}
	s.m.work(s, &sansio.KeyExchange{Group: o.group, Seed: s.m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			s.drop(causeFailed, ending{failure: internal(r.Err)})
			return
		}
		o.private, o.public = r.Private, r.Public
		s.request(x, x.payloads())
	})
}

func (x *createExchange) payloads() []wire.Payload {
	if c := x.offer.rekeys; c != nil {
		return x.offer.payloads([]wire.Payload{
			&wire.Notify{Protocol: wire.ProtocolESP, SPI: spiBytes(c.SPIIn), NotifyType: wire.NotifyRekeySA},
		})
	}
	return x.offer.payloads(nil)
}

// respond takes the answer: another group to try, an error, or a Child SA.
func (x *createExchange) respond(s *ikeSA, msg *message) {
	o := x.offer
	if n := msg.notify(wire.NotifyInvalidKEPayload); n != nil && x.regroup(n) {
		s.startCreate(x)
		return
	}
	ke, ok := payload[*wire.KeyExchange](msg)
	if !ok || o.private == nil || msg.errorNotify() != nil {
		x.finish(s, msg, nil)
		return
	}
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: o.group, Private: o.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.current = nil
		if r.Err != nil {
			x.abandon(s)
			s.endOver(badShare(r.Err))
			return
		}
		rest := x.chosenRest(msg)
		if s.lostBeforeFollowUps(x, msg, rest) {
			keymat.Erase(r.Shared)
			return
		}
		s.followUp(x, msg, rest, r.Shared, func(secrets [][]byte, err error) {
			if err != nil {
				x.failed(s, err)
				return
			}
			o.more = secrets[1:]
			x.finish(s, msg, secrets[0])
		})
	})
}

// chosenRest is the additional key exchanges that the answer chose. An answer
// that chose nothing sensible is left to finish.
func (x *createExchange) chosenRest(msg *message) []uint16 {
	proposal, ok := payload[*wire.SecurityAssociation](msg)
	if !ok {
		return nil
	}
	suite, _, err := confirm(transform.ESP, proposal, 4, x.offer.proposals)
	if err != nil {
		return nil
	}
	return suite.Rest()
}

// regroup takes on the group that the peer wants, if it is one of ours and was
// not tried (RFC 7296 §1.3).
func (x *createExchange) regroup(n *wire.Notify) bool {
	o := x.offer
	if len(n.Data) != 2 || o.group == 0 {
		return false
	}
	wanted := binary.BigEndian.Uint16(n.Data)
	o.tried = append(o.tried, o.group)
	if slices.Contains(o.tried, wanted) || !slices.Contains(transform.Groups(o.proposals), wanted) {
		return false
	}
	o.private.Erase()
	o.group, o.private, o.public = wanted, nil, nil
	return true
}

func (x *createExchange) failed(s *ikeSA, err error) {
	if x.offer.rekeys != nil {
		s.rekeyChildFailed(x, err)
		return
	}
	s.childFailed(x.offer, err)
}

// finish makes the Child SA, and decides between it and a rival.
func (x *createExchange) finish(s *ikeSA, msg *message, shared []byte) {
	o := x.offer
	nonce, _ := payload[*wire.Nonce](msg)
	var nr []byte
	if nonce != nil {
		nr = nonce.Data
	}
	made, err := s.finishChild(o, msg, shared, o.nonce, nr)
	if err != nil {
		x.failed(s, err)
		return
	}
	if o.private != nil {
		o.private.Erase()
	}
	if s.superfluous(made) {
		made.replaced, made.wantDelete = true, true
		s.announce(made)
		return
	}
	rival := x.rival
	if old := o.rekeys; old != nil {
		rival = old.rival
		old.rival, old.confirmedAt = nil, time.Time{} // the peer knows it, as it answers
	}
	if rival != nil && bytes.Compare(lowest(o.nonce, nr), rival.lowest) < 0 {
		// RFC 7296 §2.8.1: whoever made the one with the lowest nonce deletes it.
		made.redundant, made.replaced, made.wantDelete = true, true, true
		s.announce(made)
		s.replacedByPeer(o.rekeys)
		return
	}
	if rival != nil {
		rival.lose(s.m.now)
	}
	s.activate(made)
	s.announce(made)
	if old := o.rekeys; old != nil && slices.Contains(s.children, old) {
		old.state, old.replaced, old.wantDelete = childDeleting, true, true
	}
}

// lose marks the peer's Child SA as the lesser of two. The peer deletes it; we
// do if it does not, unless it is all that is left by then.
func (r *childRival) lose(now time.Time) {
	r.lost = true
	if r.child != nil {
		r.child.redundant, r.child.replaced = true, true
		r.child.expireAt = now.Add(supersededTime)
	}
}

// serveCreateChild answers CREATE_CHILD_SA of every kind.
func (s *ikeSA) serveCreateChild(msg *message) error {
	proposal, _ := payload[*wire.SecurityAssociation](msg)
	if len(proposal.Proposals) > 0 && proposal.Proposals[0].Protocol == wire.ProtocolIKE {
		return s.serveRekeyIKE(msg)
	}
	if s.state != established || s.wantDelete {
		// RFC 7296 §2.25.2: not while the IKE SA is replaced or ends.
		return refuse(wire.NotifyTemporaryFailure, nil)
	}
	s.forgetFollowUps()
	among := s.m.settings.Children
	var old *child
	if n := msg.notify(wire.NotifyRekeySA); n != nil {
		var refused *refusal
		if old, refused = s.rekeyed(n); refused != nil {
			return refused
		}
		if s.followsUp(old) {
			return refuse(wire.NotifyTemporaryFailure, nil) // RFC 9370 §2.2.4
		}
		among = []sa.ChildSettings{old.settings}
	}
	if refused := s.crowded(msg, old); refused != nil {
		return refused
	}
	choice, refused := s.chooseChild(msg, among, old, false)
	if refused != nil {
		return refused
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	if choice.suite.Group.ID != 0 && (ke == nil || ke.Group != choice.suite.Group.ID) {
		s.unreserve()
		group := binary.BigEndian.AppendUint16(nil, choice.suite.Group.ID)
		return &refusal{notify: wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: group}}
	}
	ni, _ := payload[*wire.Nonce](msg)
	served := &servedChild{choice: choice, old: old, ni: ni.Data, nr: s.m.random.Nonce()}
	served.rival = s.collide(served)
	if choice.suite.Group.ID == 0 {
		s.finishServed(served, sansio.KeyExchanged{})
		return nil
	}
	s.m.work(s, &sansio.KeyExchange{Group: ke.Group, Seed: s.m.random.Seed(), Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.finishServed(served, r)
	})
	return nil
}

// servedChild is a peer's request for a Child SA that is being answered.
type servedChild struct {
	choice *childChoice
	old    *child // that it replaces, or nil
	ni, nr []byte
	rival  *childRival
}

// finishServed answers once work for the Child SA is done, and installs it unless
// additional key exchanges are to come.
func (s *ikeSA) finishServed(v *servedChild, r sansio.KeyExchanged) {
	if r.Err != nil {
		s.unreserve()
		s.object(wire.ExchangeCreateChildSA, &syntaxError{r.Err.Error()})
		return
	}
	selected := v.choice.payloads()
	ps := []wire.Payload{selected[0], &wire.Nonce{Data: v.nr}}
	if r.Public != nil {
		ps = append(ps, &wire.KeyExchange{Group: v.choice.suite.Group.ID, Data: r.Public})
		r.Private.Erase()
	}
	ps = append(ps, selected[1:]...)
	left := v.choice.suite.Rest()
	if len(left) == 0 {
		s.completeServed(v, [][]byte{r.Shared}, wire.ExchangeCreateChildSA, ps)
		keymat.Erase(r.Shared)
		return
	}
	spi := s.reserved
	s.reserved = 0
	link := s.expectFollowUps(&followed{
		left: left, secrets: [][]byte{r.Shared},
		made: func(secrets [][]byte, ke []wire.Payload) {
			s.completeServed(v, secrets, wire.ExchangeIKEFollowupKE, ke)
		},
		lost: func() {
			s.m.do(sa.RemoveChild{SPIIn: spi})
			s.forgetRival(v)
		},
	})
	s.answer(wire.ExchangeCreateChildSA, append(ps, link))
	if v.rival != nil && v.rival.lost {
		s.forgetFollowUps() // the peer does not go on
	}
}

// completeServed installs the Child SA of a peer's request and sends the last
// answer.
func (s *ikeSA) completeServed(v *servedChild, secrets [][]byte, ex wire.ExchangeType, answer []wire.Payload) {
	var rekeys uint32
	if v.old != nil {
		rekeys = v.old.SPIIn
	}
	made, refused := s.acceptChild(v.choice, secrets[0], v.ni, v.nr, rekeys, secrets[1:]...)
	if refused != nil {
		s.forgetRival(v)
		s.object(ex, refused)
		return
	}
	s.answer(ex, answer)
	s.announce(made)
	if v.rival != nil {
		v.rival.child = made
		if v.rival.lost {
			v.rival.lose(s.m.now)
		}
	}
	if v.old == nil {
		s.carry(made, false)
		return
	}
	if v.old.state == childInstalled {
		s.replacedByPeer(v.old)
	}
	if v.old.outbound != outboundActive { // it ended meanwhile
		s.carry(made, false)
	}
}

// collide notes that the peer asks for what we are asking for.
func (s *ikeSA) collide(v *servedChild) *childRival {
	x, ok := s.conducting().(*createExchange)
	if !ok {
		return nil
	}
	r := &childRival{lowest: lowest(v.ni, v.nr)}
	switch {
	case v.old != nil && x.offer.rekeys == v.old:
		v.old.rival = r
	case v.old == nil && x.offer.rekeys == nil && x.offer.resource == 0 && v.choice.resource == 0 && x.offer.settings.Name == v.choice.settings.Name:
		x.rival = r
	default:
		return nil
	}
	return r
}

// forgetRival is the end of a peer's request that came to nothing: ours for the same
// Child SA, if there was one, goes on alone.
func (s *ikeSA) forgetRival(v *servedChild) {
	if v.old != nil && v.old.rival == v.rival {
		v.old.rival = nil
	}
	if x, ok := s.conducting().(*createExchange); ok && v.rival != nil && x.rival == v.rival {
		x.rival = nil
	}
	s.replaceAfterAll(v.old)
}

package ikev2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Replacing an IKE SA (RFC 7296 §1.3.2, §2.18). Its Child SAs move to the new
// one, and whoever made the new one deletes the old. When both do it at once,
// the nonces decide as for Child SAs (§2.8.2); until then the Child SAs stay.

// rekeyExchange is our CREATE_CHILD_SA for an IKE SA.
type rekeyExchange struct {
	spi     uint64
	nonce   []byte
	group   uint16
	private transform.PrivateKey
	public  []byte
	tried   []uint16
	offered []transform.Proposal // whatever the settings are by the time of the answer
	// answered says that the keys of the new IKE SA are worked on, which the peer has made
	// by then, and ends that the peer's DELETE of the old one waits for it.
	answered, ends bool
}

// ikeRival is the peer's replacement of an IKE SA that we replace, too.
type ikeRival struct {
	lowest []byte
	sa     *ikeSA // nil while work for it goes on
	lost   bool   // ours won before sa was there
	used   bool   // the peer uses sa already: it has decided
}

func (x *rekeyExchange) kind() wire.ExchangeType { return wire.ExchangeCreateChildSA }

func (x *rekeyExchange) abandon(*ikeSA) {
	if x.private != nil {
		x.private.Erase()
	}
}

// rekeyIKE starts to replace the IKE SA.
func (s *ikeSA) rekeyIKE() {
	groups := transform.Groups(s.successors())
	s.wantRekey = false
	if len(groups) == 0 {
		return // refused by connect already
	}
	x := &rekeyExchange{spi: s.m.random.SPI(), nonce: s.m.random.Nonce(), group: s.suite.Group.ID}
	if !slices.Contains(groups, x.group) {
		x.group = groups[0]
	}
	s.turn(causeRekey)
	s.startRekey(x)
}

// successors are the proposals for an IKE SA that replaces this one: those with
// its PRF, or all when the configuration has none with it any more. RFC 7296
// §2.18 derives the keys with the new PRF, strongSwan with the old one; where
// the two are the same, nobody can be wrong.
func (s *ikeSA) successors() []transform.Proposal {
	var out []transform.Proposal
	for _, p := range s.m.settings.IKEProposals {
		other := func(t transform.Transform) bool {
			return t.Type == transform.PseudoRandom && t.ID != s.suite.PRF.ID
		}
		if !slices.Contains(p.Transforms, s.suite.PRF) {
			continue
		}
		p.Transforms = slices.DeleteFunc(slices.Clone(p.Transforms), other)
		out = append(out, p)
	}
	if len(out) == 0 {
		return s.m.settings.IKEProposals
	}
	return out
}

// startRekey makes the key share and sends the request.
func (s *ikeSA) startRekey(x *rekeyExchange) {
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: x.group, Seed: s.m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			s.drop(causeFailed, ending{failure: internal(r.Err)})
			return
		}
		x.private, x.public, x.offered = r.Private, r.Public, s.successors()
		s.request(x, []wire.Payload{
			toWire(transform.PreferGroup(x.offered, x.group), ikeSPIBytes(x.spi)),
			&wire.Nonce{Data: x.nonce},
			&wire.KeyExchange{Group: x.group, Data: x.public},
		})
	})
}

// answerIn is what an answer to a rekey has of proposals and groups, in words.
func answerIn(proposal *wire.SecurityAssociation, ke *wire.KeyExchange) string {
	lines := []string{"no proposal"}
	if proposal != nil {
		lines[0] = sa.ProposalLines(fromWire(proposal, 8))
	}
	if ke != nil {
		lines = append(lines, fmt.Sprintf("a key share of group %d, %d octets", ke.Group, len(ke.Data)))
	}
	return strings.Join(lines, "\n")
}

// respond takes the answer.
func (x *rekeyExchange) respond(s *ikeSA, msg *message) {
	if n := msg.notify(wire.NotifyInvalidKEPayload); n != nil && x.regroup(s, n) {
		s.startRekey(x)
		return
	}
	if n := msg.errorNotify(); n != nil {
		s.rekeyIKEFailed(x, n)
		return
	}
	proposal, _ := payload[*wire.SecurityAssociation](msg)
	nonce, _ := payload[*wire.Nonce](msg)
	ke, ok := payload[*wire.KeyExchange](msg)
	suite, spi, err := confirm(transform.IKE, proposal, 8, x.offered)
	if err != nil || !ok || ke.Group != x.group || suite.Group.ID != x.group || binary.BigEndian.Uint64(spi) == 0 {
		x.abandon(s)
		s.endOver(&sa.Failure{Reason: sa.ReasonInvalidSyntax,
			Message: "the peer's answer to the rekey of the IKE SA does not fit the request",
			Local:   sa.ProposalLines(x.offered), Remote: answerIn(proposal, ke), Hint: "the peer's implementation is broken"})
		return
	}
	s.current, x.answered = x, true
	next := association{initiator: true, spiI: x.spi, spiR: binary.BigEndian.Uint64(spi), nonceI: x.nonce, nonceR: nonce.Data, keyLog: s.m.cfg.KeyLog, held: s.m.cfg.Held}
	s.m.work(s, &sansio.KeyExchange{Group: x.group, Private: x.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		x.agreed(s, msg, next, suite, r)
		if x.ends && s.state < lingering {
			s.deletedByRequest()
		}
	})
}

// agreed goes on with the first shared secret of the new IKE SA.
func (x *rekeyExchange) agreed(s *ikeSA, msg *message, next association, suite transform.Suite, r sansio.KeyExchanged) {
	s.current = nil
	x.private.Erase()
	if r.Err != nil {
		s.endOver(badShare(r.Err))
		return
	}
	nonce := lowest(next.nonceI, next.nonceR)
	if left := len(suite.Rest()); left > 0 && x.ends { // there is nothing to ask on any more
		keymat.Erase(r.Shared)
		return
	} else if left > 0 && s.rival != nil {
		if bytes.Compare(nonce, s.rival.lowest) < 0 {
			keymat.Erase(r.Shared)
			s.leaveTo(s.rival)
			return
		}
		s.rival.lost = true // the peer does not go on
		s.forgetFollowUps()
	}
	s.followUp(x, msg, suite.Rest(), r.Shared, func(secrets [][]byte, err error) {
		if err != nil {
			s.followUpsFailed(x, err)
			return
		}
		made, err := s.successor(next, suite, secrets)
		if err != nil {
			s.drop(causeFailed, ending{failure: internal(err)})
			return
		}
		made.takeCrashToken(msg)
		made.giveCrashToken(s)
		s.decideIKE(made, nonce)
	})
}

// rekeysFirst reports whether the peer's DELETE of the IKE SA has to wait: the peer has made the
// IKE SA that is to replace it, and whichever of the two that replace it is one too many is
// its maker's to delete (RFC 7296 §2.8.2).
func (s *ikeSA) rekeysFirst() bool {
	x, ok := s.current.(*rekeyExchange)
	if ok && x.answered {
		x.ends = true
		return true
	}
	return false
}

// followUpsFailed ends a rekey whose additional key exchanges came to nothing.
func (s *ikeSA) followUpsFailed(x *rekeyExchange, err error) {
	var n *notifyError
	if errors.As(err, &n) {
		s.rekeyIKEFailed(x, n.Notify)
		return
	}
	s.drop(causeFailed, ending{failure: followUpFailure(err)})
}

// decideIKE takes our new IKE SA on, or leaves the field to the peer's.
func (s *ikeSA) decideIKE(made *ikeSA, nonce []byte) {
	rival := s.rival
	s.rival = nil
	switch {
	case rival == nil:
	case rival.used || bytes.Compare(nonce, rival.lowest) < 0:
		made.lesser, made.wantDelete = true, true
		s.leaveTo(rival)
		return
	default:
		rival.lost = true
		if rival.sa != nil {
			rival.sa.yield()
		}
	}
	s.bequeath(made)
	s.wantDelete = true
}

// leaveTo ends our side of a collision that the peer's side of won.
func (s *ikeSA) leaveTo(rival *ikeRival) {
	s.rival = nil
	if rival.sa == nil {
		s.turn(causeRekeyFailed) // the peer's is being made
		return
	}
	s.bequeath(rival.sa)
}

// yield marks an IKE SA as the lesser of two: its maker deletes it, we do if it
// does not.
func (s *ikeSA) yield() {
	s.lesser = true
	s.duplicateAt = s.m.now.Add(supersededTime)
}

// successor makes the IKE SA that replaces s (RFC 7296 §2.18) of the secrets of
// all key exchanges, which it erases.
func (s *ikeSA) successor(a association, suite transform.Suite, secrets [][]byte) (*ikeSA, error) {
	a.local, a.remote, a.nat, a.natless = s.local, s.remote, s.nat, s.natless
	a.mobike, a.origin, a.peerAddresses = s.mobike, s.origin, s.peerAddresses
	a.synced, a.replaySynced = s.synced, s.replaySynced
	a.redirects, a.expected, a.configured = s.redirects, s.expected, s.configured
	a.fragmentSize = s.fragmentSize // RFC 7383 §2.3: agreed in IKE_SA_INIT for all that follow
	if err := a.choose(suite); err != nil {
		return nil, err
	}
	seed := keymat.SKEYSEEDRekey(s.prf, s.keys.D, secrets[0], a.nonceI, a.nonceR, secrets[1:]...)
	keymat.Erase(secrets...)
	if err := a.deriveKeys(seed); err != nil {
		return nil, err
	}
	n := s.m.add(&ikeSA{association: a, localIdentity: s.localIdentity, remoteIdentity: s.remoteIdentity, idI: s.idI, idR: s.idR})
	n.establish(causeInherited, s.localSPI())
	return n, nil
}

// bequeath leaves everything to n. The old IKE SA waits for its deletion.
func (s *ikeSA) bequeath(n *ikeSA) {
	n.inherit(s)
	s.turn(causeReplaced)
	s.replaced = true
	s.lingerUntil, s.expireAt = s.m.now.Add(supersededTime), time.Time{} // it carries nothing that could be too old
}

// inherit takes the Child SAs of old, and what was to happen to old with them. The peer
// is where it moved last, on either.
func (s *ikeSA) inherit(old *ikeSA) {
	s.wantDelete = s.wantDelete || old.wantDelete
	s.wantUpdate = s.wantUpdate || old.wantUpdate
	s.wantAddresses = s.wantAddresses || old.wantAddresses
	s.wantRedirect = s.wantRedirect || old.wantRedirect
	s.sayAgain(old.current)
	old.inheritSight(s)
	old.endTicket()
	if old.wantTicket || !old.ticketAt.IsZero() { // SK_d is another one
		s.wantTicket, old.wantTicket, old.ticketAt = true, false, time.Time{}
	}
	if old.lesser {
		s.lesser, s.duplicateAt, old.duplicateAt = true, old.duplicateAt, time.Time{}
	}
	if old.movedAt.After(s.movedAt) {
		s.relocate(old.local, old.remote)
	}
	s.children = append(s.children, old.children...)
	s.orphans = append(s.orphans, old.orphans...)
	s.moveChildren(func(c *child) bool { return c.Local != s.local || c.Remote != s.remote })
	s.reauthAt, s.unprovenAt = sooner(s.reauthAt, old.reauthAt), sooner(s.unprovenAt, old.unprovenAt)
	s.wantReauth = s.wantReauth || old.wantReauth
	old.reauthAt, old.unprovenAt, old.wantReauth = time.Time{}, time.Time{}, false
	if old.reauthenticates != nil {
		s.reauthenticates, s.joins = old.reauthenticates, old.joins
		old.reauthenticates, old.joins = nil, false
	}
	s.joinAfter = old.joinAfter
	if heir := s.m.successorOf(old); heir != nil {
		heir.reauthenticates = s
	}
	old.children, old.orphans = nil, nil
}

// sayAgain has the IKE SA say what the request x of the one that it replaces says, unless
// that is of the old one alone: x goes with it, and may not have arrived.
func (s *ikeSA) sayAgain(x exchange) {
	switch x := x.(type) {
	case *updateExchange:
		s.wantUpdate, s.wantAddresses = true, s.wantAddresses || x.told
	case *addressesExchange:
		s.wantAddresses = true
	case ticketExchange:
		s.wantTicket = true
	case *redirectExchange:
		s.wantRedirect = true
	}
}

// contest is the rival that an IKE SA of the peer is in a collision that is not
// decided, or nil.
func (s *ikeSA) contest() (old *ikeSA) {
	for _, o := range s.m.sas {
		if o.rival != nil && o.rival.sa == s {
			return o
		}
	}
	return nil
}

// claim leaves everything to an IKE SA of the peer that it speaks about Child SAs
// on, or replaces: it knows who won before we do.
func (s *ikeSA) claim() {
	if old := s.contest(); old != nil {
		old.rival.used, old.replaced = true, true
		s.inherit(old)
	}
}

// dropRival saves what there is when an IKE SA ends that both sides replace: the
// peer's new one has it.
func (s *ikeSA) dropRival() {
	if r := s.rival; r != nil && r.sa != nil {
		r.sa.inherit(s)
		s.replaced = true
	}
	s.rival = nil
	for _, o := range s.m.sas {
		switch {
		case o.rival == nil || o.rival.sa != s:
		case o.rival.used: // s had all, and it ends with s: what we made goes, too
			o.rival.sa, o.wantDelete = nil, true
		default:
			o.rival = nil // the peer gave its side of a collision up
		}
	}
}

func (x *rekeyExchange) regroup(s *ikeSA, n *wire.Notify) bool {
	if len(n.Data) != 2 {
		return false
	}
	wanted := binary.BigEndian.Uint16(n.Data)
	x.tried = append(x.tried, x.group)
	if slices.Contains(x.tried, wanted) || !slices.Contains(transform.Groups(s.successors()), wanted) {
		return false
	}
	x.private.Erase()
	x.group, x.private, x.public = wanted, nil, nil
	return true
}

// rekeyIKEFailed goes on with the old IKE SA, or with the peer's new one.
func (s *ikeSA) rekeyIKEFailed(x *rekeyExchange, n *wire.Notify) {
	x.abandon(s)
	rival := s.rival
	s.rival = nil
	if rival != nil && rival.sa != nil {
		s.bequeath(rival.sa)
		return
	}
	s.turn(causeRekeyFailed)
	if rival != nil {
		return // the peer's is being made
	}
	s.wantRekey = true
	switch n.NotifyType {
	case wire.NotifyTemporaryFailure:
		s.rekeyAfter = s.m.later(temporaryWait, waitJitter)
		s.deferred()
		return
	case wire.NotifyNoProposalChosen:
		s.m.fail(s.remote, noProposal("rekey of the IKE SA", s.successors(), "ike.proposals"))
	default:
		s.m.fail(s.remote, peerError("the rekey of the IKE SA", n))
	}
	s.rekeyAfter = s.m.later(rekeyWait, waitJitter)
	s.refusedRekey(&s.refusals, n.NotifyType, s.rekeyAfter, s.expireAt)
}

// serveRekeyIKE answers the peer's request to replace the IKE SA.
func (s *ikeSA) serveRekeyIKE(msg *message) error {
	if s.state != established && s.state != rekeying || s.wantDelete || s.rival != nil {
		return refuse(wire.NotifyTemporaryFailure, nil)
	}
	if len(s.m.livingOf(s.remoteIdentity)) >= maxEstablished || len(s.m.living()) >= 2*maxDevices {
		return refuse(wire.NotifyTemporaryFailure, nil) // until superseded ones are deleted
	}
	if s.followsUp(nil) {
		return refuse(wire.NotifyTemporaryFailure, nil) // RFC 9370 §2.2.4
	}
	switch s.conducting().(type) {
	case *createExchange, *deleteExchange:
		// RFC 7296 §2.25.2: not while a Child SA is made, replaced or ended.
		return refuse(wire.NotifyTemporaryFailure, nil)
	}
	s.forgetFollowUps()
	proposal, _ := payload[*wire.SecurityAssociation](msg)
	ni, _ := payload[*wire.Nonce](msg)
	ke, ok := payload[*wire.KeyExchange](msg)
	if !ok {
		return &syntaxError{"the rekey of an IKE SA needs a KE payload"}
	}
	offered := fromWire(proposal, 8)
	suite, i, err := transform.MatchPreferringGroup(transform.IKE, offered, s.successors(), ke.Group)
	if err != nil {
		suite, i, err = transform.MatchPreferringGroup(transform.IKE, offered, s.m.settings.IKEProposals, ke.Group)
	}
	if err != nil {
		return refuse(wire.NotifyNoProposalChosen, sa.ProposalMismatch("rekey of the IKE SA", err))
	}
	if suite.Group.ID != ke.Group {
		group := binary.BigEndian.AppendUint16(nil, suite.Group.ID)
		return &refusal{notify: wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: group}}
	}
	chosen := &proposal.Proposals[i]
	a := association{spiI: binary.BigEndian.Uint64(chosen.SPI), spiR: s.m.random.SPI(), nonceI: ni.Data, nonceR: s.m.random.Nonce(), keyLog: s.m.cfg.KeyLog, held: s.m.cfg.Held}
	if a.spiI == 0 {
		return &syntaxError{"the SPI of the new IKE SA is zero"}
	}
	var rival *ikeRival
	if s.state == rekeying {
		rival = &ikeRival{lowest: lowest(a.nonceI, a.nonceR)}
		s.rival = rival
	}
	answer := answerProposal(suite, chosen, offered[i], ikeSPIBytes(a.spiR))
	s.m.work(s, &sansio.KeyExchange{Group: ke.Group, Seed: s.m.random.Seed(), Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.finishRekeyIKE(a, suite, answer, rival, r)
	})
	return nil
}

// finishRekeyIKE answers, and completes the rekey unless additional key exchanges
// are to come.
func (s *ikeSA) finishRekeyIKE(a association, suite transform.Suite, answer *wire.SecurityAssociation, rival *ikeRival, r sansio.KeyExchanged) {
	if r.Err != nil {
		s.object(wire.ExchangeCreateChildSA, &syntaxError{r.Err.Error()})
		return
	}
	r.Private.Erase()
	ps := []wire.Payload{answer, &wire.Nonce{Data: a.nonceR}, &wire.KeyExchange{Group: suite.Group.ID, Data: r.Public}}
	ps = append(ps, s.m.crashTokenFor(&a)...)
	left := suite.Rest()
	if len(left) == 0 {
		s.completeRekeyIKE(a, suite, rival, [][]byte{r.Shared}, wire.ExchangeCreateChildSA, ps)
		return
	}
	link := s.expectFollowUps(&followed{
		left: left, secrets: [][]byte{r.Shared},
		made: func(secrets [][]byte, ke []wire.Payload) {
			s.completeRekeyIKE(a, suite, rival, secrets, wire.ExchangeIKEFollowupKE, ke)
		},
		lost: func() {
			if s.rival == rival {
				s.rival = nil
			}
			s.wantRekey = s.wantRekey || s.state == established && s.rekeyAt.IsZero() && !s.expireAt.IsZero()
		},
	})
	s.answer(wire.ExchangeCreateChildSA, append(ps, link))
	if rival != nil && rival.lost {
		s.forgetFollowUps() // the peer does not go on
	}
}

// completeRekeyIKE sends the last answer and takes the peer's new IKE SA on,
// unless a collision is to be decided first.
func (s *ikeSA) completeRekeyIKE(a association, suite transform.Suite, rival *ikeRival, secrets [][]byte, ex wire.ExchangeType, answer []wire.Payload) {
	n, err := s.successor(a, suite, secrets)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.answer(ex, answer)
	s.grants(n)
	switch {
	case rival != nil && s.rival == rival:
		rival.sa = n
	case rival != nil && rival.lost:
		n.yield()
	case s.state == established:
		s.bequeath(n)
	default:
		n.yield()
	}
}

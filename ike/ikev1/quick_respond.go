package ikev1

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Quick Mode as the responder.

// refusal is an offer that is understood and not granted: what the peer is
// told, and what a person is told.
type refusal struct {
	notify  isakmp.NotifyType
	failure *sa.Failure
}

// serveQuick answers the peer's offer of a Child SA.
func (s *ikeSA) serveQuick(msg *isakmp.Message, d sa.Datagram) error {
	if !s.completed || s.state != established && s.state != superseded {
		return errors.New("a Quick Mode before phase 1 is done")
	}
	o, err := s.fresh(msg, d)
	if err != nil {
		return err
	}
	m := s.m
	q := &quick{s: s, id: o.MessageID, iv: o.next, startedAt: m.now}
	ke, refused := q.choose(o.payloads[1:])
	if refused != nil {
		s.refuseQuick(o, refused)
		return nil
	}
	if q.spiIn, err = m.cfg.AllocateSPI(); err != nil {
		m.fail(s.remote, internal(err))
		return nil
	}
	q.repeat.hear(d.Raw)
	m.quicks = append(m.quicks, q)
	q.stage = quickAgreeing
	if ke == nil {
		q.sendAnswer(o, nil)
		return nil
	}
	m.work(q, &sansio.KeyExchange{Group: q.group, Seed: m.random.Seed(), Peer: ke.Data}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			q.abandon()
			s.refuseQuick(o, &refusal{isakmp.InvalidKeyInformation, badValue(r.Err)})
			return
		}
		q.private, q.public = r.Private, r.Public
		q.sendAnswer(o, r.Shared)
		eraseShared(r)
	})
	return nil
}

// refuseQuick tells the peer, protected, that its offer is not granted.
func (s *ikeSA) refuseQuick(o *opened, r *refusal) {
	n := &isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP, NotifyType: r.notify}
	if offer, ok := isakmp.Find[*isakmp.SecurityAssociation](o.payloads); ok && len(offer.Proposals[0].SPI) == 4 {
		n.SPI = offer.Proposals[0].SPI
	}
	s.inform(n)
	s.m.fail(s.remote, r.failure)
}

// choose finds the Child SA and the suite for an offer. ke is the peer's key
// share if the suite has a group.
func (q *quick) choose(ps []isakmp.Payload) (ke *isakmp.KeyExchange, refused *refusal) {
	m := q.s.m
	running := 0
	for _, o := range m.quicks {
		if !o.ours && o.stage != quickDone {
			running++
		}
	}
	if running >= maxQuicks || len(m.children) >= maxChildren {
		return nil, &refusal{isakmp.NoProposalChosen, &sa.Failure{Reason: sa.ReasonLocalRefused,
			Message: "the peer asks for more Child SAs than it may have",
			Local:   fmt.Sprintf("at most %d, and %d at once", maxChildren, maxQuicks), Remote: fmt.Sprintf("has %d, and asks for %d at once", len(m.children), running+1), Hint: "let the peer ask for fewer, wider networks"}}
	}
	offer, okSA := isakmp.Find[*isakmp.SecurityAssociation](ps)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](ps)
	ke, _ = isakmp.Find[*isakmp.KeyExchange](ps)
	if !okSA || !okNonce {
		return nil, &refusal{isakmp.PayloadMalformed, syntaxFailure("an offer in Quick Mode lacks SA or NONCE")}
	}
	q.nonceI, q.nonceR = nonce.Data, m.random.Nonce()
	transport, refused := q.chooseSelectors(ps, asksTransport(offer))
	if refused != nil {
		return nil, refused
	}
	if refused := q.chooseSuite(offer, ke != nil); refused != nil {
		return nil, refused
	}
	if isTransport(q.mode) {
		q.transport = transport
	}
	if q.group == 0 {
		ke = nil
	}
	return ke, nil
}

// chooseSelectors finds the wanted Child SA that the peer's pair is within. An
// answer cannot narrow in IKEv1, so the pair is taken as it is or not at all. With
// transport, which says that transport mode is asked for, come the addresses as the
// peer has them.
func (q *quick) chooseSelectors(ps []isakmp.Payload, asked bool) (transport *sa.Transport, refused *refusal) {
	s, ids := q.s, isakmp.All[*isakmp.Identification](ps)
	local, remote := selector.List{addressSelector(s.local)}, selector.List{addressSelector(s.remote)}
	if len(ids) == 2 {
		r, errR := selectorOf(ids[0])
		l, errL := selectorOf(ids[1])
		if err := errors.Join(errL, errR); err != nil {
			return nil, &refusal{isakmp.InvalidIDInformation, &sa.Failure{Reason: sa.ReasonSelectorMismatch, Message: err.Error(),
				Hint: "let the peer name addresses, a subnet or a range"}}
		}
		local, remote = selector.List{l}, selector.List{r}
		q.ids = []isakmp.Payload{ids[0], ids[1]}
	}
	if all, ok := s.m.catchAll(); ok && s.isClient() && local.Equal(anywhere) && all.Remote.Contains(remote) {
		q.settings, q.local, q.remote, q.catchAll = all, all.Local, remote, true
		return nil, nil
	}
	var best *sa.ChildSettings
	wanted := s.m.wanting()
	for i := range wanted {
		w, ours, theirs := &wanted[i], local, remote
		var names *sa.Transport
		if asked && w.TakesTransport() {
			ours, theirs, names = q.substituted(ps, local, remote)
		}
		l, r := w.At(s.local.Addr(), s.remote.Addr())
		if l.Contains(ours) && r.Contains(theirs) && (best == nil || best.Local.Contains(w.Local)) {
			best, q.local, q.remote, transport = w, ours, theirs, names
		}
	}
	if best == nil {
		var l, r selector.List
		for _, w := range wanted {
			wl, wr := w.At(s.local.Addr(), s.remote.Addr())
			l, r = append(l, wl...), append(r, wr...)
		}
		return nil, &refusal{isakmp.InvalidIDInformation,
			selectorFailure("the peer asks for networks that are not within ours", l, r, local, remote)}
	}
	q.settings = *best
	return transport, nil
}

// chooseSuite finds the best of our suites in the offer. Proposals that want
// several protocols at once, with one number, are left out.
func (q *quick) chooseSuite(offer *isakmp.SecurityAssociation, hasKE bool) *refusal {
	s := q.s
	type place struct {
		proposal  *isakmp.Proposal
		transform isakmp.Transform
		read      phaseTwo
	}
	var places []place
	var offered []transform.Proposal
	for i := range offer.Proposals {
		p := &offer.Proposals[i]
		several := slices.ContainsFunc(offer.Proposals, func(o isakmp.Proposal) bool { return o.Number == p.Number && o.Protocol != p.Protocol })
		if p.Protocol != isakmp.ProtocolESP || len(p.SPI) != 4 || binary.BigEndian.Uint32(p.SPI) == 0 || several {
			continue
		}
		for _, t := range p.Transforms {
			read := readPhaseTwo(t)
			_, group := groupOf(read.proposal)
			if read.known && s.takes(q.settings, read.mode) && group == hasKE {
				places, offered = append(places, place{p, t, read}), append(offered, read.proposal)
			}
		}
	}
	if theirs, ours, ok := s.otherMode(offer, q.settings); ok {
		return &refusal{isakmp.NoProposalChosen, sa.ModeMismatch("the peer asks for "+theirs+" mode only", ours, theirs)}
	}
	if len(offered) == 0 {
		return &refusal{isakmp.NoProposalChosen, &sa.Failure{Reason: sa.ReasonProposalMismatch,
			Message: fmt.Sprintf("no transform of the peer's offer can be used: ESP in %s mode is wanted", s.modeNames(q.settings)),
			Local:   sa.ProposalLines(s.m.settings.ESPProposals), Remote: sa.ProposalLines(readAll(offer)),
			Hint: "compare the mode (tunnel or transport) and NAT traversal of both ends"}}
	}
	suite, _, err := transform.Match(transform.ESP, offered, s.m.settings.ESPProposals)
	if err != nil {
		return &refusal{isakmp.NoProposalChosen, sa.ProposalMismatch("Child SA "+q.settings.Name, err)}
	}
	at := slices.IndexFunc(places, func(p place) bool {
		got, _, err := transform.Match(transform.ESP, []transform.Proposal{p.read.proposal}, []transform.Proposal{suite.Proposal()})
		return err == nil && got == suite
	})
	if at < 0 {
		return &refusal{isakmp.NoProposalChosen, sa.ProposalMismatch("Child SA "+q.settings.Name, errors.New("nothing in common"))}
	}
	p := places[at]
	q.spiOut = binary.BigEndian.Uint32(p.proposal.SPI)
	if s.m.childByOut(q.spiOut) != nil {
		return &refusal{isakmp.InvalidSPI, syntaxFailure("the peer's SPI is in use")}
	}
	q.suite, q.group, q.bare, q.mode = suite, suite.Group.ID, isBare(p.read.mode), p.read.mode
	q.answer = &isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{{
		Number: p.proposal.Number, Protocol: isakmp.ProtocolESP, Transforms: []isakmp.Transform{p.transform}}}}
	q.agreeLifetime(p.read.life)
	return nil
}

// agreeLifetime takes the lower limits. Where ours are, the peer is told with
// RESPONDER-LIFETIME (RFC 2407 §4.6.3.1).
func (q *quick) agreeLifetime(theirs sa.Lifetime) {
	ours := q.s.m.settings.ChildLifetime
	q.life = lower(ours, theirs)
	if q.life.Time != theirs.Time || q.life.Bytes/1024 != theirs.Bytes/1024 {
		data, err := isakmp.AppendAttributes(nil, lifeAttributes(q.life))
		if err == nil && len(data) > 0 {
			q.tell = &isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP, NotifyType: isakmp.ResponderLifetime, Data: data}
		}
	}
}

func groupOf(p transform.Proposal) (uint16, bool) {
	for _, t := range p.Transforms {
		if t.Type == transform.KeyExchange {
			return t.ID, true
		}
	}
	return 0, false
}

func readAll(offer *isakmp.SecurityAssociation) []transform.Proposal {
	var out []transform.Proposal
	for _, p := range offer.Proposals {
		for _, t := range p.Transforms {
			out = append(out, readPhaseTwo(t).proposal)
		}
	}
	return out
}

// sendAnswer installs the Child SA, to receive on, and answers the offer. The answer is
// repeated until the initiator's last message comes.
func (q *quick) sendAnswer(offer *opened, shared []byte) {
	s := q.s
	if s.m.childByOut(q.spiOut) != nil { // another came while the secret was computed
		q.abandon()
		return
	}
	q.answer.Proposals[0].SPI = binary.BigEndian.AppendUint32(nil, q.spiIn)
	ps := []isakmp.Payload{q.answer, &isakmp.Nonce{Data: q.nonceR}}
	if q.public != nil {
		ps = append(ps, &isakmp.KeyExchange{Data: q.public})
	}
	ps = append(ps, q.ids...)
	if q.transport != nil {
		ps = append(ps, q.originals()...)
	}
	if q.tell != nil {
		q.tell.SPI = binary.BigEndian.AppendUint32(nil, q.spiIn)
		ps = append(ps, q.tell)
	}
	made, refused := s.install(q.agreement(shared))
	if refused != nil {
		q.abandon()
		s.refuseQuick(offer, &refusal{isakmp.NoProposalChosen, refused})
		return
	}
	q.child = made
	q.child.doubtful = true
	q.stage = quickAnswered
	q.say(q.nonceI, ps, true)
}

// addressSelector is all traffic of an outer address: what a Quick Mode without
// ID payloads is for (RFC 2409 §5.5).
func addressSelector(a netip.AddrPort) selector.Selector {
	return selector.FromPrefix(netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
}

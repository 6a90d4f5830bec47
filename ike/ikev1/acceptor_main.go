package ikev1

import (
	"fmt"
	"slices"

	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Main Mode as the responder, up to the message with the peer's identity
// (RFC 2409 §5.4). Each message of the peer is answered once, and once for each
// time that it comes again; no answer is longer than what it answers.

// first answers an offer: from the table if it is a repeat, else after the gate
// let it pass.
func (a *Acceptor) first(msg *isakmp.Message, d sa.Datagram) {
	if h := a.byPeer[peerKey{d.Remote, msg.InitiatorCookie}]; h != nil {
		a.repeated(h, d)
		return
	}
	offer, ok := isakmp.Find[*isakmp.SecurityAssociation](msg.Payloads)
	if !ok || msg.Flags.Encrypted() {
		a.dropped(d, sa.ReasonInvalidSyntax, "Main Mode begins with an SA payload in the clear")
		return
	}
	a.traceIn(msg.Header, msg.Payloads, d)
	if v, _ := a.cfg.Gate.Admit(a.now, d.Remote, msg.InitiatorCookie, nil, nil); v != cookie.Accept {
		a.dropped(d, sa.ReasonHalfOpenLimit, "too many half-open ISAKMP SAs")
		return
	}
	among := a.candidates(d)
	if len(among) == 0 {
		a.noCandidate(msg, d)
		return
	}
	h := &half{since: a.now, first: d.Remote, kind: isakmp.ExchangeMain, association: association{
		cookieI: msg.InitiatorCookie, local: d.Local, remote: d.Remote, offer: isakmp.Body(offer), peer: abilitiesOf(msg.Payloads),
	}}
	answer, failure := h.accept(offer, among)
	if failure != nil {
		a.failed(d, among, failure)
		a.refuse(msg, d, isakmp.NoProposalChosen)
		return
	}
	if !a.keep(h, d) {
		return
	}
	h.repeat.hear(d.Raw)
	a.reply(h, d, append([]isakmp.Payload{answer}, h.peer.answer()...))
}

// keep gives a half-open SA its cookie and a place in the table.
func (a *Acceptor) keep(h *half, d sa.Datagram) bool {
	h.cookieR = a.random.SPI()
	if a.bySPI[h.cookieR] != nil {
		return false
	}
	if len(a.halves) >= a.cfg.Limit {
		a.end(a.halves[0], sa.ReasonHalfOpenLimit, "newer half-open ISAKMP SAs took its place")
	}
	a.halves = append(a.halves, h)
	a.byPeer[peerKey{h.first, h.cookieI}], a.bySPI[h.cookieR] = h, h
	a.cfg.Gate.Opened(a.now, d.Remote)
	a.do(sa.RegisterSPI{SPI: h.cookieR})
	return true
}

func (a *Acceptor) traceIn(h isakmp.Header, ps []isakmp.Payload, d sa.Datagram) {
	a.emit(trace("", false, h, isakmp.Summary(ps), len(d.Raw), path{d.Local, d.Remote}, 0))
}

// noCandidate refuses a peer that no connection is for. One that a connection of
// another version is for hears that, and so does whoever looks at it (RFC 2408
// §5.2, RFC 7296 §2.5).
func (a *Acceptor) noCandidate(msg *isakmp.Message, d sa.Datagram) {
	if a.cfg.Others != nil {
		if others := a.cfg.Others(d.Local.Addr(), d.Remote.Addr()); len(others) > 0 {
			a.failed(d, others, &sa.Failure{Reason: sa.ReasonVersionMismatch,
				Message: fmt.Sprintf("the peer at %v speaks IKEv1, the connection is IKEv2", d.Remote.Addr()),
				Local:   "ike.version: 2", Remote: "IKEv1",
				Hint: "set IKEv2 at the peer, or ike.version: 1 here if it has nothing else"})
			a.refuse(msg, d, isakmp.InvalidMajorVersion)
			return
		}
	}
	a.failed(d, nil, &sa.Failure{Reason: sa.ReasonUnknownPeer,
		Message: fmt.Sprintf("no connection of IKEv1 for a peer at %v", d.Remote.Addr()),
		Local:   d.Local.String(), Remote: d.Remote.String(),
		Hint: "add the address to remote.address of a connection, or correct the peer"})
	a.refuse(msg, d, isakmp.NoProposalChosen)
}

// accept chooses the suite: the first of our proposals, of all candidates, that
// is offered. Of candidates that want the same, one is looked at: a stranger
// decides how much there is to compare.
func (h *half) accept(offer *isakmp.SecurityAssociation, among []*sa.Settings) (*isakmp.SecurityAssociation, *sa.Failure) {
	var all []phaseOne
	var raw []isakmp.Transform
	number := uint8(0)
	for _, p := range offer.Proposals {
		if p.Protocol != isakmp.ProtocolISAKMP {
			continue
		}
		number = p.Number
		for _, t := range p.Transforms {
			all, raw = append(all, readPhaseOne(t)), append(raw, t)
		}
	}
	failure := &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer does not offer to authenticate as the connection does",
		Hint: "let both ends authenticate in one way: with a pre-shared key, or with certificates of one kind of key"}
	failure.Local, failure.Remote = methodNames(among, all)
	var tried []*sa.Settings
	for _, c := range among {
		if slices.ContainsFunc(tried, func(r *sa.Settings) bool { return sameOffer(r, c) }) {
			continue
		}
		tried = append(tried, c)
		var offered []transform.Proposal
		for _, x := range all {
			if x.known && x.method == offeredMethod(c) {
				offered = append(offered, x.proposal)
			}
		}
		if len(offered) == 0 {
			continue
		}
		suite, _, err := transform.Match(transform.IKE, offered, c.IKEProposals)
		if err != nil {
			failure = sa.ProposalMismatch("IKE SA", err)
			continue
		}
		at := slices.IndexFunc(all, func(x phaseOne) bool {
			got, _, err := transform.Match(transform.IKE, []transform.Proposal{x.proposal}, []transform.Proposal{suite.Proposal()})
			return err == nil && got == suite && x.known && x.method == offeredMethod(c)
		})
		if at < 0 || !speaks(suite) || h.choose(suite, baseMethod(all[at].method)) != nil {
			continue
		}
		h.life, h.connection, h.offered = all[at].life, c, all[at].method
		return &isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{{
			Number: number, Protocol: isakmp.ProtocolISAKMP, Transforms: []isakmp.Transform{raw[at]}}}}, nil
	}
	return nil, failure
}

// sameOffer tells whether two connections take the same offers of phase 1.
func sameOffer(a, b *sa.Settings) bool {
	return offeredMethod(a) == offeredMethod(b) && slices.EqualFunc(a.IKEProposals, b.IKEProposals, transform.Proposal.Equal)
}

// repeated answers a message that came before.
func (a *Acceptor) repeated(h *half, d sa.Datagram) bool {
	answer, repeated := h.repeat.again(d.Raw)
	if answer != nil && (h.kind != isakmp.ExchangeAggressive || a.cfg.Gate.AllowResponse(a.now, d.Remote)) {
		a.transmit(h, answer, path{d.Local, d.Remote})
	}
	return repeated
}

// next takes a message behind the first.
func (a *Acceptor) next(h *half, msg *isakmp.Message, d sa.Datagram) {
	if a.repeated(h, d) {
		return
	}
	switch {
	case h.stage == stageChosen && !msg.Flags.Encrypted():
		a.keyRequest(h, msg, d)
	case h.stage == stageShared && msg.Flags.Encrypted():
		h.stage, h.proof = stageAgreeing, d
		job := &sansio.KeyExchange{Group: h.suite.Group.ID, Private: h.private, Peer: h.publicI}
		a.do(a.desk.Start(h, job, func(r any) { a.agreed(h, sansio.Exchanged(r)) }))
	case h.stage == stageKeyed && msg.Flags.Encrypted():
		a.judge(h, msg, d)
	case h.stage == stageOver:
	default:
		a.dropped(d, sa.ReasonInvalidSyntax, "a message of Main Mode that does not fit: "+msg.Header.String())
	}
}

// keyRequest takes the peer's key share and makes ours.
func (a *Acceptor) keyRequest(h *half, msg *isakmp.Message, d sa.Datagram) {
	ke, okKE := isakmp.Find[*isakmp.KeyExchange](msg.Payloads)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](msg.Payloads)
	if !okKE || !okNonce {
		a.dropped(d, sa.ReasonInvalidSyntax, "the second message of Main Mode lacks KE or NONCE")
		return
	}
	if group, err := transform.NewGroup(h.suite.Group.ID); err != nil || len(ke.Data) != group.PublicLen() {
		a.dropped(d, sa.ReasonInvalidKE, fmt.Sprintf("a key share of %d octets does not fit %v", len(ke.Data), h.suite.Group))
		return
	}
	a.traceIn(msg.Header, msg.Payloads, d)
	h.stage = stageSharing
	h.local, h.remote = d.Local, d.Remote
	h.publicI, h.nonceI, h.nonceR = ke.Data, nonce.Data, a.random.Nonce()
	h.detectNAT(msg.Payloads)
	h.repeat = repeater{heard: d.Raw}
	claim := slices.ContainsFunc(a.candidates(d), func(c *sa.Settings) bool { return c.ForceEncapsulation })
	a.do(a.desk.Start(h, &sansio.KeyExchange{Group: h.suite.Group.ID, Seed: a.random.Seed()}, func(r any) {
		a.answerKey(h, d, claim, sansio.Exchanged(r))
	}))
}

func (a *Acceptor) answerKey(h *half, d sa.Datagram, claim bool, r sansio.KeyExchanged) {
	if r.Err != nil {
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.cookieR})
		a.failed(d, nil, internal(r.Err))
		return
	}
	h.private, h.publicR = r.Private, r.Public
	h.stage = stageShared
	ps := []isakmp.Payload{&isakmp.KeyExchange{Data: h.publicR}, &isakmp.Nonce{Data: h.nonceR}}
	ps = append(ps, h.requests()...)
	a.reply(h, d, append(ps, h.natPayloads(claim)...))
}

// agreed judges the message that waited for the shared secret.
func (a *Acceptor) agreed(h *half, r sansio.KeyExchanged) {
	d := h.proof
	h.proof = sa.Datagram{}
	if r.Err != nil {
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.cookieR})
		a.failed(d, a.candidates(d), badValue(r.Err))
		return
	}
	h.private.Erase()
	h.private, h.sharedKey, h.stage = nil, r.Shared, stageKeyed
	if msg, err := isakmp.ParseMessage(d.Raw); err == nil {
		a.judge(h, msg, d)
	}
}

// judge tries the candidates' keys on the peer's identity, and hands the SA
// over to the connection whose key and identity fit. One whose key fits and
// whose identity does not is left to say so in its own name. Where no key
// fits, the peer is told once, and may try again.
func (a *Acceptor) judge(h *half, msg *isakmp.Message, d sa.Datagram) {
	among := a.candidates(d)
	if h.method != isakmp.AuthPSK {
		a.judgeSigned(h, msg, d, among)
		return
	}
	var keyed *sa.Settings
	tried := 0
	for _, c := range among {
		if offeredMethod(c) != h.offered {
			continue
		}
		if tried++; tried > maxKeys {
			break
		}
		x, shown, ok := h.opens(c, msg, d)
		if !ok {
			continue
		}
		if c.ExpectedID(d.Remote.Addr(), false).Matches(shown) {
			a.handOver(h, c, x, d)
			return
		}
		x.erase()
		if keyed == nil {
			keyed = c
		}
	}
	if keyed != nil {
		if x, _, ok := h.opens(keyed, msg, d); ok {
			a.handOver(h, keyed, x, d)
		}
		return
	}
	f := &sa.Failure{Reason: sa.ReasonAuthenticationFailed,
		Message: "the peer's identity does not decrypt: its pre-shared key is another one than ours",
		Local:   expectations(among, d.Remote.Addr()), Remote: d.Remote.String(), Hint: keyHint}
	h.repeat.hear(d.Raw)
	a.failed(d, among, f)
	a.sayRefused(h, d)
}

// judgeSigned hands the SA over to the connection that the peer's identity is of, or to the
// first one, which says what is wrong. The keys are those of all: they are made once,
// whoever the peer says it is.
func (a *Acceptor) judgeSigned(h *half, msg *isakmp.Message, d sa.Datagram, among []*sa.Settings) {
	able := slices.DeleteFunc(slices.Clone(among), func(c *sa.Settings) bool { return offeredMethod(c) != h.offered })
	if len(able) == 0 {
		return
	}
	x, shown, ok := h.opens(able[0], msg, d)
	if !ok {
		h.repeat.hear(d.Raw)
		a.failed(d, among, &sa.Failure{Reason: sa.ReasonAuthenticationFailed, Message: "the peer's identity does not decrypt",
			Local: expectations(among, d.Remote.Addr()), Remote: d.Remote.String(), Hint: "something on the path changes messages, or the peer's implementation is broken"})
		a.sayRefused(h, d)
		return
	}
	chosen := able[0]
	if i := slices.IndexFunc(able, func(c *sa.Settings) bool { return c.ExpectedID(d.Remote.Addr(), false).Matches(shown) }); i >= 0 {
		chosen = able[i]
	}
	a.handOver(h, chosen, x, d)
}

// opens tries the key of a connection on the message with the peer's identity.
// With signatures no key is tried: the machine of the connection checks them.
func (h *half) opens(c *sa.Settings, msg *isakmp.Message, d sa.Datagram) (x association, shown auth.Identity, ok bool) {
	x = h.association
	x.local, x.remote = d.Local, d.Remote
	if x.method == isakmp.AuthPSK && c.PSK.IsZero() || x.deriveKeys(x.skeyid(c.PSK, h.sharedKey), h.sharedKey) != nil {
		return x, shown, false
	}
	o, err := x.open(msg, x.iv)
	if err == nil && x.method == isakmp.AuthPSK && !x.provesIdentity(o) {
		err = errHash
	}
	if err == nil {
		_, shown, err = o.who()
	}
	if err != nil {
		x.erase()
		return x, shown, false
	}
	return x, shown, true
}

// handOver gives the SA to the machine of a connection.
func (a *Acceptor) handOver(h *half, c *sa.Settings, x association, d sa.Datagram) {
	give := &HalfOpen{association: x, since: h.since, proof: d, kind: h.kind}
	a.over(h)
	a.do(sa.Handover{Connection: c.Name, SPI: h.cookieR, Half: give})
}

// sayRefused tells the peer, in the clear, that it is not believed.
func (a *Acceptor) sayRefused(h *half, d sa.Datagram) {
	ps := []isakmp.Payload{h.notification(isakmp.AuthenticationFailed, nil)}
	raw, err := clearMessage(h.header(isakmp.ExchangeInformational, a.random.MessageID()), ps)
	if err != nil || !a.cfg.Gate.AllowResponse(a.now, d.Remote) {
		h.repeat.sent = nil
		return
	}
	h.repeat.sent, h.repeat.answers = raw, 0
	a.send(raw, ps, path{d.Local, d.Remote})
}

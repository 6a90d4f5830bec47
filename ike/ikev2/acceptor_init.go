package ikev2

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"causeway/ike/cookie"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// IKE_SA_INIT as the responder (RFC 7296 §1.2, §2.6).

// initRequest answers a request: from the table if it is a repeat, else after
// the gate let it pass. Before that no more of it is read than the gate asks for.
func (a *Acceptor) initRequest(header wire.Header, d sa.Datagram) {
	if h := a.byPeer[peerKey{d.Remote, header.InitiatorSPI}]; h != nil {
		if h.stage != stageSharing && bytes.Equal(h.association.initRequest, d.Raw) {
			a.do(sa.Send{Local: h.local, Remote: h.remote, Bytes: h.initResponse})
		}
		return
	}
	if len(d.Raw) > maxInitLen {
		a.dropped(d, sa.ReasonInvalidSyntax, fmt.Sprintf("an IKE_SA_INIT request of %d octets, at most %d are taken", len(d.Raw), maxInitLen))
		return
	}
	nonce, shown, unsound := wire.Opening(d.Raw)
	if unsound == nil && !a.passes(header, d, nonce, shown) {
		return
	}
	outer, err := wire.ParseMessage(d.Raw)
	if err != nil {
		a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
		return
	}
	msg := &message{Header: outer.Header, Payloads: outer.Payloads, raw: d.Raw, size: len(d.Raw), local: d.Local, remote: d.Remote}
	a.emit(traceReceived("", msg))
	switch err := cmp.Or(checkPayloads(msg), unsound); {
	case err != nil:
		a.badInit(msg, d, err)
	case msg.Exchange == wire.ExchangeIKESessionResume:
		a.resumeRequest(msg, d, nonce)
	default:
		a.admit(msg, d, nonce)
	}
}

// passes asks the gate for a request, and answers with a cookie where it wants one.
func (a *Acceptor) passes(h wire.Header, d sa.Datagram, nonce, shown []byte) bool {
	verdict, fresh := a.cfg.Gate.Admit(a.now, d.Remote, h.InitiatorSPI, nonce, shown)
	if verdict == cookie.Accept {
		return true
	}
	if a.traced() {
		if outer, err := wire.ParseMessage(d.Raw); err == nil {
			a.emit(trace("", false, h, wire.Summary(outer.Payloads), len(d.Raw), d.Local, d.Remote, 0))
		}
	}
	switch {
	case verdict == cookie.Drop:
		a.dropped(d, sa.ReasonHalfOpenLimit, "too many half-open IKE SAs")
	case len(d.Raw) < leastInitLen:
		a.dropped(d, sa.ReasonInvalidSyntax, fmt.Sprintf("an IKE_SA_INIT request of %d octets, which cannot be one", len(d.Raw)))
	default:
		a.reply(h, d, notify(wire.NotifyCookie, fresh))
	}
	return false
}

// badInit answers an unknown critical payload, which tells the peer what to
// leave out (RFC 7296 §2.5), and drops everything else.
func (a *Acceptor) badInit(msg *message, d sa.Datagram, err error) {
	var critical *criticalError
	if errors.As(err, &critical) {
		a.dropped(d, sa.ReasonUnsupportedCritical, err.Error())
		if a.cfg.Gate.AllowResponse(a.now, d.Remote) {
			a.reply(msg.Header, d, notify(wire.NotifyUnsupportedCriticalPayload, []byte{byte(critical.payload)}))
		}
		return
	}
	a.dropped(d, sa.ReasonInvalidSyntax, err.Error())
}

// admit opens a half-open IKE SA: it chooses the suite and makes a key share.
func (a *Acceptor) admit(msg *message, d sa.Datagram, ni []byte) {
	if n := a.redirectInit(msg, d, ni); n != nil {
		a.reply(msg.Header, d, n)
		return
	}
	suite, offered, chosen, refused := a.negotiate(msg, d)
	if refused != nil {
		if refused.failure != nil {
			a.failed(d, refused.failure)
		}
		a.reply(msg.Header, d, &refused.notify)
		return
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	h := a.halfOpen(msg, d, ni)
	if h.choose(suite) != nil || a.bySPI[h.spiR] != nil {
		return
	}
	h.peerKE, h.left = ke.Data, suite.Rest()
	a.keep(h)
	more := append(natNotifies(h.spiI, h.spiR, h.local, h.remote, a.claims(d)), a.extensions(h, msg, offered)...)
	a.do(a.desk.Start(h, &sansio.KeyExchange{Group: ke.Group, Seed: a.random.Seed(), Offer: ke.Data}, func(r any) {
		a.answerInit(h, answerProposal(suite, chosen, offered, nil), more, sansio.Exchanged(r))
	}))
}

// halfOpen is a half-open IKE SA of a first request, without keys.
func (a *Acceptor) halfOpen(msg *message, d sa.Datagram, ni []byte) *half {
	h := &half{since: a.now, association: association{
		spiI: msg.InitiatorSPI, spiR: a.random.SPI(), local: d.Local, remote: d.Remote,
		redirects: followsRedirects(msg), natless: !detectsNAT(msg), nonceI: ni, nonceR: a.random.Nonce(), initRequest: d.Raw, keyLog: a.cfg.KeyLog, held: a.cfg.Held,
	}}
	h.nat = detectNAT(msg, h.spiI, 0)
	h.window.expectID = 1
	return h
}

// keep puts a half-open IKE SA into the table.
func (a *Acceptor) keep(h *half) {
	// A few sources that open and never finish must not shut out the others,
	// who finish long before theirs is the oldest.
	if len(a.halves) >= a.cfg.Limit {
		a.end(a.halves[0], sa.ReasonHalfOpenLimit, "newer half-open IKE SAs took its place")
	}
	a.halves = append(a.halves, h)
	a.byPeer[peerKey{h.remote, h.spiI}] = h
	a.bySPI[h.spiR] = h
	a.cfg.Gate.Opened(a.now, h.remote)
	a.do(sa.RegisterSPI{SPI: h.spiR})
}

// claims reports whether a connection wants UDP encapsulation forced. The
// connection is not known yet, so one of the candidates is enough.
func (a *Acceptor) claims(d sa.Datagram) bool {
	for _, c := range a.candidates(d) {
		if c.ForceEncapsulation {
			return true
		}
	}
	return false
}

func (a *Acceptor) candidates(d sa.Datagram) []*sa.Settings {
	var out []*sa.Settings
	for _, c := range a.cfg.Candidates(d.Local.Addr(), d.Remote.Addr()) {
		if !c.InitiateOnly {
			out = append(out, c)
		}
	}
	return out
}

// others are the connections of another version that the peer may have been
// meant for.
func (a *Acceptor) others(d sa.Datagram) []*sa.Settings {
	if a.cfg.Others == nil {
		return nil
	}
	return a.cfg.Others(d.Local.Addr(), d.Remote.Addr())
}

// otherVersion explains a peer that starts with IKEv2 where the connection is
// IKEv1 (RFC 7296 §2.5).
func otherVersion(d sa.Datagram, others []*sa.Settings) *sa.Failure {
	return &sa.Failure{
		Reason:  sa.ReasonVersionMismatch,
		Message: fmt.Sprintf("the peer at %v speaks IKEv2, connection %s is IKEv1", d.Remote.Addr(), others[0].Name),
		Local:   "ike.version: 1", Remote: "IKEv2",
		Hint: "remove ike.version: 1 here, which is the better choice, or set IKEv1 at the peer",
	}
}

// negotiate chooses a suite that one of the candidates allows.
func (a *Acceptor) negotiate(msg *message, d sa.Datagram) (transform.Suite, transform.Proposal, *wire.Proposal, *refusal) {
	candidates := a.candidates(d)
	var none transform.Suite
	if others := a.others(d); len(candidates) == 0 && len(others) > 0 {
		return none, transform.Proposal{}, nil, refuse(wire.NotifyInvalidMajorVersion, otherVersion(d, others))
	}
	if len(candidates) == 0 {
		return none, transform.Proposal{}, nil, refuse(wire.NotifyNoProposalChosen, &sa.Failure{
			Reason:  sa.ReasonUnknownPeer,
			Message: fmt.Sprintf("no connection for the peer %s at our address %s", d.Remote.Addr(), d.Local.Addr()),
			Local:   d.Local.String(), Remote: d.Remote.String(),
			Hint: "add a connection with this remote address, or with remote address any",
		})
	}
	proposal, _ := payload[*wire.SecurityAssociation](msg)
	ke, _ := payload[*wire.KeyExchange](msg)
	offered := fromWire(proposal, 0)
	if msg.notify(wire.NotifyIntermediateExchangeSupported) == nil {
		transform.SkipAdditional(offered)
	}
	var failure *sa.Failure
	var failed [][]transform.Proposal // a thousand connections may have the same ones
	for _, c := range candidates {
		if slices.ContainsFunc(failed, func(f []transform.Proposal) bool {
			return slices.EqualFunc(f, c.IKEProposals, transform.Proposal.Equal)
		}) {
			continue
		}
		suite, i, err := transform.MatchPreferringGroup(transform.IKE, offered, c.IKEProposals, ke.Group)
		if err != nil {
			failed = append(failed, c.IKEProposals)
			if failure == nil {
				failure = sa.ProposalMismatch("IKE SA of connection "+c.Name, err)
			}
			continue
		}
		group, err := transform.NewGroup(suite.Group.ID)
		switch {
		case err != nil:
			continue
		case suite.Group.ID != ke.Group:
			wanted := binary.BigEndian.AppendUint16(nil, suite.Group.ID)
			return none, transform.Proposal{}, nil, &refusal{notify: wire.Notify{NotifyType: wire.NotifyInvalidKEPayload, Data: wanted}}
		case len(ke.Data) != group.PublicLen():
			return none, transform.Proposal{}, nil, refuse(wire.NotifyInvalidSyntax, &sa.Failure{Reason: sa.ReasonInvalidKE,
				Message: "the peer's key share does not fit its group",
				Local:   fmt.Sprintf("%v: %d octets", suite.Group, group.PublicLen()), Remote: fmt.Sprintf("%d octets", len(ke.Data)),
				Hint: "the peer's implementation is broken; another group may work"})
		}
		return suite, offered[i], &proposal.Proposals[i], nil
	}
	return none, transform.Proposal{}, nil, refuse(wire.NotifyNoProposalChosen, failure)
}

// answerInit sends the answer when the key share is there; more are its last
// payloads.
func (a *Acceptor) answerInit(h *half, proposal *wire.SecurityAssociation, more []wire.Payload, r sansio.KeyExchanged) {
	if r.Err != nil {
		a.failed(sa.Datagram{Local: h.local, Remote: h.remote}, badShare(r.Err))
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.spiR})
		return
	}
	h.private, h.stage = r.Private, stageAnswered
	ps := []wire.Payload{proposal, &wire.KeyExchange{Group: h.suite.Group.ID, Data: r.Public}, &wire.Nonce{Data: h.nonceR}}
	a.sendInit(h, wire.ExchangeIKESAInit, append(ps, more...))
}

// sendInit sends the answer to the first request and keeps it for repeats.
func (a *Acceptor) sendInit(h *half, ex wire.ExchangeType, ps []wire.Payload) {
	header := h.header(ex, true, 0)
	if a.cfg.Alter != nil {
		ps = a.cfg.Alter(header, ps)
	}
	raw, err := (&wire.Message{Header: header, Payloads: ps}).Append(nil)
	if err != nil {
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.spiR})
		return
	}
	h.initResponse = raw
	a.do(sa.Send{Local: h.local, Remote: h.remote, Bytes: raw})
	a.emit(trace("", true, header, wire.Summary(ps), len(raw), h.local, h.remote, 0))
}

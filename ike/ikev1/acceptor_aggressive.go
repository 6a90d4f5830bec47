package ikev1

import (
	"crypto/hmac"
	"fmt"
	"net/netip"
	"strings"

	"causeway/ike/auth"
	"causeway/ike/cookie"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Aggressive Mode as the responder, up to the initiator's proof. One answer goes
// out for each message that comes in, as far as the gate allows: it can be longer
// than what it answers, and costs a Diffie-Hellman exchange, before anything
// tells that the peer is where it seems to be.

// firstAggressive answers an offer with everything at once.
func (a *Acceptor) firstAggressive(msg *isakmp.Message, d sa.Datagram) {
	if h := a.byPeer[peerKey{d.Remote, msg.InitiatorCookie}]; h != nil {
		a.repeated(h, d)
		return
	}
	offer, okSA := isakmp.Find[*isakmp.SecurityAssociation](msg.Payloads)
	ke, okKE := isakmp.Find[*isakmp.KeyExchange](msg.Payloads)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](msg.Payloads)
	id, shown, err := (&opened{payloads: msg.Payloads}).who()
	if !okSA || !okKE || !okNonce || err != nil || msg.Flags.Encrypted() {
		a.dropped(d, sa.ReasonInvalidSyntax, "Aggressive Mode begins with SA, KE, NONCE and ID in the clear")
		return
	}
	a.traceIn(msg.Header, msg.Payloads, d)
	if v, _ := a.cfg.Gate.Admit(a.now, d.Remote, msg.InitiatorCookie, nil, nil); v != cookie.Accept {
		a.dropped(d, sa.ReasonHalfOpenLimit, "too many half-open ISAKMP SAs")
		return
	}
	among := a.aggressiveCandidates(msg, d)
	if len(among) == 0 {
		return
	}
	h := &half{since: a.now, first: d.Remote, kind: isakmp.ExchangeAggressive, peerID: id, association: association{
		cookieI: msg.InitiatorCookie, local: d.Local, remote: d.Remote, offer: isakmp.Body(offer), peer: abilitiesOf(msg.Payloads),
		publicI: ke.Data, nonceI: nonce.Data, nonceR: a.random.Nonce(),
	}}
	answer, failure := h.acceptFor(offer, among, shown)
	if failure != nil {
		a.failed(d, among, failure)
		a.refuse(msg, d, isakmp.NoProposalChosen)
		return
	}
	if group, err := transform.NewGroup(h.suite.Group.ID); err != nil || len(ke.Data) != group.PublicLen() {
		a.failed(d, among, &sa.Failure{Reason: sa.ReasonInvalidKE,
			Message: "the peer's key share does not fit the group of the proposal chosen",
			Local:   h.suite.String(), Remote: fmt.Sprintf("a key share of %d octets", len(ke.Data)),
			Hint: "in Aggressive Mode all proposals must have one group, the same at both ends"})
		a.refuse(msg, d, isakmp.InvalidKeyInformation)
		return
	}
	if !a.keep(h, d) {
		return
	}
	h.stage = stageSharing
	if !a.crowd(h) {
		return
	}
	job := &sansio.KeyExchange{Group: h.suite.Group.ID, Seed: a.random.Seed(), Peer: ke.Data}
	a.do(a.desk.Start(h, job, func(r any) { a.answerAll(h, d, answer, sansio.Exchanged(r)) }))
}

// aggressiveCandidates are the connections that allow the mode. Where there is
// none it is refused, with the reason under the name of the connection.
func (a *Acceptor) aggressiveCandidates(msg *isakmp.Message, d sa.Datagram) []*sa.Settings {
	all := a.candidates(d)
	if len(all) == 0 {
		a.noCandidate(msg, d)
		return nil
	}
	var out []*sa.Settings
	for _, c := range all {
		if c.Aggressive {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		a.failed(d, all, &sa.Failure{Reason: sa.ReasonLocalRefused,
			Message: fmt.Sprintf("the peer at %v asks for Aggressive Mode, which no connection with it allows", d.Remote.Addr()),
			Local:   "Main Mode", Remote: "Aggressive Mode",
			Hint: "set Main Mode at the peer; if it has none, ike.aggressive: true here, with a long random key"})
		a.refuse(msg, d, isakmp.UnsupportedExchangeType)
	}
	return out
}

// acceptFor chooses the connection that the shown identity fits, and the suite
// by its proposals.
func (h *half) acceptFor(offer *isakmp.SecurityAssociation, among []*sa.Settings, shown auth.Identity) (*isakmp.SecurityAssociation, *sa.Failure) {
	var fit []*sa.Settings
	for _, c := range among {
		if c.ExpectedID(h.remote.Addr(), false).Matches(shown) {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return nil, &sa.Failure{Reason: sa.ReasonIdentityMismatch,
			Message: fmt.Sprintf("the peer shows identity %s, which no connection expects", shown),
			Local:   expectations(among, h.remote.Addr()), Remote: fmt.Sprintf("shows %s (%v)", shown, shown.Type),
			Hint: "set the connection's remote identity to " + shown.String() + ", or correct the identity at the peer"}
	}
	return h.accept(offer, fit)
}

// maxExpectations bounds the identities that a failure lists.
const maxExpectations = 16

// expectations are whom the connections expect at an address.
func expectations(among []*sa.Settings, at netip.Addr) string {
	var lines []string
	for i, c := range among {
		if i == maxExpectations {
			lines = append(lines, fmt.Sprintf("and %d more", len(among)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("connection %s expects %v", c.Name, c.ExpectedID(at, false)))
	}
	return strings.Join(lines, "\n")
}

// answerAll derives the keys and proves who we are.
func (a *Acceptor) answerAll(h *half, d sa.Datagram, answer *isakmp.SecurityAssociation, r sansio.KeyExchanged) {
	c := h.connection
	if r.Err == nil {
		h.publicR = r.Public
		r.Private.Erase()
		r.Err = h.deriveKeys(h.skeyid(c.PSK, r.Shared), r.Shared)
		keymat.Erase(r.Shared)
	}
	if r.Err != nil {
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.cookieR})
		a.failed(d, []*sa.Settings{c}, badValue(r.Err))
		return
	}
	mine := c.LocalID(d.Local.Addr())
	h.ownIdentity = mine.String()
	hash := h.association.proof(false, mine.Body())
	send := func(proof []isakmp.Payload) {
		h.stage = stageAnswered
		ps := []isakmp.Payload{answer, &isakmp.KeyExchange{Data: h.publicR}, &isakmp.Nonce{Data: h.nonceR}, idPayload(mine)}
		ps = append(append(ps, h.requests()...), proof...)
		ps = append(ps, h.natPayloads(c.ForceEncapsulation)...)
		h.repeat.hear(d.Raw)
		a.reply(h, d, append(ps, h.peer.answer()...))
	}
	if h.method == isakmp.AuthPSK {
		send([]isakmp.Payload{&isakmp.Hash{Data: hash}})
		return
	}
	a.do(a.desk.Start(h, &signing{c.Credentials, a.random.Seed(), hash}, func(result any) {
		if signature, ok := result.([]byte); ok {
			send(append(certificatesOf(c.Credentials), &isakmp.Signature{Data: signature}))
			return
		}
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.cookieR})
		a.failed(d, []*sa.Settings{c}, unsigned(c.Credentials, result))
	}))
}

// lastAggressive takes the initiator's proof. One that does not hold may be
// anybody's, so the true one is waited for.
func (a *Acceptor) lastAggressive(h *half, msg *isakmp.Message, d sa.Datagram) {
	if h.stage != stageAnswered || a.repeated(h, d) {
		return
	}
	if h.checks++; h.checks > maxChecks {
		a.dropped(d, sa.ReasonInvalidSyntax, "more proofs of identity than are looked at")
		return
	}
	x := h.association
	x.local, x.remote = d.Local, d.Remote
	o, err := x.openLast(msg)
	if err == nil && h.method == isakmp.AuthPSK {
		hash, ok := isakmp.Find[*isakmp.Hash](o.payloads)
		if !ok || !hmac.Equal(hash.Data, h.association.proof(true, isakmp.Body(h.peerID))) {
			err = errHash
		}
	}
	if err != nil {
		a.dropped(d, sa.ReasonInvalidSyntax, "a proof of identity that does not hold: "+err.Error())
		return
	}
	give := &HalfOpen{association: x, since: h.since, proof: d, kind: h.kind, ownIdentity: h.ownIdentity, peerID: h.peerID}
	a.over(h)
	a.do(sa.Handover{Connection: h.connection.Name, SPI: h.cookieR, Half: give})
}

// leftOff explains a peer that went on with nothing after our answer, which proves
// our key: the first that can tell that the keys differ is the peer.
func (h *half) leftOff() *sa.Failure {
	f := &sa.Failure{Reason: sa.ReasonTimeout, Local: h.ownIdentity, Remote: h.remote.String(),
		Message: fmt.Sprintf("the peer at %v began Aggressive Mode and did not go on after our answer", h.remote.Addr()),
		Hint:    "the peer's log says why; a peer that finds another identity or certificate than it expects stays silent"}
	if h.method == isakmp.AuthPSK {
		f.Hint = "the peer's log says why; many peers stay silent where the pre-shared keys differ, or where they expect another identity"
	}
	return f
}

// between takes what else comes while the initiator's proof is awaited. A
// message of phase 2 tells that the proof was lost, which the initiator only
// repeats when it hears our answer again. A refusal tells why nothing will come.
func (a *Acceptor) between(h *half, msg *isakmp.Message, d sa.Datagram) {
	if h.stage != stageAnswered {
		return
	}
	if msg.Exchange != isakmp.ExchangeInformational {
		if answer, _ := h.repeat.again(h.repeat.heard); answer != nil && a.cfg.Gate.AllowResponse(a.now, d.Remote) {
			a.transmit(h, answer, path{h.local, h.remote})
		}
		return
	}
	for _, n := range isakmp.All[*isakmp.Notification](msg.Payloads) {
		if n.NotifyType.IsError() && !h.told {
			h.told = true
			a.failed(d, []*sa.Settings{h.connection}, refusedFailure("IKE SA", n, h.connection.IKEProposals, "ike.proposals"))
		}
	}
}

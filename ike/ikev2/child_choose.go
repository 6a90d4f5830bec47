package ikev2

import (
	"encoding/binary"
	"fmt"
	"slices"

	"causeway/esp/selector"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// childChoice is what we choose of a peer's offer for a Child SA.
type childChoice struct {
	settings      sa.ChildSettings
	suite         transform.Suite
	proposal      *wire.Proposal
	offered       transform.Proposal
	spiIn, spiOut uint32 // ours is allocated last
	local, remote selector.List
	noTFC         bool // the peer cannot cut padding off
	transport     *sa.Transport
	placement
}

// chooseChild judges a peer's offer: selectors first, then proposals. Of the
// wanted Child SAs only those of among may be chosen, and of old its place.
func (s *ikeSA) chooseChild(msg *message, among []sa.ChildSettings, old *child, inAuth bool) (*childChoice, *refusal) {
	proposal, ok := payload[*wire.SecurityAssociation](msg)
	tsi, tsr := msg.selectors(true), msg.selectors(false)
	if !ok || tsi == nil || tsr == nil {
		return nil, refuse(wire.NotifyTSUnacceptable, &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: "a Child SA was asked for without traffic selectors",
			Remote: "sends " + wire.Summary(msg.Payloads), Hint: "the peer's implementation is broken"})
	}
	c := &childChoice{noTFC: msg.notify(wire.NotifyESPTFCPaddingNotSupported) != nil}
	if refused := s.chooseSelectors(c, among, proposedBy(msg, selectorsFromWire(tsi), selectorsFromWire(tsr))); refused != nil {
		return nil, refused
	}
	offered := fromWire(proposal, 4)
	suite, i, err := s.matchChild(msg, offered, inAuth)
	if err != nil {
		return nil, refuse(wire.NotifyNoProposalChosen, sa.ProposalMismatch("Child SA "+c.settings.Name, err))
	}
	c.suite, c.proposal, c.offered = suite, &proposal.Proposals[i], offered[i]
	c.spiOut = binary.BigEndian.Uint32(c.proposal.SPI)
	if c.spiOut == 0 || s.childByOut(c.spiOut) != nil {
		return nil, refuse(wire.NotifyNoProposalChosen, &sa.Failure{Reason: sa.ReasonInvalidSyntax,
			Message: "the peer offers a Child SA with an SPI that is zero or in use", Remote: fmt.Sprintf("SPI %08x", c.spiOut), Hint: "the peer's implementation is broken"})
	}
	if refused := s.place(c, msg, old); refused != nil {
		return nil, refused
	}
	if c.spiIn, err = s.m.cfg.AllocateSPI(c.resource); err != nil {
		return nil, refuse(wire.NotifyNoAdditionalSAs, &sa.Failure{Reason: sa.ReasonDataPath, Message: err.Error(), Hint: noSPI})
	}
	s.reserved = c.spiIn
	return c, nil
}

// matchChild chooses a suite. With a KE payload its group is preferred.
func (s *ikeSA) matchChild(msg *message, offered []transform.Proposal, inAuth bool) (transform.Suite, int, error) {
	if inAuth {
		return transform.MatchIgnoringGroup(transform.ESP, offered, s.m.settings.ESPProposals)
	}
	if ke, ok := payload[*wire.KeyExchange](msg); ok {
		return transform.MatchPreferringGroup(transform.ESP, offered, s.m.settings.ESPProposals, ke.Group)
	}
	return transform.Match(transform.ESP, offered, s.m.settings.ESPProposals)
}

// chooseSelectors narrows a peer's selectors to one of the wanted Child SAs:
// one that has the first selectors of the peer if there is any, since these may
// be the packet that it waits for (RFC 7296 §2.9); then the one that keeps most;
// then one that is not there yet before one that is.
func (s *ikeSA) chooseSelectors(c *childChoice, among []sa.ChildSettings, p proposedSelectors) *refusal {
	best, other := 0, false
	for _, w := range among {
		theirs, ours, transport := p.in(s, w)
		wantLocal, wantRemote := w.At(s.local.Addr(), s.remote.Addr())
		local, remote := wantLocal.Narrow(ours), wantRemote.Narrow(theirs)
		if len(local) == 0 || len(remote) == 0 {
			continue
		}
		if transport == nil && !w.TakesTunnel() {
			other = true
			continue
		}
		score := 1
		if wantLocal.Contains(ours[:1]) && wantRemote.Contains(theirs[:1]) {
			score += 8
		}
		if local.Contains(ours) && remote.Contains(theirs) {
			score += 4
		}
		if local.Equal(wantLocal) && remote.Equal(wantRemote) {
			score += 2
		}
		if s.m.missing(slot{w.Name, 0}) {
			score++
		}
		if score > best {
			best, c.settings, c.local, c.remote, c.transport = score, w, local, remote, transport
		}
	}
	switch {
	case best > 0:
		return nil
	case other:
		return refuse(wire.NotifyNoProposalChosen, sa.ModeMismatch("the peer asks for tunnel mode, and the connection is for transport mode only", "transport", "tunnel"))
	}
	var local, remote selector.List
	for _, w := range among {
		l, r := w.At(s.local.Addr(), s.remote.Addr())
		local, remote = append(slices.Clone(local), l...), append(slices.Clone(remote), r...)
	}
	return refuse(wire.NotifyTSUnacceptable,
		sa.SelectorMismatch("none of the peer's traffic selectors is ours", local, remote, p.theirs, p.ours))
}

// acceptChild installs what was chosen, unless the data path does not accept it. more
// are the secrets of additional key exchanges.
func (s *ikeSA) acceptChild(c *childChoice, shared, ni, nr []byte, rekeys uint32, more ...[]byte) (*child, *refusal) {
	s.reserved = 0
	made, refused := s.install(&agreement{
		settings: c.settings, suite: c.suite, spiIn: c.spiIn, spiOut: c.spiOut, local: c.local, remote: c.remote,
		keys: keymat.DeriveChild(c.suite, s.prf, s.keys.D, shared, ni, nr, more...), rekeys: rekeys, noTFC: c.noTFC,
		transport: c.transport, resource: c.resource, grouped: c.grouped,
	})
	if refused != nil {
		s.m.do(sa.RemoveChild{SPIIn: c.spiIn})
	}
	return made, refused
}

// payloads are SA, TSi and TSr of the answer, and what it says of the mode.
func (c *childChoice) payloads() []wire.Payload {
	return slices.Concat([]wire.Payload{
		answerProposal(c.suite, c.proposal, c.offered, spiBytes(c.spiIn)),
		selectorsToWire(c.remote, true), selectorsToWire(c.local, false),
	}, c.mode(), resourceInfo(c.tells))
}

package ikev2

import (
	"encoding/binary"
	"errors"
	"slices"

	"causeway/esp/selector"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// A Child SA is made by IKE_AUTH, by CREATE_CHILD_SA, or by a CREATE_CHILD_SA
// that replaces another (RFC 7296 §1.3, §2.17). What the three share: an offer
// and its confirmation are here, a choice and its acceptance in child_choose.go.

// childOffer is what we offer for one Child SA.
type childOffer struct {
	settings      sa.ChildSettings
	proposals     []transform.Proposal
	spi           uint32
	local, remote selector.List
	// nonce, group and key are of CREATE_CHILD_SA only; group is 0 without
	// perfect forward secrecy.
	nonce   []byte
	group   uint16
	private transform.PrivateKey
	public  []byte
	tried   []uint16
	more    [][]byte // secrets of additional key exchanges
	rekeys  *child
	placement
}

// offerChild prepares an offer. In IKE_AUTH there is no key exchange, so no
// groups are offered (RFC 7296 §1.2).
func (s *ikeSA) offerChild(w sa.ChildSettings, resource int, inAuth bool) (*childOffer, error) {
	m := s.m
	spi, err := m.cfg.AllocateSPI(resource)
	if err != nil {
		return nil, err
	}
	o := &childOffer{settings: w, spi: spi, proposals: m.settings.ESPProposals}
	o.local, o.remote = w.At(s.local.Addr(), s.remote.Addr())
	o.placement = placement{resource: resource, tells: m.settings.Resources.Most > 0}
	if inAuth {
		o.proposals = transform.WithoutGroups(o.proposals)
	} else {
		o.nonce = m.random.Nonce()
		if groups := transform.Groups(o.proposals); len(groups) > 0 {
			o.group = groups[0]
		}
	}
	return o, nil
}

// release gives the SPI of an offer back that led to nothing; nil is no offer.
func (o *childOffer) release(m *Machine) {
	if o == nil {
		return
	}
	m.do(sa.RemoveChild{SPIIn: o.spi})
	if o.private != nil {
		o.private.Erase()
	}
}

// payloads are SA, Ni, KEi, TSi and TSr of the offer behind first.
func (o *childOffer) payloads(first []wire.Payload) []wire.Payload {
	ps := slices.Concat(first, o.mode(), resourceInfo(o.tells))
	ps = append(ps, toWire(transform.PreferGroup(o.proposals, o.group), spiBytes(o.spi)))
	if o.nonce != nil {
		ps = append(ps, &wire.Nonce{Data: o.nonce})
	}
	if o.public != nil {
		ps = append(ps, &wire.KeyExchange{Group: o.group, Data: o.public})
	}
	return append(ps, selectorsToWire(o.local, true), selectorsToWire(o.remote, false))
}

// finishChild makes the Child SA that an answer agreed to. shared is nil
// without perfect forward secrecy.
func (s *ikeSA) finishChild(o *childOffer, msg *message, shared, ni, nr []byte) (*child, error) {
	if n := msg.errorNotify(); n != nil {
		return nil, &notifyError{n}
	}
	proposal, ok := payload[*wire.SecurityAssociation](msg)
	tsi, tsr := msg.selectors(true), msg.selectors(false)
	if !ok || tsi == nil || tsr == nil {
		return nil, &syntaxError{"the answer lacks SA or traffic selectors"}
	}
	suite, spi, err := confirm(transform.ESP, proposal, 4, o.proposals)
	if err != nil {
		return nil, err
	}
	local, remote, transport, err := s.confirmMode(o, msg, selectorsFromWire(tsi), selectorsFromWire(tsr))
	if err != nil {
		return nil, err
	}
	// RFC 7296 §2.9: the responder may narrow, and only that.
	if len(local) == 0 || len(remote) == 0 || !o.local.Contains(local) || !o.remote.Contains(remote) {
		return nil, &refusal{failure: sa.SelectorMismatch("the peer answered with selectors that are not within ours", o.local, o.remote, local, remote)}
	}
	if (suite.Group.ID != 0) != (shared != nil) || shared != nil && suite.Group.ID != o.group {
		return nil, &syntaxError{"the answer's KE payload does not fit its proposal"}
	}
	if len(suite.Rest()) != len(o.more) {
		return nil, &syntaxError{"the answer chose additional key exchanges without a first one"}
	}
	out := binary.BigEndian.Uint32(spi)
	if out == 0 || s.childByOut(out) != nil {
		return nil, &syntaxError{"the peer's SPI is zero or in use"}
	}
	if err := o.confirmPlace(msg, suite, local, remote, transport); err != nil {
		return nil, err
	}
	var rekeys uint32
	if o.rekeys != nil {
		rekeys = o.rekeys.SPIIn
	}
	made, refused := s.install(&agreement{
		settings: o.settings, suite: suite, spiIn: o.spi, spiOut: out, local: local, remote: remote,
		keys: keymat.DeriveChild(suite, s.prf, s.keys.D, shared, ni, nr, o.more...), we: true, rekeys: rekeys,
		noTFC: msg.notify(wire.NotifyESPTFCPaddingNotSupported) != nil, transport: transport,
		resource: o.resource, grouped: o.grouped,
	})
	if refused != nil {
		return nil, refused
	}
	return made, nil
}

// notifyError is an error notify in an answer about a Child SA.
type notifyError struct{ *wire.Notify }

func (e *notifyError) Error() string { return "ikev2: peer answers " + e.NotifyType.String() }

// disown has the peer delete the Child SA of an offer whose answer we do not
// take. Without, it would send into nothing.
func (s *ikeSA) disown(o *childOffer, err error) {
	var n *notifyError
	if !errors.As(err, &n) && len(s.orphans) < maxOrphans {
		s.orphans = append(s.orphans, spiBytes(o.spi))
	}
}

// childFailed reports a Child SA that could not be made and plans another try.
func (s *ikeSA) childFailed(o *childOffer, err error) {
	o.release(s.m)
	s.disown(o, err)
	why := notifyIn(err)
	if o.resource > 0 && (why == wire.NotifyTSMaxQueue || why == wire.NotifyNoAdditionalSAs) {
		s.noMore(o.settings.Name)
		return
	}
	temporary := why == wire.NotifyTemporaryFailure
	s.m.postpone(slot{o.settings.Name, o.resource}, temporary)
	if temporary {
		s.deferred()
		return
	}
	s.stayApart()
	if o.nonce != nil && o.resource == 0 {
		s.refusedChild(slot{name: o.settings.Name}, why)
	}
	s.m.fail(s.remote, s.childFailure(o, err))
}

// childFailure explains why a Child SA could not be made.
func (s *ikeSA) childFailure(o *childOffer, err error) *sa.Failure {
	var n *notifyError
	var mismatch *transform.MismatchError
	var refused *refusal
	var syntax *syntaxError
	what := "Child SA " + o.settings.Name
	switch {
	case errors.As(err, &refused):
		return refused.failure
	case errors.As(err, &mismatch):
		return sa.ProposalMismatch(what, err)
	case errors.As(err, &syntax):
		return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: what + ": " + syntax.why, Hint: "the peer's implementation is broken"}
	case !errors.As(err, &n):
		return internal(err)
	}
	switch n.NotifyType {
	case wire.NotifyNoProposalChosen:
		f := noProposal(what, o.proposals, "esp.proposals")
		if o.settings.TakesTransport() {
			f.Hint += "; and see whether it can do transport mode (esp.mode)"
		}
		return f
	case wire.NotifyTSUnacceptable, wire.NotifySinglePairRequired:
		f := sa.SelectorMismatch("the peer accepts none of our traffic selectors", o.local, o.remote, nil, nil)
		f.Remote = "not told; its log has it"
		return f
	}
	return peerError("the request for "+what, n.Notify)
}

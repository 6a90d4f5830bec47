package ikev1

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
)

// Quick Mode (RFC 2409 §5.5):
//
//	HDR*, HASH(1), SA, Ni, [KE], IDci, IDcr  -->
//	                                         <--  HDR*, HASH(2), SA, Nr, [KE], IDci, IDcr
//	HDR*, HASH(3)                            -->

const (
	// doneTime is how long a Quick Mode that is over repeats its last message.
	doneTime = 60 * time.Second
	// maxQuicks bounds the Quick Modes of the peer that are not over.
	maxQuicks = 32
	// maxDone bounds those that are over and kept to repeat their last message.
	maxDone = 64
)

type quickStage uint8

const (
	quickPreparing quickStage = iota // our key share is being made
	quickAsked                       // ours: the offer is on its way
	quickAgreeing                    // the shared secret is being computed
	quickAnswered                    // the peer's: our answer is on its way
	quickDone                        // over; kept to repeat the last message
)

// quick is one Quick Mode, of either role.
type quick struct {
	s      *ikeSA
	id     uint32
	ours   bool // we are its initiator
	stage  quickStage
	iv     []byte
	repeat repeater
	doneAt time.Time // when to forget it

	settings       sa.ChildSettings
	local, remote  selector.List
	suites         []transform.Suite // offered
	suite          transform.Suite   // chosen
	life           sa.Lifetime
	bare           bool
	mode           uint16        // that we chose of the peer's
	transport      *sa.Transport // nil: tunnel mode
	group          uint16
	private        transform.PrivateKey
	public         []byte
	nonceI, nonceR []byte
	spiIn, spiOut  uint32
	rekeys         *child
	catchAll       bool // for a client that asks for all traffic
	child          *child
	startedAt      time.Time
	answer         *isakmp.SecurityAssociation // the peer's transform, repeated in our answer
	tell           *isakmp.Notification        // RESPONDER-LIFETIME in our answer
	ids            []isakmp.Payload            // the peer's IDs, repeated in our answer
}

// startQuick makes a Child SA for w, in place of rekeys if there is one.
func (s *ikeSA) startQuick(w sa.ChildSettings, rekeys *child) {
	m := s.m
	spi, err := m.cfg.AllocateSPI()
	if err != nil {
		m.fail(s.remote, internal(err))
		m.postpone(w.Name)
		return
	}
	q := &quick{s: s, ours: true, id: m.random.MessageID(), settings: w, spiIn: spi, rekeys: rekeys, startedAt: m.now,
		nonceI: m.random.Nonce()}
	q.local, q.remote = w.At(s.local.Addr(), s.remote.Addr())
	if len(q.local) == 0 || len(q.remote) == 0 {
		m.quicks = append(m.quicks, q)
		q.fail(selectorFailure("the addresses of the two ends are not within the connection's selectors", w.Local, w.Remote, nil, nil))
		return
	}
	q.local, q.remote = q.local[:1], q.remote[:1]
	if rekeys != nil {
		q.local, q.remote, q.catchAll = rekeys.LocalSelectors, rekeys.RemoteSelectors, rekeys.catchAll
		rekeys.state = childRekeying
	}
	s.used[q.id] = true
	q.suites, q.group = m.quickSuites(w.Name)
	if s.isClient() {
		q.forClient()
	}
	m.quicks = append(m.quicks, q)
	if len(q.suites) == 0 {
		q.fail(&sa.Failure{Reason: sa.ReasonProposalMismatch, Message: "no ESP proposal of the connection can be said in IKEv1",
			Local: sa.ProposalLines(m.settings.ESPProposals), Hint: "use AES-GCM, or AES-CBC with an integrity algorithm, and groups up to 21"})
		return
	}
	if q.group == 0 {
		q.sendOffer()
		return
	}
	m.work(q, &sansio.KeyExchange{Group: q.group, Seed: m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			q.fail(internal(r.Err))
			return
		}
		q.private, q.public = r.Private, r.Public
		q.sendOffer()
	})
}

// quickSuites are the suites of one group that the next offer has. A Quick Mode
// has one key exchange for all its transforms, so groups, and none, are tried
// one after the other.
func (m *Machine) quickSuites(name string) ([]transform.Suite, uint16) {
	all := combinations(transform.ESP, m.settings.ESPProposals)
	var groups []uint16
	for _, s := range all {
		if !slices.Contains(groups, s.Group.ID) {
			groups = append(groups, s.Group.ID)
		}
	}
	if len(groups) == 0 {
		return nil, 0
	}
	group := groups[m.variant(name)%len(groups)]
	return slices.DeleteFunc(all, func(s transform.Suite) bool { return s.Group.ID != group }), group
}

func (q *quick) sendOffer() {
	s, m := q.s, q.s.m
	ps := []isakmp.Payload{offerPhaseTwo(q.suites, q.spiIn, m.settings.ChildLifetime, s.modes(q.settings)), &isakmp.Nonce{Data: q.nonceI}}
	if q.public != nil {
		ps = append(ps, &isakmp.KeyExchange{Data: q.public})
	}
	local := q.local
	if q.catchAll {
		local = anywhere
	}
	ps = append(ps, idOf(local[0]), idOf(q.remote[0]))
	ps = append(ps, q.originals()...)
	q.iv = keymat.IKEv1PhaseTwoIV(s.prf, s.iv, q.id)
	q.stage = quickAsked
	q.say(nil, ps, true)
}

// say sends the next message of the Quick Mode, with a HASH over before and ps.
func (q *quick) say(before []byte, ps []isakmp.Payload, timed bool) {
	all, err := q.s.hashed(q.id, before, ps)
	if err != nil {
		q.fail(internal(err))
		return
	}
	q.transmit(all, timed)
}

func (q *quick) transmit(ps []isakmp.Payload, timed bool) {
	s := q.s
	raw, next, err := s.seal(s.header(isakmp.ExchangeQuick, q.id), ps, q.iv)
	if err != nil {
		q.fail(internal(err))
		return
	}
	q.iv = slices.Clone(next)
	summary := isakmp.Summary(ps)
	q.repeat.say(s.m.now, s.m.cfg.Retransmit, raw, summary, timed, s.m.random.Fraction)
	s.resend(raw, summary, 0, path{s.local, s.remote})
}

// receiveQuick leads a message to its Quick Mode, or begins one of the peer.
func (s *ikeSA) receiveQuick(msg *isakmp.Message, d sa.Datagram) {
	err := fmt.Errorf("a message of a Quick Mode that is not known")
	i := slices.IndexFunc(s.m.quicks, func(q *quick) bool { return q.s == s && q.id == msg.MessageID })
	switch {
	case i >= 0:
		q := s.m.quicks[i]
		if answer, repeated := q.repeat.again(d.Raw); repeated {
			if answer != nil {
				s.resend(answer, q.repeat.summary, q.repeat.answers, path{d.Local, d.Remote})
				q.unsettle()
			}
			return
		}
		err = q.receive(msg, d)
	case !s.used[msg.MessageID]:
		err = s.serveQuick(msg, d)
	}
	if err != nil {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
}

// unsettle is called when the peer asks for our last message again: it did not
// have it, so it does not receive on the new Child SA yet.
func (q *quick) unsettle() {
	if q.ours && q.child != nil && !q.child.activateAt.IsZero() {
		q.child.activateAt = q.s.m.now.Add(settleTime)
	}
}

// receive takes the peer's next message of a Quick Mode that is known.
func (q *quick) receive(msg *isakmp.Message, d sa.Datagram) error {
	if q.stage != quickAsked && q.stage != quickAnswered {
		return errors.New("a message of a Quick Mode that waits for none")
	}
	o, err := q.s.open(msg, q.iv)
	if err != nil {
		return err
	}
	if q.ours {
		return q.answered(o, d)
	}
	return q.confirmed(o, d)
}

// answered takes the responder's answer to our offer. Once its HASH holds it is
// the peer's word, and what is wrong with it ends the Quick Mode.
func (q *quick) answered(o *opened, d sa.Datagram) error {
	s := q.s
	if !s.proves(o, q.nonceI) {
		return errHash
	}
	s.authentic(d)
	s.traceIn(o.Header, o.payloads, d)
	q.iv = o.next
	q.repeat.hear(d.Raw)
	if f := q.take(o.payloads[1:]); f != nil {
		q.fail(f)
		return nil
	}
	ke, ok := isakmp.Find[*isakmp.KeyExchange](o.payloads)
	if ok != (q.private != nil) {
		q.fail(syntaxFailure("the answer's KE payload does not fit its proposal"))
		return nil
	}
	q.stage = quickAgreeing
	if !ok {
		q.finish(nil)
		return nil
	}
	s.m.work(q, &sansio.KeyExchange{Group: q.group, Private: q.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			q.fail(badValue(r.Err))
			return
		}
		q.finish(r.Shared)
		eraseShared(r)
	})
	return nil
}

// take holds the payloads of an answer against our offer.
func (q *quick) take(ps []isakmp.Payload) *sa.Failure {
	s := q.s
	answer, okSA := isakmp.Find[*isakmp.SecurityAssociation](ps)
	nonce, okNonce := isakmp.Find[*isakmp.Nonce](ps)
	if !okSA || !okNonce || len(answer.Proposals) != 1 || len(answer.Proposals[0].Transforms) != 1 || len(answer.Proposals[0].SPI) != 4 {
		return syntaxFailure("an answer in Quick Mode chooses one transform, with an SPI and a nonce")
	}
	p := readPhaseTwo(answer.Proposals[0].Transforms[0])
	i := slices.IndexFunc(q.suites, func(x transform.Suite) bool {
		got, _, err := transform.Match(transform.ESP, []transform.Proposal{p.proposal}, []transform.Proposal{x.Proposal()})
		return err == nil && got == x
	})
	if i < 0 || !s.takes(q.settings, p.mode) {
		return &sa.Failure{Reason: sa.ReasonProposalMismatch, Message: "the peer chose an ESP proposal that was not offered",
			Local: sa.ProposalLines(s.m.settings.ESPProposals), Remote: p.proposal.String(), Hint: "the peer's implementation is broken"}
	}
	q.suite, q.nonceR = q.suites[i], nonce.Data
	q.bare = isBare(p.mode)
	q.spiOut = binary.BigEndian.Uint32(answer.Proposals[0].SPI)
	if q.spiOut == 0 || s.m.childByOut(q.spiOut) != nil {
		return syntaxFailure("the peer's SPI is zero or in use")
	}
	q.life = lower(s.m.settings.ChildLifetime, p.life)
	if n := isakmp.FindNotification(ps, isakmp.ResponderLifetime); n != nil && n.Protocol == isakmp.ProtocolESP {
		if l, ok := readLife(n.Data); ok {
			q.life = lower(q.life, l)
		}
	}
	return q.takeIDs(ps, isTransport(p.mode))
}

// takeIDs follows a responder that narrows, and refuses everything else. Without
// IDs the Child SA is for the two gateways themselves (RFC 2409 §5.5), which is
// not what was asked for.
func (q *quick) takeIDs(ps []isakmp.Payload, transport bool) *sa.Failure {
	ids := isakmp.All[*isakmp.Identification](ps)
	if len(ids) != 2 {
		return syntaxFailure("the answer has no identities for its Child SA")
	}
	local, errL := selectorOf(ids[0])
	remote, errR := selectorOf(ids[1])
	if err := errors.Join(errL, errR); err != nil {
		return syntaxFailure(err.Error())
	}
	l, r := selector.List{local}, selector.List{remote}
	if q.catchAll && l.Equal(anywhere) {
		l = q.local
	}
	if transport {
		l, r, q.transport = q.substituted(ps, l, r)
	}
	if !q.local.Contains(l) || !q.remote.Contains(r) {
		return selectorFailure("the peer answered with selectors that are not within ours", q.local, q.remote, l, r)
	}
	q.local, q.remote = l, r
	return nil
}

// finish installs the Child SA and sends the last message of our Quick Mode. Without
// it the peer sends on what it had.
func (q *quick) finish(shared []byte) {
	s := q.s
	made, refused := s.install(q.agreement(shared))
	if refused != nil {
		q.fail(refused)
		return
	}
	q.child = made
	sum := keymat.IKEv1Commit(s.prf, s.keys.A, q.id, q.nonceI, q.nonceR)
	q.transmit([]isakmp.Payload{&isakmp.Hash{Data: sum}}, false)
	q.done()
	s.m.settled(q.settings.Name)
	s.m.begin(q.child)
}

// agreement is what the Quick Mode agreed on, with the keys.
func (q *quick) agreement(shared []byte) *agreement {
	s := q.s
	a := &agreement{settings: q.settings, suite: q.suite, spiIn: q.spiIn, spiOut: q.spiOut, local: q.local, remote: q.remote,
		life: q.life, bare: q.bare, transport: q.transport, ours: q.ours, catchAll: q.catchAll, startedAt: q.startedAt}
	a.encryptionIn, a.integrityIn = keymat.IKEv1ChildKeys(q.suite, s.prf, s.keys.D, shared, q.spiIn, q.nonceI, q.nonceR)
	a.encryptionOut, a.integrityOut = keymat.IKEv1ChildKeys(q.suite, s.prf, s.keys.D, shared, q.spiOut, q.nonceI, q.nonceR)
	return a
}

// done ends the Quick Mode well; it stays to repeat its last message.
func (q *quick) done() {
	q.stage, q.doneAt = quickDone, q.s.m.now.Add(doneTime)
	q.s.m.desk.Cancel(q)
	if q.private != nil {
		q.private.Erase()
	}
	m := q.s.m
	kept := 0
	for _, o := range slices.Backward(slices.Clone(m.quicks)) {
		if o.stage == quickDone {
			if kept++; kept > maxDone {
				m.forgetQuick(o)
			}
		}
	}
}

// confirmed takes the initiator's last message: it receives on the Child SA.
func (q *quick) confirmed(o *opened, d sa.Datagram) error {
	s := q.s
	hash, ok := isakmp.Find[*isakmp.Hash](o.payloads)
	if !ok || !hmac.Equal(hash.Data, keymat.IKEv1Commit(s.prf, s.keys.A, q.id, q.nonceI, q.nonceR)) {
		return errHash
	}
	s.authentic(d)
	s.traceIn(o.Header, o.payloads, d)
	q.repeat.hear(d.Raw)
	q.repeat.sent = nil
	q.done()
	q.child.doubtful = false
	if slices.Contains(s.m.children, q.child) {
		s.m.begin(q.child)
	}
	return nil
}

// abandon gives back what was reserved and forgets the Quick Mode.
func (q *quick) abandon() {
	m := q.s.m
	if q.stage != quickDone {
		m.desk.Cancel(q)
		if q.private != nil {
			q.private.Erase()
		}
		switch {
		case q.child == nil:
			m.do(sa.RemoveChild{SPIIn: q.spiIn})
		case !q.ours:
			m.removeChild(q.child, ending{})
		}
		if q.rekeys != nil && q.rekeys.state == childRekeying {
			q.rekeys.state = childInstalled
			q.rekeys.wantRekey, q.rekeys.rekeyAfter = true, m.later(rekeyWait, waitJitter)
		}
	}
	m.forgetQuick(q)
}

func (m *Machine) forgetQuick(q *quick) {
	m.quicks = slices.DeleteFunc(m.quicks, func(o *quick) bool { return o == q })
}

// dropQuicks abandons the Quick Modes under s, or all if it is nil.
func (m *Machine) dropQuicks(s *ikeSA) {
	for _, q := range slices.Clone(m.quicks) {
		switch {
		case s != nil && q.s == s && q.stage == quickAnswered:
			q.orphan()
		case s == nil || q.s == s:
			q.abandon()
		}
	}
}

// orphan ends a Quick Mode of the peer whose ISAKMP SA went before our answer was
// confirmed. The peer may have the Child SA and be about to send on it, so it
// stays. We send on it if there is no other, or when the peer deletes the other;
// until then it is kept as long as one that was replaced.
func (q *quick) orphan() {
	m, c := q.s.m, q.child
	m.forgetQuick(q)
	if !slices.Contains(m.children, c) {
		return
	}
	m.emit(sa.ChildEstablished{Connection: m.settings.Name, Child: c.Child})
	if !slices.ContainsFunc(m.children, func(o *child) bool { return o.same(c) && o.active }) {
		m.activate(c)
	} else if c.state != childRekeyed {
		c.replaced, c.deleteAt = true, m.now.Add(replacedTime)
	}
}

// fail ends a Quick Mode of ours that came to nothing, and plans another try.
func (q *quick) fail(f *sa.Failure) {
	m, remote := q.s.m, q.s.remote
	q.abandon()
	if q.ours && q.rekeys == nil {
		m.postpone(q.settings.Name)
	}
	m.fail(remote, f)
}

// refused is the peer's error notification about our offer. Where it takes no
// proposal, another group, or none, is tried before anything is reported.
func (q *quick) refused(n *isakmp.Notification) {
	m, name := q.s.m, q.settings.Name
	if n.NotifyType == isakmp.NoProposalChosen && m.nextVariant(name) {
		w, rekeys, s := q.settings, q.rekeys, q.s
		q.abandon()
		s.startQuick(w, rekeys)
		return
	}
	what := "Child SA " + name
	f := refusedFailure(what, n, m.settings.ESPProposals, "esp.proposals")
	if q.settings.Mode == sa.ModeTransport && f.Reason == sa.ReasonProposalMismatch {
		f.Hint += "; and see whether it wants transport mode (esp.mode)"
	}
	if n.NotifyType == isakmp.InvalidIDInformation {
		f = selectorFailure("the peer accepts not our traffic selectors for "+what, q.local, q.remote, nil, nil)
		f.Remote = "not told; its log has it"
	}
	q.fail(f)
}

// exhausted ends a Quick Mode whose peer answers no more. The peer may have lost
// the ISAKMP SA, so another one is made.
func (q *quick) exhausted() {
	s, m := q.s, q.s.m
	if !q.ours {
		q.abandon()
		return
	}
	f := &sa.Failure{Reason: sa.ReasonTimeout, Message: "no answer to Quick Mode from " + s.remote.String(),
		Local: q.local.String() + " === " + q.remote.String(), Remote: s.remote.String(),
		Hint: "some peers stay silent when a proposal or a network is wrong: compare esp.proposals and the networks of both ends"}
	first := q.rekeys == nil
	q.fail(f)
	s.sayDeleted()
	initiator := s.initiator
	s.drop(causeFinished, ending{failure: f})
	if first && len(m.children) == 0 {
		return
	}
	m.renew(initiator)
}

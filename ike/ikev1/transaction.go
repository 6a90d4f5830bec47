package ikev1

import (
	"errors"
	"fmt"
	"slices"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
)

// Transactions (draft-dukes-ike-mode-cfg §3): a request and its reply, or a SET
// and its acknowledgement, protected as phase 2 is. XAUTH and Mode Config are made
// of them. Each end has one of its own at a time.

// transaction is one exchange, of either role.
type transaction struct {
	id     uint32
	iv     []byte
	repeat repeater
	// then takes the answer to ours.
	then func(*isakmp.Configuration)
}

// transact begins a transaction of ours.
func (s *ikeSA) transact(t isakmp.ConfigType, attributes []isakmp.Attribute, then func(*isakmp.Configuration)) {
	id := s.m.random.MessageID()
	s.used[id] = true
	s.asked = &transaction{id: id, iv: keymat.IKEv1PhaseTwoIV(s.prf, s.iv, id), then: then}
	s.sayTransaction(s.asked, &isakmp.Configuration{ConfigType: t, Identifier: uint16(id), Attributes: attributes}, true)
}

func (s *ikeSA) sayTransaction(t *transaction, p *isakmp.Configuration, timed bool) {
	all, err := s.hashed(t.id, nil, []isakmp.Payload{p})
	if err == nil {
		var raw, next []byte
		if raw, next, err = s.seal(s.header(isakmp.ExchangeTransaction, t.id), all, t.iv); err == nil {
			t.iv = slices.Clone(next)
			t.repeat.say(s.m.now, s.m.cfg.Retransmit, raw, isakmp.Summary(all), timed, s.m.random.Fraction)
			s.resend(raw, t.repeat.summary, 0, path{s.local, s.remote})
			return
		}
	}
	s.drop(causeFailed, ending{failure: internal(err)})
}

// receiveTransaction leads a message to its transaction, or serves one of the
// peer.
func (s *ikeSA) receiveTransaction(msg *isakmp.Message, d sa.Datagram) {
	var err error
	switch {
	case s.asked != nil && s.asked.id == msg.MessageID:
		err = s.transacted(msg, d)
	case s.served != nil && s.served.id == msg.MessageID:
		if answer, _ := s.served.repeat.again(d.Raw); answer != nil {
			s.resend(answer, s.served.repeat.summary, s.served.repeat.answers, path{d.Local, d.Remote})
		}
	default:
		err = s.serveTransaction(msg, d)
	}
	if err != nil && s.state != gone {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
}

// transacted takes the answer to ours.
func (s *ikeSA) transacted(msg *isakmp.Message, d sa.Datagram) error {
	t := s.asked
	o, err := s.open(msg, t.iv)
	if err != nil {
		return err
	}
	if !s.proves(o, nil) {
		return errHash
	}
	p, ok := isakmp.Find[*isakmp.Configuration](o.payloads)
	if !ok { // the identifier is not looked at: strongSwan has one of its own
		return errors.New("the answer to a Transaction lacks ATTR")
	}
	s.authentic(d)
	s.traceIn(msg.Header, o.payloads, d)
	s.asked = nil
	t.then(p)
	return nil
}

// serveTransaction answers one of the peer.
func (s *ikeSA) serveTransaction(msg *isakmp.Message, d sa.Datagram) error {
	if s.state != established {
		return fmt.Errorf("a Transaction before phase 1 is done")
	}
	o, err := s.fresh(msg, d)
	if err != nil {
		return err
	}
	p, ok := isakmp.Find[*isakmp.Configuration](o.payloads)
	if !ok {
		return errors.New("a Transaction without ATTR")
	}
	var attributes []isakmp.Attribute
	answer, done := isakmp.ConfigReply, func() {}
	switch p.ConfigType {
	case isakmp.ConfigRequest:
		attributes, ok = s.answerRequest(p)
	case isakmp.ConfigSet:
		answer = isakmp.ConfigAck
		attributes, done, ok = s.takeSet(p)
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("a Transaction (%v) that the connection has no use for", p.ConfigType)
	}
	s.served = &transaction{id: msg.MessageID, iv: o.next}
	s.served.repeat.hear(d.Raw)
	s.sayTransaction(s.served, &isakmp.Configuration{ConfigType: answer, Identifier: p.Identifier, Attributes: attributes}, false)
	done()
	return nil
}

// runTransaction repeats ours by time.
func (s *ikeSA) runTransaction() {
	if s.asked == nil {
		return
	}
	raw, exhausted := s.asked.repeat.repeat(s.m.now, s.m.cfg.Retransmit, s.m.random.Fraction)
	switch {
	case exhausted:
		s.drop(causeFinished, ending{failure: s.unfinished()})
	case raw != nil:
		s.resend(raw, s.asked.repeat.summary, s.asked.repeat.attempt, path{s.local, s.remote})
	}
}

// unfinished explains an ISAKMP SA that never got beyond phase 1.
func (s *ikeSA) unfinished() *sa.Failure {
	f := &sa.Failure{Reason: sa.ReasonTimeout, Local: s.local.String(), Remote: s.remote.String(),
		Message: "phase 1 is done, and then the peer at " + s.remote.String() + " did not go on"}
	switch {
	case s.waits == waitsForLogin && s.m.settings.XAUTH.Server():
		f.Message, f.Hint = "the peer at "+s.remote.String()+" sent no user and password (XAUTH)", "give the peer a user and a password, or leave auth.xauth out"
	case s.waits == waitsForLogin:
		f.Message, f.Hint = "the peer at "+s.remote.String()+" did not ask for user and password (XAUTH), or did not answer", "leave auth.xauth out if the peer does not want it"
	case s.waits == waitsForAddress:
		f.Message, f.Hint = "the peer at "+s.remote.String()+" gave us no address (Mode Config)", "leave ike.mode_config out if the peer assigns none"
	}
	return f
}

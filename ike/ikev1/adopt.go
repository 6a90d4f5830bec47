package ikev1

import (
	"fmt"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// HalfOpen is an ISAKMP SA between the message in which the peer says who it is
// and the machine that adopts it with sa.Adopt: keys, and that message.
type HalfOpen struct {
	association association
	since       time.Time
	proof       sa.Datagram
	kind        isakmp.ExchangeType
	// Of Aggressive Mode only: as whom we answered, and whom the first message
	// names.
	ownIdentity string
	peerID      *isakmp.Identification
}

// HalfOpen marks the type as one that sa.Handover carries.
func (*HalfOpen) HalfOpen() {}

// Erase overwrites its keys, where no machine takes it.
func (h *HalfOpen) Erase() { h.association.erase() }

// adopt takes a half-open ISAKMP SA on and judges the peer's proof.
func (m *Machine) adopt(h *HalfOpen) {
	msg, err := isakmp.ParseMessage(h.proof.Raw) // the acceptor parsed it
	if err != nil {
		return
	}
	s := m.add(&ikeSA{association: h.association, state: adopted, kind: h.kind, localIdentity: h.ownIdentity, peerID: h.peerID})
	s.createdAt = h.since
	s.local, s.remote = h.proof.Local, h.proof.Remote
	s.lingerUntil = m.now.Add(adoptTimeout)
	if s.quiet = !m.strangers.Allow(m.now); !s.quiet {
		m.emit(sa.Connecting{Connection: m.settings.Name, Local: s.local, Remote: s.remote})
	}
	if s.admit() {
		s.receive(msg, h.proof)
	}
}

// judge holds the initiator's identity and proof against the settings, and
// answers with ours. Whatever is wrong, the peer hears AUTHENTICATION-FAILED.
func (s *ikeSA) judge(msg *isakmp.Message, d sa.Datagram) error {
	o, err := s.open(msg, s.iv)
	if err != nil {
		return fmt.Errorf("the peer's identity does not decrypt: %w", err)
	}
	id, shown, err := o.who()
	if err != nil {
		return err
	}
	if s.checks++; s.checks > 1 {
		return errAnotherProof
	}
	s.traceIn(msg.Header, o.payloads, d)
	s.repeat.hear(d.Raw)
	s.examine(o, id, shown, func(r proven) { s.judged(o, r, shown) })
	return nil
}

// judged answers the peer whose proof was checked.
func (s *ikeSA) judged(o *opened, r proven, shown auth.Identity) {
	if s.state != adopted {
		return
	}
	s.remoteIdentity = shown.String()
	if failure := s.wrong(r, shown); failure != nil {
		if s.iv = o.next; r.authentic { // the peer reads what is protected (RFC 2409 §5.7)
			s.inform(s.notification(isakmp.AuthenticationFailed, nil))
		} else {
			s.refuse(isakmp.AuthenticationFailed)
		}
		s.drop(causeFailed, ending{failure: failure})
		return
	}
	s.iv, s.held = o.next, true
	s.contact = isakmp.FindNotification(o.payloads, isakmp.InitialContact) != nil
	mine := s.m.settings.LocalID(s.local.Addr())
	s.localIdentity = mine.String()
	s.prove(mine.Body(), func(proof []isakmp.Payload) {
		ps := append([]isakmp.Payload{idPayload(mine)}, proof...)
		if ours := s.m.settings.IKELifetime; ours > 0 && (s.life == 0 || ours < s.life) {
			ps = append(ps, s.lifetimeNotification(ours))
		}
		raw, next, err := s.seal(s.header(isakmp.ExchangeMain, 0), ps, s.iv)
		if err != nil {
			s.drop(causeFailed, ending{failure: internal(err)})
			return
		}
		s.iv = slices.Clone(next)
		s.say(raw, ps, false)
		s.establish()
	})
}

// refuse tells a peer that is not authenticated what it did wrong, in the clear
// and once (RFC 2408 §5.2).
func (s *ikeSA) refuse(t isakmp.NotifyType) {
	ps := []isakmp.Payload{s.notification(t, nil)}
	raw, err := clearMessage(s.header(isakmp.ExchangeInformational, s.m.random.MessageID()), ps)
	if err == nil {
		s.resend(raw, isakmp.Summary(ps), 0, path{s.local, s.remote})
	}
}

// notification is one about the ISAKMP SA: its SPI is both cookies.
func (a *association) notification(t isakmp.NotifyType, data []byte) *isakmp.Notification {
	return &isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolISAKMP, SPI: a.cookies(), NotifyType: t, Data: data}
}

package ikev1

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
)

// Informational exchanges: one message, not answered (RFC 2409 §5.7). Protected
// ones are acted on once HASH(1) holds. What comes in the clear is believed
// only where nothing can be protected yet, as the reason of a failure.

// maxMessages bounds the message IDs of the peer that one ISAKMP SA remembers,
// so that no message is taken twice. It is replaced long before.
const maxMessages = 1 << 13

// hearsayTime is how long the true answer may come after somebody said in the
// clear that we are refused.
const hearsayTime = 5 * time.Second

func (a *association) cookies() []byte {
	b := binary.BigEndian.AppendUint64(nil, a.cookieI)
	return binary.BigEndian.AppendUint64(b, a.cookieR)
}

// fresh opens the first message of an exchange of phase 2: its message ID was
// never used, and its HASH(1) holds.
func (s *ikeSA) fresh(msg *isakmp.Message, d sa.Datagram) (*opened, error) {
	switch {
	case !s.proven || s.block == nil:
		return nil, fmt.Errorf("%v before phase 1 is done", msg.Exchange)
	case msg.MessageID == 0 || s.used[msg.MessageID]:
		return nil, fmt.Errorf("%v with a message ID that was used", msg.Exchange)
	case len(s.used) >= maxMessages:
		return nil, fmt.Errorf("%v beyond what one ISAKMP SA may carry", msg.Exchange)
	}
	o, err := s.open(msg, keymat.IKEv1PhaseTwoIV(s.prf, s.iv, msg.MessageID))
	if err != nil {
		return nil, err
	}
	if !s.proves(o, nil) {
		return nil, errHash
	}
	s.used[msg.MessageID] = true
	if len(s.used) > maxMessages/2 {
		s.wantRekey = true
	}
	s.traceIn(msg.Header, o.payloads, d)
	s.authentic(d)
	return o, nil
}

func (s *ikeSA) receiveInformational(msg *isakmp.Message, d sa.Datagram) {
	if s.state < established {
		s.hearsay(msg, d)
		return
	}
	o, err := s.fresh(msg, d)
	if err != nil {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
		return
	}
	for _, p := range o.payloads[1:] {
		switch p := p.(type) {
		case *isakmp.Delete:
			s.m.deleted(p)
		case *isakmp.Notification:
			s.notified(p)
		}
	}
}

// hearsay is what a peer says before phase 1 is done: nothing proves it. A
// refusal of our first message is believed, since nothing can be protected at
// that point and only somebody on the path knows our cookie. Later ones are
// kept as the reason to report if the true answer never comes.
func (s *ikeSA) hearsay(msg *isakmp.Message, d sa.Datagram) {
	if msg.Flags.Encrypted() {
		if s.state == identified {
			s.refusedBehindKeys(msg, d)
		}
		return
	}
	for _, n := range isakmp.All[*isakmp.Notification](msg.Payloads) {
		if !n.NotifyType.IsError() || !s.initiator {
			continue
		}
		s.traceIn(msg.Header, msg.Payloads, d)
		f := refusedFailure("IKE SA", n, s.m.settings.IKEProposals, "ike.proposals")
		if s.state == proposed || s.kind == isakmp.ExchangeAggressive && s.state == shared {
			s.drop(causeFailed, ending{failure: f})
			return
		}
		if s.hint == nil {
			s.hint = f
			s.hurry()
		}
		return
	}
	s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, "an unprotected notification before phase 1 is done")
}

// refusedBehindKeys takes an encrypted answer to our identity that is no proof. One
// whose HASH holds is from whoever has our keys: with a pre-shared key the peer,
// whose word ends the attempt (RFC 2409 §5.7). One that cannot be read tells that
// the keys differ, or that it is about an ISAKMP SA whose last message we miss: that
// is asked for once more.
func (s *ikeSA) refusedBehindKeys(msg *isakmp.Message, d sa.Datagram) {
	o, err := s.open(msg, keymat.IKEv1PhaseTwoIV(s.prf, s.iv, msg.MessageID))
	if err != nil || !s.proves(o, nil) {
		if s.hint == nil && s.method == isakmp.AuthPSK {
			s.hint = &sa.Failure{Reason: sa.ReasonAuthenticationFailed,
				Message: "the peer cannot read our identity, and we not its answer: the pre-shared keys differ",
				Local:   "identity " + s.localIdentity, Remote: "not told; its log has it", Hint: keyHint}
			s.hurry()
			s.resend(s.repeat.sent, s.repeat.summary, 1, path{s.local, s.remote})
		}
		return
	}
	for _, n := range isakmp.All[*isakmp.Notification](o.payloads) {
		if !n.NotifyType.IsError() {
			continue
		}
		s.traceIn(msg.Header, o.payloads, d)
		f := refusedIdentity(n, s.method)
		f.Local = "identity " + s.localIdentity
		if s.method == isakmp.AuthPSK {
			s.drop(causeFailed, ending{failure: f})
		} else if s.hint == nil {
			s.hint = f
			s.hurry()
		}
		return
	}
}

// hurry leaves the true answer a moment: the peer has our message, so repeating
// it is of no use.
func (s *ikeSA) hurry() {
	s.repeat.attempt, s.repeat.dueAt = s.m.cfg.Retransmit.Tries, s.m.now.Add(hearsayTime)
}

// deleted takes the peer's word that SAs of its are gone (RFC 2408 §3.15).
func (m *Machine) deleted(p *isakmp.Delete) {
	for _, spi := range p.SPIs {
		switch {
		case p.Protocol == isakmp.ProtocolISAKMP && len(spi) == 16:
			for _, s := range slices.Clone(m.sas) {
				if (s.state == established || s.state == superseded) && bytes.Equal(spi, s.cookies()) {
					s.meant().peerDeleted()
				}
			}
		case p.Protocol == isakmp.ProtocolESP && len(spi) == 4:
			if c := m.childByOut(binary.BigEndian.Uint32(spi)); c != nil {
				if c.catchAll && !c.replaced {
					m.forgetReplaced(c)
				}
				m.removeChild(c, ending{remote: true, replaced: c.replaced || m.succeeded(c)})
			}
		}
	}
}

// notified takes a protected notification.
func (s *ikeSA) notified(n *isakmp.Notification) {
	switch {
	case n.NotifyType == isakmp.RUThere:
		s.answerCheck(n)
	case n.NotifyType == isakmp.RUThereAck:
		s.dpd.acknowledge(n)
	case n.NotifyType == isakmp.InitialContact:
		if s.m.now.Sub(s.establishedAt) < adoptTimeout {
			s.contact = true
			s.m.forgetBefore(s)
		}
	case n.NotifyType == isakmp.ResponderLifetime:
		s.peerLifetime(n)
	case n.NotifyType.IsError():
		s.peerRefused(n)
	}
}

// peerLifetime follows a RESPONDER-LIFETIME that comes after the exchange, in seconds:
// what a Child SA may carry the data path counts, and the peer that sends this ends it.
func (s *ikeSA) peerLifetime(n *isakmp.Notification) {
	l, ok := readLife(n.Data)
	if !ok {
		return
	}
	switch c := s.childNamed(n); {
	case l.Time <= 0:
	case n.Protocol == isakmp.ProtocolISAKMP:
		s.rekeyAt = earlier(s.rekeyAt, s.establishedAt.Add(l.Time*9/10))
		s.expireAt = earlier(s.expireAt, s.establishedAt.Add(l.Time))
	case n.Protocol == isakmp.ProtocolESP && c != nil:
		c.shorten(l.Time)
	}
}

// peerRefused ends the Quick Mode of ours that an error is about: the one whose
// SPI it names, or the one that waits.
func (s *ikeSA) peerRefused(n *isakmp.Notification) {
	for _, q := range slices.Clone(s.m.quicks) {
		named := len(n.SPI) == 4 && binary.BigEndian.Uint32(n.SPI) == q.spiIn
		if q.s == s && q.ours && q.stage == quickAsked && (named || len(n.SPI) != 4 || s.m.childByIn(binary.BigEndian.Uint32(n.SPI)) == nil) {
			q.refused(n)
			return
		}
	}
	if c := s.childNamed(n); c != nil && n.NotifyType == isakmp.InvalidSPI {
		s.m.removeChild(c, ending{remote: true})
	}
}

// unknownSPI tells the peer, protected, that it sends on a Child SA that is not here
// (RFC 2408 §3.14.1): its word that it is gone was lost. One that a Quick Mode is
// about to make is not told of, and strangers cannot have more said than a few.
func (m *Machine) unknownSPI(spi uint32) {
	s := m.current()
	made := slices.ContainsFunc(m.quicks, func(q *quick) bool { return q.spiIn == spi && q.stage != quickDone })
	if s == nil || made || m.childByIn(spi) != nil || !m.strangers.Allow(m.now) {
		return
	}
	s.inform(&isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP,
		SPI: binary.BigEndian.AppendUint32(nil, spi), NotifyType: isakmp.InvalidSPI})
}

func (s *ikeSA) childNamed(n *isakmp.Notification) *child {
	if len(n.SPI) != 4 {
		return nil
	}
	return s.m.childByOut(binary.BigEndian.Uint32(n.SPI))
}

// inform sends a protected Informational, once: it is not answered.
func (s *ikeSA) inform(ps ...isakmp.Payload) {
	id := s.m.random.MessageID()
	s.used[id] = true
	all, err := s.hashed(id, nil, ps)
	if err != nil {
		return
	}
	raw, _, err := s.seal(s.header(isakmp.ExchangeInformational, id), all, keymat.IKEv1PhaseTwoIV(s.prf, s.iv, id))
	if err == nil {
		s.resend(raw, isakmp.Summary(all), 0, path{s.local, s.remote})
	}
}

// sayDeleted tells the peer that the ISAKMP SA is gone.
func (s *ikeSA) sayDeleted() {
	s.inform(&isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolISAKMP, SPIs: [][]byte{s.cookies()}})
}

// sayChildDeleted tells the peer that Child SAs are gone: our inbound SPIs.
func (s *ikeSA) sayChildDeleted(children []*child) {
	for part := range slices.Chunk(children, isakmp.MaxDeleteSPIs) {
		d := &isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP}
		for _, c := range part {
			d.SPIs = append(d.SPIs, binary.BigEndian.AppendUint32(nil, c.SPIIn))
		}
		s.inform(d)
	}
}

// tellLifetime says that the ISAKMP SA ends earlier than the peer offered, which in
// Aggressive Mode no message could say under protection.
func (s *ikeSA) tellLifetime() {
	if ours := s.m.settings.IKELifetime; !s.initiator && s.kind == isakmp.ExchangeAggressive && ours > 0 && (s.life == 0 || ours < s.life) {
		s.inform(s.lifetimeNotification(ours))
	}
}

// lifetimeNotification is RESPONDER-LIFETIME about the ISAKMP SA.
func (a *association) lifetimeNotification(life time.Duration) *isakmp.Notification {
	data, _ := isakmp.AppendAttributes(nil, []isakmp.Attribute{isakmp.Short(isakmp.AttrLifeType, isakmp.LifeSeconds),
		isakmp.Long(isakmp.AttrLifeDuration, uint32(life/time.Second))})
	return a.notification(isakmp.ResponderLifetime, data)
}

package ikev2

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/ticket"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Tickets (RFC 5723 §4.1, §4.2). Who began the IKE SA asks for one with IKE_AUTH,
// and again after a rekey and before it expires; the responder gives one that is
// bound to its connection as it is then. The initiator keeps one, in memory,
// and shows it once: when the IKE SA is gone without that anybody ended it.

const (
	// maxForeignTicket bounds a ticket of the peer: the message that shows it
	// cannot be cut.
	maxForeignTicket = 1200
	// maxTicketLifetime bounds how long one is kept, whatever the peer says.
	maxTicketLifetime = 24 * time.Hour
	// ticketRetry is when a ticket that the peer would give later is asked for, and how
	// soon at most another one is, however short it is good for.
	ticketRetry = time.Minute
)

// heldTicket is one that the peer gave us, with what it stands for.
type heldTicket struct {
	resumption
	of      uint64 // our SPI of the IKE SA that it is of
	opaque  []byte
	expires time.Time
	suite   transform.Suite
	skd     []byte
}

// resumable reports whether the connection resumes, and how tickets are made.
func (m *Machine) resumable() bool { return m.cfg.Tickets != nil && m.settings.SessionResumption }

// bindingOf is a digest of what the authentication of a connection stands on: a
// ticket does not outlive a change of it.
func bindingOf(mint *ticket.Mint, c *sa.Settings) ([ticket.BindingLen]byte, error) {
	any := "one"
	if c.AnyRemoteIdentity {
		any = "any"
	}
	parts := [][]byte{[]byte(c.Name), []byte(any)}
	for _, id := range []interface {
		IsZero() bool
		Body() []byte
	}{c.LocalIdentity, c.RemoteIdentity} {
		if id.IsZero() {
			parts = append(parts, nil)
		} else {
			parts = append(parts, id.Body())
		}
	}
	parts = append(parts, c.PSK.Bytes())
	if c.Credentials != nil {
		parts = append(parts, []byte("credentials"), c.Credentials.Fingerprint())
	}
	if c.Trust != nil {
		parts = append(parts, []byte("trust"), c.Trust.Fingerprint())
	}
	if c.PPK != nil {
		// Whether it is required, too: a session without it must not go on then.
		parts = append(parts, fmt.Appendf(nil, "ppk, required %v", c.PPK.Required), []byte(c.PPK.ID), c.PPK.Secret.Bytes())
	}
	for _, p := range c.IKEProposals {
		parts = append(parts, []byte(p.String()))
	}
	return mint.Bind(parts...)
}

// ticketRequest is the part of a message that asks for a ticket, or nil.
func (s *ikeSA) ticketRequest() []wire.Payload {
	if !s.m.resumable() {
		return nil
	}
	return []wire.Payload{notify(wire.NotifyTicketRequest, nil)}
}

// ticketFor answers the request for a ticket, if a message has one.
func (s *ikeSA) ticketFor(msg *message) []wire.Payload {
	if msg.notify(wire.NotifyTicketRequest) == nil || !s.m.resumable() {
		return nil
	}
	raw, life := s.mintTicket()
	if raw == nil {
		return []wire.Payload{notify(wire.NotifyTicketNack, nil)}
	}
	data := binary.BigEndian.AppendUint32(nil, uint32(life/time.Second))
	return []wire.Payload{notify(wire.NotifyTicketLTOpaque, append(data, raw...))}
}

// noteIdentities keeps the identities that the responder's IKE_AUTH showed, which
// begins with its own.
func (s *ikeSA) noteIdentities(msg *message, answer []wire.Payload) {
	s.idI, _ = msg.identity(true).AppendBody(nil)
	if own, ok := answer[0].(*wire.Identification); ok {
		s.idR, _ = own.AppendBody(nil)
	}
}

// mintTicket makes a ticket of the IKE SA, or gives nil. It lives no longer than
// the IKE SA may without a rekey, and than the authentication of the peer counts
// (RFC 5723 §6.2).
func (s *ikeSA) mintTicket() ([]byte, time.Duration) {
	binding, err := bindingOf(s.m.cfg.Tickets, s.m.settings)
	if err != nil || s.origin || s.idI == nil || s.idR == nil {
		return nil, 0
	}
	life := ticket.Lifetime
	if l := s.m.settings.IKELifetime; l > 0 {
		life = min(life, l)
	}
	if !s.unprovenAt.IsZero() {
		life = min(life, s.unprovenAt.Sub(s.m.now))
	}
	if life = life.Truncate(time.Second); life <= 0 {
		return nil, 0
	}
	raw, err := s.m.cfg.Tickets.Seal(s.m.now, &ticket.State{
		Connection: s.m.settings.Name, Binding: binding, IDi: s.idI, IDr: s.idR, SPIi: s.spiI, SPIr: s.spiR,
		Suite: suiteBytes(s.suite), SKd: s.keys.D, Unproven: s.unprovenAt, Expires: s.m.now.Add(life),
	})
	if err != nil {
		return nil, 0
	}
	return raw, life
}

// takeTicket keeps the ticket that a message gives, in the place of the one before,
// and plans to ask for the next.
func (s *ikeSA) takeTicket(msg *message) {
	if !s.m.resumable() || !s.origin {
		return
	}
	s.ticketAt = time.Time{}
	if msg.notify(wire.NotifyTicketAck) != nil {
		s.ticketAt = s.m.later(ticketRetry, waitJitter)
		return
	}
	n := msg.notify(wire.NotifyTicketLTOpaque)
	if n == nil || len(n.Data) <= 4 || len(n.Data) > 4+maxForeignTicket {
		return
	}
	binding, err := bindingOf(s.m.cfg.Tickets, s.m.settings)
	life := min(time.Duration(binary.BigEndian.Uint32(n.Data))*time.Second, maxTicketLifetime)
	if life <= 0 || err != nil || s.idI == nil || s.idR == nil {
		return
	}
	s.m.forgetTicket()
	s.m.ticket = &heldTicket{
		resumption: resumption{binding: binding, idI: s.idI, idR: s.idR, reauthAt: s.reauthAt, unprovenAt: s.unprovenAt},
		of:         s.localSPI(), opaque: slices.Clone(n.Data[4:]), expires: s.m.now.Add(life), suite: s.suite, skd: slices.Clone(s.keys.D),
	}
	s.ticketAt = s.m.later(max(life/2, ticketRetry), lifetimeJitter)
}

// forgetTicket throws the ticket away: it was used, refused, or the session was
// ended and not lost.
func (m *Machine) forgetTicket() {
	if m.ticket != nil {
		keymat.Erase(m.ticket.skd)
		m.ticket = nil
	}
}

// endTicket throws the ticket away if it is of s: a ticket ends with its IKE SA where
// that is deleted, by either end, or replaced (RFC 5723 §6.2).
func (s *ikeSA) endTicket() {
	if t := s.m.ticket; t != nil && t.of == s.localSPI() {
		s.m.forgetTicket()
	}
}

// usableTicket is the ticket, if it still stands for the connection as it is, and for
// a peer at that address.
func (m *Machine) usableTicket(remote netip.Addr) *heldTicket {
	t := m.ticket
	if t == nil {
		return nil
	}
	binding, err := bindingOf(m.cfg.Tickets, m.settings)
	_, refused := readSuite(suiteBytes(t.suite), m.settings.IKEProposals)
	if err != nil || refused != nil || !mayShow(m.settings, remote, true, t.idR) || !m.resumable() || binding != t.binding || !m.now.Before(t.expires) || m.due(t.unprovenAt) || m.due(t.reauthAt) {
		m.forgetTicket()
		return nil
	}
	return t
}

// mayShow tells whether a peer at an address may show the identity in the body of an
// ID payload, as in a whole exchange: where none is configured that is its address, and
// a ticket that it got elsewhere does not make it another.
func mayShow(c *sa.Settings, remote netip.Addr, initiator bool, body []byte) bool {
	shown, err := auth.FromPayload(identification(body))
	return err == nil && c.ExpectedID(remote, initiator).Matches(shown)
}

// ticketExchange asks for a ticket over an IKE SA that is up.
type ticketExchange struct{}

func (ticketExchange) kind() wire.ExchangeType           { return wire.ExchangeInformational }
func (ticketExchange) abandon(*ikeSA)                    {}
func (ticketExchange) respond(s *ikeSA, answer *message) { s.takeTicket(answer) }

func (s *ikeSA) askForTicket() {
	s.wantTicket = false
	s.request(ticketExchange{}, s.ticketRequest())
}

// inheritProof keeps the times of the authentication that a ticket stands for: a
// ticket is no new one.
func (s *ikeSA) inheritProof() {
	s.unprovenAt = sooner(s.unprovenAt, s.resumed.unprovenAt)
	s.reauthAt = sooner(s.reauthAt, s.resumed.reauthAt)
}

// sooner is the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

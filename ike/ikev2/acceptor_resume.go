package ikev2

import (
	"bytes"
	"fmt"

	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/ticket"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// IKE_SESSION_RESUME as the responder (RFC 5723 §4.3.2). The request takes the way of
// IKE_SA_INIT, with the same limits and cookies; a ticket costs one decryption, and
// no Diffie-Hellman. Whatever is wrong with one, the answer is TICKET_NACK, and
// nothing is kept.

// resumeRequest answers the request of a peer that shows a ticket.
func (a *Acceptor) resumeRequest(msg *message, d sa.Datagram, ni []byte) {
	if n := a.redirectInit(msg, d, ni); n != nil {
		a.reply(msg.Header, d, n)
		return
	}
	state, id, c, suite, err := a.redeem(msg, d)
	if err != nil {
		a.dropped(d, sa.ReasonTicketRefused, err.Error())
		a.reply(msg.Header, d, notify(wire.NotifyTicketNack, nil))
		return
	}
	defer state.Erase()
	h := a.halfOpen(msg, d, ni)
	h.resumed = &resumption{
		binding: state.Binding, idI: bytes.Clone(state.IDi), idR: bytes.Clone(state.IDr), unprovenAt: state.Unproven,
		id: id, connection: state.Connection, spiI: state.SPIi, spiR: state.SPIr,
	}
	if h.choose(suite) != nil || a.bySPI[h.spiR] != nil || h.deriveKeys(keymat.SKEYSEEDResumed(h.prf, state.SKd, h.nonceI, h.nonceR)) != nil {
		return
	}
	h.stage = stageKeyed
	a.keep(h)
	if msg.notify(wire.NotifyIKEv2FragmentationSupported) != nil {
		h.fragmentSize = c.FragmentSize
	}
	h.childless = announcesChildless(c)
	ps := []wire.Payload{&wire.Nonce{Data: h.nonceR}}
	ps = append(ps, natNotifies(h.spiI, h.spiR, h.local, h.remote, c.ForceEncapsulation)...)
	ps = append(ps, fragmentable(h.fragmentSize)...)
	if h.childless {
		ps = append(ps, takesChildless())
	}
	a.sendInit(h, wire.ExchangeIKESessionResume, ps)
}

// redeem opens a ticket and finds the connection that it is of, as it was then.
func (a *Acceptor) redeem(msg *message, d sa.Datagram) (*ticket.State, ticket.ID, *sa.Settings, transform.Suite, error) {
	var id ticket.ID
	var suite transform.Suite
	shown := msg.notify(wire.NotifyTicketOpaque)
	if shown == nil || a.cfg.Tickets == nil {
		return nil, id, nil, suite, fmt.Errorf("no ticket, or none are given here")
	}
	state, id, err := a.cfg.Tickets.Open(a.now, shown.Data)
	if err != nil {
		return nil, id, nil, suite, err
	}
	c := a.named(d, state.Connection)
	if c == nil {
		err = fmt.Errorf("a ticket of connection %s, which is not for this peer, or resumes no sessions, any more", state.Connection)
	} else if !mayShow(c, d.Remote.Addr(), false, state.IDi) {
		err = fmt.Errorf("a ticket of connection %s for an identity that is not shown from %v", c.Name, d.Remote.Addr())
	} else if err = stillBound(a.cfg.Tickets, c, state.Binding); err == nil {
		suite, err = readSuite(state.Suite, c.IKEProposals)
	}
	if err != nil {
		state.Erase()
		return nil, id, nil, suite, err
	}
	return state, id, c, suite, nil
}

// named is the connection of a name, if it answers the peer and resumes sessions.
func (a *Acceptor) named(d sa.Datagram, name string) *sa.Settings {
	for _, c := range a.candidates(d) {
		if c.Name == name && c.SessionResumption {
			return c
		}
	}
	return nil
}

// chooseResumed is the connection that the ticket of a half-open IKE SA is of.
func (a *Acceptor) chooseResumed(h *half, d sa.Datagram) (*sa.Settings, *refusal) {
	if c := a.named(d, h.resumed.connection); c != nil {
		return c, nil
	}
	return nil, refuse(wire.NotifyAuthenticationFailed, &sa.Failure{Reason: sa.ReasonTicketRefused,
		Message: "a ticket of connection " + h.resumed.connection + ", which is no more", Hint: "the peer makes a whole exchange now"})
}

// stillBound tells whether a connection authenticates with what it did when a ticket
// was made.
func stillBound(mint *ticket.Mint, c *sa.Settings, binding [ticket.BindingLen]byte) error {
	now, err := bindingOf(mint, c)
	if err == nil && now != binding {
		err = fmt.Errorf("a ticket of connection %s, whose identities, keys, certificates or proposals are others now", c.Name)
	}
	return err
}

// serveResumed judges the IKE_AUTH of a peer that showed a ticket (RFC 5723 §4.3.3).
func (s *ikeSA) serveResumed(msg *message) error {
	f := s.checkResumed(msg, msg.identity(true))
	if asked := msg.identity(false); f == nil && asked != nil {
		if body, _ := asked.AppendBody(nil); !bytes.Equal(body, s.resumed.idR) {
			f = &sa.Failure{Reason: sa.ReasonIdentityMismatch, Message: "the peer asks for another identity than its ticket is for",
				Local: "a ticket for " + identityIn(s.resumed.idR), Remote: "asks for " + identityIn(body),
				Hint: "it asks with its present configuration: without the ticket it comes to the right connection"}
		}
	}
	mine, err := auth.FromPayload(identification(s.resumed.idR))
	if err == nil {
		err = s.spend(f == nil)
	}
	if f == nil && err != nil {
		f = &sa.Failure{Reason: sa.ReasonTicketRefused, Message: err.Error(), Hint: "the peer makes a whole exchange now"}
	}
	if f != nil {
		return refuse(wire.NotifyAuthenticationFailed, f)
	}
	s.localIdentity = mine.String()
	s.m.emit(sa.Connecting{Connection: s.m.settings.Name, Local: s.local, Remote: s.remote})
	proof := &wire.Authentication{Method: wire.AuthSharedKey, Data: s.resumedAuth(false, s.resumed.alone)}
	s.grant(msg, []wire.Payload{mine.Payload(false), proof})
	return nil
}

// spend uses the ticket up, if it still counts. Another with the same ticket may have
// come meanwhile, and the connection may have changed.
func (s *ikeSA) spend(proven bool) error {
	if !proven {
		return nil
	}
	if !s.m.resumable() {
		return fmt.Errorf("connection %s resumes no sessions any more", s.m.settings.Name)
	}
	if err := stillBound(s.m.cfg.Tickets, s.m.settings, s.resumed.binding); err != nil {
		return err
	}
	return s.m.cfg.Tickets.Spend(s.m.now, s.resumed.id)
}

// succeedTicket ends the IKE SA that the ticket is of: its initiator has it no more.
func (s *ikeSA) succeedTicket() {
	for _, o := range s.m.living() {
		if o != s && o.spiI == s.resumed.spiI && o.spiR == s.resumed.spiR {
			o.drop(causeFailed, ending{replaced: true, remote: true})
		}
	}
}

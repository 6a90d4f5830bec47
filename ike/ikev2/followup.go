package ikev2

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// IKE_FOLLOWUP_KE (RFC 9370 §2.2.4): the additional key exchanges behind a
// CREATE_CHILD_SA, one exchange each. Each answer but the last has a link, which
// the next request repeats. The SA is made with the last.

// followUpExchange is one of ours. It goes on for the exchange that began it.
type followUpExchange struct {
	of      exchange
	left    []uint16 // methods that are not made yet; this exchange is for the first
	link    []byte
	private transform.PrivateKey
	secrets [][]byte // first that of the exchange that began
	// then makes the SA of the secrets, or fails.
	then func(secrets [][]byte, err error)
}

func (x *followUpExchange) kind() wire.ExchangeType { return wire.ExchangeIKEFollowupKE }

func (x *followUpExchange) abandon(s *ikeSA) {
	x.erase()
	x.of.abandon(s)
}

func (x *followUpExchange) erase() {
	keymat.Erase(x.secrets...)
	if x.private != nil {
		x.private.Erase()
	}
}

// followUp makes the additional key exchanges that the answer msg to our exchange
// chose, and then goes on, with the secret of the first before the others; at
// once if there are none.
func (s *ikeSA) followUp(of exchange, msg *message, left []uint16, shared []byte, then func(secrets [][]byte, err error)) {
	x := &followUpExchange{of: of, left: left, secrets: [][]byte{shared}, then: then}
	n := msg.notify(wire.NotifyAdditionalKeyExchange)
	switch {
	case len(left) == 0:
		x.end(x.secrets, nil)
	case n == nil || len(n.Data) == 0:
		x.end(nil, &syntaxError{"additional key exchanges were chosen without ADDITIONAL_KEY_EXCHANGE"})
	default:
		x.link = n.Data
		s.startFollowUp(x)
	}
}

// startFollowUp sends the request for the first of the methods left.
func (s *ikeSA) startFollowUp(x *followUpExchange) {
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: x.left[0], Seed: s.m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			s.drop(causeFailed, ending{failure: internal(r.Err)})
			return
		}
		x.private = r.Private
		s.request(x, []wire.Payload{
			&wire.KeyExchange{Group: x.left[0], Data: r.Public}, notify(wire.NotifyAdditionalKeyExchange, x.link),
		})
	})
}

// respond takes the peer's share.
func (x *followUpExchange) respond(s *ikeSA, msg *message) {
	if n := msg.errorNotify(); n != nil {
		if n.NotifyType == wire.NotifyStateNotFound && s.stateLost() {
			x.abandon(s)
			return
		}
		x.end(nil, &notifyError{n})
		return
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	if ke.Group != x.left[0] {
		x.end(nil, &refusal{failure: otherShare(ke.Group, x.left[0])})
		return
	}
	link := msg.notify(wire.NotifyAdditionalKeyExchange)
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: ke.Group, Private: x.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.current = nil
		x.private.Erase()
		if r.Err != nil {
			x.abandon(s)
			s.endOver(badShare(r.Err))
			return
		}
		x.secrets, x.left = append(x.secrets, r.Shared), x.left[1:]
		switch {
		case len(x.left) == 0:
			s.lostStates = 0
			x.end(x.secrets, nil)
		case link == nil || len(link.Data) == 0:
			x.end(nil, &syntaxError{"the peer ends the additional key exchanges too early"})
		default:
			s.startFollowUp(&followUpExchange{of: x.of, left: x.left, link: link.Data, secrets: x.secrets, then: x.then})
		}
	})
}

func (x *followUpExchange) end(secrets [][]byte, err error) {
	x.then(secrets, err)
	x.erase()
}

// maxLostStates is how often in a row the peer may lose what our key exchanges go on
// from.
const maxLostStates = 3

// stateLost notes that the peer did, and ends the IKE SA of one that does time and again
// (RFC 9370 §2.2.4).
func (s *ikeSA) stateLost() (ended bool) {
	if s.lostStates++; s.lostStates <= maxLostStates {
		return false
	}
	s.endOver(&sa.Failure{
		Reason:  sa.ReasonPeerError,
		Message: fmt.Sprintf("the peer answered IKE_FOLLOWUP_KE with STATE_NOT_FOUND %d times in a row", s.lostStates),
		Local:   s.suite.String(), Remote: wire.NotifyStateNotFound.String(),
		Hint: "the peer forgets its key exchanges before they are done: see its log, or leave additional key exchanges out of the proposals",
	})
	return true
}

// lostBeforeFollowUps settles a collision of exchanges for Child SAs of which ours has
// additional key exchanges to come: the one with the lowest nonce does not go on (RFC
// 9370 §2.2.4). It reports whether that is ours.
func (s *ikeSA) lostBeforeFollowUps(x *createExchange, msg *message, left []uint16) bool {
	rival, old := x.rival, x.offer.rekeys
	if old != nil {
		rival = old.rival
	}
	nonce, ok := payload[*wire.Nonce](msg)
	switch {
	case len(left) == 0 || rival == nil || !ok:
		return false
	case bytes.Compare(lowest(x.offer.nonce, nonce.Data), rival.lowest) > 0:
		rival.lose(s.m.now) // the peer does not go on
		s.forgetFollowUps()
		return false
	}
	x.abandon(s)
	if old != nil {
		old.rival, old.confirmedAt = nil, time.Time{}
		s.replacedByPeer(old)
	}
	return true
}

// replaceAfterAll has us replace a Child SA that we left to the peer in a collision,
// when the peer does not go on.
func (s *ikeSA) replaceAfterAll(c *child) {
	if c != nil && c.state == childRekeyed && find(s.children, func(o *child) bool { return o.Rekeys == c.SPIIn }) == nil {
		c.state, c.replaced, c.wantRekey = childInstalled, false, true
	}
}

// followsUp reports whether additional key exchanges of ours are being made for what
// replaces c; nil: the IKE SA.
func (s *ikeSA) followsUp(c *child) bool {
	x, ok := s.current.(*followUpExchange)
	if !ok {
		return false
	}
	switch of := x.of.(type) {
	case *rekeyExchange:
		return c == nil
	case *createExchange:
		return c != nil && of.offer.rekeys == c
	}
	return false
}

// conducting is our exchange; while additional key exchanges follow it, the one
// that began.
func (s *ikeSA) conducting() exchange {
	if x, ok := s.current.(*followUpExchange); ok {
		return x.of
	}
	return s.current
}

// followed is a CREATE_CHILD_SA of the peer that additional key exchanges follow.
type followed struct {
	link    []byte
	left    []uint16
	secrets [][]byte
	// made makes the SA and sends the last answer, which begins with ke.
	made func(secrets [][]byte, ke []wire.Payload)
	// lost gives back what was reserved: the peer does not go on.
	lost  func()
	endAt time.Time
}

const (
	// followUpTime is how long the peer may take from one key exchange to the
	// next.
	followUpTime = 30 * time.Second
	linkLen      = 16
)

// expectFollowUps notes that the peer goes on with additional key exchanges, and
// gives the notify that links its next request to this one.
func (s *ikeSA) expectFollowUps(f *followed) wire.Payload {
	f.link, f.endAt = s.m.random.Bytes(linkLen), s.m.now.Add(followUpTime)
	s.followed = f
	return notify(wire.NotifyAdditionalKeyExchange, f.link)
}

// forgetFollowUps gives up what the peer did not go on with.
func (s *ikeSA) forgetFollowUps() {
	if f := s.followed; f != nil {
		s.followed = nil
		keymat.Erase(f.secrets...)
		f.lost()
	}
}

// serving reports whether a request of the peer is being answered, or the next
// of its key exchanges is to come: what it asks for would change under it.
func (s *ikeSA) serving() bool { return s.window.working || s.followed != nil }

// serveFollowUp answers IKE_FOLLOWUP_KE.
func (s *ikeSA) serveFollowUp(msg *message) error {
	f := s.followed
	link := msg.notify(wire.NotifyAdditionalKeyExchange)
	if s.state != established && s.state != rekeying {
		s.forgetFollowUps()
		f = nil
	}
	if f == nil || link == nil || !bytes.Equal(link.Data, f.link) {
		return refuse(wire.NotifyStateNotFound, nil) // RFC 9370 §2.2.4
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	if ke.Group != f.left[0] {
		s.forgetFollowUps()
		return refuse(wire.NotifyInvalidSyntax, otherShare(ke.Group, f.left[0]))
	}
	s.m.work(s, &sansio.KeyExchange{Group: ke.Group, Seed: s.m.random.Seed(), Peer: ke.Data}, func(r sansio.KeyExchanged) {
		if s.followed != f { // meanwhile ours won over the exchange that began it
			r.Erase()
			s.object(wire.ExchangeIKEFollowupKE, refuse(wire.NotifyStateNotFound, nil))
			return
		}
		if r.Err != nil {
			s.forgetFollowUps()
			s.object(wire.ExchangeIKEFollowupKE, &syntaxError{r.Err.Error()})
			return
		}
		s.answerFollowUp(f, r)
	})
	return nil
}

func (s *ikeSA) answerFollowUp(f *followed, r sansio.KeyExchanged) {
	r.Private.Erase()
	share := []wire.Payload{&wire.KeyExchange{Group: f.left[0], Data: r.Public}}
	f.secrets, f.left = append(f.secrets, r.Shared), f.left[1:]
	if len(f.left) > 0 {
		s.answer(wire.ExchangeIKEFollowupKE, append(share, s.expectFollowUps(f)))
		return
	}
	s.followed = nil
	f.made(f.secrets, share)
	keymat.Erase(f.secrets...)
}

// followUpFailure explains why the additional key exchanges of a rekey of the
// IKE SA came to nothing.
func followUpFailure(err error) *sa.Failure {
	var n *notifyError
	var refused *refusal
	switch {
	case errors.As(err, &n):
		return peerError("IKE_FOLLOWUP_KE", n.Notify)
	case errors.As(err, &refused):
		return refused.failure
	}
	return &sa.Failure{Reason: sa.ReasonInvalidSyntax, Message: err.Error(), Hint: "the peer's implementation is broken"}
}

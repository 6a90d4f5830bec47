package ikev2

import (
	"encoding/binary"
	"fmt"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// IKE_INTERMEDIATE (RFC 9242) with the additional key exchanges of a new IKE SA
// (RFC 9370 §2.2.2): one exchange each, between IKE_SA_INIT and IKE_AUTH. After
// each the keys are renewed, and AUTH covers all of their messages.

// intermediateExchange is one of ours.
type intermediateExchange struct {
	left    []uint16 // methods that are not made yet; this exchange is for the first
	private transform.PrivateKey
}

func (x *intermediateExchange) kind() wire.ExchangeType { return wire.ExchangeIKEIntermediate }

func (x *intermediateExchange) abandon(*ikeSA) {
	if x.private != nil {
		x.private.Erase()
	}
}

// exchangeMore makes the first of the methods left, or goes on to IKE_AUTH.
func (s *ikeSA) exchangeMore(left []uint16) {
	if len(left) == 0 {
		s.turn(causeSecretReady)
		s.authenticate()
		return
	}
	x := &intermediateExchange{left: left}
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: left[0], Seed: s.m.random.Seed()}, func(r sansio.KeyExchanged) {
		if r.Err != nil {
			s.drop(causeFailed, ending{failure: internal(r.Err)})
			return
		}
		x.private = r.Private
		s.request(x, []wire.Payload{&wire.KeyExchange{Group: left[0], Data: r.Public}})
	})
}

// respond takes the peer's share and renews the keys.
func (x *intermediateExchange) respond(s *ikeSA, msg *message) {
	if n := msg.errorNotify(); n != nil {
		x.abandon(s)
		s.drop(causeFailed, ending{failure: peerError("IKE_INTERMEDIATE", n)})
		return
	}
	ke, _ := payload[*wire.KeyExchange](msg)
	if ke.Group != x.left[0] {
		x.abandon(s)
		s.drop(causeFailed, ending{failure: otherShare(ke.Group, x.left[0])})
		return
	}
	s.chain(s.asking, true)
	s.chain(msg.draft(), false)
	s.current = x
	s.m.work(s, &sansio.KeyExchange{Group: ke.Group, Private: x.private, Peer: ke.Data}, func(r sansio.KeyExchanged) {
		s.current = nil
		x.private.Erase()
		err := r.Err
		if err == nil {
			err = s.renewKeys(r.Shared)
		}
		if err != nil {
			s.drop(causeFailed, ending{failure: badShare(err)})
			return
		}
		s.exchangeMore(x.left[1:])
	})
}

func otherShare(got, want uint16) *sa.Failure {
	name := func(id uint16) string {
		return transform.Transform{Type: transform.KeyExchange, ID: id}.String()
	}
	return &sa.Failure{
		Reason:  sa.ReasonInvalidKE,
		Message: fmt.Sprintf("the peer sent a share of %s where %s was agreed", name(got), name(want)),
		Local:   name(want), Remote: name(got),
		Hint: "the peer's implementation is broken",
	}
}

func badShare(err error) *sa.Failure {
	return &sa.Failure{Reason: sa.ReasonInvalidKE, Message: err.Error(), Hint: "the peer's implementation is broken"}
}

// renewKeys derives all keys anew with the secret of an additional key exchange,
// which it erases.
func (a *association) renewKeys(shared []byte) error {
	seed := keymat.SKEYSEEDRekey(a.prf, a.keys.D, shared, a.nonceI, a.nonceR)
	keymat.Erase(shared)
	return a.deriveKeys(seed)
}

// draft is the message as its sender laid it out.
func (m *message) draft() draft {
	return draft{m.Header, m.first, m.raw[wire.HeaderLen+1], m.plain}
}

// chain notes a message of IKE_INTERMEDIATE, of the initiator or the responder,
// for AUTH (RFC 9242 §3.3.2). It is as if it had not been cut, and the lengths in
// its headers are those of the plaintext. What is reserved in the header of the
// Encrypted payload counts as it came, with the first fragment.
func (a *association) chain(m draft, byInitiator bool) {
	header, err := wire.AppendEncrypted(nil, m.header, m.first, len(m.plain))
	if err != nil {
		return // it was sent or read, so it can be laid out
	}
	header[wire.HeaderLen+1] = m.reserved
	if byInitiator {
		a.chainI = keymat.Intermediate(a.prf, a.keys.PI, a.chainI, header, m.plain)
	} else {
		a.chainR = keymat.Intermediate(a.prf, a.keys.PR, a.chainR, header, m.plain)
	}
	a.authID = m.header.MessageID + 1
}

// withIntermediates appends what AUTH covers of IKE_INTERMEDIATE (RFC 9242
// §3.3.2), if there was any.
func (a *association) withIntermediates(octets []byte) []byte {
	if a.chainI == nil {
		return octets
	}
	octets = append(append(octets, a.chainI...), a.chainR...)
	return binary.BigEndian.AppendUint32(octets, a.authID)
}

// intermediateRequest answers one additional key exchange of a half-open IKE SA.
func (a *Acceptor) intermediateRequest(h *half, msg *message) {
	a.emit(traceReceived("", msg))
	ke, _ := payload[*wire.KeyExchange](msg)
	if ke.Group != h.left[0] {
		a.refuse(h, msg, refuse(wire.NotifyInvalidSyntax, otherShare(ke.Group, h.left[0])))
		return
	}
	h.stage = stageAgreeing
	h.window.accept(msg.raw)
	job := &sansio.KeyExchange{Group: ke.Group, Seed: a.random.Seed(), Peer: ke.Data}
	a.do(a.desk.Start(h, job, func(r any) { a.answerIntermediate(h, msg, sansio.Exchanged(r)) }))
}

// answerIntermediate sends our share under the keys that the request came under,
// and renews them.
func (a *Acceptor) answerIntermediate(h *half, msg *message, r sansio.KeyExchanged) {
	if r.Err != nil {
		a.refuse(h, msg, refuse(wire.NotifyInvalidSyntax, badShare(r.Err)))
		return
	}
	r.Private.Erase()
	header := h.header(wire.ExchangeIKEIntermediate, true, msg.MessageID)
	ps := []wire.Payload{&wire.KeyExchange{Group: h.left[0], Data: r.Public}}
	if a.cfg.Alter != nil {
		ps = a.cfg.Alter(header, ps)
	}
	m, err := draftOf(header, ps)
	var datagrams [][]byte
	if err == nil {
		datagrams, err = h.seal(m, a.random.Source)
	}
	if err == nil {
		h.chain(msg.draft(), true)
		h.chain(m, false)
		err = h.renewKeys(r.Shared)
	}
	if err != nil {
		a.emit(sa.Failed{Remote: h.remote, Failure: internal(err)})
		a.over(h)
		a.do(sa.ReleaseSPI{SPI: h.spiR})
		return
	}
	h.left = h.left[1:]
	h.window.answered(datagrams)
	a.send(datagrams, path{msg.local, msg.remote})
	t := trace("", true, header, wire.Summary(ps), size(datagrams), msg.local, msg.remote, 0)
	if len(datagrams) > 1 {
		t.Fragments = len(datagrams)
	}
	a.emit(t)
	a.resume(h)
}

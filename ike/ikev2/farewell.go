package ikev2

import (
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// The peer may ask something on an IKE SA while our DELETE of it goes through: its own
// DELETE, that crosses ours (RFC 7296 §2.25.2). It gets its answer also if it comes
// when ours is through and the keys are overwritten: the answer to whatever
// INFORMATIONAL comes next is made before, and is empty. Nobody can tell by then who
// asks, so it is given a few times, for no less than it is long, and for lingerTime.

// maxFarewells bounds how often the answer is given: more often than any peer asks.
const maxFarewells = 8

// farewell is the answer that is kept.
type farewell struct {
	answer []byte
	left   int
}

// prepareFarewell makes the answer, as long as there are keys.
func (s *ikeSA) prepareFarewell() {
	m, err := draftOf(s.header(wire.ExchangeInformational, true, s.window.expectID), nil)
	if err != nil {
		return
	}
	if raw, err := s.sealWhole(m, s.m.random.Source); err == nil {
		s.farewell = farewell{raw, maxFarewells}
	}
}

// sayFarewell gives it to what asks.
func (s *ikeSA) sayFarewell(outer *wire.Message, d sa.Datagram) {
	_, whole := outer.Encrypted()
	if !whole || outer.Exchange != wire.ExchangeInformational || s.farewell.left == 0 || len(d.Raw) < len(s.farewell.answer) {
		return
	}
	s.farewell.left--
	h := s.header(wire.ExchangeInformational, true, outer.MessageID)
	s.transmit(h, [][]byte{s.farewell.answer}, wire.Summary(nil), 0, path{d.Local, d.Remote})
}

package ikev1

import (
	"encoding/binary"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// Dead peer detection (RFC 3706): R-U-THERE, to which R-U-THERE-ACK answers with
// the same number. Any proof of life ends the question. It is put early enough for the
// peer to be given up when nothing was heard for the liveness interval.

// check is the question that is open.
type check struct {
	number  uint32    // of the last question
	tries   int       // how often it was put; 0: none is open
	begunAt time.Time // when it was put first
	dueAt   time.Time // when to put it again, or to give up
}

// answered ends the question: the peer lives.
func (c *check) answered() { c.tries, c.dueAt = 0, time.Time{} }

// acknowledge takes an answer. Only one to the question that is open counts
// (RFC 3706 §5.4); being authentic, it ended the question already.
func (c *check) acknowledge(n *isakmp.Notification) {
	if len(n.Data) == 4 && binary.BigEndian.Uint32(n.Data) == c.number {
		c.answered()
	}
}

// livenessAt is when the peer's silence is to be questioned.
func (s *ikeSA) livenessAt() time.Time {
	if s.m.settings.DPD == 0 || !s.peer.dpd || s.state != established || s.dpd.tries > 0 {
		return time.Time{}
	}
	at := s.heardAt.Add(s.liveness().Asks)
	if s.unheard() {
		return later(at, s.unheardUntil)
	}
	return at
}

// liveness is how the liveness interval is spent.
func (s *ikeSA) liveness() sa.Liveness {
	return s.m.cfg.Retransmit.Liveness(s.m.settings.DPD, sa.CheckSends)
}

// ask puts the question, or puts it again.
func (s *ikeSA) ask() {
	if s.dpd.tries == 0 {
		s.dpd.begunAt = s.m.now
		if s.dpd.number == 0 {
			s.dpd.number = s.m.random.MessageID() >> 1
		}
		s.dpd.number++
	}
	s.dpd.tries++
	l := s.liveness()
	s.dpd.dueAt = s.m.now.Add(min(s.m.cfg.Retransmit.Wait(s.dpd.tries-1, s.m.random.Fraction()), l.Longest))
	if s.dpd.tries == sa.CheckSends { // the last one, to which a host that slept waits for an answer, too
		s.dpd.dueAt = later(s.m.now.Add(l.Longest/2), later(s.heardAt.Add(s.m.settings.DPD), s.dpd.begunAt.Add(l.Lasts)))
	}
	s.inform(s.notification(isakmp.RUThere, binary.BigEndian.AppendUint32(nil, s.dpd.number)))
}

// answerCheck answers the peer's question. A number that was answered before is
// a repeat, which the message ID tells already (RFC 3706 §5.4).
func (s *ikeSA) answerCheck(n *isakmp.Notification) {
	if len(n.Data) != 4 {
		return
	}
	s.inform(s.notification(isakmp.RUThereAck, n.Data))
}

// hearESP looks when ESP came last: a sign of life. Child SAs are the peer's, and a
// connection of IKEv1 has one peer.
func (m *Machine) hearESP() {
	if m.cfg.LastInbound == nil {
		return
	}
	var last time.Time
	for _, c := range m.children {
		last = later(last, m.cfg.LastInbound(c.SPIIn))
	}
	for _, s := range m.sas {
		if last.After(s.heardAt) {
			s.heardAt = last
			s.dpd.answered()
		}
	}
}

// silent ends everything with a peer that answers no more.
func (s *ikeSA) silent() {
	f := &sa.Failure{Reason: sa.ReasonLivenessTimeout, Local: s.local.String(), Remote: s.remote.String(),
		Message: "the peer at " + s.remote.String() + " answers no more",
		Hint:    "check the path to the peer and whether it runs"}
	s.drop(causeFinished, ending{failure: f})
	s.m.loseChildren(f)
}

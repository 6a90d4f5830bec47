package ikev2

import (
	"slices"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Probes of the path (RFC 8899): an INFORMATIONAL request as long as the packet
// that the path is asked to carry, with DF. Every peer answers it, for it is a
// liveness check with a notify that nobody knows (RFC 7296 §3.10.1).
//
// The window is one, so a request that is too long for the path must not stay
// unanswered. Repetitions take turns: first the same message ID as an empty
// request, which every path carries, then the probe itself without DF. A peer that
// never had the probe cannot tell that the short one is not what was sent first.
// One that had it, and whose answer was lost, either goes by message IDs and
// answers the short one again, or by content (RFC 7296 §2.1) and answers the long
// one. So a lost probe costs the IKE SA a moment and never its life, whatever the
// peer makes of fragments. None is sent without liveness checks: a request that is
// never answered ends the IKE SA.

// probePath is the data path's wish to know whether a packet of that size
// arrives.
func (m *Machine) probePath(ev sa.ProbePath) {
	if s := m.current(); s != nil && s.usable() && m.settings.DPD > 0 {
		s.wantProbe = ev
	}
}

// probeSends is how often a probe is sent: the probe itself is no failed check.
const probeSends = checkTries + 1

// tooLateToProbe reports whether the peer was silent for so long that a probe would go
// on beyond the liveness interval: it is asked first.
func (s *ikeSA) tooLateToProbe() bool {
	dpd := s.m.settings.DPD
	s.hearESP()
	return dpd > 0 && s.m.now.After(s.heardAt.Add(s.window.policy.Liveness(dpd, probeSends).Asks))
}

type probeExchange struct {
	size        int
	lost        bool
	whole, bare [][]byte // the probe, and the empty request in its place
	summary     string   // of the probe
}

func (*probeExchange) kind() wire.ExchangeType { return wire.ExchangeInformational }
func (*probeExchange) abandon(*ikeSA)          {}

// respond tells what became of the probe. An answer to its repetition says that
// the peer is there, and that the path is at fault.
func (x *probeExchange) respond(s *ikeSA, _ *message) {
	s.m.emit(sa.PathProbed{Connection: s.m.settings.Name, Size: x.size, Answered: !x.lost})
}

// probe sends the probe that is wanted.
func (s *ikeSA) probe() {
	want := s.wantProbe
	s.wantProbe = sa.ProbePath{}
	n, ok := s.filling(want)
	if !ok {
		return
	}
	h := s.header(wire.ExchangeInformational, false, s.window.nextID)
	payloads := []wire.Payload{&wire.Notify{NotifyType: wire.NotifyPathProbe, Data: make([]byte, n)}}
	m, err := draftOf(h, payloads)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	raw, err := s.sealWhole(m, s.m.random.Source)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	x := &probeExchange{size: want.Size, whole: [][]byte{raw}}
	s.current, s.asking = x, draft{}
	s.window.open(s.m.now, x.whole, s.m.random.Fraction())
	s.window.tries = s.patience(probeSends)
	x.summary = wire.Summary(payloads)
	s.requestSummary = x.summary
	s.m.do(sa.Send{Local: s.local, Remote: s.remote, Bytes: raw, Whole: true})
	s.m.emit(trace(s.m.settings.Name, true, h, s.requestSummary, len(raw), s.local, s.remote, 0))
}

// filling is how long the notify is that makes the probe's packet as long as
// wanted. Where a block cipher rounds, it is a little longer rather than
// shorter, so that no path is believed to carry more than it does; but no longer
// than any packet may be.
func (s *ikeSA) filling(want sa.ProbePath) (n int, ok bool) {
	const notify = wire.GenericHeaderLen + 4
	whole := func(n int) int {
		return wire.HeaderLen + wire.GenericHeaderLen + notify + n + s.outgoing.Overhead(notify+n)
	}
	least := room(want.Size, s.remote.Addr())
	for n = max(0, least-whole(0)); whole(n) < least; {
		n++
	}
	for n > 0 && whole(n) > room(want.Most, s.remote.Addr()) {
		n--
	}
	return n, whole(n) <= room(want.Most, s.remote.Addr())
}

// reprobe is the repetition of a probe: the empty request and the probe take
// turns, each bit by bit the same every time.
func (s *ikeSA) reprobe(x *probeExchange) [][]byte {
	x.lost = true
	s.requestSummary = x.summary
	if s.window.attempt%2 == 0 {
		return x.whole
	}
	if x.bare == nil {
		if x.bare = s.bareRequest(); x.bare == nil {
			return x.whole
		}
	}
	s.requestSummary = wire.Summary(nil)
	return x.bare
}

// bareRequest is an empty request with the next message ID; nil if none can be
// made.
func (s *ikeSA) bareRequest() [][]byte {
	m, err := draftOf(s.header(wire.ExchangeInformational, false, s.window.nextID), nil)
	if err != nil {
		return nil
	}
	raw, err := s.sealWhole(m, s.m.random.Source)
	if err != nil {
		return nil
	}
	return [][]byte{raw}
}

// renumber gives a probe up whose message ID is passed over, but for an empty
// request under the next: it is no probe any more.
func (x *probeExchange) renumber(s *ikeSA) {
	again := s.bareRequest()
	if again == nil {
		return
	}
	x.lost, x.whole, x.bare, x.summary = true, again, again, wire.Summary(nil)
	s.requestSummary = x.summary
	s.window.open(s.m.now, again, s.m.random.Fraction())
	s.window.tries = checkTries
	s.transmit(s.header(wire.ExchangeInformational, false, s.window.nextID), again, x.summary, 0, s.path())
}

// hasten ends the wait for the answer to a probe where something else has to be
// said: the empty request is answered in any case.
func (s *ikeSA) hasten() {
	if x, ok := s.current.(*probeExchange); ok && !x.lost && s.pressed() {
		s.window.dueAt = s.m.now
		s.repeat()
	}
}

// pressed tells whether anything but a question waits for the window.
func (s *ikeSA) pressed() bool {
	waits := func(c *child) bool { return c.wantDelete || c.wantRekey && !s.m.now.Before(c.rekeyAfter) }
	return s.wantDelete || s.wantUpdate || s.wantReauth || s.wantRekey && !s.m.now.Before(s.rekeyAfter) || slices.ContainsFunc(s.children, waits)
}

package ikev2

import (
	"causeway/ike/sa"
	"causeway/ike/wire"
)

// Probes of the path (RFC 8899): an INFORMATIONAL request as long as the packet
// that the path is asked to carry, with DF. Every peer answers it, for it is a
// liveness check with a notify that nobody knows (RFC 7296 §3.10.1). What does
// not get through is repeated in fragments (RFC 7383 §2.5.2), which does, so a
// probe that is too long costs the IKE SA a moment and never its life. A peer
// that cannot put fragments together is not probed, and none without liveness
// checks: a request that is never answered ends the IKE SA.

// probePath is the data path's wish to know whether a packet of that size
// arrives.
func (m *Machine) probePath(ev sa.ProbePath) {
	if s := m.current(); s != nil && s.usable() && s.fragmentSize > 0 && m.settings.DPD > 0 {
		s.wantProbe = ev
	}
}

type probeExchange struct {
	size int
	lost bool
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
	s.asking = m
	s.current = &probeExchange{size: want.Size}
	s.window.open(s.m.now, [][]byte{raw}, s.m.random.Fraction())
	s.window.tries = checkTries
	s.requestSummary = wire.Summary(payloads)
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

// reprobe makes the repetition of a probe: the same message in fragments of the
// usual size, which may be one whole if that is as long.
func (s *ikeSA) reprobe(x *probeExchange) {
	if x.lost {
		return
	}
	x.lost = true
	if again, err := s.seal(s.asking, s.m.random.Source); err == nil {
		s.window.request = again
	}
}

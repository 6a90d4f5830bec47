package ikev1

import (
	"net/netip"
	"slices"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

const (
	// adoptTimeout is how long the responder waits for the peer to identify
	// itself.
	adoptTimeout = 30 * time.Second
	// supersededTime is how long a replaced ISAKMP SA waits for the peer to
	// delete it, if the peer made its successor; ownSupersededTime if we did.
	supersededTime    = 60 * time.Second
	ownSupersededTime = 5 * time.Second
	// maxChecks bounds the messages of one peer whose proof of identity is checked.
	maxChecks = 16
	// closingTime is how long an ISAKMP SA that the peer deleted still reads.
	closingTime = 2 * time.Second
	// lifetimeJitter is how much of a lifetime is taken off at random before a
	// rekey, so that the two ends rarely rekey at once.
	lifetimeJitter = 0.1
)

// ikeSA is one ISAKMP SA of a machine.
type ikeSA struct {
	association
	m     *Machine
	state state
	kind  isakmp.ExchangeType // of phase 1: Main or Aggressive Mode
	// proven says that the peer was authenticated, completed that nothing else is
	// missing.
	proven, completed bool
	// held says that the peer's proof held, though the ISAKMP SA is not made yet.
	held bool
	// quiet says that so many peers failed to authenticate lately that the
	// failure of this one is no news.
	quiet                         bool
	localIdentity, remoteIdentity string

	repeat  repeater // of phase 1
	suites  []transform.Suite
	private transform.PrivateKey
	checks  int          // of the peer's proof that were begun
	doubted []byte       // the vector behind an answer whose proof does not hold
	hint    *sa.Failure  // what an unauthenticated message said, for when it ends
	asked   *transaction // ours, which waits for its answer
	served  *transaction // the peer's last
	waits   waiting      // what is missing, after phase 1, before it is used
	// loginDone: a login was asked for; there is one try.
	loginDone bool
	granted   bool   // the peer's login is right, which it was told
	ownID     []byte // Aggressive Mode: the body of the ID payload that we sent
	peerID    *isakmp.Identification
	used      map[uint32]bool
	dpd       check
	contact   bool // the peer said INITIAL-CONTACT
	replaced  bool // another took its place, so that its end is no loss
	lesser    bool // the one to go of two that were made at once

	createdAt     time.Time
	establishedAt time.Time
	heardAt       time.Time // of IKE or ESP
	firstTries    int       // of the first message, over the policy's; 0: it holds
	// askedAt is when the peer asked for our last message of phase 1 again, and
	// unheardUntil when it would do so next (unheard.go).
	askedAt, unheardUntil time.Time

	rekeyAt     time.Time // zero: never
	expireAt    time.Time // zero: never
	lingerUntil time.Time // end of adopted and superseded

	wantRekey  bool
	rekeyAfter time.Time // not before, after a failed try
}

// add gives the machine another ISAKMP SA.
func (m *Machine) add(s *ikeSA) *ikeSA {
	s.m, s.createdAt, s.heardAt = m, m.now, m.now
	s.used = map[uint32]bool{}
	m.sas = append(m.sas, s)
	m.do(sa.RegisterSPI{SPI: s.localCookie()})
	return s
}

// turn changes the state by the table.
func (s *ikeSA) turn(c cause) {
	to, ok := s.state.next(c)
	if !ok {
		if s.m.cfg.Strict {
			panic(illegalTransition{s.state, c})
		}
		if s.state != gone {
			s.drop(causeFailed, ending{failure: internal(illegalTransition{s.state, c})})
		}
		return
	}
	s.state = to
}

// receive takes a message that names this ISAKMP SA.
func (s *ikeSA) receive(msg *isakmp.Message, d sa.Datagram) {
	msg, done, err := s.incoming.assemble(msg, &d)
	if err != nil {
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
	}
	if done {
		return
	}
	if answer, repeated := s.repeat.again(d.Raw); repeated {
		if answer != nil {
			s.resend(answer, s.repeat.summary, s.repeat.answers, path{d.Local, d.Remote})
			s.asksAgain()
		}
		return
	}
	switch msg.Exchange {
	case isakmp.ExchangeMain:
		s.receiveMain(msg, d)
	case isakmp.ExchangeAggressive:
		s.receiveAggressive(msg, d)
	case isakmp.ExchangeInformational:
		s.receiveInformational(msg, d)
	case isakmp.ExchangeQuick:
		s.receiveQuick(msg, d)
	case isakmp.ExchangeTransaction:
		s.receiveTransaction(msg, d)
	default:
		s.m.dropped(d.Remote, sa.ReasonInvalidSyntax, "an exchange that is not spoken here: "+msg.Header.String())
	}
}

// say sends the next message of phase 1 and keeps it to be repeated.
func (s *ikeSA) say(raw []byte, ps []isakmp.Payload, timed bool) {
	summary := isakmp.Summary(ps)
	s.repeat.say(s.m.now, s.m.cfg.Retransmit, raw, summary, timed, s.m.random.Fraction)
	s.resend(raw, summary, 0, path{s.local, s.remote})
}

// resend sends raw, for the n-th time after the first.
func (s *ikeSA) resend(raw []byte, summary string, n int, by path) {
	h, _ := isakmp.ParseHeader(raw)
	t := trace(s.m.settings.Name, true, h, summary, len(raw), by, n)
	datagrams := s.datagrams(raw, s.kind, s.m.settings.FragmentSize, by.remote)
	for _, b := range datagrams {
		s.m.do(sa.Send{Local: by.local, Remote: by.remote, Bytes: b})
	}
	if len(datagrams) > 1 {
		t.Fragments = len(datagrams)
	}
	s.m.emit(t)
}

// trace reports a message that was sent or received. IKEv1 has no requests and
// responses.
func trace(connection string, sent bool, h isakmp.Header, summary string, size int, by path, repeat int) sa.MessageTrace {
	return sa.MessageTrace{
		Connection: connection, Sent: sent, Local: by.local, Remote: by.remote,
		SPIi: h.InitiatorCookie, SPIr: h.ResponderCookie,
		Exchange: h.Exchange.String(), MessageID: h.MessageID,
		Bytes: size, Summary: summary, Retransmit: repeat,
	}
}

// traceIn reports a message of the peer.
func (s *ikeSA) traceIn(h isakmp.Header, ps []isakmp.Payload, d sa.Datagram) {
	s.m.emit(trace(s.m.settings.Name, false, h, isakmp.Summary(ps), len(d.Raw), path{d.Local, d.Remote}, 0))
}

// authentic notes that a message was the peer's, and follows it through a NAT.
func (s *ikeSA) authentic(d sa.Datagram) {
	s.heardAt = s.m.now
	s.dpd.answered()
	if s.nat.remote && (d.Remote != s.remote || d.Local != s.local) {
		s.relocate(d.Local, d.Remote)
	}
}

// relocate moves the ISAKMP SA, and the Child SAs, to other outer addresses.
func (s *ikeSA) relocate(local, remote netip.AddrPort) {
	old := s.remote
	if s.local == local && old == remote {
		return
	}
	s.local, s.remote = local, remote
	if s != s.m.current() {
		return
	}
	s.m.path = path{local, remote}
	s.m.moveChildren(local, remote)
	s.m.emit(sa.EndpointChanged{Connection: s.m.settings.Name, SPIi: s.cookieI, SPIr: s.cookieR, Local: local, Old: old, New: remote})
}

// ending is how an SA ends.
type ending struct {
	failure  *sa.Failure
	replaced bool
	remote   bool // the peer asked for it
}

// drop ends the ISAKMP SA, and the Quick Modes that run under it, and reports
// it. Child SAs stay: they are the caller's to end.
func (s *ikeSA) drop(c cause, e ending) {
	if s.state == gone {
		return
	}
	s.m.desk.Cancel(s)
	s.m.dropQuicks(s)
	if s.private != nil {
		s.private.Erase()
	}
	e.replaced = e.replaced || s.replaced || s.state == superseded
	was := s.state
	if was < established {
		c = causeFailed
	}
	s.turn(c)
	switch {
	case was == closing:
	case s.proven && s.completed:
		s.reportClosed(e)
	case e.failure != nil && s.quiet:
		s.m.dropped(s.remote, e.failure.Reason, e.failure.Message)
	case e.failure != nil:
		s.m.failure = e.failure
		s.m.emit(sa.Failed{Connection: s.m.settings.Name, Remote: s.remote, Failure: e.failure, Stranger: !s.initiator})
	}
	s.erase()
	s.m.sas = slices.DeleteFunc(s.m.sas, func(o *ikeSA) bool { return o == s })
	s.m.do(sa.ReleaseSPI{SPI: s.localCookie()})
}

func (s *ikeSA) reportClosed(e ending) {
	if e.failure != nil {
		s.m.failure = e.failure
	}
	s.m.emit(sa.IKEClosed{
		Connection: s.m.settings.Name, SPIi: s.cookieI, SPIr: s.cookieR,
		Replaced: e.replaced, Remote: e.remote, Failure: e.failure,
	})
}

// peerDeleted closes the ISAKMP SA at the peer's word. Its keys stay for a
// moment, to read what this word overtook: that Child SAs are gone, too.
func (s *ikeSA) peerDeleted() {
	if !s.completed {
		s.drop(causeFinished, ending{failure: s.unfinished()})
		return
	}
	s.m.dropQuicks(s)
	e := ending{remote: true, replaced: s.replaced || s.state == superseded}
	s.turn(causePeerDeleted)
	s.reportClosed(e)
	s.lingerUntil, s.expireAt, s.dpd = s.m.now.Add(closingTime), time.Time{}, check{}
	s.m.renew(s.initiator)
}

// establish ends phase 1: the peer is authenticated.
func (s *ikeSA) establish() {
	s.turn(causeAuthenticated)
	s.proven = true
	s.lingerUntil = time.Time{}
	s.m.makeRoom(func(o *ikeSA) bool { return o.proven && !o.completed })
	s.establishedAt, s.heardAt = s.m.now, s.m.now
	s.proceedPhaseOne()
}

// complete makes the ISAKMP SA usable.
func (s *ikeSA) complete() {
	previous := s.m.current()
	s.completed, s.lingerUntil = true, time.Time{}
	s.m.makeRoom(func(o *ikeSA) bool { return o.completed })
	s.m.path = path{s.local, s.remote}
	s.m.renewAt = time.Time{}
	s.tellLifetime()
	s.life = lesser(s.life, s.m.settings.IKELifetime)
	if s.life > 0 {
		s.rekeyAt = s.m.later(s.life, lifetimeJitter)
		s.expireAt = s.m.now.Add(s.life + s.life/10)
	}
	if s.m.settings.Reauthentication > 0 {
		s.rekeyAt = earlier(s.rekeyAt, s.m.later(s.m.settings.Reauthentication, lifetimeJitter))
	}
	var rekeys uint64
	if previous != nil {
		rekeys = previous.localCookie()
	}
	s.m.emit(sa.IKEEstablished{Connection: s.m.settings.Name, IKE: s.report(), Rekeys: rekeys})
	s.m.moveTo(s)
	s.m.supersede(s)
}

// moveTo gives the Child SAs the addresses of a newer ISAKMP SA, if they
// differ.
func (m *Machine) moveTo(s *ikeSA) {
	if slices.ContainsFunc(m.children, func(c *child) bool { return c.Local != s.local || c.Remote != s.remote }) {
		m.moveChildren(s.local, s.remote)
	}
}

func (m *Machine) moveChildren(local, remote netip.AddrPort) {
	var spis []uint32
	for _, c := range m.children {
		c.move(local, remote)
		spis = append(spis, c.SPIIn)
	}
	if len(spis) > 0 {
		m.do(sa.MoveChildren{SPIsIn: spis, Local: local, Remote: remote})
	}
}

// report describes the ISAKMP SA.
func (s *ikeSA) report() sa.IKEInfo {
	i := s.info()
	i.LocalIdentity, i.RemoteIdentity = s.localIdentity, s.remoteIdentity
	i.EstablishedAt, i.RekeyAt = s.establishedAt, s.rekeyAt
	return i
}

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

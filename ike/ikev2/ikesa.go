package ikev2

import (
	"net/netip"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

const (
	// adoptTimeout is how long the responder waits for IKE_AUTH.
	adoptTimeout = 30 * time.Second
	// lingerTime is how long a closed IKE SA still answers.
	lingerTime = 30 * time.Second
	// supersededTime is how long the peer may take to delete an IKE SA or a
	// Child SA that it replaced, before we do.
	supersededTime = 60 * time.Second
	// checkTries bounds how often a liveness check is sent: the answer needs no
	// work, and a peer that came back without its state waits for us to notice.
	checkTries = sa.CheckSends
	// deleteTries bounds how often a DELETE of an IKE SA is sent: it ends
	// anyway.
	deleteTries = 4
	// lateTime is how long an IKE_AUTH that is given up may still be answered.
	lateTime = 30 * time.Second
)

// ikeSA is one IKE SA of a machine.
type ikeSA struct {
	association
	m     *Machine
	state state
	// proven says that the peer was authenticated: from then on there is an
	// IKE SA to close.
	proven bool
	// stale says that the peer proved what is asked of it no more.
	stale bool
	// quiet says that so many peers failed to authenticate lately that the
	// failure of this one is no news.
	quiet                         bool
	localIdentity, remoteIdentity string
	// ppk is the post-quantum key in use, or nil (ppk.go).
	ppk *sa.PPK

	window window
	// asked is the path of the peer's last request: its answer goes back there
	// (RFC 7296 §2.11).
	asked path
	// what the messages that window may repeat consist of, for traces
	requestSummary, answerSummary string
	// asking and answering are the same messages, for when they must be cut anew
	asking, answering draft
	farewell          farewell // once our DELETE is through

	current  exchange // ours: being prepared, on its way, or being finished
	children []*child
	// orphans are our SPIs of Child SAs that only the peer has: we refused its
	// answer, and it is to be told.
	orphans [][]byte
	// reserved is an inbound SPI of a request that is being answered, or 0.
	reserved uint32
	// toldFull says that it was reported that the peer takes no more Child SAs for
	// single workers (resource.go).
	toldFull bool
	// followed is a request whose additional key exchanges are to come, or nil.
	followed *followed
	// lostStates is how often in a row the peer lost ours (followup.go).
	lostStates int

	createdAt     time.Time
	establishedAt time.Time
	heardAt       time.Time // of IKE or ESP
	spokeAt       time.Time // of this IKE SA
	movedAt       time.Time // to where its ends are now; zero: never
	rekeyAt       time.Time // zero: never
	expireAt      time.Time // zero: never
	lingerUntil   time.Time // end of adopted, superseded, lingering
	reauthAt      time.Time // when to authenticate the peer anew; zero: never
	unprovenAt    time.Time // when its last authentication counts no more
	endAt         time.Time // when to answer the peer's DELETE

	wantRekey, wantDelete, wantCheck, wantReauth bool
	// abandoned says that Down came before the answer to IKE_AUTH, which is not asked
	// for any more: a late one has the IKE SA deleted at the peer.
	abandoned bool
	// wantToken says that the next check gives the peer our token, peerToken is
	// the peer's, and doubtedAt when we asked because of a stranger (crash.go).
	wantToken  bool
	peerToken  []byte
	doubtedAt  time.Time
	wantProbe  sa.ProbePath // Size 0: none
	rekeyAfter time.Time    // not before, after a failed try
	// refusals is how often the peer refused a rekey of this IKE SA, and deferredSince
	// and deferredAt are when it first and last deferred what was asked (refused.go).
	refusals                  int
	deferredSince, deferredAt time.Time

	// wantUpdate says that the peer is to be told of our address, wantCookie that
	// the next check asks whether the peer is where it says. seenAt is the hash of
	// where the peer sees us (mobike.go).
	wantUpdate, wantCookie bool
	seenAt                 []byte
	// initTries overrides the policy's tries of IKE_SA_INIT; 0: it holds.
	initTries int
	// natTries is how often the peer found a NAT on our request in a row (no_nats.go).
	natTries int
	// wantAddresses says that the peer is to be told of our further addresses, and
	// tried are the paths on which the request on its way was sent, too
	// (mobike_paths.go).
	wantAddresses bool
	tried         []path

	// idI and idR are the bodies of the identities shown in IKE_AUTH, wantTicket says
	// that the peer is to be asked for a ticket, and ticketAt when (tickets.go).
	idI, idR   []byte
	wantTicket bool
	ticketAt   time.Time

	// wantRedirect says that the peer is to be sent elsewhere, and redirectedFrom
	// is the gateway that sent us here (redirect.go).
	wantRedirect   bool
	redirectedFrom netip.Addr

	// sync is our synchronization of message IDs, or nil; syncAsked, syncAnswer and
	// syncSeen are the peer's last one, our answer, and its next ID (sync.go).
	sync       *synchronizing
	syncAsked  []byte
	syncAnswer [][]byte
	syncSeen   uint32

	// lesser says that it is the one to go of two (ike_rekey.go, duplicates.go);
	// replaced that another took its place, so that its end is no loss.
	lesser, replaced bool
	// unheard is what is known while the peer may not have the answer that made this
	// IKE SA, or nil; granted is the IKE SA that our last answer on this one made, or
	// nil (unheard.go).
	unheard *unheard
	granted *ikeSA
	// rival is the IKE SA with which the peer replaces this one while we do the
	// same, or nil (ike_rekey.go).
	rival *ikeRival
	// reauthenticates is the IKE SA whose place this one is to take, or nil
	// (reauth.go).
	reauthenticates *ikeSA
	// joins says that it is so because each had Child SAs that the other lacked, and
	// joinAfter when that may be tried again (join.go).
	joins     bool
	joinAfter time.Time
	// duplicateAt is when to end this IKE SA as the lesser of two, unless the
	// other is gone by then (duplicates.go).
	duplicateAt time.Time
	tidyAt      time.Time // when to look for another beside it; zero: never
}

// exchange is one that we started. After the answer, or when the IKE SA ends
// without one, the exchange is over.
type exchange interface {
	kind() wire.ExchangeType
	// respond takes the answer. It sets s.current again while it waits for work.
	respond(s *ikeSA, msg *message)
	// abandon gives back what was reserved: there will be no answer.
	abandon(s *ikeSA)
}

// add gives the machine another IKE SA.
func (m *Machine) add(s *ikeSA) *ikeSA {
	s.m, s.createdAt, s.heardAt = m, m.now, m.now
	s.window.policy = m.cfg.Retransmit
	m.sas = append(m.sas, s)
	m.do(sa.RegisterSPI{SPI: s.localSPI()})
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

// request sends the request of an exchange.
func (s *ikeSA) request(x exchange, payloads []wire.Payload) {
	h := s.header(x.kind(), false, s.window.nextID)
	payloads = s.m.altered(h, payloads)
	datagrams, err := s.prepare(&s.asking, h, payloads)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.current = x
	s.launch(h, datagrams, payloads)
}

// prepare encrypts a message and keeps its draft: it may have to be cut anew, and
// AUTH may cover it.
func (s *ikeSA) prepare(keep *draft, h wire.Header, payloads []wire.Payload) ([][]byte, error) {
	m, err := draftOf(h, payloads)
	if err != nil {
		return nil, err
	}
	*keep = m
	return s.seal(m, s.m.random.Source)
}

// launch sends our next request.
func (s *ikeSA) launch(h wire.Header, datagrams [][]byte, payloads []wire.Payload) {
	s.window.open(s.m.now, datagrams, s.m.random.Fraction())
	s.requestSummary = wire.Summary(payloads)
	s.transmit(h, datagrams, s.requestSummary, 0, s.path())
}

// answer sends the response to the request that was accepted last.
func (s *ikeSA) answer(ex wire.ExchangeType, payloads []wire.Payload) {
	h := s.header(ex, true, s.window.expectID)
	payloads = s.m.altered(h, payloads)
	datagrams, err := s.prepare(&s.answering, h, payloads)
	if err != nil {
		s.drop(causeFailed, ending{failure: internal(err)})
		return
	}
	s.window.answered(datagrams)
	s.answerSummary = wire.Summary(payloads)
	s.transmit(h, datagrams, s.answerSummary, 0, s.asked)
}

// altered is what is sent in place of payloads.
func (m *Machine) altered(h wire.Header, payloads []wire.Payload) []wire.Payload {
	if m.cfg.Alter == nil {
		return payloads
	}
	return m.cfg.Alter(h, payloads)
}

// refuse answers with one Notify.
func (s *ikeSA) refuse(ex wire.ExchangeType, n wire.Notify) { s.answer(ex, []wire.Payload{&n}) }

// path is the two ends that a message passes between.
type path struct{ local, remote netip.AddrPort }

// path is where our requests go.
func (s *ikeSA) path() path { return path{s.local, s.remote} }

func (s *ikeSA) transmit(h wire.Header, datagrams [][]byte, summary string, repeat int, by path) {
	size := 0
	for _, raw := range datagrams {
		s.m.do(sa.Send{Local: by.local, Remote: by.remote, Bytes: raw})
		size += len(raw)
	}
	t := trace(s.m.settings.Name, true, h, summary, size, by.local, by.remote, repeat)
	if len(datagrams) > 1 {
		t.Fragments = len(datagrams)
	}
	s.m.emit(t)
}

// ending is how an IKE SA or a Child SA ends.
type ending struct {
	failure  *sa.Failure
	replaced bool
	remote   bool // the peer asked for it
}

// drop ends the IKE SA with all that it has, and reports it. c leads to gone
// or lingering.
func (s *ikeSA) drop(c cause, e ending) {
	if s.state == gone || s.state == lingering {
		return
	}
	s.m.desk.Cancel(s)
	if x := s.current; x != nil {
		s.current = nil
		x.abandon(s)
	}
	s.unreserve()
	s.forgetFollowUps()
	s.dropRival()
	s.reauthFailed()
	e.replaced = e.replaced || s.replaced || s.lesser && s.m.current() != nil && s.m.current() != s
	slots := s.removeChildren(e)
	if to, _ := s.state.next(c); to == lingering {
		s.m.stopLingering()
	}
	s.turn(c)
	for _, of := range slots {
		s.m.promote(of) // where another IKE SA has one that waits
	}
	switch {
	case s.proven:
		if e.failure != nil {
			s.m.failure = e.failure
		} else {
			s.endTicket() // it was ended, and not lost
		}
		s.m.emit(sa.IKEClosed{
			Connection: s.m.settings.Name, SPIi: s.spiI, SPIr: s.spiR,
			Replaced: e.replaced, Remote: e.remote, Failure: e.failure,
		})
	case e.failure != nil && s.quiet:
		s.m.dropped(s.remote, e.failure.Reason, e.failure.Message)
	case e.failure != nil:
		s.m.failure = e.failure
		s.m.emit(sa.Failed{Connection: s.m.settings.Name, Remote: s.remote, Failure: e.failure, Stranger: !s.initiator})
	}
	if s.state == lingering && c == causeFinished {
		s.prepareFarewell()
	}
	s.erase()
	if s.state == lingering {
		s.lingerUntil = s.m.now.Add(lingerTime)
		s.window.replace()
		return
	}
	s.forget()
}

// unreserve gives the SPI of a request back that came to nothing.
func (s *ikeSA) unreserve() {
	if s.reserved != 0 {
		s.m.do(sa.RemoveChild{SPIIn: s.reserved})
		s.reserved = 0
	}
}

// forget takes the IKE SA out of the machine.
func (s *ikeSA) forget() {
	s.m.sas = slices.DeleteFunc(s.m.sas, func(o *ikeSA) bool { return o == s })
	s.m.do(sa.ReleaseSPI{SPI: s.localSPI()})
}

// establish makes the IKE SA usable: the peer is authenticated, or the IKE SA
// replaces one where it was.
func (s *ikeSA) establish(c cause, rekeys uint64) {
	s.turn(c)
	s.proven = true
	s.establishedAt, s.heardAt = s.m.now, s.m.now
	s.initRequest, s.initResponse = nil, nil
	if len(s.m.living()) > 1 {
		s.tidyAt = s.m.now.Add(tidyWait)
	}
	if life := s.m.settings.IKELifetime; life > 0 {
		s.rekeyAt = s.m.later(life, lifetimeJitter)
		s.expireAt = s.m.now.Add(life + life/10)
	}
	s.m.emit(sa.IKEEstablished{Connection: s.m.settings.Name, IKE: s.report(), Rekeys: rekeys})
}

// report describes the IKE SA.
func (s *ikeSA) report() sa.IKEInfo {
	i := s.info()
	i.Configured = s.configured
	i.Resumed = s.resumed != nil
	i.LocalIdentity, i.RemoteIdentity = s.localIdentity, s.remoteIdentity
	i.EstablishedAt, i.RekeyAt = s.establishedAt, s.rekeyAt
	return i
}

// usable reports whether new exchanges about Child SAs may start.
func (s *ikeSA) usable() bool { return s.state == established && !s.wantDelete }

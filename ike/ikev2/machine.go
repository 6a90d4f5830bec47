package ikev2

import (
	"io"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/sa"
	"causeway/ike/sansio"
	"causeway/ike/ticket"
	"causeway/ike/wire"
)

// SPIAllocator reserves an inbound ESP SPI in the data path. The machine gives
// it back with sa.RemoveChild, whether or not it was ever installed. resource is the
// worker, counted from 1, that the Child SA is for; 0: all.
type SPIAllocator func(resource int) (uint32, error)

// Config is what a Machine is made of.
type Config struct {
	// Settings is the connection.
	Settings *sa.Settings
	// Random is the only source of entropy. A machine panics when it fails.
	Random io.Reader
	// AllocateSPI reserves inbound ESP SPIs.
	AllocateSPI SPIAllocator
	// Accepts asks the data path whether it can carry a Child SA, before the peer is told
	// of it and what it replaces is given up; nil: it can.
	Accepts func(*sa.Child) error
	// Carried is what a Child SA carried, in packets, by its inbound SPI; nil: it
	// is not known, and nothing is audited (audit.go).
	Carried func(spiIn uint32) (in, out uint64)
	// LastInbound is when authentic ESP last came on a Child SA, by its inbound SPI; zero:
	// never. nil: it is not known, and ESP is no sign of life.
	LastInbound func(spiIn uint32) time.Time
	// Retransmit is the schedule of repeated requests; its zero value is
	// sa.DefaultRetransmit.
	Retransmit sa.RetransmitPolicy
	// NATPort is the local and PeerNATPort the peer's port for IKE with the
	// non-ESP marker and for ESP in UDP. Zero is 4500.
	NATPort, PeerNATPort uint16
	// KeyLog is told the keys of each IKE SA, for debugging; nil tells nobody.
	KeyLog func(sa.IKEKeys)
	// CrashSecret makes the tokens by which this end proves that it lost its state
	// (RFC 6290); it must outlive the crash. nil makes none.
	CrashSecret []byte
	// Tickets makes and reads tickets (RFC 5723), for this machine and the acceptor;
	// nil: no session is resumed.
	Tickets *ticket.Mint
	// Strict makes an illegal state transition panic, for tests. Otherwise it
	// closes the IKE SA with sa.ReasonInternal.
	Strict bool
	// Alter, when set, makes the machine a faulty peer, for tests: it sends what
	// Alter makes of the payloads of a message.
	Alter func(wire.Header, []wire.Payload) []wire.Payload
	// Held, when set, is given the SK_* of each IKE SA themselves, by its local SPI, for
	// tests: they are overwritten when it ends.
	Held func(spi uint64, keys ...[]byte)
}

// Machine is one peer of one connection: all its IKE SAs, old and new during a
// rekey. It is owned by one goroutine.
type Machine struct {
	cfg      Config
	settings *sa.Settings
	random   sansio.Entropy
	desk     sansio.Desk

	// now and out are of the Step that runs.
	now time.Time
	out []sa.Action

	sas      []*ikeSA // the oldest first
	wanted   bool     // Up was asked for, and Down was not since
	retries  map[slot]*retry
	patience map[slot]int          // how often the next audit of a Child SA was put off (audit.go)
	made     map[slot][2]time.Time // when a Child SA of that slot was made last, and before
	removals []removal
	failure  *sa.Failure // the newest
	// redirects is when peers sent us elsewhere lately, and redirection the last
	// one while its address is not known (redirect.go).
	redirects   []time.Time
	redirection *redirection

	authAlone bool // how AUTH is made in the next resumption (resume.go)

	ticket *heldTicket // that the peer gave us, or nil (tickets.go)

	addresses []netip.Addr // those of the settings that this host has (mobike_paths.go)

	strangers sansio.Throttle // of peers that are not authenticated
}

// removal is a child that is closed but still receives for a while, for what
// is on its way.
type removal struct {
	child *sa.Child
	at    time.Time
}

// New makes a machine that has no IKE SA and does nothing until it is told to.
func New(cfg Config) *Machine {
	if cfg.Retransmit == (sa.RetransmitPolicy{}) {
		cfg.Retransmit = sa.DefaultRetransmit
	}
	return &Machine{cfg: cfg, settings: cfg.Settings, addresses: cfg.Settings.LocalAddresses, random: sansio.Entropy{Source: cfg.Random}, retries: map[slot]*retry{}, patience: map[slot]int{}, made: map[slot][2]time.Time{}}
}

// Reconfigure replaces the settings, as of the next Step. Child SAs whose
// selectors are no longer wanted are deleted and new ones made; identities,
// key, proposals and lifetimes count from the next negotiation on.
func (m *Machine) Reconfigure(settings *sa.Settings) {
	before := m.settings
	m.settings = settings
	m.planRedirect(before)
	m.retries = map[slot]*retry{}
	for _, s := range m.sas {
		for _, c := range s.children {
			c.holdAgainst(settings)
		}
	}
}

// Step tells the machine what happened at now and appends to dst what is to be
// done, in order. It is the only way in.
func (m *Machine) Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action {
	m.now, m.out = now, dst
	m.handle(ev)
	m.runTimers()
	m.proceed()
	dst, m.out = m.out, nil
	return dst
}

func (m *Machine) handle(ev sa.Event) {
	switch ev := ev.(type) {
	case sa.Datagram:
		m.datagram(ev)
	case sa.WorkDone:
		m.desk.Finish(ev)
	case sa.Up:
		m.up(ev)
	case sa.Down:
		m.down()
	case sa.Rekey:
		m.rekey(ev)
	case sa.Adopt:
		if h, ok := ev.Half.(*HalfOpen); ok {
			m.adopt(h)
		}
	case sa.TrafficNeeded:
		m.trafficNeeded(ev)
	case sa.LifetimeHit:
		m.lifetimeHit(ev)
	case sa.MoveTo:
		m.moveTo(ev)
	case sa.UnknownSPI:
		m.unknownSPI(ev)
	case sa.Redirected:
		m.redirected(ev)
	case sa.Doubted:
		m.doubted(ev.SPI)
	case sa.EndpointSeen:
		m.endpointSeen(ev)
	case sa.LocalAddress:
		m.localAddress(ev)
	case sa.Synchronize:
		m.synchronize(ev)
	case sa.PathsFound:
		m.tryPaths(ev)
	case sa.ProbePath:
		m.probePath(ev)
	}
}

// datagram leads a message to the IKE SA that it names.
func (m *Machine) datagram(d sa.Datagram) {
	outer, err := wire.ParseMessage(d.Raw)
	if err != nil {
		m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
		return
	}
	for _, s := range m.sas {
		if s.named(outer.Header) {
			s.receive(outer, d)
			return
		}
	}
	m.dropped(d.Remote, sa.ReasonUnknownPeer, "no IKE SA with these SPIs: "+outer.Header.String())
}

// named reports whether a message of the peer belongs to the IKE SA. The
// Initiator flag must tell the peer's role, so a message of ours that comes
// back is nobody's (RFC 7296 §3.1).
func (s *ikeSA) named(h wire.Header) bool {
	if h.Flags.Initiator() == s.initiator || s.state == gone {
		return false
	}
	if s.initiator {
		return h.InitiatorSPI == s.spiI && (s.spiR == 0 || h.ResponderSPI == s.spiR)
	}
	return h.ResponderSPI == s.spiR && h.InitiatorSPI == s.spiI
}

// down deletes every IKE SA at the peer.
func (m *Machine) down() {
	m.wanted, m.redirection = false, nil
	m.forgetTicket()
	clear(m.retries)
	for _, s := range slices.Clone(m.sas) {
		switch s.state {
		case established, rekeying, superseded:
			s.removeChildren(ending{})
			s.wantDelete = true
		case lingering, deleting, gone:
		case authSent:
			// The peer may have the IKE SA already: it is deleted once the answer
			// comes. A window of one takes no DELETE before (RFC 7296 §2.3).
			if !s.abandoned {
				s.wantDelete, s.window.tries = true, deleteTries
			}
		case adopted:
			// The peer waits for our answer, and would until it gives up.
			s.refuse(wire.ExchangeIKEAuth, *notify(wire.NotifyTemporaryFailure, nil))
			s.drop(causeRefused, ending{})
		default:
			s.drop(causeFailed, ending{})
		}
	}
}

// rekey plans what is asked for. Where the IKE SA is being replaced, the rest comes after
// that.
func (m *Machine) rekey(ev sa.Rekey) {
	for _, s := range m.sas {
		if s.state != established && s.state != rekeying {
			continue
		}
		if ev.Reauthenticate && !m.settings.RespondOnly {
			s.wantReauth = true
		}
		if ev.IKE && s.state == established {
			s.wantRekey, s.rekeyAfter = true, time.Time{}
		}
		for _, c := range s.children {
			if ev.Children && c.state == childInstalled {
				c.wantRekey, c.rekeyAfter = true, time.Time{}
			}
		}
	}
}

// current is the newest IKE SA that can carry exchanges, or nil. One that is to
// go counts only where there is no other.
func (m *Machine) current() *ikeSA { return m.currentOf(func(*ikeSA) bool { return true }) }

// samePeer reports whether o is with the device that s is with.
func (s *ikeSA) samePeer(o *ikeSA) bool { return o.remoteIdentity == s.remoteIdentity }

// currentOf is the same among some of the IKE SAs: those of one of several devices.
func (m *Machine) currentOf(those func(*ikeSA) bool) *ikeSA {
	var last *ikeSA
	for _, s := range m.sas {
		if !those(s) || s.wantDelete || s.state != established && s.state != rekeying || s.contest() != nil {
			continue
		}
		if last == nil || last.lesser || !s.lesser {
			last = s
		}
	}
	return last
}

// busy reports whether an IKE SA is there or being made. One of a peer that did not
// prove who it is does not count: anybody could keep us from starting.
func (m *Machine) busy() bool {
	return m.redirection != nil || slices.ContainsFunc(m.sas, func(s *ikeSA) bool {
		return s.state <= rekeying && s.state != adopted && !s.wantDelete
	})
}

func (m *Machine) do(a sa.Action) { m.out = append(m.out, a) }

func (m *Machine) emit(r sa.Report) { m.do(sa.Emit{Report: r}) }

// fail reports an attempt that failed while other SAs stay as they are.
func (m *Machine) fail(remote netip.AddrPort, f *sa.Failure) {
	m.failure = f
	m.emit(sa.Failed{Connection: m.settings.Name, Remote: remote, Failure: f})
}

func (m *Machine) dropped(remote netip.AddrPort, why sa.Reason, detail string) {
	m.emit(sa.MessageDropped{Connection: m.settings.Name, Remote: remote, Reason: why, Detail: detail})
}

// work runs job for owner elsewhere and then calls then, unless the owner's
// tickets are cancelled before.
func (m *Machine) work(owner any, job *sansio.KeyExchange, then func(sansio.KeyExchanged)) {
	m.do(m.desk.Start(owner, job, func(result any) { then(sansio.Exchanged(result)) }))
}

// later is now and d, of which up to a fraction is taken off at random.
func (m *Machine) later(d time.Duration, fraction float64) time.Time {
	return m.now.Add(time.Duration(float64(d) * (1 - fraction*m.random.Fraction())))
}

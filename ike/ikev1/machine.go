package ikev1

import (
	"io"
	"net/netip"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/sansio"
)

// Config is what a Machine is made of.
type Config struct {
	// Settings is the connection.
	Settings *sa.Settings
	// Random is the only source of entropy. A machine panics when it fails.
	Random io.Reader
	// AllocateSPI reserves an inbound ESP SPI in the data path. The machine gives
	// it back with sa.RemoveChild, whether or not it was ever installed.
	AllocateSPI func() (uint32, error)
	// Accepts asks the data path whether it can carry a Child SA, before what it replaces
	// is given up; nil: it can.
	Accepts func(*sa.Child) error
	// LastInbound is when authentic ESP last came on a Child SA, by its inbound SPI; zero:
	// never. nil: it is not known, and ESP is no sign of life.
	LastInbound func(spiIn uint32) time.Time
	// Retransmit is the schedule of repeated messages; its zero value is
	// sa.DefaultRetransmit.
	Retransmit sa.RetransmitPolicy
	// NATPort is the local and PeerNATPort the peer's port for IKE with the
	// non-ESP marker and for ESP in UDP. Zero is 4500.
	NATPort, PeerNATPort uint16
	// Strict makes an illegal state transition panic, for tests. Otherwise it
	// closes the ISAKMP SA with sa.ReasonInternal.
	Strict bool
}

// Machine is one peer of one connection. It is owned by one goroutine.
type Machine struct {
	cfg      Config
	settings *sa.Settings
	random   sansio.Entropy
	desk     sansio.Desk

	// now and out are of the Step that runs.
	now time.Time
	out []sa.Action

	sas      []*ikeSA // the oldest first
	children []*child // the oldest first; they outlive the SA that made them
	quicks   []*quick // running, or kept to repeat their last message
	removals []removal
	retries  map[string]*retry
	variants map[string]variant      // of the groups that are offered
	made     map[string][2]time.Time // when a Child SA of that name was made last, and before
	wanted   bool                    // Up was asked for, and Down was not since
	path     path                    // where the peer was last
	renewAt  time.Time               // when to make an ISAKMP SA for Child SAs that have none
	failure  *sa.Failure             // the newest

	assigned  netip.Addr // that one end gave the other inside of the tunnel
	logins    logins
	strangers sansio.Throttle // of peers that are not authenticated
}

// path is the two ends that a message passes between.
type path struct{ local, remote netip.AddrPort }

// removal is a Child SA that is closed but still receives for a while, for what
// is on its way.
type removal struct {
	child *sa.Child
	at    time.Time
}

// New makes a machine that has no SA and does nothing until it is told to.
func New(cfg Config) *Machine {
	if cfg.Retransmit == (sa.RetransmitPolicy{}) {
		cfg.Retransmit = sa.DefaultRetransmit
	}
	return &Machine{cfg: cfg, settings: cfg.Settings, random: sansio.Entropy{Source: cfg.Random},
		retries: map[string]*retry{}, variants: map[string]variant{}, made: map[string][2]time.Time{}}
}

// Reconfigure replaces the settings, as of the next Step. Child SAs that are no
// longer wanted are deleted; the rest counts from the next negotiation on.
func (m *Machine) Reconfigure(settings *sa.Settings) {
	m.settings = settings
	m.retries = map[string]*retry{}
	for _, c := range m.children {
		if !m.wants(c) {
			c.wantDelete = true
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
		m.trafficNeeded(ev.Flow)
	case sa.LifetimeHit:
		m.lifetimeHit(ev)
	case sa.EndpointSeen:
		m.endpointSeen(ev)
	case sa.UnknownSPI:
		m.unknownSPI(ev.SPI)
	}
}

// up starts a phase 1 unless one is there or on its way.
func (m *Machine) up(ev sa.Up) {
	m.wanted = true
	m.path = path{ev.Local, ev.Remote}
	if m.current() == nil && !m.negotiating() {
		before := len(m.sas)
		m.startPhaseOne(m.path)
		for _, s := range m.sas[before:] {
			s.firstTries = ev.Tries
		}
	}
}

// down deletes everything at the peer: Child SAs first, while there is an
// ISAKMP SA to say so.
func (m *Machine) down() {
	m.wanted, m.renewAt = false, time.Time{}
	clear(m.retries)
	m.dropQuicks(nil)
	m.deleteChildren(slices.Clone(m.children), ending{})
	for _, s := range slices.Clone(m.sas) {
		if s.state == established || s.state == superseded {
			s.sayDeleted()
		}
		s.drop(causeFinished, ending{})
	}
}

func (m *Machine) rekey(ev sa.Rekey) {
	if ev.IKE {
		if s := m.current(); s != nil {
			s.wantRekey, s.rekeyAfter = true, time.Time{}
		}
	}
	for _, c := range m.children {
		if ev.Children && c.state == childInstalled {
			c.wantRekey, c.rekeyAfter = true, time.Time{}
		}
	}
}

// datagram leads a message to the ISAKMP SA that it names.
func (m *Machine) datagram(d sa.Datagram) {
	msg, err := isakmp.ParseMessage(d.Raw)
	if msg == nil || err != nil {
		m.dropped(d.Remote, sa.ReasonInvalidSyntax, err.Error())
		return
	}
	for _, s := range m.sas {
		if s.named(msg.Header) {
			s.receive(msg, d)
			return
		}
	}
	m.dropped(d.Remote, sa.ReasonUnknownPeer, "no ISAKMP SA with these cookies: "+msg.Header.String())
}

// named reports whether a message belongs to the ISAKMP SA. The responder's
// cookie is not known before its first answer.
func (s *ikeSA) named(h isakmp.Header) bool {
	return h.InitiatorCookie == s.cookieI && (h.ResponderCookie == s.cookieR || s.cookieR == 0)
}

// current is the newest ISAKMP SA that can carry exchanges, or nil.
func (m *Machine) current() *ikeSA {
	for _, s := range slices.Backward(m.sas) {
		if s.state == established && s.completed && !s.lesser {
			return s
		}
	}
	for _, s := range slices.Backward(m.sas) {
		if s.completed && (s.state == established || s.state == superseded) {
			return s
		}
	}
	return nil
}

// unready reports whether an ISAKMP SA is still being made.
func (s *ikeSA) unready() bool {
	return s.state < established || s.state == established && !s.completed
}

// negotiating reports whether a phase 1 of ours is on its way.
func (m *Machine) negotiating() bool {
	return slices.ContainsFunc(m.sas, func(s *ikeSA) bool { return s.initiator && s.unready() })
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

// work runs a Diffie-Hellman job elsewhere and then calls then, unless the
// owner's tickets are cancelled before.
func (m *Machine) work(owner any, job *sansio.KeyExchange, then func(sansio.KeyExchanged)) {
	m.do(m.desk.Start(owner, job, func(result any) { then(sansio.Exchanged(result)) }))
}

// later is now and d, of which up to a fraction is taken off at random.
func (m *Machine) later(d time.Duration, fraction float64) time.Time {
	return m.now.Add(time.Duration(float64(d) * (1 - fraction*m.random.Fraction())))
}

// due reports whether t is set and has come.
func (m *Machine) due(t time.Time) bool { return !t.IsZero() && !m.now.Before(t) }

// endpointSeen follows a peer behind a NAT to where its authentic ESP comes
// from.
func (m *Machine) endpointSeen(ev sa.EndpointSeen) {
	for _, c := range m.children {
		if s := m.current(); c.SPIIn == ev.SPI && s != nil && s.nat.remote {
			s.relocate(ev.Local, ev.Remote)
			return
		}
	}
}

// trafficNeeded makes a missing Child SA at once, whatever its back-off.
func (m *Machine) trafficNeeded(f selector.Flow) {
	if m.current() == nil {
		return
	}
	for _, w := range m.wanting() {
		if m.missing(w.Name) && selector.Compile(w.Local, w.Remote).Outbound(&f) {
			m.retries[w.Name] = &retry{at: m.now}
			m.wanted = true
		}
	}
}

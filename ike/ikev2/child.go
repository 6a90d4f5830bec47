package ikev2

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

const (
	// lifetimeJitter is how much of a lifetime is taken off at random before a
	// rekey, so that the two ends rarely rekey at once.
	lifetimeJitter = 0.1
	// graceTime is how long a replaced Child SA still receives.
	graceTime = 5 * time.Second
	// confirmTime is how long a peer that asked for a Child SA may take to get
	// our answer, unless it asks for something else before: retransmission ends
	// in less. Until then it may not know the Child SA.
	confirmTime = 3 * time.Minute
)

// childState is where a Child SA is in its life, as far as receiving goes.
type childState uint8

const (
	childInstalled childState = iota
	childRekeying             // our CREATE_CHILD_SA that replaces it is being made
	childRekeyed              // the peer replaced it and is to delete it
	childDeleting             // our DELETE is wanted or on its way
)

var childStateNames = [...]string{"installed", "rekeying", "rekeyed", "deleting"}

func (s childState) String() string { return childStateNames[s] }

// outboundState is apart from childState: on a rekey inbound is installed at
// once, and outbound moves when the peer can receive.
type outboundState uint8

const (
	outboundRegistered outboundState = iota
	outboundActive
)

func (s outboundState) String() string {
	if s == outboundActive {
		return "active"
	}
	return "registered"
}

// child is one Child SA pair of an IKE SA.
type child struct {
	*sa.Child
	settings sa.ChildSettings
	state    childState
	outbound outboundState
	// ours says that we made it: our request, the peer's answer.
	ours bool
	// grouped says that others for single workers may stand beside it (resource.go).
	grouped bool
	// stopped says that the data path sends on it no more (resource.go).
	stopped bool
	// redundant is the lesser of two that replaced one Child SA: its maker is
	// to delete it (RFC 7296 §2.8.1).
	redundant bool
	// replaced says that another took its place, so that its end is no loss.
	replaced bool
	// rival is what the peer replaces this Child SA with while we do the same.
	rival *childRival

	rekeyAfter            time.Time // not before, after a failed try
	refusals              int       // of rekeys (refused.go)
	confirmedAt           time.Time // before, the peer may not know of it
	auditAt               time.Time // zero: never
	carriedIn, carriedOut uint64    // at the last audit
	carryAt               time.Time // when to look whether the peer knows it (reauth.go); zero: never
	inAuth                bool      // IKE_AUTH made it
	idleAt                time.Time // when to look whether its worker still needs it (resource.go); zero: never
	idleCarried           uint64    // by then
	expireAt              time.Time // zero: never
	wantRekey, wantDelete bool
}

// childRival is the peer's replacement of a Child SA that we replace, too.
type childRival struct {
	lowest []byte // the lower nonce of its exchange
	child  *child // nil while work for it goes on
	lost   bool   // ours won before child was there
}

// agreement is what two ends agreed on for one Child SA.
type agreement struct {
	settings      sa.ChildSettings
	suite         transform.Suite
	spiIn, spiOut uint32
	local, remote selector.List
	noTFC         bool // the peer cannot cut padding off
	transport     *sa.Transport
	// keys are those of the exchange; we says that its initiator is us.
	keys   keymat.ChildKeys
	we     bool
	rekeys uint32
	// resource and grouped are of RFC 9611 (resource.go).
	resource int
	grouped  bool
}

// install makes a Child SA of what was agreed and receives on it. Its outbound
// is registered only. One that the data path does not accept is none.
func (s *ikeSA) install(a *agreement) (*child, *refusal) {
	life := s.m.settings.ChildLifetime
	hard := hardLifetime(life)
	in, out := a.keys.EncryptionR, a.keys.EncryptionI
	inMAC, outMAC := a.keys.IntegrityR, a.keys.IntegrityI
	if !a.we {
		in, out, inMAC, outMAC = out, in, outMAC, inMAC
	}
	c := &child{ours: a.we, grouped: a.grouped, settings: a.settings, Child: &sa.Child{
		Name: a.settings.Name, SPIIn: a.spiIn, SPIOut: a.spiOut, Suite: a.suite,
		EncryptionIn: auth.NewSecret(in), EncryptionOut: auth.NewSecret(out),
		IntegrityIn: auth.NewSecret(inMAC), IntegrityOut: auth.NewSecret(outMAC),
		LocalSelectors: a.local, RemoteSelectors: a.remote,
		Local: s.local, Remote: s.remote, Bare: s.bare(), NoTFC: a.noTFC, Transport: a.transport,
		Soft: s.m.softLifetime(life), Hard: hard,
		EstablishedAt: s.m.now, Rekeys: a.rekeys, Resource: a.resource,
	}}
	a.keys.Erase()
	if refused := s.m.accept(c.Child); refused != nil {
		eraseKeys(c.Child)
		return nil, refused
	}
	if !a.we {
		c.confirmedAt = s.m.now.Add(confirmTime)
	}
	if life.Time > 0 {
		c.RekeyAt = s.m.later(life.Time, lifetimeJitter)
		c.expireAt = s.m.now.Add(c.Hard.Time)
	}
	s.children = append(s.children, c)
	s.deferredAt = time.Time{} // the two ends agree
	delete(s.m.retries, c.slot())
	s.m.made[c.slot()] = [2]time.Time{s.m.now, s.m.made[c.slot()][0]}
	s.watchIdle(c)
	c.holdAgainst(s.m.settings) // a reload may have come since it was asked for
	s.m.do(sa.InstallInbound{Child: c.Child})
	return c, nil
}

// accept asks the data path whether it can carry a Child SA.
func (m *Machine) accept(c *sa.Child) *refusal {
	if m.cfg.Accepts == nil {
		return nil
	}
	err := m.cfg.Accepts(c)
	if err == nil {
		return nil
	}
	return refuse(wire.NotifyNoAdditionalSAs, sa.NotAccepted(c, err))
}

// softLifetime is when to rekey: like the time, the amounts are less by a random
// part, so that the two ends rarely rekey at once.
func (m *Machine) softLifetime(l sa.Lifetime) sa.Lifetime {
	for _, amount := range []*uint64{&l.Bytes, &l.Packets} {
		if *amount > 0 {
			*amount -= uint64(lifetimeJitter * m.random.Fraction() * float64(*amount))
		}
	}
	return l
}

// hardLifetime is a tenth later than the soft one.
func hardLifetime(l sa.Lifetime) sa.Lifetime {
	return sa.Lifetime{Time: l.Time + l.Time/10, Bytes: l.Bytes + l.Bytes/10, Packets: l.Packets + l.Packets/10}
}

// announce reports a Child SA.
func (s *ikeSA) announce(c *child) {
	s.m.emit(sa.ChildEstablished{Connection: s.m.settings.Name, Child: c.Child})
}

// activate sends on c from now on, unless it is to go, or goes with its IKE SA, and what
// stays is sent on already.
func (s *ikeSA) activate(c *child) {
	c.carryAt = time.Time{}
	n := s.m.currentOf(s.samePeer)
	goes := n != nil && n != s && (s.lesser || s.replaced || s.wantDelete)
	if c.wantDelete || goes && find(n.children, func(o *child) bool { return o.slot() == c.slot() && o.outbound == outboundActive }) != nil {
		return
	}
	c.outbound, c.stopped = outboundActive, false
	if c.auditAt.IsZero() && s.m.cfg.Carried != nil && s.m.settings.DPD > 0 {
		c.auditAt = s.m.now.Add(s.m.auditWait(c.slot()))
	}
	s.m.do(sa.ActivateOutbound{Child: c.Child})
	if !goes {
		s.retireGroup(c)
	}
}

// move gives a Child SA other outer addresses. What the data path and others
// hold of it stays as it is.
func (c *child) move(local, remote netip.AddrPort) {
	moved := *c.Child
	moved.Local, moved.Remote = local, remote
	c.Child = &moved
}

// peerReceives is called when the peer asks something new: with a window of
// one it has had our last answer, so it receives on the Child SAs that this
// answer made. Where both replace one Child SA, the nonces decide first. A peer that ends
// the IKE SA may have none of them: its data path did not take them, and the DELETE that
// says so is of all.
func (s *ikeSA) peerReceives() {
	for _, c := range s.children {
		c.confirmedAt = time.Time{}
		if c.outbound == outboundRegistered && !c.ours && !c.stopped && !c.replaced && !c.wantDelete && !s.contested(c) {
			s.activate(c)
		}
	}
}

// contested reports whether c is a rival in a collision that is not decided.
func (s *ikeSA) contested(c *child) bool {
	return slices.ContainsFunc(s.children, func(o *child) bool {
		return o.state == childRekeying && o.rival != nil && o.rival.child == c
	})
}

// removeChild ends one Child SA. A replaced one still receives for a while.
func (s *ikeSA) removeChild(c *child, e ending) {
	i := slices.Index(s.children, c)
	if i < 0 {
		return
	}
	s.children = slices.Delete(s.children, i, i+1)
	for _, o := range s.children {
		if o.rival != nil && o.rival.child == c {
			o.rival = nil // the peer gave up its side of a collision
		}
	}
	if c.outbound == outboundActive {
		s.m.promote(c.slot())
	}
	if e.replaced {
		s.stopAlone(c)
		s.m.retire(c.Child)
	} else {
		s.m.uninstall(c.Child)
	}
	s.m.emit(sa.ChildClosed{
		Connection: s.m.settings.Name, SPIIn: c.SPIIn, SPIOut: c.SPIOut,
		Replaced: e.replaced, Remote: e.remote, Failure: e.failure,
	})
}

// retire has a Child SA that was replaced receive for a while. Where there are too many
// of those the oldest ends.
func (m *Machine) retire(c *sa.Child) {
	if len(m.removals) >= maxRemovals {
		m.uninstall(m.removals[0].child)
		m.removals = m.removals[1:]
	}
	m.removals = append(m.removals, removal{c, m.now.Add(graceTime)})
}

// removeChildren ends all Child SAs of the IKE SA and gives their slots.
func (s *ikeSA) removeChildren(e ending) (slots []slot) {
	for len(s.children) > 0 {
		c := s.children[0]
		slots = append(slots, c.slot())
		c.outbound = outboundRegistered // nothing of this IKE SA takes over
		s.removeChild(c, e)
	}
	return slots
}

// uninstall takes a Child SA out of the data path and erases its keys.
func (m *Machine) uninstall(c *sa.Child) {
	m.out = append(sa.WithoutChild(m.out, c.SPIIn), sa.RemoveChild{SPIIn: c.SPIIn})
	eraseKeys(c)
}

func eraseKeys(c *sa.Child) {
	for _, k := range []auth.Secret{c.EncryptionIn, c.EncryptionOut, c.IntegrityIn, c.IntegrityOut} {
		k.Erase()
	}
}

// drainTime is how long the answer to the DELETE of an IKE SA waits when that moved
// traffic to another: what was sent before is on its way, and some peers stop
// receiving it the moment they have the answer.
const drainTime = 50 * time.Millisecond

// succeed has what this IKE SA sends go by the Child SAs of the others, where they
// have some, and tells whether there was any.
func (s *ikeSA) succeed() (moved bool) {
	if s.rival != nil && s.rival.sa != nil {
		return false // which has the Child SAs
	}
	for _, c := range s.children {
		if c.outbound != outboundActive {
			continue
		}
		if best, on := s.m.successor(c.slot(), s); best != nil {
			best.redundant = false
			on.activate(best)
			moved = true
		}
	}
	return moved
}

// successor is the Child SA of a slot that promote chooses, but for those of one
// IKE SA; nil if there is none, or one of the others sends. A worker has that of all
// until the peer knows the one of its own.
func (m *Machine) successor(of slot, but *ikeSA) (best *child, on *ikeSA) {
	for _, s := range m.sas {
		if s == but {
			continue
		}
		for _, c := range s.children {
			if c.slot() != of || c.wantDelete || c.stopped || of.resource > 0 && !c.known() {
				continue
			}
			if c.outbound == outboundActive {
				return nil, nil
			}
			if best == nil || c.known() {
				best, on = c, s
			}
		}
	}
	return best, on
}

// promote makes the newest Child SA of a slot send where none does: what the
// last one that did leaves behind. One that the peer knows goes before those that it
// may not have heard of, and of these the oldest, whose answer had the longest time.
func (m *Machine) promote(of slot) {
	if best, on := m.successor(of, nil); best != nil {
		best.redundant = false
		on.activate(best)
	}
}

// known reports whether the peer receives on c for certain.
func (c *child) known() bool { return c.ours || c.carryAt.IsZero() && c.confirmedAt.IsZero() }

// childByIn and childByOut find a Child SA by one of its SPIs.
func (s *ikeSA) childByIn(spi uint32) *child {
	return find(s.children, func(c *child) bool { return c.SPIIn == spi })
}

func (s *ikeSA) childByOut(spi uint32) *child {
	return find(s.children, func(c *child) bool { return c.SPIOut == spi })
}

func find(cs []*child, is func(*child) bool) *child {
	if i := slices.IndexFunc(cs, is); i >= 0 {
		return cs[i]
	}
	return nil
}

// wantedBy reports whether the settings still ask for what c was made for.
func (c *child) wantedBy(settings *sa.Settings) bool {
	return slices.ContainsFunc(settings.Children, c.settings.Same)
}

// holdAgainst has c end if the settings no longer ask for it.
func (c *child) holdAgainst(settings *sa.Settings) {
	wanted := c.wantedBy(settings)
	if !wanted || c.Resource > lastResource(settings) {
		c.wantDelete = true
		c.replaced = c.replaced || wanted // the first one carries
	}
}

// lowest is the lower of the two nonces of an exchange, compared as RFC 7296
// §2.8.1 says: octet by octet.
func lowest(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}

// lifetimeHit is the data path's word that a Child SA carried as much as it may.
func (m *Machine) lifetimeHit(ev sa.LifetimeHit) {
	for _, s := range m.sas {
		c := s.childByIn(ev.SPI)
		switch {
		case c == nil:
		case ev.Hard:
			s.expireChild(c)
		case c.state == childInstalled:
			c.wantRekey = true
		}
	}
}

// expireChild ends a Child SA that was not replaced in time. It is taken out at
// once; the peer is told.
func (s *ikeSA) expireChild(c *child) {
	if c.state == childRekeyed || c.redundant || c.wantDelete {
		c.wantDelete, c.expireAt = true, time.Time{}
		return
	}
	f := &sa.Failure{
		Reason:  sa.ReasonLifetime,
		Message: "Child SA " + c.Name + " reached its hard lifetime before it was replaced",
		Local:   c.Hard.String(), Remote: s.remote.String(),
		Hint: "rekeys fail or take too long: see the failures before this one",
	}
	if c.refusals > 0 && !s.mayStartOver() {
		s.endOver(f) // RFC 7296 §2.8: the peer may begin anew
		return
	}
	s.m.fail(s.remote, f)
	c.wantDelete = true
	c.expireAt, c.carryAt, c.auditAt, c.idleAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if c.state == childInstalled {
		c.state = childDeleting
	}
	s.m.uninstall(c.Child)
	if c.outbound == outboundActive {
		c.outbound = outboundRegistered
		s.m.promote(c.slot())
	}
}

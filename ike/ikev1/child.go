package ikev1

import (
	"net/netip"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

const (
	// graceTime is how long a replaced Child SA still receives after it was
	// deleted.
	graceTime = 5 * time.Second
	// settleTime is how long we send on the old Child SA after we replaced it.
	// The peer may install the new one only when our last message arrives, and
	// asks for it again after some seconds if it was lost.
	settleTime = 5 * time.Second
	// replacedTime is how long the peer may take to delete a Child SA that it
	// replaced, before we do.
	replacedTime = 60 * time.Second
	// maxChildren bounds the Child SAs of one peer.
	maxChildren = 256
)

// childState is where a Child SA is in its life, as far as receiving goes.
type childState uint8

const (
	childInstalled childState = iota
	childRekeying             // our Quick Mode that replaces it is on its way
	childRekeyed              // another took its place; it waits to be deleted
)

var childStateNames = [...]string{"installed", "rekeying", "rekeyed"}

func (s childState) String() string { return childStateNames[s] }

// child is one Child SA pair. It belongs to the machine: the ISAKMP SA that made
// it may be gone.
type child struct {
	*sa.Child
	settings sa.ChildSettings
	state    childState
	active   bool // we send on it
	ours     bool // our Quick Mode made it
	replaced bool // another took its place, so that its end is no loss
	catchAll bool // a client of Cisco's kind asked for all traffic
	doubtful bool // the peer's, and its last message has not come: it may not have it

	startedAt  time.Time // of its Quick Mode
	activateAt time.Time // when to send on it; zero: nothing is planned
	deleteAt   time.Time // of one that was replaced
	rekeyAfter time.Time // not before, after a failed try
	expireAt   time.Time // zero: never
	wantRekey  bool
	wantDelete bool
}

// agreement is what two ends agreed on for one Child SA.
type agreement struct {
	settings      sa.ChildSettings
	suite         transform.Suite
	spiIn, spiOut uint32
	local, remote selector.List
	life          sa.Lifetime
	bare          bool
	transport     *sa.Transport
	ours          bool
	catchAll      bool
	startedAt     time.Time
	// keys, of which the first two are what the peer sends with
	encryptionIn, integrityIn, encryptionOut, integrityOut []byte
}

// install makes a Child SA of what was agreed and receives on it. One that the data path
// does not accept is none.
func (s *ikeSA) install(a *agreement) (*child, *sa.Failure) {
	m := s.m
	c := &child{ours: a.ours, catchAll: a.catchAll, settings: a.settings, startedAt: a.startedAt, Child: &sa.Child{
		Name: a.settings.Name, SPIIn: a.spiIn, SPIOut: a.spiOut, Suite: a.suite,
		EncryptionIn: auth.NewSecret(a.encryptionIn), EncryptionOut: auth.NewSecret(a.encryptionOut),
		IntegrityIn: auth.NewSecret(a.integrityIn), IntegrityOut: auth.NewSecret(a.integrityOut),
		LocalSelectors: a.local, RemoteSelectors: a.remote,
		Local: s.local, Remote: s.remote, Bare: a.bare, Transport: a.transport,
		Soft: soften(a.life), Hard: a.life, EstablishedAt: m.now,
	}}
	for _, k := range [][]byte{a.encryptionIn, a.integrityIn, a.encryptionOut, a.integrityOut} {
		clear(k)
	}
	if old := m.predecessor(c); old != nil {
		c.Rekeys = old.SPIIn
	}
	if m.cfg.Accepts != nil {
		if err := m.cfg.Accepts(c.Child); err != nil {
			eraseKeys(c.Child)
			return nil, sa.NotAccepted(c.Child, err)
		}
	}
	if a.life.Time > 0 {
		c.RekeyAt = m.later(c.Soft.Time, lifetimeJitter)
		c.expireAt = m.now.Add(a.life.Time)
	}
	c.wantDelete = !m.wants(c) // a reload may have come since it was asked for
	m.children = append(m.children, c)
	delete(m.retries, a.settings.Name)
	m.made[a.settings.Name] = [2]time.Time{m.now, m.made[a.settings.Name][0]}
	m.do(sa.InstallInbound{Child: c.Child})
	return c, nil
}

// soften is when to replace what ends at l, which is the same at both ends: a
// tenth earlier, and jitter.
func soften(l sa.Lifetime) sa.Lifetime {
	return sa.Lifetime{Time: l.Time - l.Time/10, Bytes: l.Bytes - l.Bytes/10, Packets: l.Packets - l.Packets/10}
}

// same reports whether two Child SAs carry the same traffic.
func (c *child) same(o *child) bool {
	return c != o && c.LocalSelectors.Equal(o.LocalSelectors) && c.RemoteSelectors.Equal(o.RemoteSelectors)
}

// predecessor is the newest Child SA that c takes the place of.
func (m *Machine) predecessor(c *child) *child {
	for _, o := range slices.Backward(m.children) {
		if o.same(c) && !o.wantDelete {
			return o
		}
	}
	return nil
}

// succeeded reports whether another Child SA carries what c does.
func (m *Machine) succeeded(c *child) bool {
	return slices.ContainsFunc(m.children, func(o *child) bool { return o.same(c) && !o.wantDelete })
}

// activate sends on c from now on.
func (m *Machine) activate(c *child) {
	c.activateAt = time.Time{}
	if !c.active {
		c.active = true
		m.do(sa.ActivateOutbound{Child: c.Child})
	}
}

// begin puts a new Child SA to use. The peer that made it receives on it
// already. One that we made waits, if another carries the traffic until then: but
// not for a client that has one Child SA, and forgot the old one when it answered.
func (m *Machine) begin(c *child) {
	busy := slices.ContainsFunc(m.children, func(o *child) bool { return o.same(c) && o.active && !o.wantDelete })
	if c.ours && busy && !c.catchAll {
		wait := settleTime
		if c.Hard.Time > 0 {
			wait = min(wait, c.Hard.Time/8)
		}
		c.activateAt = m.now.Add(wait)
	} else {
		m.activate(c)
	}
	m.emit(sa.ChildEstablished{Connection: m.settings.Name, Child: c.Child})
	m.replace(c)
}

// replace settles what c means for those that carry the same traffic. The one whose
// Quick Mode began last stays. Of two whose Quick Modes ran at once, the one with
// the higher SPI stays, and both ends know which. One that was replaced replaces
// none, so that one stays whatever the order in which they are confirmed. One that
// the peer may not have replaces none until it is confirmed.
func (m *Machine) replace(c *child) {
	for _, o := range m.children {
		if c.state == childRekeyed {
			return
		}
		if !o.same(c) || o.state == childRekeyed {
			continue
		}
		old, by := o, c
		atOnce := !o.startedAt.After(c.EstablishedAt) && !c.startedAt.After(o.EstablishedAt)
		if atOnce && rank(o) > rank(c) || !atOnce && o.startedAt.After(c.startedAt) {
			old, by = c, o
		}
		if by.doubtful {
			continue
		}
		wait := replacedTime
		if by.ours {
			wait = 2 * settleTime
		}
		old.state, old.replaced, old.wantRekey = childRekeyed, true, false
		old.deleteAt = m.now.Add(wait)
	}
}

// rank orders Child SAs that were made at once, the same at both ends.
func rank(c *child) uint64 {
	lo, hi := uint64(min(c.SPIIn, c.SPIOut)), uint64(max(c.SPIIn, c.SPIOut))
	return hi<<32 | lo
}

// move gives a Child SA other outer addresses. What the data path and others
// hold of it stays as it is. In transport mode the addresses are what it is for.
func (c *child) move(local, remote netip.AddrPort) {
	moved := *c.Child
	c.wantDelete = c.wantDelete || c.Transport != nil && (local.Addr() != c.Local.Addr() || remote.Addr() != c.Remote.Addr())
	moved.Local, moved.Remote = local, remote
	c.Child = &moved
}

// shorten has a Child SA end no later than after so long.
func (c *child) shorten(life time.Duration) {
	shorter := *c.Child
	shorter.RekeyAt = earlier(c.RekeyAt, c.EstablishedAt.Add(life*9/10))
	c.Child = &shorter
	c.expireAt = earlier(c.expireAt, c.EstablishedAt.Add(life))
}

// removeChild ends one Child SA here. A replaced one still receives for a
// while.
func (m *Machine) removeChild(c *child, e ending) {
	i := slices.Index(m.children, c)
	if i < 0 {
		return
	}
	m.children = slices.Delete(m.children, i, i+1)
	if c.active {
		m.promote(c)
	}
	if e.replaced {
		m.removals = append(m.removals, removal{c.Child, m.now.Add(graceTime)})
	} else {
		m.uninstall(c.Child)
	}
	m.emit(sa.ChildClosed{
		Connection: m.settings.Name, SPIIn: c.SPIIn, SPIOut: c.SPIOut,
		Replaced: e.replaced, Remote: e.remote, Failure: e.failure,
	})
}

// promote makes the newest Child SA that carries the same traffic send where
// none does, and one that the peer may not have only where there is no other.
func (m *Machine) promote(gone *child) {
	var best *child
	for _, c := range m.children {
		if !c.same(gone) || c.wantDelete {
			continue
		}
		if c.active {
			return
		}
		if best == nil || best.doubtful || !c.doubtful {
			best = c
		}
	}
	if best != nil {
		if best.doubtful && best.state != childRekeyed { // the peer has it: it deleted the other
			best.replaced, best.deleteAt = false, time.Time{}
		}
		m.activate(best)
	}
}

// deleteChildren ends Child SAs and tells the peer, if there is an ISAKMP SA to
// say so.
func (m *Machine) deleteChildren(cs []*child, e ending) {
	if len(cs) == 0 {
		return
	}
	if s := m.current(); s != nil {
		s.sayChildDeleted(cs)
	}
	for _, c := range cs {
		e := e
		e.replaced = c.replaced
		m.removeChild(c, e)
	}
}

// loseChildren ends all Child SAs with a peer that is gone.
func (m *Machine) loseChildren(f *sa.Failure) {
	for _, c := range m.children {
		c.active = false // nothing takes over
	}
	for _, c := range slices.Clone(m.children) {
		m.removeChild(c, ending{failure: f})
	}
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

// childByIn and childByOut find a Child SA by one of its SPIs.
func (m *Machine) childByIn(spi uint32) *child {
	return find(m.children, func(c *child) bool { return c.SPIIn == spi })
}

func (m *Machine) childByOut(spi uint32) *child {
	return find(m.children, func(c *child) bool { return c.SPIOut == spi })
}

func find(cs []*child, is func(*child) bool) *child {
	if i := slices.IndexFunc(cs, is); i >= 0 {
		return cs[i]
	}
	return nil
}

// wants reports whether the settings still ask for what c was made for.
func (m *Machine) wants(c *child) bool {
	if c.catchAll {
		all, ok := m.catchAll()
		return ok && all.Local.Equal(c.settings.Local) && all.Remote.Equal(c.settings.Remote)
	}
	return slices.ContainsFunc(m.wanting(), c.settings.Same)
}

// lifetimeHit is the data path's word that a Child SA carried as much as it may.
func (m *Machine) lifetimeHit(ev sa.LifetimeHit) {
	c := m.childByIn(ev.SPI)
	switch {
	case c == nil:
	case ev.Hard:
		m.expireChild(c)
	case c.state == childInstalled:
		c.wantRekey = true
	}
}

// expireChild ends a Child SA that was not replaced in time.
func (m *Machine) expireChild(c *child) {
	e := ending{replaced: c.replaced}
	if !c.replaced {
		e.failure = &sa.Failure{
			Reason:  sa.ReasonLifetime,
			Message: "Child SA " + c.Name + " reached its hard lifetime before it was replaced",
			Local:   c.Hard.String(), Remote: c.Remote.String(),
			Hint: "rekeys fail or take too long: see the failures before this one",
		}
		m.fail(c.Remote, e.failure)
	}
	if s := m.current(); s != nil {
		s.sayChildDeleted([]*child{c})
	}
	m.removeChild(c, e)
}

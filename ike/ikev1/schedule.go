package ikev1

import (
	"slices"
	"time"

	"causeway/ike/transform"
)

// retry is the back-off of one missing Child SA.
type retry struct {
	at       time.Time
	failures int
}

const (
	retryFirst = 5 * time.Second
	retryMax   = 5 * time.Minute
	// rekeyWait is the pause after a rekey that failed.
	rekeyWait = 30 * time.Second
	// responderPatience is how long the responder of phase 1 leaves a missing
	// Child SA to its initiator, so that they do not both make it.
	responderPatience = 10 * time.Second
	waitJitter        = 0.5
)

// proceed starts what waits and can begin: ends before replacements before new
// things. One Quick Mode of ours runs at a time.
func (m *Machine) proceed() {
	if m.due(m.renewAt) {
		m.renewAt = time.Time{}
		if m.current() == nil && !m.negotiating() && len(m.children) > 0 {
			m.startPhaseOne(m.path)
		}
	}
	s := m.current()
	if s == nil {
		return
	}
	m.deleteUnwanted()
	if s.wantRekey && !m.now.Before(s.rekeyAfter) && s.state == established && !m.negotiating() {
		s.wantRekey, s.rekeyAfter = false, m.later(rekeyWait, waitJitter)
		m.startPhaseOne(path{s.local, s.remote})
	}
	m.planChildren(s)
	if m.asking() || s.unheard() {
		return
	}
	for _, c := range m.children {
		if c.wantRekey && c.state == childInstalled && !m.now.Before(c.rekeyAfter) {
			c.wantRekey = false
			s.startQuick(c.settings, c)
			return
		}
	}
	for _, w := range m.wanting() {
		if r := m.retries[w.Name]; r != nil && m.due(r.at) && m.missing(w.Name) && m.wanted {
			s.startQuick(w, nil)
			return
		}
	}
}

// deleteUnwanted ends Child SAs that the settings no longer ask for, and those
// that were replaced long enough ago.
func (m *Machine) deleteUnwanted() {
	var ended []*child
	for _, c := range m.children {
		if c.wantDelete || m.due(c.deleteAt) {
			ended = append(ended, c)
		}
	}
	m.deleteChildren(ended, ending{})
}

// asking reports whether a Quick Mode of ours is on its way.
func (m *Machine) asking() bool {
	return slices.ContainsFunc(m.quicks, func(q *quick) bool { return q.ours && q.stage != quickDone })
}

// missing reports whether no Child SA of a name is there, nor one for everything.
func (m *Machine) missing(name string) bool {
	return !slices.ContainsFunc(m.children, func(c *child) bool { return (c.Name == name || c.catchAll) && !c.wantDelete }) &&
		!slices.ContainsFunc(m.quicks, func(q *quick) bool { return q.settings.Name == name && q.stage != quickDone })
}

// planChildren plans Child SAs that are newly missing.
func (m *Machine) planChildren(s *ikeSA) {
	if !m.wanted {
		return
	}
	for _, w := range m.wanting() {
		if m.retries[w.Name] != nil || !m.missing(w.Name) {
			continue
		}
		// One that went twice as soon as it was made is not made again at once,
		// or a peer that deletes it and we would keep each other busy.
		r := &retry{at: m.now}
		if made := m.made[w.Name]; m.now.Sub(made[1]) < retryFirst {
			r.at = made[0].Add(retryFirst)
		}
		if !s.initiator {
			r.at = m.now.Add(responderPatience)
		}
		m.retries[w.Name] = r
	}
}

// nextChild is when the next missing Child SA is to be made; zero: never.
func (m *Machine) nextChild() time.Time {
	var at time.Time
	for _, w := range m.wanting() {
		if r := m.retries[w.Name]; m.wanted && r != nil && m.missing(w.Name) {
			at = earlier(at, r.at)
		}
	}
	return at
}

// postpone plans the next try of a missing Child SA after a failure.
func (m *Machine) postpone(name string) {
	r := m.retries[name]
	if r == nil {
		r = &retry{}
		m.retries[name] = r
	}
	r.at = m.later(min(retryFirst<<min(r.failures, 10), retryMax), waitJitter)
	r.failures++
}

// variant is which of the groups the next offer for a Child SA has.
func (m *Machine) variant(name string) int { return m.variants[name].next }

// nextVariant goes on to another group; false once all were refused, and it
// begins anew.
func (m *Machine) nextVariant(name string) bool {
	groups := map[uint16]bool{}
	for _, s := range combinations(transform.ESP, m.settings.ESPProposals) {
		groups[s.Group.ID] = true
	}
	v := m.variants[name]
	v.next, v.refused = (v.next+1)%max(1, len(groups)), v.refused+1
	if v.refused >= len(groups) {
		v.refused = 0
		m.variants[name] = v
		return false
	}
	m.variants[name] = v
	return true
}

// settled keeps the group that a peer took for the next time.
func (m *Machine) settled(name string) {
	m.variants[name] = variant{next: m.variants[name].next}
}

// variant is the place in the list of groups that a peer is offered.
type variant struct{ next, refused int }

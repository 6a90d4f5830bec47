package ikev2

import (
	"fmt"
	"slices"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Child SAs for single workers (RFC 9611). The first Child SA of some traffic
// selectors is for all workers; where both ends said SA_RESOURCE_INFO when it was
// made, others that are like it in everything but the keys may stand beside it, each
// for one worker of either end. Which worker is each end's own affair. They are made
// when a worker asks, and those that carry nothing any more are deleted by the end
// that asked for them; the first stays, and carries what has no other.
//
// Nobody takes them for one another: what is kept once, missing, replaced or
// preferred is so by slot. When both ends ask at once, both get what they ask for.

// slot is what a machine keeps one Child SA for: a wanted one, and a worker.
type slot struct {
	name     string
	resource int // 0: all workers
}

func (c *child) slot() slot { return slot{c.Name, c.Resource} }

// placement is whom a Child SA that is being made is for.
type placement struct {
	resource int
	grouped  bool // others may stand beside it
	tells    bool // SA_RESOURCE_INFO is in our message
	model    *child
}

const (
	// resourceIdle is how long the Child SA of a worker may carry nothing.
	resourceIdle = 10 * time.Minute
	// maxQueueWait is how long a peer that takes no more is not asked.
	maxQueueWait = 10 * time.Minute
)

// resourceInfo is the notify. It has no data: the peer could use it for debugging
// only, and which worker it is nobody outside needs to know (RFC 9611 §7).
func resourceInfo(tell bool) []wire.Payload {
	if !tell {
		return nil
	}
	return []wire.Payload{notify(wire.NotifySAResourceInfo, nil)}
}

// lastResource is the highest resource that a Child SA may have.
func lastResource(settings *sa.Settings) int {
	if settings.Resources.Most == 0 {
		return 0
	}
	return max(1, settings.Resources.Workers)
}

// shared is the Child SA of a name that is for all workers and may have others
// beside it, or nil; the newest.
func (s *ikeSA) shared(name string) *child {
	for _, c := range slices.Backward(s.children) {
		if c.slot() == (slot{name, 0}) && c.grouped && !c.wantDelete && c.state != childRekeyed && c.state != childDeleting {
			return c
		}
	}
	return nil
}

// alike reports whether what was agreed for another Child SA is what c has: the
// algorithms, the selectors and the mode (RFC 9611 §3). Its key exchange is its own.
func (c *child) alike(suite transform.Suite, local, remote selector.List, transport *sa.Transport) bool {
	return suite.Encryption == c.Suite.Encryption && suite.Integrity == c.Suite.Integrity && suite.ESN == c.Suite.ESN &&
		(transport != nil) == (c.Transport != nil) && local.Equal(c.LocalSelectors) && remote.Equal(c.RemoteSelectors)
}

// ---- as the initiator

// workerNeeds notes that a worker sends on a Child SA that is for all.
func (s *ikeSA) workerNeeds(ev sa.TrafficNeeded) {
	m := s.m
	for _, w := range m.settings.Children {
		of, model := slot{w.Name, ev.Resource}, s.shared(w.Name)
		if ev.Resource > m.settings.Resources.Workers || model == nil || m.retries[of] != nil || !m.missing(of) ||
			!selector.Compile(model.LocalSelectors, model.RemoteSelectors).Outbound(&ev.Flow) {
			continue
		}
		m.retries[of] = &retry{at: m.soonest(of)}
		return
	}
}

// forWorkers calls f for each worker that waits for a Child SA of its own, until it
// says that it is enough.
func (s *ikeSA) forWorkers(f func(w sa.ChildSettings, resource int, at time.Time) (enough bool)) bool {
	m := s.m
	if len(m.retries) == 0 || m.settings.Resources.Most == 0 || len(s.children) >= maxChildren {
		return false
	}
	for _, w := range m.settings.Children {
		for n := 1; n <= m.settings.Resources.Workers; n++ {
			r := m.retries[slot{w.Name, n}]
			if r != nil && m.missing(slot{w.Name, n}) && s.shared(w.Name) != nil && f(w, n, r.at) {
				return true
			}
		}
	}
	return false
}

// createForWorker makes one Child SA that a worker waits for.
func (s *ikeSA) createForWorker() bool {
	return s.forWorkers(func(w sa.ChildSettings, resource int, at time.Time) bool {
		if !s.m.due(at) {
			return false
		}
		s.createChild(w, resource)
		return true
	})
}

// like makes an offer that of a Child SA beside model.
func (o *childOffer) like(model *child) {
	o.model, o.grouped = model, true
	o.local, o.remote = model.LocalSelectors, model.RemoteSelectors
	var same []transform.Proposal
	for _, p := range o.proposals {
		if _, _, err := transform.MatchIgnoringGroup(transform.ESP, []transform.Proposal{model.Suite.Proposal()}, []transform.Proposal{p}); err == nil {
			same = append(same, p)
		}
	}
	if len(same) > 0 {
		o.proposals = same
	}
}

// confirmPlace holds an answer against the Child SA that it is to stand beside.
func (o *childOffer) confirmPlace(msg *message, suite transform.Suite, local, remote selector.List, transport *sa.Transport) error {
	if o.tells && msg.notify(wire.NotifySAResourceInfo) != nil {
		o.grouped = true
	}
	if o.model != nil && !o.model.alike(suite, local, remote, transport) {
		return &refusal{failure: unlike(o.model, suite, local, remote)}
	}
	return nil
}

// superfluous reports whether our worker has got another meanwhile, which the peer asked
// for at the same time. Two would lead packets of two workers here to one there, and so
// all of them in the end. Only the original initiator has none of its own then.
func (s *ikeSA) superfluous(made *child) bool {
	return made.Resource > 0 && made.Rekeys == 0 && s.initiator && find(s.children, func(o *child) bool {
		return o != made && o.slot() == made.slot() && o.state == childInstalled && !o.wantDelete
	}) != nil
}

// noMore heeds a peer that takes no further Child SAs beside the first of a name
// (RFC 9611 §5.2).
func (s *ikeSA) noMore(name string) {
	m := s.m
	for n := 1; n <= m.settings.Resources.Workers; n++ {
		if of := (slot{name, n}); m.missing(of) {
			m.retries[of] = &retry{at: m.later(maxQueueWait, waitJitter)}
		}
	}
	if s.toldFull {
		return
	}
	s.toldFull = true
	m.fail(s.remote, &sa.Failure{
		Reason:  sa.ReasonMaxQueue,
		Message: "the peer takes no more Child SAs for single workers beside Child SA " + name,
		Local:   fmt.Sprintf("esp.per_core: %d, for %d workers", m.settings.Resources.Most, m.settings.Resources.Workers), Remote: wire.NotifyTSMaxQueue.String(),
		Hint: "nothing is lost, the other workers share the first one; allow more at the peer",
	})
}

// ---- as the responder

// place decides whom the Child SA of a request is for: that which it replaces, or
// all, or the worker with the fewest (RFC 9611 §4).
func (s *ikeSA) place(c *childChoice, msg *message, old *child) *refusal {
	most, asked := s.m.settings.Resources.Most, msg.notify(wire.NotifySAResourceInfo) != nil
	c.tells = most > 0 && asked
	c.grouped = c.tells || old != nil && old.grouped
	if old != nil {
		c.resource = old.Resource
		return nil
	}
	model := s.shared(c.settings.Name)
	if !asked || model == nil {
		return nil
	}
	if !model.alike(c.suite, c.local, c.remote, c.transport) {
		return refuse(wire.NotifyNoProposalChosen, unlike(model, c.suite, c.local, c.remote))
	}
	held, pending := s.held(c.settings.Name)
	total := 0
	for _, n := range held {
		total += n
	}
	if total >= most { // none, after a reload
		return refuse(wire.NotifyTSMaxQueue, nil)
	}
	// Where both ends ask for one beside a first pair, the two are best with one and
	// the same worker of each: packets of a worker then lead to answers for it.
	c.resource = max(1, pending)
	for n := range held {
		if held[n] < held[c.resource-1] {
			c.resource = n + 1
		}
	}
	return nil
}

// held is how many Child SAs of a name each worker has, with the one that is being
// asked for, and for whom that is, or 0.
func (s *ikeSA) held(name string) (held []int, pending int) {
	held = make([]int, lastResource(s.m.settings))
	note := func(n int) {
		if n > 0 && n <= len(held) {
			held[n-1]++
		}
	}
	for _, c := range s.children {
		if c.Name == name && !c.wantDelete && c.state != childRekeyed && c.state != childDeleting {
			note(c.Resource)
		}
	}
	if x, ok := s.conducting().(*createExchange); ok && x.offer.rekeys == nil && x.offer.settings.Name == name {
		if note(x.offer.resource); x.offer.resource <= len(held) { // a reload may have left fewer
			pending = x.offer.resource
		}
	}
	return held, pending
}

// unlike is why a Child SA cannot stand beside another.
func unlike(model *child, suite transform.Suite, local, remote selector.List) *sa.Failure {
	say := func(suite transform.Suite, local, remote selector.List) string {
		return suite.String() + ", " + local.String() + " to " + remote.String()
	}
	return &sa.Failure{
		Reason:  sa.ReasonProposalMismatch,
		Message: "a Child SA for a single worker is not like the first one, Child SA " + model.Name,
		Local:   say(model.Suite, model.LocalSelectors, model.RemoteSelectors),
		Remote:  say(suite, local, remote),
		Hint:    "let the peer ask for the same algorithms, traffic selectors and mode as the first time (RFC 9611)",
	}
}

// ---- the end of one

// watchIdle plans the look at a Child SA that one of our workers asked for.
func (s *ikeSA) watchIdle(c *child) {
	if c.Resource > 0 && c.ours && s.m.cfg.Carried != nil {
		c.idleAt = s.m.now.Add(resourceIdle)
	}
}

// judgeIdle deletes the Child SA of a worker that has no use for it any more.
func (s *ikeSA) judgeIdle(c *child) {
	in, out := s.m.cfg.Carried(c.SPIIn)
	if in+out != c.idleCarried || c.state != childInstalled || c.wantDelete || c.wantRekey {
		c.idleCarried, c.idleAt = in+out, s.m.now.Add(resourceIdle)
		return
	}
	c.idleAt = time.Time{}
	c.replaced, c.wantDelete = true, true // the first one carries
	s.stop(c)
}

// stop sends no more on the Child SA of a worker: the first one carries what it did.
func (s *ikeSA) stop(c *child) {
	if c.Resource > 0 && !c.stopped {
		c.stopped, c.outbound = true, outboundRegistered
		s.m.do(sa.StopOutbound{SPIIn: c.SPIIn})
	}
}

// stopAlone does so where c ends and its worker has no other.
func (s *ikeSA) stopAlone(c *child) {
	for _, o := range s.m.sas {
		if find(o.children, func(o *child) bool { return o != c && o.slot() == c.slot() && o.outbound == outboundActive }) != nil {
			return
		}
	}
	s.stop(c)
}

// retireGroup is called when c, which is for all workers, is sent on: those of single
// workers on another IKE SA with the peer end with that, and those of this one count again.
func (s *ikeSA) retireGroup(c *child) {
	if c.Resource > 0 {
		return
	}
	for _, n := range s.m.sas {
		for _, o := range n.children {
			switch {
			case !s.samePeer(n):
			case o.Name != c.Name || o.Resource == 0 || o.wantDelete:
			case n != s:
				n.stop(o)
			case o.stopped:
				s.activate(o)
			}
		}
	}
}

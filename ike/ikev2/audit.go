package ikev2

import (
	"slices"
	"time"

	"causeway/ike/sa"
)

// Two ends that disagree about a Child SA: one lost it and the other does not
// know. IKE does not notice, since the IKE SA is well; traffic goes into nothing
// until the next rekey. Two audits end that, each at the end that can see it.
//
// The end that sends: a Child SA that was sent on for half a liveness interval
// while nothing came back is rekeyed. If all is well that costs one exchange; if
// the peer lost it the answer is CHILD_SA_NOT_FOUND, and another is made. Traffic
// may be one-way by nature, so each time that a rekey found nothing wrong the
// next waits twice as long.
//
// The end that receives: ESP on an SPI that nobody here has is from a peer that
// has it. The peer is told that it is gone with a DELETE, which every peer
// understands, whereas INVALID_SPI (RFC 7296 §1.5) is for the log of most.

// maxAuditPatience bounds how often the wait for the next audit is doubled.
const maxAuditPatience = 12

// audit judges what a Child SA carried since the last time.
func (s *ikeSA) audit(c *child) {
	in, out := s.m.cfg.Carried(c.SPIIn)
	idle := in == c.carriedIn
	silent := out > c.carriedOut && idle
	c.carriedIn, c.carriedOut = in, out
	switch {
	case idle && c.state == childInstalled && !c.wantDelete && s.outdated(c):
		c.replaced, c.wantDelete = true, true
	case !silent && out > 0 && in > 0:
		delete(s.m.patience, c.slot())
	case silent && c.state == childInstalled && c.outbound == outboundActive && !c.redundant && !c.wantDelete:
		c.wantRekey = true
		s.m.patience[c.slot()] = min(s.m.patience[c.slot()]+1, maxAuditPatience)
	}
	c.auditAt = s.m.now.Add(s.m.auditWait(c.slot()))
}

// outdated reports whether a newer Child SA of the IKE SA carries all that c does:
// the peer made it beside c, as one does that lost c.
func (s *ikeSA) outdated(c *child) bool {
	return find(s.children, func(o *child) bool {
		return o.slot() == c.slot() && c.Resource == 0 && o.outbound == outboundActive && !o.wantDelete && o.EstablishedAt.After(c.EstablishedAt) &&
			o.LocalSelectors.Contains(c.LocalSelectors) && o.RemoteSelectors.Contains(c.RemoteSelectors)
	}) != nil
}

// auditWait is how long a Child SA of a slot may be sent on in vain.
func (m *Machine) auditWait(of slot) time.Duration {
	return m.settings.DPD / 2 << m.patience[of]
}

// unknownSPI tells the peer to delete a Child SA that only it has. Where a connection is
// for several devices it is the one that the ESP came from; it may have come from anybody.
func (m *Machine) unknownSPI(ev sa.UnknownSPI) {
	s := m.currentOf(func(s *ikeSA) bool {
		return s.remote.Addr() == ev.Remote.Addr() && (s.remote.Port() == ev.Remote.Port() || ev.Remote.Port() == 0)
	})
	if s == nil || m.knows(ev.SPI) || len(s.orphans) >= maxOrphans {
		return
	}
	orphan := spiBytes(ev.SPI)
	if !slices.ContainsFunc(s.orphans, func(o []byte) bool { return string(o) == string(orphan) }) {
		s.orphans = append(s.orphans, orphan)
	}
}

// knows reports whether an inbound SPI is, was lately, or will be ours.
func (m *Machine) knows(spi uint32) bool {
	if slices.ContainsFunc(m.removals, func(r removal) bool { return r.child.SPIIn == spi }) {
		return true
	}
	for _, s := range m.sas {
		if s.childByIn(spi) != nil || s.reserved == spi {
			return true
		}
		switch x := s.conducting().(type) {
		case *createExchange:
			if x.offer.spi == spi {
				return true
			}
		case *authExchange:
			if x.child != nil && x.child.spi == spi {
				return true
			}
		}
	}
	return false
}

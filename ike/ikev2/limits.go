package ikev2

import (
	"fmt"
	"slices"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// What one peer may make this machine hold. An honest peer stays far below.
const (
	// maxChildren bounds the Child SAs of one IKE SA. Those that others replaced do not
	// count, up to as many again: they wait to be deleted.
	maxChildren = 256
	// maxRemovals bounds the replaced Child SAs that still receive: a peer makes one
	// each time that it rekeys.
	maxRemovals = 4 * maxChildren
	// maxOrphans bounds the Child SAs that the peer is yet to be told to delete.
	maxOrphans = 16
	// maxEstablished bounds the IKE SAs that a peer can have at once: a peer
	// that starts anew again and again loses the oldest.
	maxEstablished = 16
	// maxDevices bounds those of all peers of a connection that is for several: one that
	// has the key may show any number of identities. As many again may be rekeyed.
	maxDevices = 1024
	// maxLingering bounds the closed IKE SAs that still answer; anyone who reaches
	// IKE_AUTH makes one, and a peer as many as it rekeys.
	maxLingering = 32
	// maxInitLen and maxAuthLen bound what the acceptor keeps of a peer that is
	// not authenticated: much more than a peer with every algorithm, or with
	// certificates that are of no use here, sends.
	maxInitLen = 8 << 10
	maxAuthLen = 16 << 10
	// leastInitLen is less than any whole request for an IKE SA has, and more than the
	// answer with a cookie: nobody has us send more to a forged address than he sends.
	leastInitLen = 72
	// lastMessageID is when an IKE SA must be replaced: message IDs never wrap
	// (RFC 7296 §2.2).
	lastMessageID = 1 << 31
)

// crowded refuses another Child SA where there are too many. NO_ADDITIONAL_SAS would
// say that there may be none with other selectors either (RFC 9611 §3). One in place of
// old, unless that is nil, is none more.
func (s *ikeSA) crowded(msg *message, old *child) *refusal {
	n := 0
	for _, c := range s.children {
		if c != old && !c.replaced {
			n++
		}
	}
	switch {
	case n < maxChildren && len(s.children) < 2*maxChildren:
		return nil
	case s.m.settings.Resources.Most > 0 && msg.notify(wire.NotifySAResourceInfo) != nil:
		return refuse(wire.NotifyTSMaxQueue, nil)
	}
	return refuse(wire.NotifyNoAdditionalSAs, &sa.Failure{
		Reason:  sa.ReasonLocalRefused,
		Message: "the peer asks for more Child SAs than one IKE SA may have",
		Local:   fmt.Sprintf("at most %d", maxChildren), Remote: fmt.Sprintf("has %d", len(s.children)),
		Hint: "let the peer ask for fewer, wider traffic selectors",
	})
}

// living are the IKE SAs that were authenticated and not closed, the oldest
// first.
func (m *Machine) living() []*ikeSA {
	return slices.DeleteFunc(slices.Clone(m.sas), func(s *ikeSA) bool { return !s.proven || s.state >= lingering })
}

// stopLingering ends the oldest closed IKE SA where there are too many, before
// another is adopted or closed.
func (m *Machine) stopLingering() {
	closed := slices.DeleteFunc(slices.Clone(m.sas), func(s *ikeSA) bool { return s.state != lingering })
	if len(closed) >= maxLingering {
		closed[0].lingered()
	}
}

// livingOf are those of living whose peer shows that identity: a connection may be for
// several devices.
func (m *Machine) livingOf(identity string) []*ikeSA {
	return slices.DeleteFunc(m.living(), func(s *ikeSA) bool { return s.remoteIdentity != identity })
}

// makeRoom closes the oldest IKE SA of the peer with that identity where it has too many,
// or else of all, before it gets another, as it has just been authenticated.
func (m *Machine) makeRoom(identity string) {
	living, most := m.livingOf(identity), maxEstablished
	if len(living) < most {
		living, most = m.living(), maxDevices
	}
	if len(living) >= most {
		living[0].drop(causeFailed, ending{failure: &sa.Failure{
			Reason:  sa.ReasonDuplicate,
			Message: "the peer made more IKE SAs than it may have at once; the oldest is closed",
			Local:   fmt.Sprintf("at most %d", most), Remote: "identity " + living[0].remoteIdentity,
			Hint: "see whether several devices use one identity",
		}})
	}
}

package ikev2

import (
	"bytes"
	"slices"
	"time"
)

// Two IKE SAs with one peer. They come about when both ends start at once, or
// when the peer lost its state and starts anew; the latter is what
// INITIAL_CONTACT tells (RFC 7296 §2.4).
//
// Both ends must keep the same one. As for rekeys, the IKE SA with the lowest
// of the four nonces of IKE_SA_INIT goes, and its initiator deletes it. Peers
// do it otherwise: some delete their own on INITIAL_CONTACT, some keep both. So
// nothing is decided at once. The loser's initiator waits duplicateWait, the
// other end much longer, and either does nothing if by then only one is left.

const (
	duplicateWait    = 2 * time.Second
	duplicateForeign = 20 * time.Second
	// duplicateProof is how long the peer may take to show that it has the other.
	duplicateProof = 3 * time.Second
	// tidyWait is how long two may stand side by side before they are looked at
	// again.
	tidyWait = time.Minute
)

// supersede looks for other IKE SAs when s was established. since is when s
// began. With INITIAL_CONTACT the peer says that it knew no other one then.
func (m *Machine) supersede(s *ikeSA, initialContact bool, since time.Time) {
	for _, o := range slices.Clone(m.sas) {
		switch {
		case o == s:
		case o.proven && o.remoteIdentity != s.remoteIdentity:
			// Another device: a connection may be for several.
		case o == s.reauthenticates:
			o.lesser = true // reauth.go ends it
		case o.state == nascent || o.state == initSent || o.state == initAnswered:
			// Ours is not known to the peer as more than a half-open one.
			o.drop(causeFailed, ending{})
		case o.state != established && o.state != rekeying || o.lesser:
		case initialContact && o.establishedAt.Before(since):
			// No failure: the peer came back before its absence was noticed.
			o.drop(causeFailed, ending{replaced: true, remote: true})
		case o.establishedAt.Before(since):
			// The peer knows both. One that reauthenticates deletes the older by
			// itself; one whose first message was late keeps both for ever.
			o.lesser = true
			o.duplicateAt = m.now.Add(duplicateForeign)
		default:
			m.chooseDuplicate(s, o)
		}
	}
}

// chooseDuplicate plans the end of the lesser of two IKE SAs that were made at
// the same time.
func (m *Machine) chooseDuplicate(a, b *ikeSA) {
	loser := a
	if bytes.Compare(lowest(b.nonceI, b.nonceR), lowest(a.nonceI, a.nonceR)) < 0 {
		loser = b
	}
	loser.yieldTo()
}

// yieldTo plans the end of an IKE SA as the lesser of two.
func (s *ikeSA) yieldTo() {
	s.lesser = true
	wait := duplicateForeign
	if s.initiator {
		wait = duplicateWait
	}
	s.duplicateAt = s.m.now.Add(wait)
}

// endDuplicate deletes the lesser of two IKE SAs, if the other is still there,
// can carry the same traffic, and the peer still speaks on it: a peer may have
// lost the one that should stay.
func (s *ikeSA) endDuplicate() {
	for _, o := range s.m.sas {
		if o == s || o.remoteIdentity != s.remoteIdentity || o.state != established && o.state != rekeying || o.wantDelete || o.lesser || !o.covers(s) {
			continue
		}
		if !o.spokeAt.After(s.establishedAt) {
			o.wantCheck = true
			s.duplicateAt = s.m.now.Add(duplicateProof)
			return
		}
		s.replaced, s.wantDelete = true, true
		o.takeOver()
		return
	}
	n := s.m.successorOf(s)
	s.lesser = n != nil && n.proven // reauth.go ends it
}

// tidy looks at two IKE SAs that stand side by side though nothing is under way:
// both ends were in the middle of something else when they came about, and took
// neither for the lesser, or each another. By now both ends see the same. One that
// carries nothing that the other does not is the lesser; of two such, the nonces
// tell.
func (s *ikeSA) tidy() {
	s.tidyAt = time.Time{}
	for _, o := range s.m.sas {
		if o == s || !o.settled() || o.remoteIdentity != s.remoteIdentity {
			continue
		}
		s.tidyAt = s.m.now.Add(tidyWait)
		switch {
		case !s.settled():
			continue
		case !s.covers(o) && !o.covers(s):
			s.join(o)
			continue
		}
		s.lesser, o.lesser = false, false
		switch {
		case !s.covers(o):
			s.yieldTo()
		case !o.covers(s):
			o.yieldTo()
		default:
			s.m.chooseDuplicate(s, o)
		}
	}
}

// settled reports whether an IKE SA stands and nothing is planned for it.
func (s *ikeSA) settled() bool {
	return s.state == established && !s.wantDelete && s.duplicateAt.IsZero() && s.reauthenticates == nil && s.m.successorOf(s) == nil
}

// covers reports whether the Child SAs of s carry all that those of o carry; those
// that are to go, or were replaced, count at neither. A peer may keep several IKE SAs for
// several networks.
func (s *ikeSA) covers(o *ikeSA) bool {
	for _, theirs := range o.children {
		if !theirs.stays() {
			continue
		}
		same := func(c *child) bool {
			return c.stays() && c.LocalSelectors.Contains(theirs.LocalSelectors) && c.RemoteSelectors.Contains(theirs.RemoteSelectors)
		}
		if !slices.ContainsFunc(s.children, same) {
			return false
		}
	}
	return true
}

// covered reports whether another IKE SA with the peer carries all that s does, so that
// its end is no loss.
func (s *ikeSA) covered() bool {
	return len(s.children) > 0 && slices.ContainsFunc(s.m.sas, func(o *ikeSA) bool {
		return o != s && s.samePeer(o) && (o.state == established || o.state == rekeying) && !o.wantDelete && o.covers(s)
	})
}

// stays reports whether nothing ends a Child SA yet.
func (c *child) stays() bool { return c.state <= childRekeying && !c.wantDelete }

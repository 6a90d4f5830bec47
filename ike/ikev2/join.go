package ikev2

import (
	"bytes"
	"time"
)

// Two IKE SAs with one peer of which each has Child SAs that the other lacks. They come
// about when both ends start at once, or reauthenticate, and a Child SA is refused for a
// moment. Whoever began the lesser of the two makes on the other what that lacks, as for a
// reauthentication; then the lesser is covered, and goes.
//
// A peer may keep two by intent, and refuse that. Then they stay, and it is asked again
// only after a long time.

// joinWait is how long after a refusal.
const joinWait = time.Hour

// join begins that for s and o.
func (s *ikeSA) join(o *ikeSA) {
	loser, winner := s, o
	if bytes.Compare(lowest(o.nonceI, o.nonceR), lowest(s.nonceI, s.nonceR)) < 0 {
		loser, winner = o, s
	}
	if !loser.origin || s.m.now.Before(loser.joinAfter) {
		return
	}
	loser.lesser = true
	winner.reauthenticates, winner.joins = loser, true
}

// stayApart ends the attempt.
func (s *ikeSA) stayApart() {
	if old := s.reauthenticates; old != nil && s.joins {
		old.lesser, old.joinAfter = false, s.m.now.Add(joinWait)
		s.reauthenticates, s.joins = nil, false
	}
}

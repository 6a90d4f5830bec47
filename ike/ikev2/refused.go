package ikev2

import (
	"errors"
	"time"

	"causeway/ike/sa"
	"causeway/ike/wire"
)

// A peer that keeps refusing what an IKE SA needs. It is tried again for a while;
// then the IKE SA is authenticated anew, which loses nothing and begins with a
// Child SA that IKE_AUTH makes: a peer that refuses every CREATE_CHILD_SA, or whose
// proposals for it differ from ours, takes that one (RFC 7296 §2.8, §4). An end that
// only responds cannot begin anew, and closes the IKE SA when nothing else is left.

const (
	// maxRefusals is how often a rekey is tried before the IKE SA is made anew.
	maxRefusals = 3
	// deferredTime is how long a peer may answer TEMPORARY_FAILURE and nothing else
	// before the two ends are thought to disagree about what there is (RFC 7296 §2.25).
	deferredTime = 3 * time.Minute
	// deferredPause is how long after one such answer the next begins to count anew.
	deferredPause = time.Minute
)

// deferred notes a TEMPORARY_FAILURE, and begins anew after too many.
func (s *ikeSA) deferred() {
	if s.m.now.Sub(s.deferredAt) > deferredPause {
		s.deferredSince = s.m.now
	}
	s.deferredAt = s.m.now
	if s.m.now.Sub(s.deferredSince) < deferredTime {
		return
	}
	s.deferredAt = time.Time{}
	f := &sa.Failure{
		Reason:  sa.ReasonPeerError,
		Message: "the peer has answered nothing but TEMPORARY_FAILURE for " + deferredTime.String() + ": a new IKE SA takes the place of this one",
		Remote:  wire.NotifyTemporaryFailure.String(),
		Hint:    "the peer believes that something is under way which is not; its log says what",
	}
	if s.mayStartOver() {
		s.m.fail(s.remote, f)
		s.wantReauth = true
		return
	}
	s.endOver(f)
}

// refusedRekey counts a rekey that the peer refused for good, and begins anew when
// another try is of no use or would come too late.
func (s *ikeSA) refusedRekey(refusals *int, why wire.NotifyType, again, end time.Time) {
	*refusals++
	late := !end.IsZero() && again.Add(rekeyWait).After(end)
	if (why == wire.NotifyNoAdditionalSAs || *refusals >= maxRefusals || late) && s.mayStartOver() {
		s.wantReauth = true
	}
}

// mayStartOver reports whether this end can make an IKE SA in place of s.
func (s *ikeSA) mayStartOver() bool { return !s.m.settings.RespondOnly }

// refusedChild begins anew where CREATE_CHILD_SA is refused for a Child SA that stood
// before, and no other is there. It does so once until there is one again: a peer that
// refuses it in IKE_AUTH as well would have us begin without end.
func (s *ikeSA) refusedChild(of slot, why wire.NotifyType) {
	tries := maxRefusals
	if why == wire.NotifyNoAdditionalSAs {
		tries = 1
	}
	stood := !s.m.made[of][0].IsZero()
	if stood && len(s.children) == 0 && s.m.retries[of].failures == tries && s.mayStartOver() {
		s.wantReauth = true
	}
}

// notifyIn is the type of the error notify that an error stands for; 0: none.
func notifyIn(err error) wire.NotifyType {
	var n *notifyError
	if errors.As(err, &n) {
		return n.NotifyType
	}
	return 0
}

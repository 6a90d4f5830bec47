package ikev1

import (
	"net/netip"
	"slices"

	"causeway/ike/sa"
	"causeway/ike/sansio"
)

// maxEstablished bounds the ISAKMP SAs that a peer can have at once, and, apart from
// those, the ones that are authenticated and wait for a login: one group's key is enough.
const maxEstablished = 16

// makeRoom closes the oldest of those ISAKMP SAs where there are too many.
func (m *Machine) makeRoom(those func(*ikeSA) bool) {
	all := slices.DeleteFunc(slices.Clone(m.sas), func(s *ikeSA) bool { return !those(s) })
	if len(all) > maxEstablished {
		all[0].drop(causeFinished, ending{failure: &sa.Failure{
			Reason:  sa.ReasonDuplicate,
			Message: "the peer made more ISAKMP SAs than it may have at once; the oldest is closed",
			Local:   "identity " + all[0].localIdentity, Remote: "identity " + all[0].remoteIdentity,
			Hint: "see whether several devices use one identity",
		}})
	}
}

// admit drops a peer where too many wait to be authenticated: s, or one of a source that
// has more. It reports whether s may go on. Nobody is told: IKEv1 has no word for it.
func (s *ikeSA) admit() bool {
	waiting := slices.DeleteFunc(slices.Clone(s.m.sas), func(o *ikeSA) bool { return o.state != adopted || o.held })
	var from []netip.Addr
	for _, o := range waiting {
		from = append(from, o.remote.Addr())
	}
	if out := sansio.Displaced(from, slices.Index(waiting, s)); out >= 0 {
		waiting[out].drop(causeFailed, ending{failure: sansio.Crowded()})
	}
	return s.state == adopted
}

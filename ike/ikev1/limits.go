package ikev1

import (
	"net/netip"
	"slices"

	"causeway/ike/ikev1/isakmp"
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

// crowd ends the attempt of a peer in Aggressive Mode where the key exchanges of too many
// wait to be made: that of h, or of a source that has more. Nothing tells yet whether such
// a peer is where it seems to be. It reports whether h may go on.
func (a *Acceptor) crowd(h *half) bool {
	var waiting []*half
	var from []netip.Addr
	for _, o := range a.halves {
		if o.kind == isakmp.ExchangeAggressive && o.stage == stageSharing {
			waiting, from = append(waiting, o), append(from, o.remote.Addr())
		}
	}
	if out := sansio.Displaced(from, slices.Index(waiting, h)); out >= 0 {
		o := waiting[out]
		a.over(o)
		a.do(sa.ReleaseSPI{SPI: o.cookieR})
		a.dropped(sa.Datagram{Remote: o.remote}, sa.ReasonLocalRefused, sansio.Crowded().Message)
	}
	return h.stage == stageSharing
}

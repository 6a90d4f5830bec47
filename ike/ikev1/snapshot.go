package ikev1

import (
	"slices"

	"causeway/ike/sa"
)

// Snapshot copies the machine's state, without ISAKMP SAs whose peer is not authenticated
// yet: strangers say how many there are.
func (m *Machine) Snapshot() sa.Snapshot {
	out := sa.Snapshot{State: m.state(), LastFailure: m.failure}
	current := m.current()
	if current != nil {
		out.NextRetry = m.nextChild()
	}
	sas := m.sas
	if current != nil { // of two that were made at once it may be the older
		sas = append(slices.DeleteFunc(slices.Clone(sas), func(s *ikeSA) bool { return s == current }), current)
	}
	for _, s := range sas {
		if s.state == adopted || s.state == closing {
			continue
		}
		out.IKE = append(out.IKE, sa.IKEStatus{
			IKEInfo: s.report(), State: s.state.String(), Retransmits: s.repeat.attempt, LastHeard: s.heardAt,
		})
	}
	for _, c := range m.children {
		status := sa.ChildStatus{Child: c.Child, State: c.state.String(), Outbound: "registered"}
		if c.active {
			status.Outbound = "active"
		}
		if current != nil {
			status.IKE = current.localCookie()
		}
		out.Children = append(out.Children, status)
	}
	return out
}

// state is the best that can be said. Child SAs carry traffic with or without
// an ISAKMP SA.
func (m *Machine) state() sa.State {
	if m.current() == nil && len(m.children) == 0 {
		if slices.ContainsFunc(m.sas, func(s *ikeSA) bool { return s.unready() && s.state != adopted }) {
			return sa.StateConnecting
		}
		return sa.StateDown
	}
	if m.current() != nil && m.negotiating() {
		return sa.StateRekeying
	}
	for _, c := range m.children {
		if c.state == childRekeying {
			return sa.StateRekeying
		}
	}
	return sa.StateUp
}

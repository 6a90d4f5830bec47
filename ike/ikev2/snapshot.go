package ikev2

import "causeway/ike/sa"

// Snapshot copies the machine's state. IKE SAs that are closed and only repeat
// their last answer are left out, and those that were given up, and those whose peer is
// not authenticated yet: strangers say how many there are.
func (m *Machine) Snapshot() sa.Snapshot {
	out := sa.Snapshot{State: m.state(), LastFailure: m.failure}
	if m.current() != nil {
		out.NextRetry = m.nextChild()
	}
	for _, s := range m.sas {
		if s.state == adopted || s.state >= lingering || s.state == authSent && s.abandoned {
			continue
		}
		out.IKE = append(out.IKE, sa.IKEStatus{
			IKEInfo: s.report(), State: s.state.String(), Retransmits: s.window.attempt, LastHeard: s.heardAt, Promised: s.state == authSent,
		})
		for _, c := range s.children {
			out.Children = append(out.Children, sa.ChildStatus{
				Child: c.Child, State: c.state.String(), Outbound: c.outbound.String(), IKE: s.localSPI(),
			})
		}
	}
	return out
}

// state is the best that can be said of the IKE SAs.
func (m *Machine) state() sa.State {
	if s := m.current(); s != nil {
		if s.state == rekeying {
			return sa.StateRekeying
		}
		for _, c := range s.children {
			if c.state == childRekeying {
				return sa.StateRekeying
			}
		}
		return sa.StateUp
	}
	out := sa.StateDown
	if m.redirection != nil {
		out = sa.StateConnecting
	}
	for _, s := range m.sas {
		switch {
		case s.state == adopted: // whoever it is: it is nothing of the connection yet
		case s.state == authSent && s.abandoned: // nothing is expected of it
		case s.state < established && !s.wantDelete:
			return sa.StateConnecting
		case s.state < lingering && m.redirection == nil:
			out = sa.StateClosing
		}
	}
	return out
}

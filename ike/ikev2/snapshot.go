package ikev2

import (
	"time"

	"causeway/ike/sa"
)

// State is what a person wants to know about a connection.
type State string

// The states of a connection.
const (
	StateDown       State = "down"
	StateConnecting State = "connecting"
	StateUp         State = "up"
	StateRekeying   State = "rekeying"
	StateClosing    State = "closing"
)

// Snapshot is a copy of what the machine knows, for status.
type Snapshot struct {
	State    State
	IKE      []IKEStatus   // the oldest first
	Children []ChildStatus // the oldest first
	// NextRetry is when the next missing Child SA is tried again; zero: none
	// is missing.
	NextRetry time.Time
	// LastFailure is the newest failure of this machine, or nil.
	LastFailure *sa.Failure
}

// IKEStatus is one IKE SA.
type IKEStatus struct {
	sa.IKEInfo
	State       string // of the state table in states.go
	Retransmits int    // of the request that is waiting for an answer
	LastHeard   time.Time
}

// ChildStatus is one Child SA.
type ChildStatus struct {
	Child    *sa.Child
	State    string // installed, rekeying, rekeyed, deleting
	Outbound string // registered, active
	IKE      uint64 // local SPI of its IKE SA
}

// Snapshot copies the machine's state. IKE SAs that are closed and only repeat
// their last answer are left out.
func (m *Machine) Snapshot() Snapshot {
	out := Snapshot{State: m.state(), LastFailure: m.failure}
	if m.current() != nil {
		out.NextRetry = m.nextChild()
	}
	for _, s := range m.sas {
		if s.state >= lingering {
			continue
		}
		out.IKE = append(out.IKE, IKEStatus{
			IKEInfo: s.report(), State: s.state.String(), Retransmits: s.window.attempt, LastHeard: s.heardAt,
		})
		for _, c := range s.children {
			out.Children = append(out.Children, ChildStatus{
				Child: c.Child, State: c.state.String(), Outbound: c.outbound.String(), IKE: s.localSPI(),
			})
		}
	}
	return out
}

// state is the best that can be said of the IKE SAs.
func (m *Machine) state() State {
	if s := m.current(); s != nil {
		if s.state == rekeying {
			return StateRekeying
		}
		for _, c := range s.children {
			if c.state == childRekeying {
				return StateRekeying
			}
		}
		return StateUp
	}
	out := StateDown
	for _, s := range m.sas {
		switch {
		case s.state < established:
			return StateConnecting
		case s.state < lingering:
			out = StateClosing
		}
	}
	return out
}

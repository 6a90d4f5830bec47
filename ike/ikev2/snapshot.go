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
	IKE      []IKEStatus
	Children []ChildStatus
	// NextRetry is when the next missing Child SA is tried again; zero: none
	// is missing.
	NextRetry time.Time
	// LastFailure is the newest failure of this machine, or nil.
	LastFailure *sa.Failure
}

// IKEStatus is one IKE SA.
type IKEStatus struct {
	sa.IKEInfo
	State       string // of the state table in rules.go
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

// Snapshot copies the machine's state.
func (m *Machine) Snapshot() Snapshot { return Snapshot{State: StateDown} }

package sa

import "time"

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
	IKE      []IKEStatus   // the oldest first; of those that are established, the one in use last
	Children []ChildStatus // the oldest first
	// NextRetry is when the next missing Child SA is tried again; zero: none
	// is missing.
	NextRetry time.Time
	// LastFailure is the newest failure of this machine, or nil.
	LastFailure *Failure
}

// IKEStatus is one IKE SA.
type IKEStatus struct {
	IKEInfo
	State       string // of the version's own state table
	Retransmits int    // of the request that is waiting for an answer
	LastHeard   time.Time
	// Promised says that the peer may have it, and this end has not yet.
	Promised bool
}

// ChildStatus is one Child SA.
type ChildStatus struct {
	Child    *Child
	State    string // installed, rekeying, rekeyed, deleting
	Outbound string // registered, active
	IKE      uint64 // local SPI of its IKE SA
}

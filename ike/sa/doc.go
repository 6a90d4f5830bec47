// Package sa is the vocabulary that the IKE versions, the engine and the
// gateway share: what a connection asks for (Settings), what a machine is told
// (Event), what it wants done (Action), what it says happened (Report), the
// Child SA that a data path installs (Child), and why something failed
// (Reason, Failure).
//
// It holds values only: no I/O, no clock, no state machine. Values are
// immutable once handed over, so they may cross goroutines.
package sa

package ikev1

import "fmt"

// state is where an ISAKMP SA is in its life.
type state uint8

const (
	nascent     state = iota // the initiator of Aggressive Mode makes its key share
	proposed                 // our SA payload is on its way
	sharing                  // the peer chose a suite; our key share is being made
	shared                   // our key share is on its way
	agreeing                 // the shared secret is being computed
	identified               // our identity and proof are on their way
	adopted                  // the responder has the peer's identity and proof to judge
	established              // authenticated
	superseded               // another ISAKMP SA is used; it waits to be deleted
	closing                  // the peer deleted it; messages that it overtook may still come
	gone
)

var stateNames = [...]string{
	"nascent", "proposed", "sharing", "shared", "agreeing", "identified", "adopted", "established", "superseded", "closing", "gone",
}

// String is the name used in status, transcripts and docs/ikev1.md.
func (s state) String() string { return stateNames[s] }

// cause is why an ISAKMP SA changes its state.
type cause string

const (
	causeAnswered      cause = "answered"
	causeKeyReady      cause = "key share ready"
	causeSecretReady   cause = "shared secret ready"
	causeAuthenticated cause = "peer authenticated"
	causeReplaced      cause = "replaced"
	causePeerDeleted   cause = "peer deleted"
	causeFinished      cause = "deleted"
	causeFailed        cause = "failed"
)

// transition is one row of the table.
type transition struct {
	from  state
	cause cause
	to    state
}

// transitions are all that may happen to an ISAKMP SA's state. Besides,
// causeFailed leads from everywhere to gone. docs/ikev1.md draws this table.
var transitions = []transition{
	{nascent, causeKeyReady, shared}, // Aggressive Mode
	{proposed, causeAnswered, sharing},
	{sharing, causeKeyReady, shared},
	{shared, causeAnswered, agreeing},
	{agreeing, causeSecretReady, identified},
	{identified, causeAuthenticated, established},
	{adopted, causeAuthenticated, established},
	{established, causeReplaced, superseded},
	{established, causeFinished, gone},
	{established, causePeerDeleted, closing},
	{superseded, causeFinished, gone},
	{superseded, causePeerDeleted, closing},
	{closing, causeFinished, gone},
}

// next looks a transition up.
func (s state) next(c cause) (state, bool) {
	if c == causeFailed && s != gone {
		return gone, true
	}
	for _, t := range transitions {
		if t.from == s && t.cause == c {
			return t.to, true
		}
	}
	return s, false
}

// illegalTransition is what a strict machine panics with.
type illegalTransition struct {
	from  state
	cause cause
}

func (e illegalTransition) Error() string {
	return fmt.Sprintf("ikev1: no transition from %v by %q", e.from, string(e.cause))
}

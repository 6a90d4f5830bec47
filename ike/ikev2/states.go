package ikev2

import "fmt"

// state is where an IKE SA is in its life.
type state uint8

const (
	nascent      state = iota // the initiator makes its key share
	initSent                  // IKE_SA_INIT is on its way
	initAnswered              // the shared secret is being computed
	intermediate              // additional key exchanges are made
	authSent                  // IKE_AUTH is on its way
	adopted                   // the responder has the first IKE_AUTH to answer
	established
	rekeying   // our CREATE_CHILD_SA that replaces this IKE SA is on its way
	superseded // another IKE SA has its children; it waits to be deleted
	deleting   // our DELETE is on its way
	lingering  // closed; answers what may still be asked for a while
	gone
)

var stateNames = [...]string{
	"nascent", "init_sent", "init_answered", "intermediate", "auth_sent", "adopted", "established",
	"rekeying", "superseded", "deleting", "lingering", "gone",
}

// String is the name used in status, transcripts and docs/negotiation.md.
func (s state) String() string { return stateNames[s] }

// cause is why an IKE SA changes its state.
type cause string

const (
	causeKeyReady      cause = "key share ready"
	causeRetryGroup    cause = "INVALID_KE_PAYLOAD"
	causeInitAnswer    cause = "IKE_SA_INIT answered"
	causeSecretReady   cause = "shared secret ready"
	causeMoreKeys      cause = "more key exchanges agreed"
	causeAuthenticated cause = "peer authenticated"
	causeInherited     cause = "made by a rekey"
	causeRefused       cause = "peer refused"
	causeDistrusted    cause = "peer not authentic"
	causeRekey         cause = "rekey begins"
	causeRekeyFailed   cause = "rekey failed"
	causeReplaced      cause = "replaced"
	causeDelete        cause = "delete"
	causePeerDeleted   cause = "peer deleted"
	causeFinished      cause = "finished"
	causeFailed        cause = "failed"
)

// transition is one row of the table.
type transition struct {
	from  state
	cause cause
	to    state
}

// transitions are all that may happen to an IKE SA's state. Besides, causeFailed
// leads from everywhere to gone. docs/negotiation.md draws this table.
var transitions = []transition{
	{nascent, causeKeyReady, initSent},
	{nascent, causeInherited, established},
	{initSent, causeRetryGroup, nascent},
	{initSent, causeInitAnswer, initAnswered},
	{initAnswered, causeSecretReady, authSent},
	{initAnswered, causeMoreKeys, intermediate},
	{intermediate, causeSecretReady, authSent},
	{authSent, causeAuthenticated, established},
	{authSent, causeDistrusted, deleting},
	{adopted, causeAuthenticated, established},
	{adopted, causeRefused, lingering},
	{established, causeRekey, rekeying},
	{established, causeReplaced, superseded},
	{established, causeDelete, deleting},
	{established, causePeerDeleted, lingering},
	{rekeying, causeRekeyFailed, established},
	{rekeying, causeReplaced, superseded},
	{rekeying, causeDelete, deleting},
	{rekeying, causePeerDeleted, lingering},
	{superseded, causeDelete, deleting},
	{superseded, causePeerDeleted, lingering},
	{deleting, causePeerDeleted, lingering},
	{deleting, causeFinished, lingering},
	{lingering, causeFinished, gone},
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
	return fmt.Sprintf("ikev2: no transition from %v by %q", e.from, string(e.cause))
}

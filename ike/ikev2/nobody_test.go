package ikev2_test

import (
	"fmt"
	"slices"
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/test/transcript"
)

// Where several connections are candidates, a peer that shows an identity of none
// of them is refused by the same steps and the same message as one with a wrong
// key, so that neither the answer nor its time tells which identities there are.
// The person at this end is told the difference.
func TestUnknownIdentityIsRefusedAsAWrongKey(t *testing.T) {
	var seen [][]string
	for reason, change := range map[sa.Reason]func(a *sa.Settings){
		sa.ReasonUnknownPeer:          func(a *sa.Settings) { a.LocalIdentity = transcript.Identity("z.example") },
		sa.ReasonAuthenticationFailed: func(a *sa.Settings) { a.PSK = auth.NewSecret([]byte("another key")) },
	} {
		a, b := transcript.Pair()
		change(a)
		other := *b
		other.Name, other.RemoteIdentity = "other", transcript.Identity("other.example")
		w := transcript.New(a, b, nil)
		w.B.Besides = []*sa.Settings{&other}
		w.A.Up()
		w.Deliver(0)
		w.Deliver(0)
		before := len(w.B.Actions)
		w.Deliver(0)
		var steps []string
		for _, act := range w.B.Actions[before:] {
			switch act := act.(type) {
			case sa.Emit: // what is logged differs
			case sa.Send:
				steps = append(steps, fmt.Sprintf("%T of %d octets", act, len(act.Bytes)))
			default:
				steps = append(steps, fmt.Sprintf("%T", act))
			}
		}
		seen = append(seen, steps)
		i := slices.IndexFunc(w.B.Reports, func(r sa.Report) bool {
			f, ok := r.(sa.Failed)
			return ok && f.Failure.Reason == reason && (f.Connection == "") == (reason == sa.ReasonUnknownPeer)
		})
		if i < 0 {
			t.Errorf("%s is not among b's reports: %+v", reason, w.B.Reports)
		}
	}
	if !slices.Equal(seen[0], seen[1]) || len(seen[0]) < 2 {
		t.Errorf("the steps differ:\n%q\n%q", seen[0], seen[1])
	}
}

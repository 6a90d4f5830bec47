package ikev2_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/test/transcript"
)

// certified is two hosts with certificates of one authority; b asks servers about
// revocation if there is one.
func certified(fetcher auth.Fetcher) *transcript.World {
	a, b := transcript.Pair()
	root := transcript.Trust(nil, transcript.Authorities().Root)
	a.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "a.example"), nil)
	b.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "b.example"), nil)
	a.Trust, b.Trust = root, root.WithRevocation(auth.Revocation{Fetcher: fetcher})
	w := transcript.New(a, b, nil)
	w.A.Retransmit.Tries = 1
	return w
}

// The check of whoever comes is a stranger's work; that of who answers us, the request
// to servers about who has a good certificate, and our signature for him, are not.
func TestWorkOfStrangers(t *testing.T) {
	w := certified(transcript.Responder{Authority: transcript.Authorities().Root, Says: "good"})
	w.A.Up()
	w.DeliverAll()
	kinds := func(actions []sa.Action) (out []string) {
		for _, act := range actions {
			if work, ok := act.(sa.StartWork); ok && fmt.Sprintf("%T", work.Job) != "*sansio.KeyExchange" {
				out = append(out, fmt.Sprintf("%T stranger=%v waits=%v", work.Job, work.Stranger, work.Waits))
			}
		}
		return out
	}
	ofA := []string{"*ikev2.signing stranger=false waits=false", "*ikev2.checking stranger=false waits=false"}
	ofB := []string{"*ikev2.checking stranger=true waits=false", "*ikev2.asking stranger=false waits=true", "*ikev2.signing stranger=false waits=false"}
	if got := kinds(w.A.Actions); !slices.Equal(got, ofA) {
		t.Errorf("a works %q", got)
	}
	if got := kinds(w.B.Actions); !slices.Equal(got, ofB) || !up(w.B) {
		t.Errorf("b works %q", got)
	}
}

// unproven says how many jobs of b are wanted still.
func unproven(w *transcript.World) (n int) {
	for _, act := range w.B.Actions {
		if work, ok := act.(sa.StartWork); ok && work.Stranger {
			select {
			case <-work.Cancelled:
			default:
				n++
			}
		}
	}
	return n
}

// However many come with IKE_AUTH, the proofs that wait to be checked are bounded; who
// comes from few addresses makes room for one from another, and for himself he does not.
func TestUnprovenPeersAreBounded(t *testing.T) {
	w := certified(nil)
	w.B.Leaves = func(work sa.StartWork) bool { return work.Stranger }
	come := func(i int, from string) {
		w.NAT = netip.MustParseAddr(from)
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
	}
	for i := range 90 {
		come(i, "198.51.100.7")
		w.Advance(time.Millisecond, false)
	}
	if n := unproven(w); n != 64 {
		t.Errorf("%d proofs of one address wait to be checked, want 64", n)
	}
	if f := w.A.Snapshot().LastFailure; f == nil || f.Reason != sa.ReasonPeerError {
		t.Errorf("who comes too late hears %v", f)
	}
	if n := len(w.B.Snapshot().IKE); n != 0 {
		t.Errorf("the status shows %d IKE SAs of strangers", n)
	}
	come(100, "198.51.100.8")
	if n := unproven(w); n != 64 || w.A.Snapshot().State != sa.StateConnecting {
		t.Errorf("%d wait to be checked; the one of another address is %v", n, w.A.Snapshot().State)
	}
	w.B.Leaves = nil
	come(101, "198.51.100.9")
	if !up(w.A) || !up(w.B) {
		t.Error("the peer of another address does not come through")
	}
}

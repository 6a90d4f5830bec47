package transcript

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

// certified is two hosts of a version with certificates of one authority; b asks servers
// about revocation if there is one.
func certified(version int, fetcher auth.Fetcher) *World {
	a, b := Pair()
	if version == 1 {
		a, b = PairV1()
	}
	root := Trust(nil, Authorities().Root)
	a.Credentials = Credentials(Authorities().Certificate("p256", "a.example"), nil)
	b.Credentials = Credentials(Authorities().Certificate("p256", "b.example"), nil)
	a.Trust, b.Trust = root, root.WithRevocation(auth.Revocation{Fetcher: fetcher})
	w := New(a, b, nil)
	w.A.Retransmit.Tries = 1
	return w
}

// The check of whoever comes is a stranger's work; that of who answers us, the request
// to servers about who has a good certificate, and our signature for him, are not.
func TestWorkOfStrangers(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("IKEv%d", version), func(t *testing.T) { workOfStrangers(t, version) })
	}
}

func workOfStrangers(t *testing.T, version int) {
	w := certified(version, Responder{Authority: Authorities().Root, Says: "good"})
	w.A.Up()
	w.DeliverAll()
	kinds := func(actions []sa.Action) (out []string) {
		for _, act := range actions {
			if work, ok := act.(sa.StartWork); ok && fmt.Sprintf("%T", work.Job) != "*sansio.KeyExchange" {
				_, job, _ := strings.Cut(fmt.Sprintf("%T", work.Job), ".")
				out = append(out, fmt.Sprintf("%s stranger=%v waits=%v", job, work.Stranger, work.Waits))
			}
		}
		return out
	}
	ofA := []string{"signing stranger=false waits=false", "checking stranger=false waits=false"}
	ofB := []string{"checking stranger=true waits=false", "asking stranger=false waits=true", "signing stranger=false waits=false"}
	if got := kinds(w.A.Actions); !slices.Equal(got, ofA) {
		t.Errorf("a works %q", got)
	}
	if got := kinds(w.B.Actions); !slices.Equal(got, ofB) || w.B.Snapshot().State != sa.StateUp {
		t.Errorf("b works %q", got)
	}
}

// unproven says how many jobs of b are wanted still.
func unproven(w *World) (n int) {
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

// However many come with a proof, those that wait to be checked are bounded; who
// comes from few addresses makes room for one from another, and for himself he does not.
func TestUnprovenPeersAreBounded(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("IKEv%d", version), func(t *testing.T) { unprovenPeersAreBounded(t, version) })
	}
}

func unprovenPeersAreBounded(t *testing.T, version int) {
	w := certified(version, nil)
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
	if f := w.A.Snapshot().LastFailure; version == 2 && (f == nil || f.Reason != sa.ReasonPeerError) { // IKEv1 has no word for it
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
	if w.A.Snapshot().State != sa.StateUp || w.B.Snapshot().State != sa.StateUp {
		t.Error("the peer of another address does not come through")
	}
}

// So are those whose proofs hold and about whom servers are asked.
func TestPeersThatServersAreAskedAboutAreBounded(t *testing.T) {
	w := certified(2, Responder{Authority: Authorities().Root, Says: "good"})
	w.B.Leaves = func(work sa.StartWork) bool { return work.Waits }
	for i := range 70 {
		w.A.Crash()
		w.A.Reseed(uint64(i))
		w.A.Up()
		w.DeliverAll()
	}
	n := 0
	for _, act := range w.B.Actions {
		if work, ok := act.(sa.StartWork); ok && work.Waits {
			select {
			case <-work.Cancelled:
			default:
				n++
			}
		}
	}
	if n != 64 {
		t.Errorf("servers are asked about %d, want 64", n)
	}
}

package ike

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/sa"
)

// TestFailBack has a peer with two addresses, the first of which is away at
// first: the connection comes up on the second, and moves to the first when it is
// back, without a moment in which nothing carries.
func TestFailBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = "192.0.2.3"
		n := newNetwork()
		a, first, spare := n.host(t, left), n.host(t, right), n.host(t, second)
		defer first.close()
		defer spare.close()
		defer a.close()
		away := true
		n.setDrop(func(_, to netip.Addr) bool { return away && to == first.address })
		for _, h := range []*host{first, spare} {
			h.set(connection(t, "to-left", left, "a long shared key", StartOnDemand))
		}
		c := connection(t, "peer", right, "a long shared key", StartAlways)
		c.Settings.AnyRemoteIdentity = true
		c.Settings.RemoteAddresses = append(c.Settings.RemoteAddresses, spare.address)
		c.Remotes = []string{right, second}
		a.set(c)
		time.Sleep(5 * time.Minute)
		at := func() netip.Addr {
			s := a.status("peer")
			if s.State != StateUp && s.State != StateRekeying || len(s.Children) == 0 {
				t.Fatalf("%s, %d Child SAs, %v", s.State, len(s.Children), s.LastFailure)
			}
			return s.Children[len(s.Children)-1].Remote.Addr()
		}
		if at() != spare.address {
			t.Fatalf("it is up on %v", at())
		}
		if s := a.status("peer"); s.LastFailure != nil {
			t.Errorf("that the first address is away is shown as a failure: %v", s.LastFailure)
		}
		n.setDrop(nil)
		for range 16 * 60 {
			time.Sleep(time.Second)
			if _, out := a.data.installed(); out == 0 {
				t.Fatal("nothing carries")
			}
			if at() == first.address && len(a.status("peer").IKE) == 1 {
				return
			}
		}
		r, _ := last[sa.Failed](a)
		t.Fatalf("16 minutes later it is still on %v; last failure %v", at(), r.Failure)
	})
}

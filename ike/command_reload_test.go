package ike

import (
	"net/netip"
	"testing"
	"time"

	"causeway/ike/auth"
)

// TestCommandsOutlastReloads: a reload that makes a connection anew, for the identity is
// another, leaves it down after `down`, and up after `up`.
func TestCommandsOutlastReloads(t *testing.T) {
	identity, err := auth.ParseIdentity(left)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(start StartPolicy) Connection {
		c := connection(t, "to-right", right, "a long shared key", start)
		c.Settings.LocalIdentity = identity // which it has by default
		return c
	}
	for _, start := range []StartPolicy{StartAlways, StartOnDemand} {
		pair(t, start, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
			time.Sleep(5 * time.Second)
			if err := a.engine.Up(t.Context(), "to-right"); err != nil {
				t.Fatal(err)
			}
			before := a.status("to-right").IKE[0].SPIi
			a.set(changed(start))
			time.Sleep(5 * time.Second)
			wantUp(t, a, "to-right")
			if s := a.status("to-right"); !s.Wanted || s.IKE[0].SPIi == before {
				t.Errorf("after up and a reload: %+v", s)
			}
			if err := a.engine.Down(t.Context(), "to-right"); err != nil {
				t.Fatal(err)
			}
			a.set(connection(t, "to-right", right, "a long shared key", start))
			time.Sleep(5 * time.Minute)
			if s := a.status("to-right"); s.Wanted || s.State != StateDown {
				t.Errorf("after down and a reload: %+v", s)
			}
			if err := a.engine.Up(t.Context(), "to-right"); err != nil {
				t.Fatal(err)
			}
			wantUp(t, a, "to-right")
			wantUp(t, b, "to-left")
		})
	}
}

// TestReplacedConnectionStaysInSight: while a connection that is made anew deletes its SAs
// at a peer that does not answer, it is in the status, as wanted as it is to be: its routes
// depend on that. A command waits.
func TestReplacedConnectionStaysInSight(t *testing.T) {
	identity, err := auth.ParseIdentity(left)
	if err != nil {
		t.Fatal(err)
	}
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, n *network, a, b *host) {
		time.Sleep(5 * time.Second)
		wantUp(t, a, "to-right")
		n.setDrop(func(_, _ netip.Addr) bool { return true })
		c := connection(t, "to-right", right, "a long shared key", StartAlways)
		c.Settings.LocalIdentity = identity // which it has by default
		began, set := time.Now(), make(chan time.Duration, 1)
		go func() {
			a.set(c)
			set <- time.Since(began)
		}()
		time.Sleep(time.Second)
		all := a.engine.Status()
		if len(all) != 1 || all[0].Name != "to-right" || !all[0].Wanted {
			t.Errorf("meanwhile the status is %+v", all)
		}
		down := make(chan error, 1)
		go func() { down <- a.engine.Down(t.Context(), "to-right") }()
		if took := <-set; took < 2*time.Second {
			t.Errorf("the reload took %v: it did not wait for the peer, and the test proves nothing", took)
		}
		if err := <-down; err != nil {
			t.Errorf("down meanwhile: %v", err)
		}
		if s := a.status("to-right"); s.Wanted {
			t.Errorf("after that: %+v", s)
		}
	})
}

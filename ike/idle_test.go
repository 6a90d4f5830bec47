package ike

import (
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
	"causeway/ike/sa"
)

func TestIdlenessCountsPackets(t *testing.T) {
	i := idleness{carried: map[uint32]uint64{1: 5}}
	for _, tt := range []struct {
		name string
		seen map[uint32]uint64
		want bool
	}{
		{"nothing", map[uint32]uint64{1: 5}, false},
		{"a packet", map[uint32]uint64{1: 6}, true},
		{"a rekey alone", map[uint32]uint64{1: 5, 2: 0}, false},
		{"a rekey, and a packet", map[uint32]uint64{1: 5, 2: 1}, true},
		{"the old one is gone", map[uint32]uint64{2: 0}, false},
	} {
		if got := i.moved(tt.seen); got != tt.want {
			t.Errorf("%s: moved is %v", tt.name, got)
		}
	}
}

// TestIdleConnectionGoesDown: a connection that a packet brought up goes down when
// none passes any more, not before, and comes up again with the next.
func TestIdleConnectionGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		a, b := net.host(t, "192.0.2.1"), net.host(t, "192.0.2.2")
		defer a.close()
		defer b.close()
		c := connection(t, "b", "192.0.2.2", "a long shared key", StartOnTraffic)
		c.Idle = 5 * time.Minute
		a.set(c)
		b.set(connection(t, "a", "192.0.2.1", "a long shared key", StartOnDemand))
		for range 2 {
			a.engine.TrafficNeeded("b", selector.Flow{}, 0)
			time.Sleep(time.Second)
			for range 20 {
				a.data.sent.Add(1)
				time.Sleep(time.Minute)
				if s := a.status("b"); s.State != StateUp {
					t.Fatalf("a connection that carries packets is %s", s.State)
				}
			}
			time.Sleep(3 * time.Minute)
			if s := a.status("b"); s.State != StateUp {
				t.Fatalf("after four minutes it is %s", s.State)
			}
			time.Sleep(3 * time.Minute)
			if s, there := a.status("b"), b.status("a"); s.State != StateDown || there.State != StateDown || s.LastFailure != nil {
				t.Fatalf("after seven minutes it is %s here and %s there, failure %v", s.State, there.State, s.LastFailure)
			}
			if r, ok := last[sa.WentIdle](a); !ok || r.Connection != "b" {
				t.Error("nobody is told why")
			}
		}
	})
}

// TestIdleSparesWhatIsWanted: a connection that somebody brought up by command
// stays up.
func TestIdleSparesWhatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		a, b := net.host(t, "192.0.2.1"), net.host(t, "192.0.2.2")
		defer a.close()
		defer b.close()
		c := connection(t, "b", "192.0.2.2", "a long shared key", StartOnTraffic)
		c.Idle = time.Minute
		a.set(c)
		b.set(connection(t, "a", "192.0.2.1", "a long shared key", StartOnDemand))
		if err := a.engine.Up(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if s := a.status("b"); s.State != StateUp {
			t.Errorf("it is %s", s.State)
		}
	})
}

package ike

import (
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

// TestSeveralDevicesOnOneConnection has two devices with identities of their own
// on one connection that takes any: the INITIAL_CONTACT of one is not about the
// other (RFC 7296 §2.4).
func TestSeveralDevicesOnOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		hub, one, two := n.host(t, left), n.host(t, right), n.host(t, "192.0.2.3")
		defer hub.close()
		defer one.close()
		defer two.close()
		any := connection(t, "devices", "", "one key for all", StartOnDemand)
		any.Settings.AnyRemoteIdentity = true
		hub.set(any)
		for name, h := range map[string]*host{"one.example": one, "two.example": two} {
			c := connection(t, "hub", left, "one key for all", StartAlways)
			id, err := auth.ParseIdentity(name)
			if err != nil {
				t.Fatal(err)
			}
			c.Settings.LocalIdentity = id
			h.set(c)
			time.Sleep(10 * time.Second)
		}
		first, second := one.status("hub").IKE, two.status("hub").IKE
		time.Sleep(5 * time.Minute)
		for h, before := range map[*host][]sa.IKEInfo{one: first, two: second} {
			if now := h.status("hub"); now.State != StateUp || len(before) != 1 || len(now.IKE) != 1 || now.IKE[0].SPIi != before[0].SPIi {
				t.Errorf("%v: %s with %v, which was %v: the devices evict each other", h.address, now.State, now.IKE, before)
			}
		}
	})
}

// TestStrangerFailsNoCommand: a peer that does not prove who it is may fail at any
// time; a command waits for what it asked for.
func TestStrangerFailsNoCommand(t *testing.T) {
	f := &sa.Failure{Reason: sa.ReasonAuthenticationFailed}
	w := &waiter{}
	if w.observe(sa.Failed{Failure: f, Stranger: true}); w.failed != nil {
		t.Errorf("a stranger's failure ends the command: %v", w.failed)
	}
	if w.observe(sa.Failed{Failure: f}); w.failed != f {
		t.Error("a failure of its own does not end the command")
	}
}

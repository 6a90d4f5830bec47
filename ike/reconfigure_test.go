package ike

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/sa"
)

// TestReconfigureKeepsSAs: what the next negotiation can take up touches no SA
// that is there.
func TestReconfigureKeepsSAs(t *testing.T) {
	for what, change := range map[string]func(c *Connection){
		"secret":       func(c *Connection) { c.Settings.PSK = auth.NewSecret([]byte("another long shared key")) },
		"IKE lifetime": func(c *Connection) { c.Settings.IKELifetime = 2 * time.Hour },
		"ESP lifetime": func(c *Connection) { c.Settings.ChildLifetime.Time = 20 * time.Minute },
		"liveness":     func(c *Connection) { c.Settings.DPD = 5 * time.Second },
		"start":        func(c *Connection) { c.Start = StartOnDemand },
		"another address": func(c *Connection) {
			c.Remotes = append(c.Remotes, "192.0.2.77")
			c.Settings.RemoteAddresses = append(c.Settings.RemoteAddresses, netip.MustParseAddr("192.0.2.77"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
				time.Sleep(5 * time.Second)
				before := a.status("to-right")
				c := connection(t, "to-right", right, "a long shared key", StartAlways)
				change(&c)
				a.set(c)
				time.Sleep(5 * time.Second)
				wantUp(t, a, "to-right")
				wantUp(t, b, "to-left")
				after := a.status("to-right")
				if before.IKE[0].SPIi != after.IKE[0].SPIi || before.Children[0].SPIIn != after.Children[0].SPIIn {
					t.Error("the SAs were replaced")
				}
				if after.Wanted != (c.Start == StartAlways) {
					t.Errorf("wanted: %v", after.Wanted)
				}
			})
		})
	}
}

// TestReconfigureReplacesPeers: with another peer, or another way to it, the
// old SAs end.
func TestReconfigureReplacesPeers(t *testing.T) {
	identity, err := auth.ParseIdentity("left.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Connection){
		"address":       func(c *Connection) { *c = connection(t, "to-right", "192.0.2.77", "a long shared key", StartAlways) },
		"identity":      func(c *Connection) { c.Settings.LocalIdentity = identity },
		"encapsulation": func(c *Connection) { c.Settings.ForceEncapsulation = true },
	} {
		t.Run(what, func(t *testing.T) {
			pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
				time.Sleep(5 * time.Second)
				before := b.status("to-left").IKE[0].SPIi
				c := connection(t, "to-right", right, "a long shared key", StartAlways)
				change(&c)
				a.set(c)
				if s := b.status("to-left"); len(s.IKE) != 0 && s.IKE[0].SPIi == before {
					t.Error("the peer still has the old IKE SA")
				}
			})
		})
	}
}

// TestNewSecretCountsLater: the SAs stay, and the next authentication wants the
// new key.
func TestNewSecretCountsLater(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		const psk = "a newer long shared key"
		a.set(connection(t, "to-right", right, psk, StartAlways))
		time.Sleep(3 * time.Hour) // Child SAs are rekeyed meanwhile
		wantUp(t, a, "to-right")
		// The peer loses its SAs, and still has the old key.
		b.set()
		b.set(connection(t, "to-left", left, "a long shared key", StartOnDemand))
		time.Sleep(10 * time.Minute)
		if f := a.status("to-right").LastFailure; f == nil || f.Reason != sa.ReasonAuthenticationFailed {
			t.Errorf("under different keys: %v", f)
		}
		b.set(connection(t, "to-left", left, psk, StartOnDemand))
		time.Sleep(10 * time.Minute)
		wantUp(t, a, "to-right")
	})
}

// TestNewSelectorsReplaceChildren: the IKE SA stays.
func TestNewSelectorsReplaceChildren(t *testing.T) {
	pair(t, StartAlways, StartOnDemand, func(t *testing.T, _ *network, a, b *host) {
		time.Sleep(5 * time.Second)
		before := a.status("to-right")
		c := connection(t, "to-right", right, "a long shared key", StartAlways)
		narrow := selector.List{selector.FromPrefix(netip.MustParsePrefix("10.2.0.0/16"))}
		c.Settings.Children = []sa.ChildSettings{{Name: "to-right", Local: selector.Any(), Remote: narrow}}
		a.set(c)
		time.Sleep(30 * time.Second)
		after := a.status("to-right")
		if after.State != StateUp || len(after.IKE) != 1 || after.IKE[0].SPIi != before.IKE[0].SPIi {
			t.Fatalf("%+v", after)
		}
		if len(after.Children) != 1 || after.Children[0].RemoteSelectors.String() != narrow.String() {
			t.Errorf("%d Child SAs, %v", len(after.Children), after.Children[0].RemoteSelectors)
		}
		_ = b
	})
}

// TestLateAnswerAfterAReload: a connection is left out while IKE_AUTH is on its way. Set
// returns in its time, and the answer that comes later has the IKE SA deleted at the
// responder, which believes in it.
func TestLateAnswerAfterAReload(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("again %v", again), func(t *testing.T) { lateAnswerAfterAReload(t, again) })
	}
}

// again says that a connection of the name, which waits for a command, is there after the reload.
func lateAnswerAfterAReload(t *testing.T, again bool) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := n.host(t, left), n.host(t, right)
		defer a.close()
		defer b.close()
		b.set(connection(t, "to-left", left, "a long shared key", StartOnDemand))
		var sent atomic.Int32
		n.setDrop(func(from, _ netip.Addr) bool { return from == b.address && sent.Add(1) > 1 })
		a.set(connection(t, "to-right", right, "a long shared key", StartAlways))
		time.Sleep(500 * time.Millisecond)
		wantUp(t, b, "to-left")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wanted []Connection
		if again {
			c := connection(t, "to-right", right, "a long shared key", StartOnDemand)
			c.Settings.MOBIKE = true // no SA survives that
			wanted = append(wanted, c)
		}
		a.engine.Set(ctx, wanted)
		n.setDrop(nil)
		time.Sleep(15 * time.Second)
		if s := b.status("to-left"); s.State != StateDown || len(s.IKE) != 0 {
			t.Errorf("the responder is %s, with %v", s.State, s.IKE)
		}
		if again {
			if s := a.status("to-right"); s.State != StateDown || s.LastFailure != nil {
				t.Errorf("the connection of the same name is %s: %v", s.State, s.LastFailure)
			}
		}
	})
}

package ike

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/auth"
)

// A client that was sent to another gateway keeps its SAs when its connection
// changes in what they survive, such as its key; it does not when the first
// gateway is no longer its peer.
func TestReloadAfterARedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		client, first, second := n.host(t, left), n.host(t, right), n.host(t, "192.0.2.3")
		for _, h := range []*host{client, first, second} {
			defer h.close()
		}
		sends := connection(t, "client", left, "a long shared key", StartOnDemand)
		sends.Settings.RedirectTo = "192.0.2.3"
		first.set(sends)
		takes := connection(t, "client", left, "a long shared key", StartOnDemand)
		takes.Settings.LocalIdentity = auth.FromAddr(netip.MustParseAddr(right))
		second.set(takes)
		follows := func(psk, remote string) Connection {
			c := connection(t, "hub", remote, psk, StartAlways)
			c.Settings.FollowRedirects = true
			return c
		}
		client.set(follows("a long shared key", right))
		time.Sleep(10 * time.Second)
		wantUp(t, client, "hub")
		before := client.status("hub").IKE[0]
		if before.Remote.Addr() != netip.MustParseAddr("192.0.2.3") {
			t.Fatalf("the client is with %v", before.Remote)
		}
		client.set(follows("a new shared key", right))
		time.Sleep(10 * time.Second)
		wantUp(t, client, "hub")
		if now := client.status("hub").IKE[0]; now.SPIi != before.SPIi {
			t.Error("a new key for the next negotiation ended the IKE SA")
		}
		client.set(follows("a new shared key", "192.0.2.9"))
		time.Sleep(10 * time.Second)
		if s := client.status("hub"); s.State == StateUp {
			t.Errorf("with another peer it is %s with %v", s.State, s.IKE)
		}
	})
}

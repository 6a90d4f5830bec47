package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// refusal is a mistake in the configuration of either end, and what our status
// has to say of it.
type refusal struct {
	name string
	// mistake changes what strongSwan is told.
	mistake func(*link.End)
	// initiator and responder are what our end says in that role.
	initiator, responder said
	// established: the IKE SA comes up, its Child SA does not.
	established bool
}

// said is what the status has to hold: the reason, and parts of the message
// with its facts.
type said struct {
	reason        string
	message, hint string
	local, remote string
}

var refusals = []refusal{
	{
		name:    "key",
		mistake: func(e *link.End) { e.PSK = "a key that nobody else in the laboratory knows" },
		initiator: said{"authentication_failed", "the peer refuses our authentication", "the pre-shared key octet by octet",
			"identity a.lab.example", "its log has it"},
		responder: said{"authentication_failed", "the pre-shared key of the peer is another one", "compare the key at both ends",
			"identity a.lab.example", "identity b.lab.example"},
	},
	{
		// strongSwan looks for the identity that we ask for, and finds nobody.
		name:    "its identity",
		mistake: func(e *link.End) { e.LocalIdentity = "c.lab.example" },
		initiator: said{"authentication_failed", "the peer refuses our authentication", "the peer's own identity",
			"peer expected to be b.lab.example", "its log has it"},
		responder: said{"identity_mismatch", "the peer shows identity c.lab.example, expected is b.lab.example", "set the connection's remote identity to c.lab.example",
			"expects b.lab.example", "shows c.lab.example"},
	},
	{
		name:    "our identity",
		mistake: func(e *link.End) { e.RemoteIdentity = "c.lab.example" },
		initiator: said{"authentication_failed", "the peer refuses our authentication", "our identity with the one the peer expects",
			"identity a.lab.example", "its log has it"},
		responder: said{"identity_mismatch", "the peer wants to talk to identity c.lab.example, ours is a.lab.example", "identity",
			"a.lab.example", "c.lab.example"},
	},
	{
		name:    "IKE proposal",
		mistake: func(e *link.End) { e.IKE = []string{"aes128-sha256-modp2048"} },
		initiator: said{"proposal_mismatch", "the peer accepts no proposal for the IKE SA", "compare ike.proposals",
			"aes256gcm16-prfsha384-ecp384", "its log has it"},
		responder: said{"proposal_mismatch", "nothing in common for encryption, prf, key exchange", `add "aes128-sha256-modp2048" to ike.proposals`,
			"aes256gcm16-prfsha384-ecp384", "aes128-sha256-modp2048"},
	},
	{
		name:    "ESP proposal",
		mistake: func(e *link.End) { e.ESP = []string{"aes128-sha256"} },
		initiator: said{"proposal_mismatch", "the peer accepts no proposal for the Child SA", "compare esp.proposals",
			"aes256gcm16", "its log has it"},
		responder: said{"proposal_mismatch", "nothing in common for encryption", `add "aes128-sha256" to esp.proposals`,
			"aes256gcm16", "aes128-sha256"},
		established: true,
	},
	{
		name:    "selectors",
		mistake: func(e *link.End) { e.RemoteNetworks = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")} },
		initiator: said{"selector_mismatch", "the peer accepts none of our traffic selectors", "the local networks of each end",
			"10.1.0.0/24 === 10.2.0.0/24", "its log has it"},
		responder: said{"selector_mismatch", "none of the peer's traffic selectors is ours", "the local networks of each end",
			"10.1.0.0/24 === 10.2.0.0/24", "10.2.0.0/24 === 10.99.0.0/24"},
		established: true,
	},
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, r := range refusals {
		t.Run("initiator/"+r.name, func(t *testing.T) {
			s, a, b := refused(t, r)
			d := s.strongswan(s.GatewayB, b)
			g := s.causeway(s.GatewayA, a)
			r.initiator.check(t, s.failure(g, link.Name, r.initiator.reason))
			s.down(g, d, r.established)
		})
		t.Run("responder/"+r.name, func(t *testing.T) {
			s, a, b := refused(t, r)
			a.Start = false
			g := s.causeway(s.GatewayA, a)
			d := s.strongswan(s.GatewayB, b)
			if err := d.Initiate(s.ctx); err == nil {
				t.Error("strongSwan says that the tunnel is up")
			}
			r.responder.check(t, s.failure(g, link.Name, r.responder.reason))
			s.down(g, d, r.established)
		})
	}
}

// TestUnknownPeer: a peer from an address that no connection has is told of in
// the log, with what to configure.
func TestUnknownPeer(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.Start, a.Remote = false, world.SiteB.Router4
	g := s.causeway(s.GatewayA, a)
	d := s.strongswan(s.GatewayB, b)
	if err := d.Initiate(s.ctx); err == nil {
		t.Error("strongSwan says that the tunnel is up")
	}
	said{"unknown_peer", "no connection for the peer 198.51.100.2 at our address 192.0.2.2", "add a connection with this remote address",
		"", "198.51.100.2"}.check(t, s.logged(g, "unknown_peer"))
	if c := s.status(g, link.Name); c.State != "down" || c.LastError != nil {
		t.Errorf("the connection of another peer is %s", describe(c))
	}
}

// down waits until no Child SA is there, and an IKE SA only if established: the
// next attempt may be under way.
func (s *scene) down(g *gateway.Gateway, d *strongswan.Daemon, established bool) {
	s.t.Helper()
	s.eventually("a connection that is down", func() error {
		c := s.status(g, link.Name)
		list, err := d.SAs(s.ctx)
		if err != nil {
			return err
		}
		if len(c.Children) != 0 || c.State == "up" || c.State == "rekeying" {
			s.t.Errorf("the connection is %s with Child SAs %v", c.State, c.Children)
			return nil
		}
		if (c.IKE != nil) != established || len(strongswan.Up(list)) != 0 {
			return fmt.Errorf("ours is %s with the IKE SA %+v; strongSwan's: %+v", c.State, c.IKE, list)
		}
		return nil
	})
}

func refused(t *testing.T, r refusal) (s *scene, a, b link.End) {
	s = newScene(t)
	a, _ = link.Pair()
	a = networks(a, 0)
	a.PolicyBased = true
	b = a.Peer()
	r.mistake(&b)
	return s, a, b
}

func (w said) check(t *testing.T, e *gateway.Error) {
	t.Helper()
	for _, part := range []struct{ name, text, want string }{
		{"message", e.Message, w.message}, {"hint", e.Hint, w.hint}, {"local", e.Local, w.local}, {"remote", e.Remote, w.remote},
	} {
		if !strings.Contains(part.text, part.want) {
			t.Errorf("last_error.%s is %q and lacks %q", part.name, part.text, part.want)
		}
	}
	if t.Failed() {
		t.Logf("last_error: %+v", *e)
	}
}

// logged waits until the gateway's log has a failure of that reason.
func (s *scene) logged(g *gateway.Gateway, reason string) *gateway.Error {
	s.t.Helper()
	found := new(gateway.Error)
	s.eventually("the failure "+reason+" in the log", func() error {
		text, err := os.ReadFile(g.Log())
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			var entry struct{ Event, Reason, Msg, Ours, Peer, Hint string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Event == "failed" && entry.Reason == reason {
				found = &gateway.Error{Reason: reason, Message: entry.Msg, Local: entry.Ours, Remote: entry.Peer, Hint: entry.Hint}
				return nil
			}
		}
		return errors.New(world.Tail(g.Log(), 3))
	})
	return found
}

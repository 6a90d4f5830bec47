package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/vpnc"
	"causeway/test/lab/world"
)

// clientPool is where vpnc's address is from.
var clientPool = netip.MustParsePrefix("10.9.0.0/29")

// forVpnc is our end of a tunnel that vpnc begins: a group with a key, users, and a
// pool of addresses, for two networks of the site.
func forVpnc() (link.End, vpnc.Settings) {
	a := networks(pairv1(), 0, 1)
	a.Start = false
	a.RemoteNetworks = []netip.Prefix{clientPool}
	a.RemoteIdentity = "keyid:travellers"
	a.IKE, a.ESP = []string{"aes256-sha1-modp1536"}, []string{"aes256-sha1"}
	a.DPD = 2 * time.Second
	a.Keys = "mode: respond-only"
	a.IKEKeys = []string{"aggressive: true", "mode_config: assign",
		"client: {dns: [10.1.0.53, 10.1.0.54], wins: [10.1.0.55], domain: corp.example, split_dns: [corp.example, lab.example], banner: For employees only.}"}
	a.Proof = &link.Proof{Auth: fmt.Sprintf("{psk: %q, xauth: {users: users}}", a.PSK),
		Files: map[string][]byte{"users": []byte("alice:" + loginSecret + "\n")}}
	return a, vpnc.Settings{Gateway: a.Local, Local: a.Remote, Group: "travellers", Secret: a.PSK, User: "alice", Password: loginSecret,
		DHGroup: "dh5", NAT: "natt", DPD: 10 * time.Second}
}

func (s *scene) vpnc(settings vpnc.Settings) *vpnc.Client {
	s.t.Helper()
	requireLack(s.t, vpnc.Missing())
	c, err := vpnc.New(s.GatewayB, s.Dir, settings)
	s.must(err)
	s.must(c.Start())
	return c
}

// TestIKEv1Vpnc: vpnc of Debian is a client of ours, with ESP in UDP and bare. It
// gets all that it asks for, answers our DPD and has its own answered, and follows
// our rekeys; it replaces the ISAKMP SA itself.
func TestIKEv1Vpnc(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct{ nat, encapsulation string }{{"natt", "udp"}, {"force-natt", "udp"}, {"none", "none"}} {
		t.Run(mode.nat, func(t *testing.T) {
			s := newScene(t)
			a, settings := forVpnc()
			settings.NAT = mode.nat
			// vpnc replaces the ISAKMP SA when it wakes, each 9 s, after four fifths of the
			// lifetime; what comes just then it takes for the answer.
			if mode.nat == "natt" {
				a.IKELifetime, a.DPD, settings.DPD = time.Minute, 0, 5*time.Minute
			}
			g := s.causeway(s.GatewayA, a)
			client := s.vpnc(settings)
			told := s.vpncUp(client)
			given := clientPool.Addr().Next()
			for name, want := range map[string]string{
				"INTERNAL_IP4_ADDRESS": given.String(), "INTERNAL_IP4_NETMASK": "255.255.255.248",
				"INTERNAL_IP4_DNS": "10.1.0.53 10.1.0.54", "INTERNAL_IP4_NBNS": "10.1.0.55", "CISCO_BANNER": "For employees only.",
				"CISCO_DEF_DOMAIN": "corp.example", "CISCO_SPLIT_DNS": "corp.example,lab.example", "CISCO_SPLIT_INC": "2",
				"CISCO_SPLIT_INC_0_ADDR": "10.1.0.0", "CISCO_SPLIT_INC_1_ADDR": "10.11.0.0", "CISCO_SPLIT_INC_1_MASKLEN": "24",
			} {
				if told[name] != want {
					t.Errorf("vpnc was told %s=%q, want %q", name, told[name], want)
				}
			}
			c := s.up(g)
			if len(c.Children) != 1 || c.Children[0].Encapsulation != mode.encapsulation || len(c.Children[0].LocalSelectors) != 2 {
				t.Fatalf("the Child SAs are %+v, want one for both networks", c.Children)
			}
			pingAll := func() {
				for _, n := range a.LocalNetworks {
					s.ping(s.GatewayB, world.ClientIn(n), 5)
				}
			}
			pingAll()
			s.must(s.bounded(func(ctx context.Context) error { _, err := g.Command(ctx, "rekey", link.Name, "--child"); return err }))
			s.rekeyed(g, c, false, true)
			pingAll()
			if a.IKELifetime > 0 {
				s.patience = 2 * time.Minute
				s.idly(func() { s.rekeyed(g, c, true, true) })
				pingAll()
			} else {
				s.idly(func() { s.vpncChecked(g) })
			}
			s.must(client.Running())
			_ = s.bounded(client.Stop) // its exit status says that a signal ended it
			s.eventually("no SA of ours", func() error {
				if c := s.status(g, link.Name); len(c.Children) > 0 || c.IKE != nil {
					return fmt.Errorf("%s with %+v", describe(c), c.Children)
				}
				return nil
			})
		})
	}
}

func (s *scene) vpncUp(c *vpnc.Client) (told map[string]string) {
	s.t.Helper()
	s.must(s.bounded(func(ctx context.Context) (err error) {
		told, err = c.Up(ctx)
		return err
	}))
	return told
}

// vpncChecked waits until either end has asked the other whether it is alive, and
// had its answer.
func (s *scene) vpncChecked(g *gateway.Gateway) {
	s.t.Helper()
	s.eventually("DPD of both ends", func() error {
		log, err := os.ReadFile(g.Log())
		s.must(err)
		for _, want := range []string{"-> Informational", "<- Informational"} {
			for _, kind := range []string{"R-U-THERE)", "R-U-THERE-ACK)"} {
				found := false
				for line := range strings.Lines(string(log)) {
					found = found || strings.Contains(line, want) && strings.Contains(line, kind)
				}
				if !found {
					return fmt.Errorf("the log has no %s %s", want, kind)
				}
			}
		}
		return nil
	})
}

// TestIKEv1VpncRefused: what is wrong at vpnc is told at our end.
func TestIKEv1VpncRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		name    string
		mistake func(*vpnc.Settings)
		want    said
	}{
		{"password", func(c *vpnc.Settings) { c.Password = "another" }, said{reason: "authentication_failed", message: "XAUTH", remote: "alice"}},
		{"user", func(c *vpnc.Settings) { c.User = "mallory" }, said{reason: "authentication_failed", message: "XAUTH", remote: "mallory"}},
		{"group", func(c *vpnc.Settings) { c.Group = "strangers" }, said{reason: "identity_mismatch", remote: "strangers"}},
		{"group's key", func(c *vpnc.Settings) { c.Secret = "another key" }, said{reason: "timeout", message: "did not go on after our answer", hint: "pre-shared keys differ"}},
		{"Diffie-Hellman group", func(c *vpnc.Settings) { c.DHGroup = "dh2" }, said{reason: "proposal_mismatch", message: "key exchange", remote: "modp1024"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			s := newScene(t)
			a, settings := forVpnc()
			r.mistake(&settings)
			g := s.causeway(s.GatewayA, a)
			client := s.vpnc(settings)
			r.want.check(t, s.failure(g, link.Name, r.want.reason))
			select {
			case <-client.Done():
			case <-s.ctx.Done():
				t.Error("vpnc goes on")
			}
		})
	}
}

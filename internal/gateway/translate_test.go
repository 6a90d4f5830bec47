package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/config"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// parse is a valid configuration with the given connections.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("test.yaml", []byte(text), Checks())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// one is the only connection of a configuration, as the engine gets it.
func one(t *testing.T, text string) ike.Connection {
	t.Helper()
	all, err := connections(parse(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	return all[0]
}

const key = `    auth: {psk: "long-enough-secret-42"}` + "\n"

func TestMinimalConnection(t *testing.T) {
	c := one(t, `connections:
  azure:
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}
`+key)
	s := c.Settings
	if s.Name != "azure" || c.Start != ike.StartAlways || s.RespondOnly || s.InitiateOnly || !s.ForceEncapsulation {
		t.Errorf("settings %+v", s)
	}
	if !s.LocalIdentity.IsZero() || !s.RemoteIdentity.IsZero() || s.AnyRemoteIdentity {
		t.Errorf("identities %v and %v (any: %v), want those of the addresses", s.LocalIdentity, s.RemoteIdentity, s.AnyRemoteIdentity)
	}
	if d := cmp.Diff([]string{"203.0.113.5"}, c.Remotes); d != "" {
		t.Errorf("remotes (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]netip.Addr{netip.MustParseAddr("203.0.113.5")}, s.RemoteAddresses, cmp.Comparer(sameAddr)); d != "" {
		t.Errorf("remote addresses (-want +got):\n%s", d)
	}
	if got := string(s.PSK.Bytes()); got != "long-enough-secret-42" {
		t.Errorf("pre-shared key of %d bytes", len(got))
	}
	if s.IKELifetime != 8*time.Hour || s.ChildLifetime.Time != time.Hour || s.DPD != 30*time.Second {
		t.Errorf("times %v, %v, %v", s.IKELifetime, s.ChildLifetime.Time, s.DPD)
	}
	if got := s.Children[0].Local.String() + " === " + s.Children[0].Remote.String(); got != "0.0.0.0/0 === 0.0.0.0/0" {
		t.Errorf("route-based selectors %s", got)
	}
	if d := cmp.Diff(transform.DefaultIKEProposals(), s.IKEProposals); d != "" {
		t.Errorf("IKE proposals (-default +got):\n%s", d)
	}
	if d := cmp.Diff(transform.DefaultESPProposals(), s.ESPProposals); d != "" {
		t.Errorf("ESP proposals (-default +got):\n%s", d)
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }

func TestEverythingConfigured(t *testing.T) {
	c := one(t, `gateway:
  identity: hq.example.com
  listen: {addresses: [198.51.100.10]}
connections:
  branch:
    local: {networks: [10.1.0.0/16, 10.9.0.0/16]}
    remote: {address: [branch.example.net, 203.0.113.9], port: 4510, identity: admin@branch.example.com, networks: [10.2.0.0/16]}
    type: policy-based
    start: on-traffic
    mode: initiate-only
    ike: {proposals: [aes128-sha1-modp1024], lifetime: 4h, reauth: 1d, dpd: 10s}
    esp: {proposals: [aes256-sha512], lifetime: 30m, lifetime_bytes: 1GB, lifetime_packets: 5000, replay_window: 256, encapsulation: force}
`+key)
	s := c.Settings
	if got := s.LocalIdentity.String(); got != "hq.example.com" {
		t.Errorf("local identity %s, want the gateway's", got)
	}
	if got := s.RemoteIdentity.String(); got != "admin@branch.example.com" {
		t.Errorf("remote identity %s", got)
	}
	if c.RemotePort != 4510 || s.Reauthentication != 24*time.Hour || s.ChildLifetime.Packets != 5000 {
		t.Errorf("port %d, reauthentication %v, %d packets", c.RemotePort, s.Reauthentication, s.ChildLifetime.Packets)
	}
	if c.Start != ike.StartOnTraffic || !s.InitiateOnly || s.RespondOnly || !s.ForceEncapsulation {
		t.Errorf("start %v, initiate only %v, respond only %v, force %v", c.Start, s.InitiateOnly, s.RespondOnly, s.ForceEncapsulation)
	}
	if s.RemoteAddresses != nil {
		t.Errorf("peers with a DNS name may come from every address, not only from %v", s.RemoteAddresses)
	}
	if d := cmp.Diff([]string{"branch.example.net", "203.0.113.9"}, c.Remotes); d != "" {
		t.Errorf("remotes (-want +got):\n%s", d)
	}
	if got := s.Children[0].Local.String() + " === " + s.Children[0].Remote.String(); got != "10.1.0.0/16, 10.9.0.0/16 === 10.2.0.0/16" &&
		got != "10.1.0.0/16,10.9.0.0/16 === 10.2.0.0/16" {
		t.Errorf("policy-based selectors %s", got)
	}
	if s.ChildLifetime.Bytes != 1e9 || s.ChildLifetime.Time != 30*time.Minute {
		t.Errorf("lifetime of the Child SA %+v", s.ChildLifetime)
	}
	if got := s.IKEProposals[0].String(); len(s.IKEProposals) != 1 || !strings.HasPrefix(got, "aes128-sha1-") {
		t.Errorf("IKE proposals %v", s.IKEProposals)
	}
}

// TestHold: only what waits for traffic keeps the packets that bring it up.
func TestHold(t *testing.T) {
	for _, start := range []config.Start{config.StartAlways, config.StartOnTraffic, config.StartOnDemand} {
		if got := connectionConfig(config.Connection{Start: start}).Hold; got != (start == config.StartOnTraffic) {
			t.Errorf("start %s: hold %v", start, got)
		}
	}
}

func TestIdentities(t *testing.T) {
	for _, c := range []struct {
		what, gateway, local, remote string
		wantLocal, wantRemote        string
		any                          bool
	}{
		{what: "addresses by default", remote: "address: 203.0.113.5"},
		{what: "a peer's DNS name is what it shows", remote: "address: branch.example.net", wantRemote: "branch.example.net"},
		{what: "local over gateway", gateway: "gateway: {identity: gw.example.com}\n", local: "identity: own.example.com, ",
			remote: "address: 203.0.113.5", wantLocal: "own.example.com"},
		{what: "any with an address", remote: "address: 203.0.113.5, identity: any", any: true},
		{what: "any from anywhere", remote: "address: any, identity: any", any: true},
		{what: "from anywhere, by name", remote: "address: any, identity: branch.example.com", wantRemote: "branch.example.com"},
	} {
		s := one(t, c.gateway+`connections:
  c:
    local: {`+c.local+`networks: [10.1.0.0/16]}
    remote: {`+c.remote+`, networks: [10.2.0.0/16]}
`+key).Settings
		text := func(zero bool, s string) string {
			if zero {
				return ""
			}
			return s
		}
		if got := text(s.LocalIdentity.IsZero(), s.LocalIdentity.String()); got != c.wantLocal {
			t.Errorf("%s: local identity %q, want %q", c.what, got, c.wantLocal)
		}
		if got := text(s.RemoteIdentity.IsZero(), s.RemoteIdentity.String()); got != c.wantRemote {
			t.Errorf("%s: remote identity %q, want %q", c.what, got, c.wantRemote)
		}
		if s.AnyRemoteIdentity != c.any {
			t.Errorf("%s: any identity %v, want %v", c.what, s.AnyRemoteIdentity, c.any)
		}
		if fromAnywhere := strings.Contains(c.remote, "address: any"); s.RespondOnly != fromAnywhere {
			t.Errorf("%s: respond only %v", c.what, s.RespondOnly)
		}
	}
}

func TestSelectorsByFamily(t *testing.T) {
	for networks, want := range map[string]string{
		"[10.2.0.0/16]":                    "0.0.0.0/0",
		`["2001:db8:2::/48"]`:              "::/0",
		`[10.2.0.0/16, "2001:db8:2::/48"]`: "0.0.0.0/0 ::/0",
	} {
		s := one(t, "connections:\n  c:\n    remote: {address: 203.0.113.5, networks: "+networks+"}\n"+key).Settings
		got := strings.Join(selectorTexts(s.Children[0].Remote), " ")
		if got != want {
			t.Errorf("%s: %s, want %s", networks, got, want)
		}
	}
}

// TestChecksSpeakTheirOwnersWords: what package config cannot judge comes from
// ike/transform and ike/auth, through Checks.
func TestChecksSpeakTheirOwnersWords(t *testing.T) {
	_, problems := config.Parse("test.yaml", []byte(`connections:
  c:
    remote: {address: 203.0.113.5, identity: "C=", networks: [10.2.0.0/16]}
    ike: {proposals: [aes256-shaw256-modp2048]}
    esp: {proposals: [aes256gcm16-prfsha256]}
`+key), Checks())
	text := problems.String()
	for _, want := range []string{
		"connections.c.remote.identity: \"C=\" is no identity",
		"shaw256", "sha256", // what is unknown, and the near miss
		"connections.c.ike.proposals", "connections.c.esp.proposals",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("problems lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "long-enough-secret") {
		t.Errorf("the key is shown:\n%s", text)
	}
}

// TestReadableTrafficIsWarnedOf: what does not encrypt can be configured, not
// unknowingly.
func TestReadableTrafficIsWarnedOf(t *testing.T) {
	for proposal, warned := range map[string]bool{
		"aes256gcm16": false, "chacha20poly1305": false, "null-sha256": true, "aes128gmac": true, "aes256-null-sha256": true,
	} {
		_, problems := config.Parse("test.yaml", []byte(`connections:
  c:
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}
    esp: {proposals: [`+proposal+`]}
`+key), Checks())
		if problems.Err() != nil || strings.Contains(problems.Warnings().String(), "can read the traffic") != warned {
			t.Errorf("%s: %v", proposal, problems)
		}
	}
}

// TestResources: how many Child SAs for single workers are asked for and taken.
func TestResources(t *testing.T) {
	for _, c := range []struct {
		perCore, workers int
		without          []config.Offload
		want             sa.Resources
	}{
		{0, 4, nil, sa.Resources{}},
		{config.PerCoreAuto, 4, nil, sa.Resources{Workers: 4, Most: 16}},
		{config.PerCoreAuto, 12, nil, sa.Resources{Workers: 12, Most: 24}},
		{config.PerCoreAuto, 1, nil, sa.Resources{Most: 16}}, // the peer may have more
		{config.PerCoreAuto, 4, []config.Offload{config.OffloadSPISteering}, sa.Resources{Most: 16}},
		{3, 4, nil, sa.Resources{Workers: 3, Most: 3}},
		{8, 4, nil, sa.Resources{Workers: 4, Most: 8}},
	} {
		cfg := &config.Config{Gateway: config.Gateway{Workers: c.workers, DisableOffloads: c.without}}
		conn := &config.Connection{ESP: config.ESP{PerCore: c.perCore}}
		if got := resourcesOf(cfg, conn); got != c.want {
			t.Errorf("per_core %d of %d workers without %v: %+v, want %+v", c.perCore, c.workers, c.without, got, c.want)
		}
	}
}

package gateway

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/config"
	"causeway/ike"
	"causeway/ike/transform"
)

// TestProfiles: what each profile proposes is known here, and the page explains
// each.
func TestProfiles(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `profile` \\|.*?\\| ([a-z0-9, -]+) or ([a-z0-9-]+) \\|").FindStringSubmatch(read(t, "../../docs/configuration.md"))
	if row == nil {
		t.Fatal("docs/configuration.md has no row for profile")
	}
	names := append(strings.Split(row[1], ", "), row[2])
	if len(names) < 5 {
		t.Fatalf("profiles %v", names)
	}
	page := section(t, read(t, "../../docs/configuration.md"), "Profiles")
	for _, name := range names {
		text := fmt.Sprintf(`connections:
  a:
    profile: %s
    local: {networks: [10.1.0.0/16, 10.9.0.0/16]}
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16, 10.3.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
`, name)
		cfg, problems := config.Parse("test.yaml", []byte(text), Checks())
		if err := problems.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all, err := connections(cfg, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		children := 1
		if cfg.Connections[0].Type == config.PolicyBased {
			children = 4
		}
		if n := len(all[0].Settings.Children); n != children {
			t.Errorf("%s: %d Child SAs, want %d", name, n, children)
		}
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/configuration.md does not explain profile %s", name)
		}
	}
}

// TestAzureOverIKEv1: what Azure's gateways use with IKEv1 by default.
func TestAzureOverIKEv1(t *testing.T) {
	profile := func(name string) ike.Connection {
		return one(t, fmt.Sprintf(`connections:
  a:
    profile: %s
    local: {networks: [10.1.0.0/16]}
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
`, name))
	}
	policy := profile("azure-policy-based")
	for what, differ := range map[string]string{
		"policy-based, IKE": cmp.Diff([]string{"aes256-sha256-modp1024", "aes256-sha1-modp1024", "aes128-sha1-modp1024", "3des-sha1-modp1024"}, words(policy.Settings.IKEProposals)),
		"policy-based, ESP": cmp.Diff([]string{"aes256-sha256", "aes256-sha1", "aes128-sha1", "3des-sha1"}, words(policy.Settings.ESPProposals)), // no group: no PFS
	} {
		if differ != "" {
			t.Errorf("%s (-want +got):\n%s", what, differ)
		}
	}
	s := policy.Settings
	if s.Version != 1 || s.Aggressive || s.IKELifetime != 28800*time.Second || s.ChildLifetime.Time != 3600*time.Second || policy.Idle != 5*time.Minute || policy.Start == ike.StartAlways {
		t.Errorf("policy-based: version %d, lifetimes %v and %v, idle %v", s.Version, s.IKELifetime, s.ChildLifetime.Time, policy.Idle)
	}
	if local := s.Children[0].Local; len(s.Children) != 1 || local.String() != "10.1.0.0/16" {
		t.Errorf("policy-based: selectors %v", local)
	}
	route := profile("azure-ikev1")
	if s := route.Settings; s.Version != 1 || s.IKELifetime != 28800*time.Second || s.ChildLifetime.Time != 3600*time.Second || route.Idle != 0 || s.Children[0].Local.String() != "0.0.0.0/0" {
		t.Errorf("route-based: %+v, idle %v", s, route.Idle)
	}
}

func words(list []transform.Proposal) (out []string) {
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

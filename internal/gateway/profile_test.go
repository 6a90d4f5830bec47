package gateway

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"causeway/config"
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

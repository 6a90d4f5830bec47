package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/config"
	"causeway/test/lab/world"
)

// readSite reads a site's file with the key that the demonstration would make.
func readSite(t *testing.T, site string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(site + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("socket: "+socket(site)+"\n")) {
		t.Errorf("%s: its socket is not %s", site, socket(site))
	}
	psk := filepath.Join(t.TempDir(), "psk")
	if err := writeSecret(psk); err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(filepath.Join(directory, "psk")), []byte(psk))
	c, problems := config.Parse(site+".yaml", text, config.Checks{})
	if len(problems) > 0 {
		t.Fatalf("%s:\n%v", site, problems)
	}
	if len(c.Connections) != 1 {
		t.Fatalf("%s: %d connections, want 1", site, len(c.Connections))
	}
	return c
}

// TestSites holds the two files to each other and to the network they are for.
func TestSites(t *testing.T) {
	a, b := readSite(t, "site-a"), readSite(t, "site-b")
	for _, side := range []struct {
		name        string
		here, there *config.Config
		site, other world.Site
	}{{"a", a, b, world.SiteA, world.SiteB}, {"b", b, a, world.SiteB, world.SiteA}} {
		t.Run(side.name, func(t *testing.T) {
			here, there := side.here.Connections[0], side.there.Connections[0]
			if diff := cmp.Diff([]netip.Addr{side.site.Outer4}, side.here.Gateway.Listen.Addresses, cmp.Comparer(equalAddr)); diff != "" {
				t.Errorf("listens elsewhere (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]config.Address{{IP: side.other.Outer4}}, here.Remote.Addresses, cmp.Comparer(equalAddr)); diff != "" {
				t.Errorf("the peer is elsewhere (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(there.Local.Networks, here.Remote.Networks, cmp.Comparer(equalPrefix)); diff != "" {
				t.Errorf("the peer has other networks (-want +got):\n%s", diff)
			}
			if here.Remote.Identity != side.there.Gateway.Identity {
				t.Errorf("expects %q, the peer calls itself %q", here.Remote.Identity, side.there.Gateway.Identity)
			}
			if want := []netip.Prefix{side.site.Networks[0], side.site.Networks[2]}; !cmp.Equal(want, here.Local.Networks, cmp.Comparer(equalPrefix)) {
				t.Errorf("networks %v, the client is in %v", here.Local.Networks, want)
			}
		})
	}
}

func equalAddr(a, b netip.Addr) bool     { return a == b }
func equalPrefix(a, b netip.Prefix) bool { return a == b }

func TestSecretIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "psk")
	if err := writeSecret(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() != 33 {
		t.Errorf("mode %v and %d bytes, want 0600 and 33", info.Mode(), info.Size())
	}
}

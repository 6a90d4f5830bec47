package link

import (
	"net/netip"
	"testing"
)

// TestMany: no two connections share a network or a name, however many.
func TestMany(t *testing.T) {
	a, b := Many(MostMany)
	names, networks := map[string]bool{}, map[netip.Prefix]bool{}
	for i := range a {
		for _, n := range []netip.Prefix{a[i].LocalNetworks[0], a[i].RemoteNetworks[0]} {
			if networks[n] || n != n.Masked() {
				t.Fatalf("connection %d has %s again, or it is none", i, n)
			}
			networks[n] = true
		}
		if names[a[i].Name] || b[i].LocalIdentity != a[i].RemoteIdentity || !a[i].Start || b[i].Start {
			t.Fatalf("connection %d: %+v and %+v", i, a[i], b[i])
		}
		names[a[i].Name] = true
	}
}

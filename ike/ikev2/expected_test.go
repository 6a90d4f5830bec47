package ikev2

import (
	"net/netip"
	"testing"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

func TestExpectedIdentity(t *testing.T) {
	peer := netip.MustParseAddr("203.0.113.5")
	branch, err := auth.ParseIdentity("branch.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		settings  sa.Settings
		initiator bool
		want      auth.Identity
	}{
		{"configured", sa.Settings{RemoteIdentity: branch}, true, branch},
		{"by address", sa.Settings{}, true, auth.FromAddr(peer)},
		{"by address, peer starts", sa.Settings{RemoteAddresses: []netip.Addr{peer}}, false, auth.FromAddr(peer)},
		{"peer from anywhere", sa.Settings{}, false, auth.Identity{}},
		{"any", sa.Settings{AnyRemoteIdentity: true, RemoteAddresses: []netip.Addr{peer}}, true, auth.Identity{}},
		{"any, peer starts", sa.Settings{AnyRemoteIdentity: true, RemoteAddresses: []netip.Addr{peer}}, false, auth.Identity{}},
	} {
		if got := expectedID(&c.settings, peer, c.initiator); got != c.want {
			t.Errorf("%s: expects %v, want %v", c.what, got, c.want)
		}
	}
}

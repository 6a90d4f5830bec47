package sa

import (
	"net/netip"
	"testing"

	"causeway/ike/auth"
)

func TestExpectedIdentity(t *testing.T) {
	peer := netip.MustParseAddr("203.0.113.5")
	branch, err := auth.ParseIdentity("branch.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		settings  Settings
		initiator bool
		want      auth.Identity
	}{
		{"configured", Settings{RemoteIdentity: branch}, true, branch},
		{"by address", Settings{}, true, auth.FromAddr(peer)},
		{"by address, peer starts", Settings{RemoteAddresses: []netip.Addr{peer}}, false, auth.FromAddr(peer)},
		{"peer from anywhere", Settings{}, false, auth.Identity{}},
		{"any", Settings{AnyRemoteIdentity: true, RemoteAddresses: []netip.Addr{peer}}, true, auth.Identity{}},
		{"any, peer starts", Settings{AnyRemoteIdentity: true, RemoteAddresses: []netip.Addr{peer}}, false, auth.Identity{}},
	} {
		if got := c.settings.ExpectedID(peer, c.initiator); got != c.want {
			t.Errorf("%s: expects %v, want %v", c.what, got, c.want)
		}
	}
}

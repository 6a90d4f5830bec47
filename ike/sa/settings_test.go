package sa

import (
	"net/netip"
	"testing"
	"time"

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

func TestLifetimeInWords(t *testing.T) {
	for want, l := range map[string]Lifetime{
		"no lifetime is set":                      {},
		"lifetime 1h6m0s":                         {Time: 66*time.Minute + time.Millisecond},
		"lifetime 1h0m0s, 1000 octets, 7 packets": {Time: time.Hour, Bytes: 1000, Packets: 7},
	} {
		if got := l.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

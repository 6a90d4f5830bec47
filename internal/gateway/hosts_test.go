package gateway

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/ike"
	"causeway/ike/sa"
	"causeway/routing"
	"causeway/routing/kernel"
)

const hostFile = `
connections:
  gre:
    remote: {address: [203.0.113.5, 203.0.113.6]}
    auth: {psk: "a key that is long enough"}
    esp: {mode: transport, protocols: [gre, icmp]}
  any:
    remote: {address: any, identity: x.example}
    auth: {psk: "a key that is long enough"}
    esp: {mode: prefer-transport}
  second:
    remote: {address: any, identity: y.example}
    auth: {psk: "a key that is long enough"}
    esp: {mode: transport}
`

func at(local, remote string) []sa.IKEInfo {
	return []sa.IKEInfo{{Local: netip.MustParseAddrPort(local + ":4500"), Remote: netip.MustParseAddrPort(remote + ":4500")}}
}

// TestHosts: the peers of connections in transport mode are what the kernel leads
// into the device, from the address that they know, and sites of the data path; of
// two at one address, one is.
func TestHosts(t *testing.T) {
	cfg := parse(t, hostFile)
	status := []ike.ConnectionStatus{
		{Name: "gre", Wanted: true, State: ike.StateUp, IKE: at("198.51.100.1", "203.0.113.6")},
		{Name: "any", State: ike.StateUp, IKE: at("198.51.100.2", "192.0.2.77")},
		{Name: "second", State: ike.StateUp, IKE: at("198.51.100.2", "192.0.2.77")},
	}
	way := func(netip.Addr) (netip.Addr, error) { return netip.MustParseAddr("198.51.100.9"), nil }
	d := desired(cfg, status, noLine, way, "cw0", 1438)
	a := netip.MustParseAddr
	want := []kernel.Host{
		{Peer: a("203.0.113.5"), Source: a("198.51.100.9"), Protocols: []uint8{47, 1}},
		{Peer: a("203.0.113.6"), Source: a("198.51.100.1"), Protocols: []uint8{47, 1}},
		{Peer: a("192.0.2.77"), Source: a("198.51.100.2")},
		{Peer: a("192.0.2.77"), Source: a("198.51.100.2")},
	}
	addresses := cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
	if diff := cmp.Diff(want, d.Hosts, addresses); diff != "" || len(d.Routes) != 0 || !cmp.Equal(d.Own.Ports, []uint16{500, 4500}) {
		t.Errorf("%s; routes %v, own %v", diff, d.Routes, d.Own)
	}
	p := netip.MustParsePrefix
	sitesWant := []routing.Site{
		{Prefix: p("203.0.113.5/32"), Connection: "gre", Metric: 100}, {Prefix: p("203.0.113.6/32"), Connection: "gre", Metric: 100},
		{Prefix: p("192.0.2.77/32"), Connection: "any", Metric: 100},
	}
	if diff := cmp.Diff(sitesWant, sites(cfg, status), addresses); diff != "" {
		t.Error(diff)
	}
	if d := desired(cfg, []ike.ConnectionStatus{{Name: "gre"}, {Name: "any"}, {Name: "second"}}, noLine, way, "cw0", 1438); len(d.Hosts) != 0 {
		t.Errorf("connections that nobody wants have hosts: %v", d.Hosts)
	}
	if got := literalAddresses(cfg.Connections[0].Remote); !cmp.Equal(got, []netip.Addr{a("203.0.113.5"), a("203.0.113.6")}, addresses) {
		t.Errorf("the configuration's addresses are changed: %v", got)
	}
}

// TestHostChildren: one Child SA for all protocols, and in IKEv1 one for each; both are
// about the addresses that they are negotiated between.
func TestHostChildren(t *testing.T) {
	c := parse(t, hostFile).Connections[0]
	children := childrenOf(c)
	if len(children) != 1 || children[0].Mode != sa.ModeTransport || children[0].Name != "gre" {
		t.Fatalf("%+v", children)
	}
	local, remote := children[0].At(netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1"))
	if local.String() != "198.51.100.1/32[gre], 198.51.100.1/32[icmp]" || remote.String() != "2001:db8::1/128[gre], 2001:db8::1/128[icmp]" {
		t.Errorf("%v === %v", local, remote)
	}
	c.IKE.Version = 1
	if children = childrenOf(c); len(children) != 2 || children[1].Name != "gre-icmp" {
		t.Fatalf("%+v", children)
	}
	if local, _ = children[1].At(netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.5")); local.String() != "198.51.100.1/32[icmp]" {
		t.Errorf("%v", local)
	}
	if mode := childrenOf(parse(t, hostFile).Connections[1])[0].Mode; mode != sa.ModePreferTransport {
		t.Errorf("mode %v", mode)
	}
}

package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// everything is a desired state that leads all into the tunnel, to peers outside.
func everything(peers ...string) Desired {
	d := desired()
	d.Routes, d.Own = routes("0.0.0.0/0", "::/0"), Own{Ports: []uint16{500, 4500}}
	for _, p := range peers {
		d.Peers = append(d.Peers, netip.MustParseAddr(p))
	}
	return d
}

// ours are the gateway's own packets, as `ip route get` has them. It has no ESP that is
// forwarded.
var ours = []string{"ipproto udp sport 500 dport 500", "ipproto udp sport 4500 dport 4500", "ipproto 50", "mark 0x43000000"}

// wants looks where packets go: of this host, or of a client on lan0.
func (l *lab) wants(when string, by map[string][]string, to, dev string) {
	l.Helper()
	for who, selectors := range by {
		for _, what := range selectors {
			args := strings.Fields(what)
			if who == "a client" {
				from := "10.1.0.7"
				if netip.MustParseAddr(to).Is6() {
					from = "fd00:1::7"
				}
				args = append(args, "from", from, "iif", "lan0")
			}
			if got := l.wayOf(to, args...); !strings.HasPrefix(got, dev+" ") {
				l.Errorf("%s: %q of %s to %s goes to %s, not by %s", when, what, who, to, got, dev)
			}
		}
	}
}

// TestCVE_2023_36671_ServerIP: the way to a peer outside is for our own packets. What
// clients or programs of this host send to its address goes into the tunnel, whatever
// it looks like.
func TestCVE_2023_36671_ServerIP(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1", "net.ipv6.conf.all.forwarding=1")
		l.route("::/0", "2001:db8:0:1::1", 0)
		before := l.others()
		d := everything("203.0.113.5", "2001:db8:5::1")
		l.must(l.k.Set(d))
		others := append([]string{"", "ipproto tcp dport 443", "ipproto udp sport 53 dport 4500"}, ours[:2]...)
		for _, peer := range []string{"203.0.113.5", "2001:db8:5::1"} {
			l.wants("a peer inside", map[string][]string{"this host": ours}, peer, "eth0")
			l.wants("a peer inside", map[string][]string{"this host": others[:3], "a client": others}, peer, tunName)
		}
		for _, unknown := range []string{"203.0.113.6", "20.0.0.6", "2001:db8:5::6"} {
			l.wants("a peer that is not known", map[string][]string{"this host": ours}, unknown, "eth0")
			l.wants("a peer that is not known", map[string][]string{"this host": others[:3], "a client": others}, unknown, tunName)
		}
		l.wants("on the LAN", map[string][]string{"this host": ours[:2]}, "10.1.0.7", "lan0")

		// The way follows the peer, and what is outside.
		d.Peers = d.Peers[1:]
		d.Peers = append(d.Peers, netip.MustParseAddr("203.0.113.6"))
		l.must(l.h.RouteDel(l.default4()))
		l.route("0.0.0.0/0", "198.51.100.3", 0)
		l.must(l.k.Set(d))
		l.wants("the peer moved", map[string][]string{"this host": ours}, "203.0.113.6", "eth0")
		l.wants("the peer moved", map[string][]string{"a client": others}, "203.0.113.5", tunName)
		if !slices.Contains(l.shown(), "203.0.113.6/32 via 198.51.100.3 dev eth0") {
			l.Errorf("the next hop changed, and the routes are %q", l.shown())
		}
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}

		// Nothing stays, whether it ends or is found after a crash.
		end := map[string]func() error{"Clear": l.k.Clear, "RemoveLeftovers": func() error {
			l.must(l.h.LinkDel(l.link(tunName)))
			defer l.tun(true)
			return l.k.RemoveLeftovers(tunName)
		}}
		l.must(l.h.RouteDel(l.default4()))
		l.route("0.0.0.0/0", "198.51.100.1", 0)
		for name, end := range end {
			l.must(l.k.Set(d))
			l.must(end())
			if n := len(l.ruled()) + len(l.shown()); n != 0 {
				l.Errorf("after %s there are %v and %v", name, l.ruled(), l.shown())
			}
			l.same("routes of others after "+name, before, l.others())
		}
	})
}

// TestCVE_2023_36673_ServerAddressOfDNS: that an address is the peer's for us while an
// attempt to reach it lasts, since a forged answer says so, opens nothing for others.
func TestCVE_2023_36673_ServerAddressOfDNS(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")
		for _, victim := range []string{"203.0.113.80", "8.8.8.8"} {
			l.must(l.k.Set(everything("203.0.113.5", victim)))
			l.wants("a forged answer", map[string][]string{"this host": ours}, victim, "eth0")
			l.wants("a forged answer", map[string][]string{"a client": append(ours[:2:2], "")}, victim, tunName)
		}
	})
}

// default4 is the user's default route.
func (l *lab) default4() *netlink.Route {
	l.Helper()
	_, host, err := l.k.routes()
	l.must(err)
	for _, r := range host {
		if r.prefix == netip.MustParsePrefix("0.0.0.0/0") {
			return &r.route
		}
	}
	l.Fatal("there is no default route")
	return nil
}

// TestPeersAndUsersRules: rules of the user's that come before the routes hold for our
// own packets as for all. Where they lead to the routes, ours come before them.
func TestPeersAndUsersRules(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("ip", "link", "set", "lan0", "mtu", "1490")
		l.run("ip", "route", "add", "default", "dev", "lan0", "table", "77")
		l.run("ip", "rule", "add", "to", "203.0.113.5", "lookup", "77")
		l.must(l.k.Set(everything("203.0.113.5", "203.0.113.6")))
		l.wants("a rule of the user's", map[string][]string{"this host": ours}, "203.0.113.5", "lan0")
		l.wants("a rule of the user's", map[string][]string{"this host": ours}, "203.0.113.6", "eth0")
		l.run("ip", "rule", "add", "to", "203.0.113.6", "lookup", "77")
		l.wants("a later rule", map[string][]string{"this host": ours}, "203.0.113.6", "lan0")

		d := everything("203.0.113.5", "203.0.113.6", "203.0.113.7")
		d.Table, d.Rules = 4711, nets("10.1.0.0/16", "198.51.100.2/32")
		l.run("ip", "rule", "add", "priority", "1000", "from", "198.51.100.2", "lookup", "4711")
		l.must(l.k.Set(d))
		l.wants("a rule to the table", map[string][]string{"this host": {"from 198.51.100.2"}}, "203.0.113.7", tunName)
		for _, own := range ours {
			if got := l.wayOf("203.0.113.7", append(strings.Fields(own), "from", "198.51.100.2")...); !strings.HasPrefix(got, "eth0 ") && own != "ipproto 50" {
				l.Errorf("%q goes to %s", own, got)
			}
		}
		for _, r := range l.ruled() {
			if r.Table == l.k.outsideTable() && r.Priority != 999 {
				l.Errorf("%v is not just before the user's", r)
			}
		}
	})
}

// TestPeerReverse: with strict reverse path filtering what the peer sends is taken
// although a remote network contains it.
func TestPeerReverse(t *testing.T) {
	inLab(t, func(l *lab) {
		l.strict()
		l.must(l.k.Set(everything("203.0.113.5")))
		if !l.arrives("203.0.113.5", 4500) {
			l.Error("ESP in UDP from the peer does not arrive")
		}
		if !l.arrives("203.0.113.6", 4500) {
			l.Error("what a peer sends that is not known yet does not arrive")
		}
		if l.arrives("203.0.113.5", 4501) || l.arrives("203.0.113.6", 4501) {
			l.Error("what comes past the tunnel from a remote network arrives")
		}
	})
}

// TestWaysAroundOneAnother: a remote network inside another one, for which the host has
// a route, too, has its way outside, however the host lists its routes.
func TestWaysAroundOneAnother(t *testing.T) {
	k, link := &Kernel{protocol: Protocol}, &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 9}}
	host := func(prefix string) installed {
		p := netip.MustParsePrefix(prefix)
		return installed{key: keyOf(p, 0, unix.RT_TABLE_MAIN), route: netlink.Route{LinkIndex: 2, Type: unix.RTN_UNICAST}}
	}
	d := everything("203.0.113.5")
	d.Routes = routes("203.0.113.0/24", "128.0.0.0/1")
	peers := []installed{{key: keyOf(netip.MustParsePrefix("203.0.113.5/32"), 0, k.outsideTable())}}
	for _, all := range [][]installed{{host("0.0.0.0/0"), host("203.0.113.0/24")}, {host("203.0.113.0/24"), host("0.0.0.0/0")}} {
		for range 2 {
			slices.Reverse(d.Routes)
			var got []string
			ways, crowded := k.waysAround(all, link, &d, peers)
			if len(crowded) > 0 {
				t.Errorf("%v are crowded", crowded)
			}
			for _, w := range ways {
				got = append(got, fmt.Sprintf("%v %d", w.prefix, w.route.Type))
			}
			if want := []string{"128.0.0.0/1 1", "203.0.113.0/24 1"}; !slices.Equal(got, want) {
				t.Errorf("the ways are %q, not %q", got, want)
			}
		}
	}
	many := []installed{host("0.0.0.0/0")}
	for i := range mostThrown + 1 {
		many = append(many, host(fmt.Sprintf("198.%d.%d.0/24", 18+i/256, i%256)))
	}
	half := netip.MustParsePrefix("128.0.0.0/1")
	if got, crowded := k.waysAround(many, link, &d, peers); len(got) != 1 || got[0].prefix.Bits() != 24 || !slices.Equal(crowded, []netip.Prefix{half}) {
		t.Errorf("of a host with too many routes the ways are %v, and %v is crowded", got, crowded)
	}
	if got, crowded := k.waysAround(many[:mostThrown+1], link, &d, peers); len(got) != mostThrown+2 || len(crowded) > 0 {
		t.Errorf("of a host with many routes there are %d ways, and %v is crowded", len(got), crowded)
	}
}

// TestPeerNotKeptOutside: where the kernel does not take the way outside, no route leads
// our own packets to that peer inside.
func TestPeerNotKeptOutside(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("ip", "route", "add", "203.0.113.5", "dev", "lan0", "table", "30453") // somebody else's
		err := l.k.Set(everything("203.0.113.5"))
		for _, want := range []string{"keep the way to peer 203.0.113.5 outside", "no route to [128.0.0.0/1] through interface " + tunName} {
			if err == nil || !strings.Contains(err.Error(), want) {
				l.Errorf("the error does not say %q: %v", want, err)
			}
		}
		l.wants("no way is kept", map[string][]string{"this host": {"", "ipproto udp sport 999 dport 999"}}, "203.0.113.5", "eth0")
		l.wants("no way is kept", map[string][]string{"this host": {""}}, "9.9.9.9", tunName)
	})
	d := Desired{Interface: tunName, Routes: routes("0.0.0.0/1", "128.0.0.0/1", "::/1")}
	ways := []installed{{key: key{netip.MustParsePrefix("203.0.113.5/32"), 0, 1}}, {key: key{netip.MustParsePrefix("2001:db8::1/128"), 0, 1}}}
	if err := d.withhold(ways, nil, map[int]bool{netlink.FAMILY_V4: true}); err == nil || len(d.Routes) != 2 || d.Routes[1].Prefix.Addr().Is4() {
		t.Errorf("without the rules of IPv4 the routes are %v: %v", d.Routes, err)
	}
}

// TestPeerIsTheRemoteNetwork: a tunnel for what the peer itself is sent.
func TestPeerIsTheRemoteNetwork(t *testing.T) {
	inLab(t, func(l *lab) {
		d := everything("203.0.113.5")
		d.Routes = routes("203.0.113.5/32")
		l.must(l.k.Set(d))
		l.wants("", map[string][]string{"this host": ours}, "203.0.113.5", "eth0")
		l.wants("", map[string][]string{"this host": {"", "ipproto tcp dport 22"}}, "203.0.113.5", tunName)
	})
}

// of is what somebody sends, this host or a client.
func of(who string) map[string][]string {
	return map[string][]string{who: {"", "ipproto tcp dport 443", "ipproto udp sport 4500 dport 4500"}}
}

// outer gives eth0 a network as a server of DHCP would.
func (l *lab) outer(network, route string) {
	l.Helper()
	l.run("ip", "address", "add", network, "dev", "eth0")
	l.run("ip", "route", "add", route, "via", "198.51.100.1", "dev", "eth0", "proto", "dhcp", "metric", "100")
}

// TestCVE_2023_36672_LocalNet: a network that the outer interface is in, or that has a
// route by DHCP there, takes nothing of clients past the tunnel that has it as a remote
// network. It may be as large as it likes, and have networks of this site inside.
func TestCVE_2023_36672_LocalNet(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1", "net.ipv6.conf.all.forwarding=1")
		l.route("::/0", "2001:db8:0:1::1", 0)
		l.outer("10.7.7.7/8", "8.8.8.0/24")                                               // the LAN 10.1.0.0/24 is inside
		l.run("ip", "route", "add", "9.9.9.0/24", "via", "198.51.100.1", "proto", "boot") // by hand
		before := l.others()
		d := everything("203.0.113.5", "198.51.100.9", "2001:db8:5::1")
		d.FailClosed = true
		l.must(l.k.Set(d))
		for _, to := range []string{"198.51.100.1", "198.51.100.9", "10.7.7.1", "8.8.8.8", "8.8.4.4", "2001:db8:0:1::9", "203.0.113.5"} {
			l.wants("outer networks", of("a client"), to, tunName)
		}
		for to, dev := range map[string]string{"198.51.100.1": "eth0", "10.7.7.1": "eth0", "8.8.8.8": "eth0", "2001:db8:0:1::9": "eth0", "10.1.0.9": "lan0"} {
			l.wants("outer networks", of("this host"), to, dev)
		}
		l.wants("no outer network", map[string][]string{"this host": {"", "ipproto tcp dport 443"}}, "8.8.4.4", tunName)
		for to, dev := range map[string]string{"10.1.0.9": "lan0", "fd00:1::9": "lan0", "9.9.9.9": "eth0"} {
			l.wants("other networks", of("a client"), to, dev)
		}
		if got := l.wayOf("198.51.100.77", "from", "192.0.2.9", "iif", tunName); !strings.HasPrefix(got, "eth0 ") {
			l.Errorf("what comes out of the tunnel for an outer network goes to %s", got)
		}
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}

		// Somebody takes the rule away that stands before the other.
		l.run("ip", "rule", "del", "iif", tunName, "priority", "32765")
		l.must(l.k.Set(d))
		if got := l.wayOf("198.51.100.77", "from", "192.0.2.9", "iif", tunName); !strings.HasPrefix(got, "eth0 ") {
			l.Errorf("after the repair what comes out of the tunnel goes to %s", got)
		}
		l.wants("the repair", of("a client"), "8.8.8.8", tunName)

		// The program is gone.
		l.must(l.h.LinkDel(l.link(tunName)))
		if got := l.wayOf("8.8.8.8", "from", "10.1.0.7", "iif", "lan0"); strings.HasPrefix(got, "eth0") {
			l.Errorf("without the interface what is forwarded goes to %s", got)
		}
		l.must(l.k.RemoveLeftovers(tunName))
		if n := len(l.ruled()) + len(l.shown()); n != 0 {
			l.Errorf("%v and %v are left", l.ruled(), l.shown())
		}
		l.same("routes of others", before, l.others())
	})
}

// TestCVE_2023_35838_LocalNetBlocks: what clients send to a network that is the outer
// one's and a remote one's is not dropped for it, but gets there by the tunnel; and
// networks of this site, and those that the configuration says are outside, are reached
// as before.
func TestCVE_2023_35838_LocalNetBlocks(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")
		l.outer("10.2.3.4/24", "10.3.3.0/24")
		for _, c := range []struct {
			what           string
			routes         []Route
			local, outside []string
			want           map[string]string
		}{
			{"remote networks around", routes("10.2.0.0/16", "10.3.0.0/16"), nil, nil, map[string]string{"10.2.3.9": tunName, "10.3.3.9": tunName, "198.51.100.9": "eth0"}},
			{"the very same", routes("10.3.3.0/24"), nil, nil, map[string]string{"10.2.3.9": "eth0", "10.3.3.9": tunName}},
			{"of this site", routes("0.0.0.0/0"), []string{"10.2.3.0/24", "10.3.0.0/16"}, nil, map[string]string{"10.2.3.9": "eth0", "10.3.3.9": "eth0", "198.51.100.9": tunName}},
			{"of this site, whose remote is a part", routes("10.2.0.0/16"), []string{"10.0.0.0/8"}, nil, map[string]string{"10.2.3.9": tunName}},
			{"a part of this site", routes("0.0.0.0/0"), []string{"10.2.3.128/25"}, nil, map[string]string{"10.2.3.9": tunName, "10.2.3.129": "eth0"}},
			{"outside", routes("0.0.0.0/0"), nil, []string{"10.2.3.0/24"}, map[string]string{"10.2.3.9": "eth0", "10.3.3.9": tunName}},
			{"all outside", routes("0.0.0.0/0"), nil, []string{"0.0.0.0/0"}, map[string]string{"10.2.3.9": "eth0", "10.3.3.9": "eth0", "9.9.9.9": tunName}},
			{"a private line inside", append(routes("0.0.0.0/0"), Route{Prefix: netip.MustParsePrefix("10.3.3.128/25"), Via: Via{Interface: "lan0"}}), nil, nil,
				map[string]string{"10.3.3.9": tunName, "10.3.3.129": "lan0"}},
		} {
			d := everything("203.0.113.5")
			d.Routes, d.LocalNetworks, d.Outside = c.routes, nets(c.local...), nets(c.outside...)
			l.must(l.k.Set(d))
			for to, dev := range c.want {
				l.wants(c.what, of("a client"), to, dev)
			}
		}
		l.must(l.k.Clear())
		if n := len(l.ruled()) + len(l.shown()); n != 0 {
			l.Errorf("%v and %v are left", l.ruled(), l.shown())
		}
	})
}

// TestOuterNetworksReverse: with strict reverse path filtering hosts of the outer
// network reach this one as before.
func TestOuterNetworksReverse(t *testing.T) {
	inLab(t, func(l *lab) {
		l.strict()
		l.must(l.k.Set(everything("203.0.113.5")))
		if !l.arrives("198.51.100.77", 4501) || !l.arrives("203.0.113.5", 4500) {
			l.Error("a datagram of the outer network, or of the peer, does not arrive")
		}
	})
}

package kernel

import (
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

const tunName = "ckern0"

// lab is a network namespace with an outside: eth0 with 198.51.100.2/24 and
// 2001:db8:0:1::2/64, a default route by 198.51.100.1, a local network
// 10.1.0.0/24 on lan0 as 10.1.0.1, and our TUN interface.
type lab struct {
	testing.TB
	k *Kernel
	h *netlink.Handle
}

// inLab runs test in a lab on a thread of its own that ends with the test.
func inLab(t testing.TB, test func(l *lab)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread is of no more use
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	k, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	l := &lab{t, k, h}
	l.veth("eth0", "198.51.100.2/24", "2001:db8:0:1::2/64")
	l.veth("lan0", "10.1.0.1/24", "fd00:1::1/64")
	l.route("0.0.0.0/0", "198.51.100.1", 0)
	l.tun(true)
	test(l)
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) link(name string) netlink.Link {
	l.Helper()
	link, err := l.h.LinkByName(name)
	l.must(err)
	return link
}

func (l *lab) veth(name string, addresses ...string) {
	l.Helper()
	l.must(l.h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}))
	l.must(l.h.LinkSetUp(l.link(name + "p")))
	l.must(l.h.LinkSetUp(l.link(name)))
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		l.must(err)
		addr.Flags = unix.IFA_F_NODAD
		l.must(l.h.AddrAdd(l.link(name), addr))
	}
}

// tun makes a persistent TUN interface, held or not.
func (l *lab) tun(held bool) *netlink.Tuntap {
	l.Helper()
	t := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: tunName},
		Mode:      netlink.TUNTAP_MODE_TUN,
		Flags:     netlink.TUNTAP_NO_PI,
		Queues:    1,
	}
	l.must(l.h.LinkAdd(t))
	if !held {
		t.Fds[0].Close()
	} else {
		l.Cleanup(func() { t.Fds[0].Close() })
	}
	return t
}

// route adds a route of the user's.
func (l *lab) route(dst, gw string, metric int) {
	l.Helper()
	l.must(l.h.RouteAdd(&netlink.Route{
		Dst:      netipx.PrefixIPNet(netip.MustParsePrefix(dst)),
		Gw:       netip.MustParseAddr(gw).AsSlice(),
		Priority: metric,
	}))
}

// shown lists our routes as text, in order.
func (l *lab) shown() (lines []string) {
	l.Helper()
	ours, _, err := l.k.routes()
	l.must(err)
	for _, r := range ours {
		if r.route.Type == unix.RTN_THROW {
			lines = append(lines, r.prefix.String()+" throw")
			continue
		}
		link, err := l.h.LinkByIndex(r.route.LinkIndex)
		l.must(err)
		line := r.prefix.String()
		if r.route.Gw != nil {
			line += " via " + r.route.Gw.String()
		}
		line += " dev " + link.Attrs().Name
		if r.route.Src != nil {
			line += " src " + r.route.Src.String()
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// others lists the main table but for our routes, and for the link-local ones
// that the kernel adds to the lab's interfaces in its own time.
func (l *lab) others() (lines []string) {
	l.Helper()
	_, all, err := l.k.routes()
	l.must(err)
	for _, r := range all {
		if !r.prefix.Addr().IsLinkLocalUnicast() {
			lines = append(lines, r.route.String())
		}
	}
	return lines
}

func (l *lab) same(what string, want, got []string) {
	l.Helper()
	if d := cmp.Diff(want, got); d != "" {
		l.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func routes(prefixes ...string) (rs []Route) {
	for _, p := range prefixes {
		rs = append(rs, Route{Prefix: netip.MustParsePrefix(p)})
	}
	return rs
}

func nets(prefixes ...string) (ps []netip.Prefix) {
	for _, p := range prefixes {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

func desired() Desired {
	return Desired{
		Interface:     tunName,
		Addresses:     nets("10.255.0.1/24", "fd00:255::1/64"),
		MTU:           1400,
		Up:            true,
		Routes:        routes("10.2.0.0/16", "10.3.0.0/16", "fd00:2::/48"),
		LocalNetworks: nets("10.1.0.0/16", "fd00:1::/48"),
	}
}

func TestSetChangeClear(t *testing.T) {
	inLab(t, func(l *lab) {
		before := l.others()
		l.must(l.k.Set(desired()))
		l.same("routes", []string{
			"10.2.0.0/16 dev ckern0 src 10.1.0.1",
			"10.3.0.0/16 dev ckern0 src 10.1.0.1",
			"fd00:2::/48 dev ckern0 src fd00:1::1",
		}, l.shown())
		attrs := l.link(tunName).Attrs()
		if attrs.MTU != 1400 || attrs.RawFlags&unix.IFF_UP == 0 {
			l.Errorf("MTU %d, flags %#x", attrs.MTU, attrs.RawFlags)
		}
		addresses, err := l.k.addresses(l.link(tunName))
		l.must(err)
		if d := cmp.Diff(nets("10.255.0.1/24", "fd00:255::1/64"), addresses, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			l.Error(d)
		}
		l.same("routes of others", before, l.others())

		l.setAgain()

		d := desired()
		d.Addresses = nets("10.255.0.2/24")
		d.MTU = 1300
		d.Routes = append(routes("10.3.0.0/16", "10.4.0.0/16"), Route{
			Prefix: netip.MustParsePrefix("10.5.0.0/16"),
			Source: netip.MustParseAddr("10.255.0.2"),
			Metric: 50,
		})
		l.must(l.k.Set(d))
		l.same("routes after a change", []string{
			"10.3.0.0/16 dev ckern0 src 10.1.0.1",
			"10.4.0.0/16 dev ckern0 src 10.1.0.1",
			"10.5.0.0/16 dev ckern0 src 10.255.0.2",
		}, l.shown())
		if mtu := l.link(tunName).Attrs().MTU; mtu != 1300 {
			l.Errorf("MTU %d", mtu)
		}
		d.Routes[2].Source = netip.MustParseAddr("198.51.100.2")
		l.must(l.k.Set(d))
		if got := l.shown()[2]; got != "10.5.0.0/16 dev ckern0 src 198.51.100.2" {
			l.Errorf("replaced route: %s", got)
		}

		l.must(l.k.Clear())
		l.same("routes after Clear", nil, l.shown())
		l.same("routes of others after Clear", before, l.others())
		if addresses, err := l.k.addresses(l.link(tunName)); len(addresses) != 0 || err != nil {
			l.Errorf("addresses after Clear: %v, %v", addresses, err)
		}
		l.must(l.k.Clear())
	})
}

// setAgain sees that a second Set writes nothing, by our own count and by what
// the kernel tells listeners.
func (l *lab) setAgain() {
	l.Helper()
	done := make(chan struct{})
	updates := make(chan netlink.RouteUpdate, 100)
	l.must(netlink.RouteSubscribe(updates, done))
	count := l.k.changes
	l.must(l.k.Set(desired()))
	if n := l.k.changes - count; n != 0 {
		l.Errorf("setting the same again made %d changes", n)
	}
	// A route of the user's marks the end of what can have been told.
	l.route("203.0.113.99/32", "198.51.100.1", 0)
	for u := range updates {
		if u.Dst.String() == "203.0.113.99/32" {
			break
		}
		if u.Protocol == Protocol {
			l.Errorf("setting the same again changed route %v", u.Route)
		}
	}
	close(done)
	l.must(l.h.RouteDel(&netlink.Route{Dst: netipx.PrefixIPNet(netip.MustParsePrefix("203.0.113.99/32"))}))
}

func TestUsersRouteSurvives(t *testing.T) {
	inLab(t, func(l *lab) {
		l.route("10.2.0.0/16", "198.51.100.9", 0)
		before := l.others()
		err := l.k.Set(desired())
		if err == nil || !strings.Contains(err.Error(), "route to 10.2.0.0/16 of its own") ||
			!strings.Contains(err.Error(), tunName) {
			l.Errorf("error: %v", err)
		}
		l.same("routes", []string{
			"10.3.0.0/16 dev ckern0 src 10.1.0.1",
			"fd00:2::/48 dev ckern0 src fd00:1::1",
		}, l.shown())
		l.same("routes of others", before, l.others())
		d := desired()
		d.Routes[0].Metric = 10
		l.must(l.k.Set(d))
		if got := l.shown()[0]; got != "10.2.0.0/16 dev ckern0 src 10.1.0.1" {
			l.Errorf("with another metric: %s", got)
		}
		l.must(l.k.Clear())
		l.same("routes of others after Clear", before, l.others())
	})
}

// The tunnel's own packets keep their way when a remote network contains the
// peer.
func TestPeerInsideRemoteNetwork(t *testing.T) {
	inLab(t, func(l *lab) {
		l.route("::/0", "2001:db8:0:1::1", 0)
		before := l.others()
		d := desired()
		d.Routes, d.Own = routes("0.0.0.0/0", "::/0", "203.0.113.0/24", "198.51.0.0/16"), Own{Ports: []uint16{500}}
		d.Peers = []netip.Addr{
			netip.MustParseAddr("203.0.113.5"),
			netip.MustParseAddr("198.51.100.7"), // on link: the connected route is the longer one
			netip.MustParseAddr("2001:db8:5::1"),
		}
		want := []string{
			"0.0.0.0/1 dev ckern0 src 10.1.0.1",
			"128.0.0.0/1 dev ckern0 src 10.1.0.1",
			"198.51.0.0/16 dev ckern0 src 10.1.0.1",
			"203.0.113.0/24 dev ckern0 src 10.1.0.1",
			"8000::/1 dev ckern0 src fd00:1::1",
			"::/1 dev ckern0 src fd00:1::1",
			// For what is forwarded.
			"198.51.100.0/24 dev ckern0",
			"2001:db8:0:1::/64 dev ckern0",
			// For our own packets: peers, who may be one, and what is looked up as always.
			"2001:db8:5::1/128 via 2001:db8:0:1::1 dev eth0",
			"203.0.113.5/32 via 198.51.100.1 dev eth0",
			"0.0.0.0/1 via 198.51.100.1 dev eth0",
			"128.0.0.0/1 via 198.51.100.1 dev eth0",
			"203.0.113.0/24 via 198.51.100.1 dev eth0",
			"8000::/1 via 2001:db8:0:1::1 dev eth0",
			"::/1 via 2001:db8:0:1::1 dev eth0",
			"10.1.0.0/24 throw",
			"198.51.100.0/24 throw",
			"2001:db8:0:1::/64 throw",
			"fd00:1::/64 throw",
			"fe80::/10 throw",
		}
		slices.Sort(want)
		l.must(l.k.Set(d))
		l.same("routes", want, l.shown())
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}
		for _, own := range []string{"ipproto 50", "ipproto udp sport 500 dport 500", "mark 0x43000000"} {
			for peer, dev := range map[string]string{"203.0.113.5": "eth0", "198.51.100.7": "eth0", "2001:db8:5::1": "eth0", "203.0.113.6": "eth0", "20.0.0.6": "eth0"} {
				if got := l.wayOf(peer, strings.Fields(own)...); !strings.HasPrefix(got, dev+" ") {
					l.Errorf("%s to %s goes to %s, not by %s", own, peer, got, dev)
				}
			}
		}
		l.must(l.k.Clear())
		l.same("routes of others after Clear", before, l.others())
	})
}

func TestPeerWithoutAnotherWay(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Routes = routes("10.2.0.0/16", "2001:db8:5::/48")
		d.Peers = []netip.Addr{netip.MustParseAddr("2001:db8:5::1")}
		err := l.k.Set(d)
		for _, want := range []string{"2001:db8:5::/48", "peer 2001:db8:5::1", tunName} {
			if err == nil || !strings.Contains(err.Error(), want) {
				l.Errorf("error does not name %s: %v", want, err)
			}
		}
		l.same("routes", []string{"10.2.0.0/16 dev ckern0 src 10.1.0.1"}, l.shown())
	})
}

func TestLeftovers(t *testing.T) {
	inLab(t, func(l *lab) {
		before := l.others()
		d := desired()
		d.Routes = append(d.Routes, routes("203.0.113.0/24")...)
		d.Peers = []netip.Addr{netip.MustParseAddr("203.0.113.5")}
		l.must(l.k.Set(d))

		// Held by a program, which runs: nothing of it is a leftover, whatever name
		// another one has in mind.
		later, err := Open(Options{})
		l.must(err)
		defer later.Close()
		routes, rules := l.shown(), len(l.ruled())
		for _, name := range []string{tunName, "other0"} {
			if err := later.RemoveLeftovers(name); err == nil || !strings.Contains(err.Error(), tunName) || !strings.Contains(err.Error(), "route_protocol") {
				l.Errorf("beside a gateway that runs, for %s: %v", name, err)
			}
		}
		l.same("routes", routes, l.shown())
		if n := len(l.ruled()); n != rules || rules == 0 {
			l.Errorf("%d rules are left of %d", n, rules)
		}

		// Its program is gone.
		l.must(l.h.LinkDel(l.link(tunName)))
		l.tun(false)
		l.must(l.k.Set(d))
		l.must(later.RemoveLeftovers(tunName))
		if _, err := l.h.LinkByName(tunName); err == nil {
			l.Error("the leftover interface is still there")
		}
		l.same("routes", nil, l.shown())
		l.same("routes of others", before, l.others())

		// No TUN interface: not ours.
		l.must(later.RemoveLeftovers("lan0"))
		l.link("lan0")
		l.must(later.RemoveLeftovers("nosuch0"))
	})
}

// A Set finds what another run left under other names, too.
func TestSetRemovesStaleRoutes(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.h.RouteAdd(&netlink.Route{
			Dst:      netipx.PrefixIPNet(netip.MustParsePrefix("192.0.2.1/32")),
			Gw:       netip.MustParseAddr("198.51.100.1").AsSlice(),
			Protocol: Protocol,
		}))
		l.must(l.h.RouteAdd(&netlink.Route{
			Dst:      netipx.PrefixIPNet(netip.MustParsePrefix("192.0.2.2/32")),
			Gw:       netip.MustParseAddr("198.51.100.1").AsSlice(),
			Protocol: Protocol + 1,
		}))
		d := desired()
		d.Routes = d.Routes[:1]
		l.must(l.k.Set(d))
		l.same("routes", []string{"10.2.0.0/16 dev ckern0 src 10.1.0.1"}, l.shown())
		if others := strings.Join(l.others(), "\n"); !strings.Contains(others, "192.0.2.2/32") {
			l.Error("a route with another protocol number is gone")
		}
	})
}

func TestDownHasNoRoutes(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.k.Set(desired()))
		d := desired()
		d.Up = false
		l.must(l.k.Set(d))
		l.same("routes", nil, l.shown())
		if l.link(tunName).Attrs().RawFlags&unix.IFF_UP != 0 {
			l.Error("the interface is up")
		}
		l.must(l.k.Set(desired()))
		if n := len(l.shown()); n != 3 {
			l.Errorf("%d routes after up again", n)
		}
	})
}

func TestRefused(t *testing.T) {
	inLab(t, func(l *lab) {
		for name, tt := range map[string]struct {
			change func(*Desired)
			want   string
		}{
			"no name":      {func(d *Desired) { d.Interface = "" }, "no interface is named"},
			"no interface": {func(d *Desired) { d.Interface = "nosuch0" }, "interface nosuch0"},
			"empty route":  {func(d *Desired) { d.Routes = []Route{{}} }, "has no prefix"},
			"empty addr":   {func(d *Desired) { d.Addresses = []netip.Prefix{{}} }, "address is empty"},
			"family":       {func(d *Desired) { d.Routes[0].Source = netip.MustParseAddr("::1") }, "other family"},
			"foreign source": {func(d *Desired) { d.Routes[0].Source = netip.MustParseAddr("192.0.2.200") },
				"source address 192.0.2.200 on this host"},
		} {
			d := desired()
			tt.change(&d)
			if err := l.k.Set(d); err == nil || !strings.Contains(err.Error(), tt.want) {
				l.Errorf("%s: %v", name, err)
			}
		}
	})
	if _, err := Open(Options{Protocol: unix.RTPROT_STATIC}); err == nil {
		t.Error("the administrator's protocol number was accepted")
	}
}

func TestPermission(t *testing.T) {
	err := (&Kernel{}).change(unix.EPERM, "add the route to %s through interface %s", "10.2.0.0/16", tunName)
	for _, want := range []string{"10.2.0.0/16", tunName, "CAP_NET_ADMIN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
}

// IPv6 needs an MTU of 1,280 (RFC 8200 §5): the kernel takes it off the
// interface below that, and the error has to say why.
func TestIPv6BelowItsMinimumMTU(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.MTU = 1200
		err := l.k.Set(d)
		if err == nil || !strings.Contains(err.Error(), "MTU of interface ckern0 is below 1280") {
			l.Errorf("%v", err)
		}
		if got := l.shown(); len(got) != 2 {
			l.Errorf("IPv4 routes: %v", got)
		}
		d.MTU = 1400
		l.must(l.k.Set(d))
		if got := l.shown(); len(got) != 3 {
			l.Errorf("routes with a larger MTU: %v", got)
		}
	})
}

// ruled are our rules.
func (l *lab) ruled() (ours []netlink.Rule) {
	l.Helper()
	ours, _, err := l.k.rules()
	l.must(err)
	return ours
}

package kernel

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// way is the route that the kernel takes to an address, from a source or none:
// an interface's name, or why there is none.
func (l *lab) way(to, from string) string {
	l.Helper()
	o := &netlink.RouteGetOptions{}
	if from != "" {
		o.SrcAddr = netip.MustParseAddr(from).AsSlice()
	}
	found, err := l.h.RouteGetWithOptions(netip.MustParseAddr(to).AsSlice(), o)
	if err != nil {
		return err.Error()
	}
	link, err := l.h.LinkByIndex(found[0].LinkIndex)
	l.must(err)
	return link.Attrs().Name
}

// TestFailClosed: with the interface gone, as after a crash, nothing leaves by
// the host's default route.
func TestFailClosed(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.FailClosed = true
		l.must(l.k.Set(d))
		for _, to := range []string{"10.2.0.1", "fd00:2::1"} {
			if got := l.way(to, ""); got != tunName {
				l.Errorf("%s goes to %s", to, got)
			}
		}
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}
		l.must(l.h.LinkDel(l.link(tunName)))
		if got := l.way("10.2.0.1", ""); got != unix.EHOSTUNREACH.Error() {
			l.Errorf("without the interface 10.2.0.1 goes to %s", got)
		}
		if got := l.way("fd00:2::1", ""); !strings.Contains(got, "unreachable") && got != unix.EHOSTUNREACH.Error() {
			l.Errorf("without the interface fd00:2::1 goes to %s", got)
		}
		l.must(l.k.RemoveLeftovers(tunName))
		if got := l.way("10.2.0.1", ""); got != "eth0" {
			l.Errorf("after the clean-up 10.2.0.1 goes to %s", got)
		}
	})
}

func TestTableAndRules(t *testing.T) {
	inLab(t, func(l *lab) {
		before := l.others()
		d := desired()
		d.Table, d.Rules, d.FailClosed = 4711, nets("10.1.0.0/16", "fd00:1::/48"), true
		l.must(l.k.Set(d))
		if got := l.way("10.2.0.1", "10.1.0.1"); got != tunName {
			l.Errorf("a packet of the local network goes to %s", got)
		}
		if got := l.way("10.2.0.1", "198.51.100.2"); got != "eth0" {
			l.Errorf("a packet of the gateway's own goes to %s", got)
		}
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}
		d.Rules = nets("10.1.9.0/24")
		l.must(l.k.Set(d))
		if got := l.way("10.2.0.1", "10.1.0.1"); got != "eth0" {
			l.Errorf("without its rule a packet goes to %s", got)
		}
		d.Table, d.Rules = 0, nil
		l.must(l.k.Set(d))
		if got := l.way("10.2.0.1", ""); got != tunName {
			l.Errorf("in the main table, 10.2.0.1 goes to %s", got)
		}
		l.must(l.k.Clear())
		l.same("routes of others after Clear", before, l.others())
		if rules := l.ruled(); len(rules) != 0 {
			l.Errorf("rules after Clear: %v", rules)
		}
	})
}

// TestVia: a private line takes the routes, and gives them back.
func TestVia(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Routes = []Route{{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Via: Via{Interface: "lan0", NextHop: netip.MustParseAddr("10.1.0.9")}}}
		l.must(l.k.Set(d))
		l.same("routes", []string{"10.2.0.0/16 via 10.1.0.9 dev lan0 src 10.1.0.1"}, l.shown())
		d.Routes[0].Via = Via{}
		l.must(l.k.Set(d))
		l.same("routes", []string{"10.2.0.0/16 dev ckern0 src 10.1.0.1"}, l.shown())
		d.Routes[0].Via = Via{Interface: "lan0", NextHop: netip.MustParseAddr("192.0.2.9")}
		if err := l.k.Set(d); err == nil || !strings.Contains(err.Error(), "10.2.0.0/16") {
			l.Errorf("an impossible next hop: %v", err)
		}
		d.Routes[0].Via = Via{Interface: "none0"}
		if err := l.k.Set(d); err == nil || !strings.Contains(err.Error(), "none0") {
			l.Errorf("an unknown interface: %v", err)
		}
	})
}

// TestProtocols: gateways in one namespace with protocol numbers of their own
// leave each other's routes alone.
func TestProtocols(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.k.Set(desired()))
		before := l.shown()
		other, err := Open(Options{Protocol: Protocol + 1})
		l.must(err)
		defer other.Close()
		l.must(other.RemoveLeftovers("other0"))
		l.same("routes after the other started", before, l.shown())
	})
}

func TestNamespaceByName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread is of no more use
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	name := fmt.Sprintf("cwk-%d", os.Getpid())
	ns, err := netns.NewNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	defer netns.DeleteNamed(name)
	defer ns.Close()
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	k, err := Open(Options{Namespace: name})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Within(func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: tunName}, PeerName: tunName + "p"})
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.Set(Desired{Interface: tunName, Up: true, Routes: routes("10.2.0.0/16")}); err != nil {
		t.Fatal(err)
	}
	if ours, _, err := k.routes(); len(ours) != 1 || err != nil {
		t.Errorf("%v, %v", ours, err)
	}
	if _, err := netlink.LinkByName(tunName); err == nil {
		t.Error("the interface is in this namespace")
	}
	if _, err := Open(Options{Namespace: "no-such-namespace"}); err == nil || !strings.Contains(err.Error(), "no-such-namespace") {
		t.Errorf("an unknown namespace: %v", err)
	}
}

// TestWatch hears of a route that somebody removed.
func TestWatch(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.k.Set(desired()))
		heard, pressing, down := make(chan struct{}, 1), make(chan struct{}, 1), make(chan string, 16)
		stop, err := l.k.Watch(func(urgent bool) {
			c := heard
			if urgent {
				c = pressing
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}, func(name string) { down <- name })
		l.must(err)
		defer stop()
		ours, _, err := l.k.routes()
		l.must(err)
		for _, r := range ours {
			l.must(l.h.RouteDel(&r.route))
			break
		}
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			l.Fatal("the removal of a route was not heard of")
		}
		l.must(l.k.Set(desired()))
		if n := len(l.shown()); n != 3 {
			l.Errorf("%d routes after the repair", n)
		}
		l.route("10.9.0.0/16", "198.51.100.1", 0) // by hand
		l.run("ip", "route", "add", "10.8.0.0/16", "via", "198.51.100.1", "proto", "dhcp")
		select {
		case <-pressing:
		case <-time.After(10 * time.Second):
			l.Fatal("a route that DHCP gave is not urgent")
		}
		if len(pressing) > 0 {
			l.Error("more than that is urgent")
		}
		if !l.k.Link("lan0").Carrier || l.k.Link("none0").Carrier {
			l.Error("lan0 has no carrier, or an unknown interface has one")
		}
		l.must(l.h.LinkSetDown(l.link("lan0p"))) // takes lan0's carrier
		if l.k.Link("lan0").Carrier {
			l.Error("lan0 still has a carrier")
		}
		timeout := time.After(10 * time.Second)
		for name := ""; name != "lan0"; {
			select {
			case name = <-down:
			case <-timeout:
				l.Fatal("that lan0 has no carrier was not heard of")
			}
		}
	})
}

// TestWatchRules hears of a rule that somebody removed.
func TestWatchRules(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Table, d.Rules = 4711, nets("10.1.0.0/16")
		l.must(l.k.Set(d))
		heard := make(chan struct{}, 64)
		stop, err := l.k.watchSettings(func() { heard <- struct{}{} })
		l.must(err)
		defer stop()
		l.run("ip", "rule", "add", "from", "192.0.2.77", "table", "99") // nobody's
		l.run("ip", "rule", "del", "from", "10.1.0.0/16")
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			l.Fatal("the removal of a rule was not heard of")
		}
		l.must(l.k.Set(d))
		if rules, _, err := l.k.rules(); err != nil || len(rules) == 0 {
			l.Errorf("after the repair the rules are %v, %v", rules, err)
		}
	})
}

// TestManyRoutes sets tens of thousands, and again.
func TestManyRoutes(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Routes = nil
		for i := range 100_000 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24)
			d.Routes = append(d.Routes, Route{Prefix: p})
		}
		for i := range 1000 {
			d.Peers = append(d.Peers, netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}))
		}
		start := time.Now()
		l.must(l.k.Set(d))
		first := time.Since(start)
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}
		l.Logf("100,000 routes: %v the first time, %v again", first.Round(time.Millisecond), (time.Since(start) - first).Round(time.Millisecond))
		ours, _, err := l.k.routes()
		l.must(err)
		if len(ours) != len(d.Routes) || slices.ContainsFunc(d.Peers, func(a netip.Addr) bool { return d.Routes[0].Prefix.Contains(a) }) {
			l.Errorf("%d routes", len(ours))
		}
	})
}

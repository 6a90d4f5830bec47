package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/config"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/routing/kernel"
)

const twoSites = `gateway:
  interface: {addresses: [169.254.21.2/30]}
connections:
  a:
    local: {networks: [10.1.0.0/16]}
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16, 10.3.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
  b:
    local: {networks: [10.1.0.0/16]}
    remote: {address: branch.example.net, networks: [10.4.0.0/16]}
    auth: {psk: "long-enough-secret-43"}
`

func noLine(string) bool { return false }

func prefixes(d kernel.Desired) string {
	var out []string
	for _, r := range d.Routes {
		out = append(out, r.Prefix.String())
	}
	return strings.Join(out, " ")
}

func TestDesiredRoutes(t *testing.T) {
	cfg := parse(t, twoSites)
	a := func(s ike.ConnectionStatus) []ike.ConnectionStatus { s.Name = "a"; return []ike.ConnectionStatus{s} }
	for _, c := range []struct {
		what string
		is   []ike.ConnectionStatus
		want string
	}{
		{"nothing wanted", nil, ""},
		{"on demand and down", a(ike.ConnectionStatus{State: ike.StateDown}), ""},
		{"on demand, being made", a(ike.ConnectionStatus{State: ike.StateConnecting}), ""},
		{"on demand and up", a(ike.ConnectionStatus{State: ike.StateUp}), "10.2.0.0/16 10.3.0.0/16"},
		{"on demand and rekeying", a(ike.ConnectionStatus{State: ike.StateRekeying}), "10.2.0.0/16 10.3.0.0/16"},
		{"wanted and down", a(ike.ConnectionStatus{State: ike.StateFailed, Wanted: true}), "10.2.0.0/16 10.3.0.0/16"},
		{"waits for traffic", a(ike.ConnectionStatus{State: ike.StateDown, WaitsForTraffic: true}), "10.2.0.0/16 10.3.0.0/16"},
		{"both", append(a(ike.ConnectionStatus{Wanted: true}), ike.ConnectionStatus{Name: "b", Wanted: true}),
			"10.2.0.0/16 10.3.0.0/16 10.4.0.0/16"},
		{"one that is gone from the configuration", []ike.ConnectionStatus{{Name: "old", Wanted: true}}, ""},
	} {
		d := desired(cfg, c.is, noLine, noWay, "cw0", 1438)
		if got := prefixes(d); got != c.want {
			t.Errorf("%s: routes %q, want %q", c.what, got, c.want)
		}
		if d.Interface != "cw0" || d.MTU != 1438 || !d.Up || len(d.Addresses) != 1 {
			t.Errorf("%s: interface %+v", c.what, d)
		}
	}
	cfg.Gateway.Interface.OutsideNetworks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if d := desired(cfg, nil, noLine, noWay, "cw0", 1438); len(d.Outside) != 1 {
		t.Errorf("networks outside: %+v", d)
	}
	cfg.Gateway.Interface.Routes, cfg.Gateway.Interface.StrongHost = false, true
	if d := desired(cfg, a(ike.ConnectionStatus{Wanted: true}), noLine, noWay, "cw0", 1438); len(d.Routes) != 0 || !d.Up || !d.Strong {
		t.Errorf("interface.routes off: %+v", d)
	}
}

// TestPeersStayOutside: what must not be routed into the tunnel is every
// address that is configured or in use.
func TestPeersStayOutside(t *testing.T) {
	up := ike.ConnectionStatus{Name: "a", Wanted: true, IKE: []sa.IKEInfo{{Remote: netip.MustParseAddrPort("192.0.2.7:4500")}}}
	byName := ike.ConnectionStatus{Name: "b", Wanted: true, IKE: []sa.IKEInfo{{Remote: netip.MustParseAddrPort("192.0.2.8:4500")}}}
	d := desired(parse(t, twoSites), []ike.ConnectionStatus{up, byName}, noLine, noWay, "cw0", 1438)
	var got []string
	for _, p := range d.Peers {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"203.0.113.5", "192.0.2.7", "192.0.2.8"}, got); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

// table is a kernel that can be told to refuse.
type table struct {
	mu   sync.Mutex
	err  error
	sets int
	full []netip.Prefix
}

func (f *table) Set(kernel.Desired) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets++
	return f.err
}

func (f *table) Clear() error { return f.err }

func (f *table) Crowded() []netip.Prefix { return f.full }

func TestCrowdingIsToldOnce(t *testing.T) {
	routes := &table{}
	k := newRouteKeeper(routes)
	half := []netip.Prefix{netip.MustParsePrefix("128.0.0.0/1")}
	for i, full := range [][]netip.Prefix{nil, half, slices.Clone(half), nil, nil} {
		routes.full = full
		got, news := k.crowding()
		if !slices.Equal(got, full) || news != (i == 1 || i == 3) {
			t.Errorf("look %d: %v are crowded, news: %v", i, got, news)
		}
	}
}

func TestKeeperTellsNewsOnce(t *testing.T) {
	k := newRouteKeeper(&table{})
	one, two := errors.New("one"), errors.New("two")
	for i, c := range []struct {
		err  error
		want bool
	}{{nil, false}, {one, true}, {one, false}, {two, true}, {two, false}, {nil, true}, {nil, false}, {one, true}} {
		if got := k.news(c.err); got != c.want {
			t.Errorf("step %d, %v: news %v, want %v", i, c.err, got, c.want)
		}
	}
}

func TestKickNeverBlocks(t *testing.T) {
	k := newRouteKeeper(&table{})
	for range 3 {
		k.kick()
	}
	if len(k.kicked) != 1 {
		t.Errorf("%d kicks wait", len(k.kicked))
	}
}

// TestKeeperHeals: without any change of a connection the routes are looked at
// again; what fails is told once, and that it is well again, too.
func TestKeeperHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &table{err: errors.New("no")}
		k := newRouteKeeper(fake)
		var told []string
		ctx, cancel := context.WithCancel(t.Context())
		go k.keep(ctx, func() error { return k.set(func() kernel.Desired { return kernel.Desired{} }) },
			func(err error) { told = append(told, fmt.Sprint(err)) })
		wait := func(d time.Duration) {
			time.Sleep(d) // of the bubble's clock
			synctest.Wait()
		}
		k.kick()
		wait(0)
		wait(3 * recheck)
		fake.mu.Lock()
		fake.err = nil
		fake.mu.Unlock()
		wait(3 * recheck)
		cancel()
		synctest.Wait()
		if d := cmp.Diff([]string{"no", "<nil>"}, told); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		if fake.sets != 7 {
			t.Errorf("%d times set, want 7", fake.sets)
		}
	})
}

func TestRoutesErrorReachesTheUser(t *testing.T) {
	err := error(&routesError{errors.New("kernel: cannot add route 10.2.0.0/16: file exists")})
	var p *control.Problem
	if !errors.As(err, &p) || p.Reason != control.ReasonRoutes || !strings.Contains(p.Message, "10.2.0.0/16") || p.Hint == "" {
		t.Errorf("problem %+v", p)
	}
}

const lineAndTwoTunnels = `gateway:
  interface: {route_table: 4711, source_rules: true, route_metric: 50}
connections:
  standby:
    local: {networks: [10.1.0.0/16]}
    remote: {address: 203.0.113.6, networks: [10.2.0.0/16, "fd02::/16"]}
    auth: {psk: "long-enough-secret-43"}
    metric: 200
  primary:
    local: {networks: [10.1.0.0/16]}
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
    direct: {interface: eth1, next_hop: 192.168.9.2, probe: {target: 10.2.0.1}}
`

// TestDirectRoutes: a private line takes its networks while it works, and its
// target always.
func TestDirectRoutes(t *testing.T) {
	cfg := parse(t, lineAndTwoTunnels)
	wanted := []ike.ConnectionStatus{{Name: "primary", Wanted: true}, {Name: "standby", Wanted: true}}
	show := func(d kernel.Desired) []string {
		var out []string
		for _, r := range d.Routes {
			out = append(out, fmt.Sprintf("%v %s %d", r.Prefix, r.Via.Interface, r.Metric))
		}
		return out
	}
	up := desired(cfg, wanted, func(c string) bool { return c == "primary" }, noWay, "cw0", 1438)
	if d := cmp.Diff([]string{"10.2.0.1/32 eth1 50", "10.2.0.0/16 eth1 50", "10.2.0.0/16  50", "fd02::/16  50"}, show(up)); d != "" {
		t.Errorf("line up (-want +got):\n%s", d)
	}
	down := desired(cfg, wanted, noLine, noWay, "cw0", 1438)
	if d := cmp.Diff([]string{"10.2.0.1/32 eth1 50", "10.2.0.0/16  50", "10.2.0.0/16  50", "fd02::/16  50"}, show(down)); d != "" {
		t.Errorf("line down (-want +got):\n%s", d)
	}
	unwanted := desired(cfg, []ike.ConnectionStatus{{Name: "primary"}}, func(string) bool { return true }, noWay, "cw0", 1438)
	if d := cmp.Diff([]string{"10.2.0.1/32 eth1 50", "10.2.0.0/16 eth1 50"}, show(unwanted)); d != "" {
		t.Errorf("line without a tunnel (-want +got):\n%s", d)
	}
	if up.Table != 4711 || !up.FailClosed || len(up.Rules) == 0 || up.Rules[0].String() != "10.1.0.0/16" {
		t.Errorf("%+v", up)
	}
	cfg.Gateway.Interface.Namespace = "inside"
	if d := desired(cfg, wanted, noLine, noWay, "cw0", 1438); len(d.Peers) != 0 {
		t.Errorf("peers of another namespace are routed here: %v", d.Peers)
	}
}

// TestUnchangedRoutesAreLeftAlone: the kernel is asked again only when
// something changed, or may have.
func TestUnchangedRoutesAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &table{}
		k := newRouteKeeper(fake)
		set := func(mtu, want int) {
			t.Helper()
			k.set(func() kernel.Desired { return kernel.Desired{MTU: mtu} })
			if fake.sets != want {
				t.Errorf("set %d times, want %d", fake.sets, want)
			}
		}
		set(1400, 1)
		set(1400, 1)
		set(1300, 2)
		k.suspect()
		set(1300, 3)
		k.disturbed()
		k.disturbed()
		time.Sleep(2 * settleTime)
		synctest.Wait()
		if len(k.kicked) != 1 {
			t.Error("what others changed is not looked at")
		}
		set(1300, 4)
		fake.err = errors.New("no")
		set(1200, 5)
		set(1200, 6) // what failed is tried again
	})
}

// noWay knows of no address of this host.
func noWay(netip.Addr) (netip.Addr, error) { return netip.Addr{}, errors.New("no way") }

// TestOwnTables: the configuration refuses those tables that package kernel has routes in.
func TestOwnTables(t *testing.T) {
	if d := cmp.Diff(kernel.OwnTables(kernel.Protocol), config.OwnTables(kernel.Protocol)); d != "" {
		t.Errorf("package kernel (-) and package config (+) differ:\n%s", d)
	}
}

package routing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func site(prefix, connection string, metric int) Site {
	return Site{netip.MustParsePrefix(prefix), connection, metric}
}

func mustBuild(t testing.TB, sites ...Site) *Table {
	t.Helper()
	table, err := Build(sites)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLongestPrefixWins(t *testing.T) {
	table := mustBuild(t,
		site("0.0.0.0/0", "internet", 0),
		site("10.0.0.0/8", "berlin", 0),
		site("10.2.0.0/16", "paris", 0),
		site("10.2.0.7/32", "printer", 0),
		site("2001:db8::/32", "berlin", 0),
		site("2001:db8:7::/48", "paris", 0),
	)
	for addr, want := range map[string]string{
		"192.0.2.1":       "internet",
		"10.1.0.1":        "berlin",
		"10.2.0.6":        "paris",
		"10.2.0.7":        "printer",
		"2001:db8::1":     "berlin",
		"2001:db8:7::1":   "paris",
		"2001:db9::1":     "",
		"::ffff:10.2.0.7": "", // an IPv6 packet, whatever its address says
	} {
		if got := first(table, addr); got != want {
			t.Errorf("%s goes to %q, want %q", addr, got, want)
		}
	}
}

// first is the preferred connection for an address, or "".
func first(t *Table, addr string) string {
	if g, ok := t.Lookup(netip.MustParseAddr(addr)); ok {
		return g.Choices()[0].Connection
	}
	return ""
}

func TestSites(t *testing.T) {
	table, err := Build([]Site{
		site("0.0.0.0/0", "internet", 0), site("10.0.0.0/8", "berlin", 0), site("10.3.0.0/16", "paris", 0),
	}, netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.3.0.0/16"), netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"192.0.2.1": false, "10.2.0.1": true, "10.1.0.1": false, "10.3.0.1": true, "fd00::1": false,
	} {
		if got := table.IsSite(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is at a site: %v", addr, got)
		}
	}
	if table.IsSite(netip.Addr{}) || (*Table)(nil).IsSite(netip.MustParseAddr("10.2.0.1")) {
		t.Error("an address without a table is at a site")
	}
	if first(table, "10.1.0.1") != "berlin" {
		t.Error("a local network took a destination")
	}
}

func TestSharedPrefixes(t *testing.T) {
	table := mustBuild(t,
		site("10.2.0.0/16", "standby", 200), site("10.2.0.0/16", "primary", 100),
		site("10.3.0.0/16", "primary", 100), site("10.3.0.0/16", "standby", 200),
		site("10.4.0.0/16", "primary", 100), site("10.4.0.0/16", "primary", 100),
	)
	a, _ := table.Lookup(netip.MustParseAddr("10.2.0.1"))
	b, _ := table.Lookup(netip.MustParseAddr("10.3.0.1"))
	c, _ := table.Lookup(netip.MustParseAddr("10.4.0.1"))
	if a != b || a == c || len(table.Groups()) != 2 || table.Groups()[c.Index()] != c {
		t.Errorf("groups %p %p %p of %d", a, b, c, len(table.Groups()))
	}
	if a.Choices()[0].Connection != "primary" || len(c.Choices()) != 1 || table.Len() != 5 {
		t.Errorf("%v %v %d", a.Choices(), c.Choices(), table.Len())
	}
}

func TestEmptyTables(t *testing.T) {
	for name, table := range map[string]*Table{"nil": nil, "empty": mustBuild(t)} {
		if g, ok := table.Lookup(netip.MustParseAddr("10.0.0.1")); ok || table.Len() != 0 || len(table.Groups()) != 0 {
			t.Errorf("%s: %v", name, g)
		}
		for s := range table.All() {
			t.Errorf("%s has %v", name, s)
		}
	}
	if _, ok := mustBuild(t, site("0.0.0.0/0", "a", 1)).Lookup(netip.Addr{}); ok {
		t.Error("the zero address has a site")
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if _, err := Build([]Site{{Prefix: p, Connection: "berlin"}}); err == nil || !strings.Contains(err.Error(), "berlin") {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func TestBuildOwnsItsSites(t *testing.T) {
	sites := []Site{site("10.2.7.1/16", "paris", 2), site("10.1.0.0/16", "berlin", 1), site("10.1.0.0/16", "berlin", 1)}
	before := slices.Clone(sites)
	table := mustBuild(t, sites...)
	compare := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(before, sites, compare); diff != "" {
		t.Errorf("the caller's sites changed (-before +after):\n%s", diff)
	}
	sites[0].Connection = "changed"
	want := []Site{site("10.1.0.0/16", "berlin", 1), site("10.2.0.0/16", "paris", 2)}
	if diff := cmp.Diff(want, slices.Collect(table.All()), compare); diff != "" || table.Len() != 2 {
		t.Errorf("%d sites (-want +got):\n%s", table.Len(), diff)
	}
}

// TestAgreesWithASearch compares with trying every prefix.
func TestAgreesWithASearch(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		// Few distinct bits, so that prefixes contain one another.
		addr := netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, "b") & 0xc1, rapid.Byte().Draw(t, "c") & 0x81, 0})
		if rapid.Bool().Draw(t, "IPv6") {
			a := addr.As4()
			addr = netip.AddrFrom16([16]byte{0: 0xfd, 1: a[1], 15: a[2]})
		}
		return netip.PrefixFrom(addr, rapid.IntRange(0, addr.BitLen()).Draw(t, "bits")).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		var sites []Site
		seen := make(map[netip.Prefix]bool)
		for i, p := range rapid.SliceOfN(prefix, 0, 30).Draw(t, "prefixes") {
			if !seen[p] {
				sites = append(sites, Site{p, fmt.Sprint(i), i})
			}
			seen[p] = true
		}
		table, err := Build(sites)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			addr := prefix.Draw(t, "near").Addr()
			var want *Site
			for i := range sites {
				if sites[i].Prefix.Contains(addr) && (want == nil || sites[i].Prefix.Bits() > want.Prefix.Bits()) {
					want = &sites[i]
				}
			}
			got, ok := table.Lookup(addr)
			if ok != (want != nil) || ok && got.Choices()[0].Connection != want.Connection {
				t.Fatalf("%v goes to %v, want %v", addr, got, want)
			}
		}
	})
}

func TestLookupAllocatesNothing(t *testing.T) {
	table := mustBuild(t, site("10.0.0.0/8", "berlin", 1), site("fd00::/8", "berlin", 1))
	four, six := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::1")
	if n := testing.AllocsPerRun(100, func() {
		table.Lookup(four)
		table.Lookup(six)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSwap looks up while the owner changes the table.
func TestSwap(t *testing.T) {
	var current atomic.Pointer[Table]
	done := make(chan struct{})
	addr := netip.MustParseAddr("10.1.2.3")
	go func() {
		defer close(done)
		for i := range 1000 {
			table, err := Build([]Site{site("10.0.0.0/8", "berlin", i)})
			if err != nil {
				t.Error(err)
				return
			}
			current.Store(table)
		}
	}()
	last := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if g, ok := current.Load().Lookup(addr); ok {
			metric := g.Choices()[0].Metric
			if metric < last {
				t.Fatalf("table %d after %d", metric, last)
			}
			last = metric
		}
	}
	if last != 999 {
		t.Errorf("the last table seen is %d", last)
	}
}

// randomSites returns n IPv4 prefixes and n IPv6 ones.
func randomSites(n int) []Site {
	random := rand.New(rand.NewPCG(1, 2))
	var sites []Site
	for i := range n {
		four := netip.AddrFrom4([4]byte{10, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		six := netip.AddrFrom16([16]byte{0: 0xfd, 3: byte(i >> 16), 4: byte(i >> 8), 5: byte(i)})
		sites = append(sites, Site{netip.PrefixFrom(four, 16+random.IntN(17)), "a", 1}, Site{netip.PrefixFrom(six, 48), "a", 1})
	}
	return sites
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{5, 500, 50000} {
		table := mustBuild(b, randomSites(n)...)
		for name, addr := range map[string]netip.Addr{
			"IPv4": netip.MustParseAddr("10.77.3.4"),
			"IPv6": netip.AddrFrom16([16]byte{0: 0xfd, 15: 9}),
		} {
			b.Run(fmt.Sprintf("prefixes=%d/%s", 2*n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					table.Lookup(addr)
				}
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	sites := randomSites(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(sites); err != nil {
			b.Fatal(err)
		}
	}
}

package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func groupOf(t testing.TB, sites ...Site) *Group {
	t.Helper()
	g, ok := mustBuild(t, sites...).Lookup(sites[0].Prefix.Addr())
	if !ok {
		t.Fatal("no group")
	}
	return g
}

func TestSelectByMetric(t *testing.T) {
	g := groupOf(t, site("10.2.0.0/16", "third", 300), site("10.2.0.0/16", "first", 100), site("10.2.0.0/16", "second", 200))
	for _, c := range []struct {
		up   []string
		want string
	}{
		{[]string{"first", "second", "third"}, "first"},
		{[]string{"second", "third"}, "second"},
		{[]string{"third"}, "third"},
		{nil, "first"}, // who answers for the packet
	} {
		i := g.Select(7, func(i int) bool { return slices.Contains(c.up, g.Choices()[i].Connection) })
		if got := g.Choices()[i].Connection; got != c.want {
			t.Errorf("of %v: %s, want %s", c.up, got, c.want)
		}
	}
}

// TestSelectKeepsFlows: flows are shared evenly, and one that goes moves only
// its own.
func TestSelectKeepsFlows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(t, "connections")
		sites := []Site{site("10.2.0.0/16", "standby", 200)}
		for i := range n {
			sites = append(sites, site("10.2.0.0/16", fmt.Sprintf("active-%d", i), 100))
		}
		table, err := Build(sites)
		if err != nil {
			t.Fatal(err)
		}
		g, _ := table.Lookup(netip.MustParseAddr("10.2.0.1"))
		gone := rapid.IntRange(0, n-1).Draw(t, "gone")
		for range 200 {
			hash := rapid.Uint64().Draw(t, "hash")
			before := g.Select(hash, func(int) bool { return true })
			after := g.Select(hash, func(i int) bool { return i != gone })
			if before != gone && after != before || after == gone || g.Choices()[after].Connection == "standby" {
				t.Fatalf("a flow of %d goes to %d without %d", before, after, gone)
			}
		}
	})
}

func TestSelectShares(t *testing.T) {
	const connections, flows = 4, 40000
	var sites []Site
	for i := range connections {
		sites = append(sites, site("10.2.0.0/16", fmt.Sprintf("site-%d", i), 0))
	}
	g := groupOf(t, sites...)
	share := map[int]int{}
	for i := range uint64(flows) {
		share[g.Select(mix(i), func(int) bool { return true })]++
	}
	for i, n := range share {
		if n < flows/connections*9/10 || n > flows/connections*11/10 {
			t.Errorf("%s carries %d of %d flows", g.Choices()[i].Connection, n, flows)
		}
	}
}

func TestSelectAllocatesNothing(t *testing.T) {
	g := groupOf(t, site("10.2.0.0/16", "a", 100), site("10.2.0.0/16", "b", 100))
	up := []bool{true, true}
	if n := testing.AllocsPerRun(100, func() {
		g.Select(3, func(i int) bool { return up[i] })
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

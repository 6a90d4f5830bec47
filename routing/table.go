package routing

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// Site is one prefix behind the peer of a connection. Several connections may
// have the same prefix; Metric says which of them is preferred.
type Site struct {
	Prefix     netip.Prefix
	Connection string
	// Metric orders the connections of one prefix: the lowest is the primary,
	// equal ones share the flows.
	Metric int
}

// Table maps inner addresses to the groups of connections that lead there. A
// nil Table is empty.
type Table struct {
	sites  []Site // by prefix, then metric, then connection
	groups []*Group
	lookup bart.Fast[int32] // the group's place in groups
	local  bart.Lite
}

// Build makes the table of sites. Prefixes may contain one another; the longer
// one wins. local are this gateway's own networks: an address whose longest
// prefix is one of them is behind no connection, unless a site has the very
// same prefix. It is an error, which names every case, when a prefix is not
// valid. Bits beyond a prefix's length do not count.
func Build(sites []Site, local ...netip.Prefix) (*Table, error) {
	t := &Table{sites: slices.Clone(sites)}
	var problems []error
	for i := range t.sites {
		s := &t.sites[i]
		if !s.Prefix.IsValid() || s.Prefix.Addr().Is4In6() {
			problems = append(problems, fmt.Errorf("routing: connection %s: %v is not an IPv4 or IPv6 prefix", s.Connection, s.Prefix))
			continue
		}
		s.Prefix = s.Prefix.Masked()
	}
	if len(problems) != 0 {
		return nil, errors.Join(problems...)
	}
	slices.SortFunc(t.sites, func(a, b Site) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()),
			cmp.Compare(a.Metric, b.Metric), strings.Compare(a.Connection, b.Connection))
	})
	t.sites = slices.Compact(t.sites)
	for _, p := range local {
		if p.IsValid() {
			t.local.Insert(p.Masked())
		}
	}
	t.insert()
	return t, nil
}

// insert gives each prefix its group. Prefixes with the same choices, such as
// all those of one connection, share one.
func (t *Table) insert() {
	known := map[string]*Group{}
	for rest := t.sites; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Prefix == rest[0].Prefix {
			n++
		}
		same := rest[:n]
		rest = rest[n:]
		var name strings.Builder
		for _, s := range same {
			fmt.Fprintf(&name, "%d %s\n", s.Metric, s.Connection)
		}
		g := known[name.String()]
		if g == nil {
			g = newGroup(same, len(t.groups))
			known[name.String()] = g
			t.groups = append(t.groups, g)
		}
		t.lookup.Insert(same[0].Prefix, int32(g.index))
	}
}

// Lookup returns the group with the longest prefix that contains a.
func (t *Table) Lookup(a netip.Addr) (*Group, bool) {
	i, ok := t.Index(a)
	if !ok {
		return nil, false
	}
	return t.groups[i], true
}

// Index is Lookup for callers who keep something of their own by Group.Index,
// and do not need the group: with many of them it is one line of the cache less.
func (t *Table) Index(a netip.Addr) (group int, ok bool) {
	if t == nil {
		return 0, false
	}
	i, ok := t.lookup.Lookup(a)
	return int(i), ok
}

// IsSite tells whether a is at a site behind a connection: a default route
// alone puts nobody there, nor does a prefix that is shorter than that of a
// local network around a. Of equal ones the site's counts: a hub names the
// network of one site as local to another's connection.
func (t *Table) IsSite(a netip.Addr) bool {
	if t == nil || !a.IsValid() {
		return false
	}
	host := netip.PrefixFrom(a, a.BitLen())
	site, _, ok := t.lookup.LookupPrefixLPM(host)
	if !ok || site.Bits() == 0 {
		return false
	}
	local, ok := t.local.LookupPrefixLPM(host)
	return !ok || local.Bits() <= site.Bits()
}

// Groups are all groups, each at its Index. They must not be changed.
func (t *Table) Groups() []*Group {
	if t == nil {
		return nil
	}
	return t.groups
}

// Len is the number of sites.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.sites)
}

// All yields the sites by prefix, IPv4 first.
func (t *Table) All() iter.Seq[Site] {
	if t == nil {
		return func(func(Site) bool) {}
	}
	return slices.Values(t.sites)
}

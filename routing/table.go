// Package routing says which connection an inner packet belongs to: the one
// whose site has the longest prefix of the packet's destination.
//
// It installs no kernel routes (routing/kernel does) and knows no SA: the
// tunnel goes on with the connection's name or ID.
//
// A Table is immutable. Its owner swaps it for another by an atomic.Pointer,
// and workers look up without a lock and without allocating.
package routing

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// Site is one prefix behind the peer of a connection.
type Site struct {
	Prefix     netip.Prefix
	Connection string
	// ID is the data path's short name for the connection. The table carries it
	// and does not look at it.
	ID uint32
}

// Table maps inner destinations to sites. A nil Table is empty.
type Table struct {
	sites  []Site // sorted by prefix
	lookup bart.Fast[*Site]
}

// Build makes the table of sites. Prefixes may contain one another; the longer
// one wins. It is an error, which names every case, when a prefix is not valid
// or when two connections have the same one, since then neither could be
// preferred. Bits beyond a prefix's length do not count.
func Build(sites []Site) (*Table, error) {
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
	slices.SortStableFunc(t.sites, func(a, b Site) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	kept := t.sites[:0]
	for _, s := range t.sites {
		if len(kept) == 0 || kept[len(kept)-1].Prefix != s.Prefix {
			kept = append(kept, s)
		} else if first := kept[len(kept)-1]; first.Connection != s.Connection {
			problems = append(problems, fmt.Errorf("routing: connections %s and %s both have the network %v: take it from one of them",
				first.Connection, s.Connection, s.Prefix))
		}
	}
	t.sites = kept
	if len(problems) != 0 {
		return nil, errors.Join(problems...)
	}
	for i := range t.sites {
		t.lookup.Insert(t.sites[i].Prefix, &t.sites[i])
	}
	return t, nil
}

// Lookup returns the site with the longest prefix that contains a. The Site
// belongs to the table and must not be changed.
func (t *Table) Lookup(a netip.Addr) (*Site, bool) {
	if t == nil {
		return nil, false
	}
	return t.lookup.Lookup(a)
}

// Len is the number of prefixes.
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

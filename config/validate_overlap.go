package config

import (
	"cmp"
	"net/netip"
	"slices"
)

// claim is one network that somebody says is theirs.
type claim struct {
	prefix netip.Prefix
	owner  int // of claims
	index  int // in the owner's list
}

// overlaps calls found for each claim with the nearest one that holds it and
// that match accepts. It sorts claims; a stack of the networks around the
// current one keeps it from comparing all with all.
func overlaps(claims []claim, match func(outer, inner claim) bool, found func(outer, inner claim)) {
	slices.SortStableFunc(claims, func(a, b claim) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()), cmp.Compare(a.owner, b.owner))
	})
	var around []claim
	for _, c := range claims {
		for len(around) > 0 && !around[len(around)-1].prefix.Overlaps(c.prefix) {
			around = around[:len(around)-1]
		}
		repeated := false
		for i := len(around) - 1; i >= 0; i-- {
			repeated = repeated || around[i].prefix == c.prefix && around[i].owner == c.owner
			if match(around[i], c) {
				found(around[i], c)
				break
			}
		}
		if !repeated {
			around = append(around, c)
		}
	}
}

func claimsOf(owner int, networks []netip.Prefix, into []claim) []claim {
	for i, n := range networks {
		if n.IsValid() {
			into = append(into, claim{n, owner, i})
		}
	}
	return into
}

// claims compares the remote networks of all connections with each other, and
// those of each with its local ones.
func (d *decoder) claims(connections []Connection) {
	var remote []claim
	for i := range connections {
		remote = claimsOf(i, connections[i].Remote.Networks, remote)
		d.sides(&connections[i])
	}
	all := func(outer, inner claim) bool { return outer.prefix != inner.prefix || outer.owner != inner.owner }
	overlaps(remote, all, func(outer, inner claim) {
		a, b := &connections[outer.owner], &connections[inner.owner]
		pathA, pathB := d.path(a, index("remote.networks", outer.index)), d.path(b, index("remote.networks", inner.index))
		switch {
		case outer.prefix == inner.prefix && a != b && (a.Metric != b.Metric || d.given(a, "metric") && d.given(b, "metric")):
			// Primary and stand-by, or several that share the flows.
		case outer.prefix == inner.prefix:
			if d.place(pathB).line < d.place(pathA).line {
				a, pathA, pathB = b, pathB, pathA
			}
			d.at(Error, pathB, "%s is a remote network of connection %s too (line %d): give both a metric, a lower one to the primary or equal ones to share the flows",
				inner.prefix, clip(a.Name), d.place(pathA).line)
		case outer.prefix.Bits() == 0: // a default route, which the others are exceptions of
		case a == b:
			d.at(Warning, pathB, "%s is already covered by %s in line %d", inner.prefix, outer.prefix, d.place(pathA).line)
		default:
			d.at(Warning, pathB, "%s lies within %s of connection %s (line %d): its packets go to connection %s, as the longer prefix wins",
				inner.prefix, outer.prefix, clip(a.Name), d.place(pathA).line, clip(b.Name))
		}
	})
}

// sides compares the remote networks of a connection with its local ones.
func (d *decoder) sides(c *Connection) {
	const local, remote = 0, 1
	keys := [...]string{local: "local.networks", remote: "remote.networks"}
	both := claimsOf(remote, c.Remote.Networks, claimsOf(local, c.Local.Networks, nil))
	opposite := func(outer, inner claim) bool { return outer.owner != inner.owner }
	overlaps(both, opposite, func(outer, inner claim) {
		there := d.path(c, index(keys[outer.owner], outer.index))
		here := index(keys[inner.owner], inner.index)
		switch {
		case outer.prefix == inner.prefix:
			d.fail(c, here, "%s is both local and remote (%s, line %d): it can be on one side only", inner.prefix, there, d.place(there).line)
		case outer.prefix.Bits() == 0:
		default:
			d.warn(c, here, "%s lies within %s of the other side (%s, line %d): the longer prefix wins", inner.prefix, outer.prefix, there, d.place(there).line)
		}
	})
}

// strangers finds connections to unknown addresses that a peer's identity
// cannot tell apart.
func (d *decoder) strangers(connections []Connection) {
	type who struct{ local, remote string }
	first := map[who]*Connection{}
	for i := range connections {
		c := &connections[i]
		if !c.Remote.Any {
			continue
		}
		w := who{c.Local.Identity, c.Remote.Identity}
		if before := first[w]; before != nil {
			d.at(Error, join("connections", c.Name), "cannot be told from connection %s (line %d): with remote.address any, each needs a remote.identity of its own",
				clip(before.Name), d.place(join("connections", before.Name)).line)
			continue
		}
		first[w] = c
		if d.missing(c, "remote.identity") {
			d.warn(c, "remote.identity", "is left out with remote.address any: whoever has the key is accepted")
		}
	}
}

// twins finds connections with one peer that neither end can tell apart. Of a peer that
// begins only the first is found, and INITIAL_CONTACT of one ends the IKE SA of the other
// (RFC 7296 §2.4).
func (d *decoder) twins(connections []Connection) {
	type who struct {
		address       Address
		port, version int
		local, remote string
	}
	first := map[who]*Connection{}
	for i := range connections {
		c := &connections[i]
		for k, a := range c.Remote.Addresses {
			if a == (Address{}) {
				continue // reported when it was read
			}
			w := who{a, c.Remote.Port, c.IKE.Version, c.Local.Identity, c.Remote.Identity}
			before := first[w]
			if before == nil {
				first[w] = c
			} else if before != c {
				d.warn(c, d.addressKey(c, k), "%s is the peer of connection %s too (line %d), with the same identities of both ends, which cannot tell the two apart: put the networks into one connection, or give each local.identity or remote.identity of its own",
					a, clip(before.Name), d.place(join("connections", before.Name)).line)
				break
			}
		}
	}
}

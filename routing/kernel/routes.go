package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

const (
	// ipv6Metric is what the kernel makes of metric 0 for an IPv6 route.
	ipv6Metric = 1024
	// standInMetric puts unreachable routes behind every other.
	standInMetric = 2_000_000_000
)

// key is what the kernel tells routes apart by.
type key struct {
	prefix netip.Prefix
	metric int
	table  int
}

func keyOf(p netip.Prefix, metric, table int) key {
	if metric == 0 && p.Addr().Is6() {
		metric = ipv6Metric
	}
	return key{p, metric, table}
}

// installed is a route in kernel terms and in ours.
type installed struct {
	key
	route netlink.Route
	what  string // it is for, in an error's words
}

// setRouting adds, replaces and removes routes and rules. What leads our own packets
// outside comes before the routes that they must not take, and leaves after them; a
// rule comes after the routes that it leads to.
func (k *Kernel) setRouting(link netlink.Link, d *Desired) error {
	ours, host, err := k.routes()
	if err != nil {
		return err
	}
	rules, others, err := k.rules()
	if err != nil {
		return err
	}
	outside, errs := k.exceptions(host, link, d)
	inward := k.outerNetworks(host, link, d)
	around, crowded := k.waysAround(host, link, d, outside)
	k.crowded = crowded
	aside := slices.Concat(outside, around, inward, k.hostRoutes(link, d))
	failed, err := k.putRoutes(ours, aside)
	errs = append(errs, err)
	missing, stale, early := compare(rules, slices.Concat(k.networkRules(d), k.hostRules(d), strongRules(d), k.outsideRules(d, outside, others), k.forwardedRules(d, inward, others)))
	errs = append(errs, k.removeEach(early))
	unruled, err := k.addRules(missing)
	errs = append(errs, err, d.withhold(outside, failed, unruled))

	inside, err := k.tunnelRoutes(link, d)
	errs = append(errs, err)
	_, err = k.putRoutes(ours, inside)
	errs = append(errs, err)
	wanted := make(map[key]bool, len(inside)+len(aside))
	for _, w := range slices.Concat(inside, aside) {
		wanted[w.key] = true
	}
	for _, last := range []bool{false, true} {
		if last {
			errs = append(errs, k.setLocal(d), k.removeEach(stale))
		}
		for id, have := range ours {
			if !wanted[id] && last == k.aside(id.table) {
				errs = append(errs, k.remove(have))
			}
		}
	}
	return errors.Join(errs...)
}

// aside tells the tables that only our rules lead to.
func (k *Kernel) aside(table int) bool {
	return table == k.hostTable() || table == k.outsideTable() || table == k.insideTable()
}

// putRoutes adds and replaces routes; failed are those that the kernel did not take.
func (k *Kernel) putRoutes(ours map[key]installed, want []installed) (failed []installed, err error) {
	var errs []error
	for _, w := range want {
		var err error
		have, ok := ours[w.key]
		switch {
		case !ok:
			err = k.add(w)
		case !sameRoute(have.route, w.route):
			err = k.change(k.handle.RouteReplace(&w.route), "%s", w.what)
		}
		if err != nil {
			failed = append(failed, w)
			errs = append(errs, err)
		}
	}
	return failed, errors.Join(errs...)
}

// tunnelRoutes are the routes to the remote networks in kernel terms.
func (k *Kernel) tunnelRoutes(link netlink.Link, d *Desired) (want []installed, err error) {
	sources, err := k.sources(d)
	errs := []error{err}
	for _, r := range d.Routes {
		route, err := k.through(link, r, d, sources)
		if err != nil {
			errs = append(errs, err)
		} else {
			want = append(want, route)
		}
		if d.FailClosed {
			want = append(want, k.standIn(r.Prefix, d.Table))
		}
	}
	return want, errors.Join(errs...)
}

// through is the route r in kernel terms.
func (k *Kernel) through(link netlink.Link, r Route, d *Desired, sources []netip.Addr) (installed, error) {
	id := keyOf(r.Prefix, r.Metric, d.Table)
	route := k.toPrefix(id)
	route.LinkIndex = link.Attrs().Index
	what := fmt.Sprintf("add the route to %v through interface %s", r.Prefix, d.Interface)
	if r.Via.Interface != "" {
		what = fmt.Sprintf("add the route to %v through interface %s", r.Prefix, r.Via.Interface)
		via, err := k.handle.LinkByName(r.Via.Interface)
		if err != nil {
			return installed{}, fmt.Errorf("kernel: cannot %s: %w", what, err)
		}
		route.LinkIndex = via.Attrs().Index
	}
	if r.Via.NextHop.IsValid() {
		route.Gw = r.Via.NextHop.AsSlice()
	} else if r.Prefix.Addr().Is4() {
		route.Scope = netlink.SCOPE_LINK // as for every destination without a next hop
	}
	source := r.Source
	for _, s := range sources {
		if !source.IsValid() && s.Is4() == r.Prefix.Addr().Is4() {
			source = s
		}
	}
	if source.IsValid() {
		route.Src = source.AsSlice()
	}
	return installed{id, route, what}, nil
}

// toPrefix is what all our routes have in common.
func (k *Kernel) toPrefix(id key) netlink.Route {
	return netlink.Route{
		Dst: netipx.PrefixIPNet(id.prefix), Protocol: k.protocol, Table: id.table,
		Type: unix.RTN_UNICAST, Priority: id.metric,
	}
}

// standIn refuses packets to the prefix that no other route takes.
func (k *Kernel) standIn(p netip.Prefix, table int) installed {
	id := keyOf(p, standInMetric, table)
	route := k.toPrefix(id)
	route.Type = unix.RTN_UNREACHABLE
	return installed{id, route, fmt.Sprintf("refuse packets to %v while no tunnel takes them", p)}
}

// add adds a route and never touches one of somebody else's.
func (k *Kernel) add(w installed) error {
	err := k.handle.RouteAdd(&w.route)
	switch {
	case errors.Is(err, unix.EEXIST):
		return k.change(err, "%s: the host has a route to %v of its own with the same metric; delete it, or give ours another metric",
			w.what, w.prefix)
	case errors.Is(err, unix.EINVAL) && w.route.Src != nil:
		return k.change(err, "%s: is source address %v on this host?", w.what, w.route.Src)
	case errors.Is(err, unix.ENETUNREACH) && w.route.Gw != nil:
		return k.change(err, "%s: next hop %v is on no network of that interface", w.what, w.route.Gw)
	}
	return k.change(err, "%s", w.what)
}

func (k *Kernel) remove(have installed) error {
	err := k.handle.RouteDel(&have.route)
	if errors.Is(err, unix.ESRCH) {
		err = nil // went by itself meanwhile
	}
	return k.change(err, "remove the route to %v", have.prefix)
}

// removeRoutes removes all our routes.
func (k *Kernel) removeRoutes() error {
	ours, _, err := k.routes()
	errs := []error{err}
	for _, have := range ours {
		errs = append(errs, k.remove(have))
	}
	return errors.Join(errs...)
}

// routes lists the routes of all tables that carry our protocol number, and
// the other ones of the main table.
func (k *Kernel) routes() (ours map[key]installed, host []installed, err error) {
	ours = make(map[key]installed)
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := again(func() ([]netlink.Route, error) {
			return k.handle.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, nil, fmt.Errorf("kernel: cannot list the routes: %w", err)
		}
		for _, r := range list {
			p := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if family == netlink.FAMILY_V6 {
				p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			if r.Dst != nil {
				var ok bool
				if p, ok = netipx.FromStdIPNet(r.Dst); !ok {
					continue
				}
			}
			found := installed{keyOf(p, r.Priority, r.Table), r, ""}
			switch {
			case r.Protocol == k.protocol:
				ours[found.key] = found
			case r.Table == unix.RT_TABLE_MAIN:
				host = append(host, found)
			}
		}
	}
	return ours, host, nil
}

// sameRoute compares what we set.
func sameRoute(a, b netlink.Route) bool {
	if a.Type != b.Type {
		return false
	}
	if a.Type != unix.RTN_UNICAST {
		return true // the kernel gives it an interface of its own choice
	}
	if a.LinkIndex != b.LinkIndex || !a.Src.Equal(b.Src) || !a.Gw.Equal(b.Gw) ||
		len(a.MultiPath) != len(b.MultiPath) || (a.Via == nil) != (b.Via == nil) {
		return false
	}
	if a.Via != nil && !a.Via.Equal(b.Via) {
		return false
	}
	for i := range a.MultiPath {
		if !a.MultiPath[i].Equal(*b.MultiPath[i]) {
			return false
		}
	}
	return true
}

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// ipv6Metric is what the kernel makes of metric 0 for an IPv6 route.
const ipv6Metric = 1024

// key is what the kernel tells routes of one table apart by.
type key struct {
	prefix netip.Prefix
	metric int
}

func (r Route) key() key { return keyOf(r.Prefix, r.Metric) }

func keyOf(p netip.Prefix, metric int) key {
	if metric == 0 && p.Addr().Is6() {
		metric = ipv6Metric
	}
	return key{p, metric}
}

// installed is a route in kernel terms and in ours.
type installed struct {
	key
	route netlink.Route
}

// setRoutes adds, replaces and removes routes. Peers' exceptions come before
// the routes they are exceptions from, and leave after them.
func (k *Kernel) setRoutes(link netlink.Link, d *Desired) error {
	ours, err := k.ours()
	if err != nil {
		return err
	}
	want, errs := k.exceptions(link, d)
	sources, err := k.sources(d)
	if err != nil {
		errs = append(errs, err)
	}
	for _, r := range d.Routes {
		want = append(want, k.through(link, r, sources))
	}
	wanted := make(map[key]bool, len(want))
	for _, w := range want {
		wanted[w.key] = true
		have, ok := ours[w.key]
		switch {
		case !ok:
			errs = append(errs, k.add(w, d.Interface))
		case !sameRoute(have.route, w.route):
			errs = append(errs, k.change(k.handle.RouteReplace(&w.route), "%s", describe(w, d.Interface)))
		}
	}
	for id, have := range ours {
		if !wanted[id] {
			errs = append(errs, k.remove(have))
		}
	}
	return errors.Join(errs...)
}

// through is the route r in kernel terms.
func (k *Kernel) through(link netlink.Link, r Route, sources []netip.Addr) installed {
	route := netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       netipx.PrefixIPNet(r.Prefix),
		Protocol:  k.protocol,
		Table:     unix.RT_TABLE_MAIN,
		Type:      unix.RTN_UNICAST,
		Priority:  r.key().metric,
	}
	if r.Prefix.Addr().Is4() {
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
	return installed{r.key(), route}
}

// add adds a route and never touches one of somebody else's.
func (k *Kernel) add(w installed, name string) error {
	err := k.handle.RouteAdd(&w.route)
	switch {
	case errors.Is(err, unix.EEXIST):
		return k.change(err, "%s: the host has a route to %v of its own with the same metric; delete it, or give ours another metric",
			describe(w, name), w.prefix)
	case errors.Is(err, unix.EINVAL) && w.route.Src != nil:
		return k.change(err, "%s: is source address %v on this host?", describe(w, name), w.route.Src)
	}
	return k.change(err, "%s", describe(w, name))
}

func (k *Kernel) remove(have installed) error {
	err := k.handle.RouteDel(&have.route)
	if errors.Is(err, unix.ESRCH) {
		err = nil // went by itself meanwhile
	}
	return k.change(err, "remove the route to %v", have.prefix)
}

func describe(w installed, name string) string {
	if w.route.Gw != nil || len(w.route.MultiPath) > 0 {
		return fmt.Sprintf("keep the way to peer %v outside interface %s", w.prefix.Addr(), name)
	}
	return fmt.Sprintf("add the route to %v through interface %s", w.prefix, name)
}

// removeRoutes removes all our routes.
func (k *Kernel) removeRoutes() error {
	ours, err := k.ours()
	errs := []error{err}
	for _, have := range ours {
		errs = append(errs, k.remove(have))
	}
	return errors.Join(errs...)
}

// ours lists the routes of the main table that carry our protocol number.
func (k *Kernel) ours() (map[key]installed, error) {
	all, err := k.mainTable()
	if err != nil {
		return nil, err
	}
	ours := make(map[key]installed)
	for _, r := range all {
		if r.route.Protocol == k.protocol {
			ours[r.key] = r
		}
	}
	return ours, nil
}

// mainTable lists the routes of the main table.
func (k *Kernel) mainTable() ([]installed, error) {
	var all []installed
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := again(func() ([]netlink.Route, error) {
			return k.handle.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("kernel: cannot list the routes: %w", err)
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
			all = append(all, installed{keyOf(p, r.Priority), r})
		}
	}
	return all, nil
}

// sameRoute compares what we set.
func sameRoute(a, b netlink.Route) bool {
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

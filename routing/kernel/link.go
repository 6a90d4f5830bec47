package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// addrGenModeNone stops the kernel from giving the interface an IPv6
// link-local address (IN6_ADDR_GEN_MODE_NONE).
const addrGenModeNone = 1

// Overruns is how many packets the kernel routed to the interface and dropped,
// since nobody took them from its queue in time; 0 if that cannot be known now.
func (k *Kernel) Overruns(name string) uint64 {
	if !k.mu.TryLock() {
		return k.overruns.Load() // whoever sets thousands of routes keeps no status waiting
	}
	defer k.mu.Unlock()
	link, err := k.handle.LinkByName(name)
	if err != nil || link.Attrs().Statistics == nil {
		return k.overruns.Load()
	}
	n := link.Attrs().Statistics.TxDropped
	k.overruns.Store(n)
	return n
}

// setLink sets MTU and state of the interface.
func (k *Kernel) setLink(link netlink.Link, d *Desired) error {
	var errs []error
	if d.MTU != 0 && link.Attrs().MTU != d.MTU {
		errs = append(errs, k.change(k.handle.LinkSetMTU(link, d.MTU),
			"set the MTU of interface %s to %d", d.Interface, d.MTU))
	}
	up := link.Attrs().RawFlags&unix.IFF_UP != 0
	switch {
	case d.Up && !up:
		// A link-local address would make the kernel send router
		// solicitations and multicast reports into the tunnel. Where IPv6 is
		// off there is nothing to stop.
		_ = k.change(k.handle.LinkSetIP6AddrGenMode(link, addrGenModeNone), "")
		errs = append(errs, k.change(k.handle.LinkSetUp(link), "bring interface %s up", d.Interface))
	case !d.Up && up:
		errs = append(errs, k.change(k.handle.LinkSetDown(link), "take interface %s down", d.Interface))
	}
	return errors.Join(errs...)
}

// ipv6MinMTU is the smallest MTU with IPv6 (RFC 8200 §5).
const ipv6MinMTU = 1280

// dropIPv6 takes the IPv6 part out of d where the MTU is too small for it: the
// kernel has IPv6 off on such an interface and its own errors do not tell why.
func (d *Desired) dropIPv6(link netlink.Link) error {
	mtu := d.MTU
	if mtu == 0 {
		mtu = link.Attrs().MTU
	}
	if mtu >= ipv6MinMTU {
		return nil
	}
	address := func(p netip.Prefix) bool { return p.Addr().Is6() }
	route := func(r Route) bool { return r.Prefix.Addr().Is6() }
	host := func(h Host) bool { return h.Peer.Is6() }
	if !slices.ContainsFunc(d.Addresses, address) && !slices.ContainsFunc(d.Routes, route) && !slices.ContainsFunc(d.Hosts, host) {
		return nil
	}
	d.Addresses = slices.DeleteFunc(slices.Clone(d.Addresses), address)
	d.Routes = slices.DeleteFunc(d.Routes, route)
	d.Hosts = slices.DeleteFunc(d.Hosts, host)
	return fmt.Errorf("kernel: no IPv6 addresses and routes: the MTU of interface %s is below %d (%d), the least IPv6 works with",
		d.Interface, ipv6MinMTU, mtu)
}

// setAddresses removes and adds addresses of the interface, in this order: the
// kernel lets secondary addresses go with their primary one.
func (k *Kernel) setAddresses(link netlink.Link, d *Desired) error {
	present, err := k.addresses(link)
	if err != nil {
		return fmt.Errorf("kernel: interface %s: %w", d.Interface, err)
	}
	var errs []error
	removed := false
	for _, have := range present {
		linkLocal := have.Addr().Is6() && have.Addr().IsLinkLocalUnicast()
		if !linkLocal && !slices.Contains(d.Addresses, have) {
			removed = true
			errs = append(errs, k.removeAddress(link, have))
		}
	}
	if removed {
		if present, err = k.addresses(link); err != nil {
			return fmt.Errorf("kernel: interface %s: %w", d.Interface, err)
		}
	}
	for i, want := range d.Addresses {
		if !slices.Contains(present, want) && !slices.Contains(d.Addresses[:i], want) {
			errs = append(errs, k.addAddress(link, want))
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) addAddress(link netlink.Link, want netip.Prefix) error {
	a := &netlink.Addr{IPNet: ipNet(want), Flags: unix.IFA_F_NOPREFIXROUTE}
	if want.Addr().Is6() {
		// Duplicate address detection finds nobody on a TUN interface and
		// leaves the address unusable for a second.
		a.Flags |= unix.IFA_F_NODAD
	}
	return k.change(k.handle.AddrAdd(link, a), "add address %v to interface %s", want, link.Attrs().Name)
}

func (k *Kernel) removeAddress(link netlink.Link, have netip.Prefix) error {
	err := k.handle.AddrDel(link, &netlink.Addr{IPNet: ipNet(have)})
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		err = nil // a secondary that went with its primary
	}
	return k.change(err, "remove address %v from interface %s", have, link.Attrs().Name)
}

// ipNet is p with its host bits.
func ipNet(p netip.Prefix) *net.IPNet {
	n := netipx.PrefixIPNet(p)
	n.IP = p.Addr().AsSlice()
	return n
}

// addresses lists the addresses of a link, or of all links when it is nil.
func (k *Kernel) addresses(link netlink.Link) ([]netip.Prefix, error) {
	list, err := again(func() ([]netlink.Addr, error) {
		return k.handle.AddrList(link, netlink.FAMILY_ALL)
	})
	var prefixes []netip.Prefix
	for _, a := range list {
		addr, ok := netipx.FromStdIP(a.IP)
		ones, _ := a.Mask.Size()
		if ok {
			prefixes = append(prefixes, netip.PrefixFrom(addr, ones))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses: %w", err)
	}
	return prefixes, nil
}

// again repeats a dump that another change of the same tables interrupted
// (NLM_F_DUMP_INTR), a few times.
func again[T any](list func() ([]T, error)) (all []T, err error) {
	for range 10 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, err
}

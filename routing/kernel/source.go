package kernel

import (
	"fmt"
	"net/netip"
	"slices"
)

// sources are the addresses of this host that lie in the local networks, the
// ones that are fit as source of what the gateway itself sends into a tunnel.
// Those of the tunnel's interface come first, then the order is that of the
// local networks and of the kernel's interfaces.
func (k *Kernel) sources(d *Desired) (found []netip.Addr, err error) {
	if len(d.LocalNetworks) == 0 {
		return nil, nil
	}
	host, err := k.addresses(nil)
	if err != nil {
		return nil, fmt.Errorf("kernel: no source address can be chosen: %w", err)
	}
	for _, candidates := range [][]netip.Prefix{d.Addresses, host} {
		for _, local := range d.LocalNetworks {
			for _, c := range candidates {
				a := c.Addr()
				if local.Contains(a) && !a.IsLinkLocalUnicast() && !a.IsLoopback() && !slices.Contains(found, a) {
					found = append(found, a)
				}
			}
		}
	}
	return found, nil
}

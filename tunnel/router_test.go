package tunnel

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"causeway/esp/selector"
	"causeway/test/netdev"
	"causeway/tunnel/tun"
)

// acrossRouter is joined with a router between the two hosts, whose link to b
// has that MTU.
func acrossRouter(t *testing.T, c offloadCase, mtu int) (a, b *host) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	router := newHost(t)
	for n, h := range []*host{a, b} {
		name := fmt.Sprintf("cwt-router%d", n+1)
		h.do(t, func() error {
			return netlink.LinkAdd(&netlink.Veth{
				LinkAttrs: netlink.LinkAttrs{Name: "cwt-outer"}, PeerName: name, PeerNamespace: netlink.NsFd(router.handle),
			})
		})
		router.do(t, func() error {
			if err := netdev.Up(name, fmt.Sprintf("192.0.2.%d/32", 253+n)); err != nil {
				return err
			}
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/proxy_arp", []byte("1"), 0); err != nil {
				return err
			}
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if n == 1 {
				if err := netlink.LinkSetMTU(link, mtu); err != nil {
					return err
				}
			}
			to := &net.IPNet{IP: net.IPv4(192, 0, 2, byte(n+1)), Mask: net.CIDRMask(32, 32)}
			return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Scope: netlink.SCOPE_LINK})
		})
	}
	router.do(t, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
	a.open(t, c, 1)
	b.open(t, c, 2)
	carryBoth(t, a, b)
	return a, b
}

// carryBoth gives both hosts a Child SA and runs their gateways.
func carryBoth(t *testing.T, a, b *host) {
	t.Helper()
	p := &pair{a: a.gateway, b: b.gateway}
	p.child(t, selector.Any(), selector.Any(), nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, h := range []*host{a, b} {
		go func() { ended <- h.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRouterSaysTooBig: a router on the path carries less than the link here.
// Its ICMP is believed, and TCP, which was told of the tunnel's MTU by its SYN
// before, goes on with less.
func TestRouterSaysTooBig(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	for name, c := range map[string]offloadCase{"in UDP": {backend: tun.Native}, "without UDP": {backend: tun.Native, bare: true}} {
		t.Run(name, func(t *testing.T) {
			a, b := acrossRouter(t, c, 1400)
			transfer(t, a, b, "10.2.0.1")
			if got := a.forwarding.Load().connections["peer"].path.load(a.now()); got != 1400 {
				t.Errorf("path MTU %d", got)
			}
			if n := a.TotalCounters().Drops; n[DropForgedICMP] != 0 {
				t.Errorf("drops %v", n)
			}
		})
	}
}

package world

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"causeway/test/netdev"
)

// mostSites is how many FurtherSite knows.
const mostSites = 200

// FurtherSite is the site of that number, from 1 on, beside SiteA and SiteB. It
// has one IPv4 and one IPv6 network. Its outer address is in the range that RFC
// 2544 sets apart for benchmarks.
func FurtherSite(number int) Site {
	if number < 1 || number > mostSites {
		panic(fmt.Sprintf("world: there is no site %d", number))
	}
	n := byte(number)
	six := func(text string) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(text, n)) }
	return Site{
		Name:     fmt.Sprintf("site%d", number),
		Outer4:   netip.AddrFrom4([4]byte{198, 18, n, 2}),
		Router4:  netip.AddrFrom4([4]byte{198, 18, n, 1}),
		Outer6:   six("2001:db8:c:%x::2"),
		Router6:  six("2001:db8:c:%x::1"),
		Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20, n, 0}), 24), netip.PrefixFrom(six("fd00:20:%x::"), 64)},
	}
}

// AddSite adds a site: a gateway at the router, with the addresses of GatewayIn
// on a device that leads nowhere, so that it is its own client.
func (w *World) AddSite(ctx context.Context, s Site) (*Namespace, error) {
	n := w.namespace(s.Name)
	if err := w.create(ctx, n); err != nil {
		return nil, err
	}
	for _, step := range []struct{ space, batch string }{
		{"", fmt.Sprintf("link add wan netns %s type veth peer name %s netns %s\n", n.Name, s.Name, w.Router.Name)},
		{n.Name, "link add lan type veth peer name unused\nlink set dev unused up\n" + s.GatewayBatch()},
		{w.Router.Name, s.routerBatch()},
	} {
		if err := ip(ctx, step.space, step.batch); err != nil {
			return nil, fmt.Errorf("world: site %s: %w", s.Name, err)
		}
	}
	return n, nil
}

// Passed is what a link has carried, in IP packets and their bytes.
type Passed struct{ Packets, Bytes uint64 }

// etherHeader is what a link counts besides the IP packet.
const etherHeader = 14

// Links reads what the links of a namespace have carried, by their names: out
// of it, and into it.
func (n *Namespace) Links() (out, in map[string]Passed, err error) {
	space, err := netns.GetFromName(n.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("world: namespace %s: %w", n.Name, err)
	}
	defer space.Close()
	handle, err := netlink.NewHandleAt(space, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("world: netlink in %s: %w", n.Name, err)
	}
	defer handle.Close()
	links, err := netdev.List(handle.LinkList)
	if err != nil {
		return nil, nil, fmt.Errorf("world: links of %s: %w", n.Name, err)
	}
	out, in = map[string]Passed{}, map[string]Passed{}
	for _, l := range links {
		if s := l.Attrs().Statistics; s != nil {
			out[l.Attrs().Name] = Passed{s.TxPackets, s.TxBytes - etherHeader*s.TxPackets}
			in[l.Attrs().Name] = Passed{s.RxPackets, s.RxBytes - etherHeader*s.RxPackets}
		}
	}
	return out, in, nil
}

// SingleFrames makes a namespace's device send each packet by itself, as a wire
// needs it: a veth would hand over many at once, whose headers are not counted.
func (n *Namespace) SingleFrames(ctx context.Context, device string) error {
	return n.Shell(ctx, "ethtool -K "+device+" gso off tso off tx-udp-segmentation off >/dev/null")
}

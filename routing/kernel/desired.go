package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Desired is the whole state wanted. What is ours and not in it is removed.
type Desired struct {
	// Interface is the TUN interface. It must exist.
	Interface string
	// Addresses of the interface. They bring no routes with them, whatever
	// their prefix: only Routes do.
	Addresses []netip.Prefix
	// Strong: packets to Addresses come by the interface or from this host, and
	// others are dropped.
	Strong bool
	// MTU of the interface; zero leaves it as it is.
	MTU int
	// Superpacket is the most bytes of a superpacket (gso_max_size) that are sent as
	// one message. It holds while the host forwards nothing; zero leaves it as it is.
	Superpacket int
	// Up says whether the interface is to be up. Routes need it up.
	Up bool
	// Table holds the routes; zero is the main table.
	Table int
	// Routes lead to the remote networks. A default route is installed as its
	// two halves (0.0.0.0/1 and 128.0.0.0/1), which take precedence over the
	// host's own default route and leave it as it is.
	Routes []Route
	// FailClosed puts an unreachable route behind each of Routes: should the
	// interface go with the program, nothing takes another way in the clear.
	FailClosed bool
	// Hosts are peers whose own packets with this host go through the interface:
	// transport mode.
	Hosts []Host
	// Own is what must not, though it goes to them, nor by Routes though it goes to
	// Peers.
	Own Own
	// Rules make packets from these networks look into Table first.
	Rules []netip.Prefix
	// LocalNetworks are where source addresses are looked for when the
	// gateway itself sends into a tunnel: a route without a Source prefers an
	// address of the host inside one of them, so that the packets match the
	// traffic selectors.
	LocalNetworks []netip.Prefix
	// Peers are the outer addresses of the peers. One that lies inside a
	// route keeps the way it has now for our own packets (Own), which would go
	// into the tunnel again: a host route by the present next hop, which rules
	// lead to. Where that next hop changes, Set has to be called again.
	Peers []netip.Addr
	// Outside are networks of the interfaces that lead to Peers which clients reach
	// there, though a route contains them. To others that are neither in here nor in
	// LocalNetworks they come by the route.
	Outside []netip.Prefix
}

// Route leads to one remote network.
type Route struct {
	Prefix netip.Prefix
	Source netip.Addr // preferred source address; the zero Addr: choose by LocalNetworks
	Metric int        // zero: the kernel's default
	// Via leads past the tunnel: by another interface, and its next hop if
	// that is valid. The zero value is the TUN interface.
	Via Via
}

// Host is traffic of this host with one peer itself.
type Host struct {
	Peer netip.Addr
	// Source is the source address to prefer; the zero Addr: as the way to the
	// peer is outside of the interface.
	Source netip.Addr
	// Protocols are those that go through the interface; empty: all.
	Protocols []uint8
}

// Own is how the gateway's own packets to its peers are told: ESP, and UDP from
// these ports.
type Own struct{ Ports []uint16 }

// Via is a way of the host's own.
type Via struct {
	Interface string
	NextHop   netip.Addr
}

// complete checks d and brings it into the form the rest works on: masked,
// without duplicates, default routes in halves. d itself stays as it is.
func (d Desired) complete() (Desired, error) {
	if d.Interface == "" {
		return d, errors.New("kernel: no interface is named")
	}
	if d.Table == 0 {
		d.Table = unix.RT_TABLE_MAIN
	}
	for _, a := range d.Addresses {
		if !a.IsValid() {
			return d, fmt.Errorf("kernel: interface %s: an address is empty", d.Interface)
		}
	}
	if err := d.hosts(); err != nil {
		return d, err
	}
	routes := d.Routes
	d.Routes = make([]Route, 0, len(routes))
	seen := make(map[key]bool, len(routes))
	for _, r := range routes {
		if !r.Prefix.IsValid() {
			return d, fmt.Errorf("kernel: interface %s: a route has no prefix", d.Interface)
		}
		if r.Source.IsValid() && r.Source.Is4() != r.Prefix.Addr().Is4() {
			return d, fmt.Errorf("kernel: interface %s: route to %v: source address %v is of the other family",
				d.Interface, r.Prefix, r.Source)
		}
		for _, p := range halves(r.Prefix.Masked()) {
			r.Prefix = p
			if id := keyOf(p, r.Metric, d.Table); !seen[id] {
				seen[id] = true
				d.Routes = append(d.Routes, r)
			}
		}
	}
	return d, nil
}

// halves splits a default route in two and leaves others alone.
func halves(p netip.Prefix) []netip.Prefix {
	if p.Bits() != 0 {
		return []netip.Prefix{p}
	}
	if p.Addr().Is4() {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")}
	}
	return []netip.Prefix{netip.MustParsePrefix("::/1"), netip.MustParsePrefix("8000::/1")}
}

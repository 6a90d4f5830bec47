// Package kernel brings the kernel's side of routing into the state the gateway
// wants, by netlink: the TUN interface's MTU, state and addresses, and the
// routes to the remote networks through it.
//
// It owns the interface, and in the main routing table the routes that carry
// its protocol number; every other route, address and interface of the host is
// left alone. It sets no policy rules, no forwarding sysctls and no firewall. A
// Kernel is safe for concurrent use.
package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Protocol is the routing protocol number (rtm_protocol) that marks our routes:
// `ip route show proto 197`. It is how a later run knows what a crashed one
// left. Numbers above 4 that /etc/iproute2/rt_protos does not name are free for
// anyone's use.
const Protocol = 197

// Desired is the whole state wanted. What is ours and not in it is removed.
type Desired struct {
	// Interface is the TUN interface. It must exist.
	Interface string
	// Addresses of the interface. They bring no routes with them, whatever
	// their prefix: only Routes do.
	Addresses []netip.Prefix
	// MTU of the interface; zero leaves it as it is.
	MTU int
	// Up says whether the interface is to be up. Routes need it up.
	Up bool
	// Routes lead to the remote networks. A default route is installed as its
	// two halves (0.0.0.0/1 and 128.0.0.0/1), which take precedence over the
	// host's own default route and leave it as it is.
	Routes []Route
	// LocalNetworks are where source addresses are looked for when the
	// gateway itself sends into a tunnel: a route without a Source prefers an
	// address of the host inside one of them, so that the packets match the
	// traffic selectors.
	LocalNetworks []netip.Prefix
	// Peers are the outer addresses of the peers. One that lies inside a
	// route keeps the way it has now: a host route by the present next hop is
	// added for it, since its ESP would go into the tunnel again. Where that
	// next hop changes, Set has to be called again.
	Peers []netip.Addr
}

// Route leads to one remote network through the interface.
type Route struct {
	Prefix netip.Prefix
	Source netip.Addr // preferred source address; the zero Addr: choose by LocalNetworks
	Metric int        // zero: the kernel's default
}

// Kernel changes one network namespace: that of the thread that opened it.
type Kernel struct {
	mu       sync.Mutex
	handle   *netlink.Handle
	protocol netlink.RouteProtocol
	current  string // the interface of the last Set
	changes  int    // netlink writes so far
}

// Open connects to the kernel. Gateways that share one network namespace need
// different protocol numbers, each removes all routes under its own; zero means
// Protocol.
func Open(protocol uint8) (*Kernel, error) {
	if protocol == 0 {
		protocol = Protocol
	}
	if protocol <= unix.RTPROT_STATIC {
		return nil, fmt.Errorf("kernel: routing protocol number %d belongs to the kernel or the administrator; choose one above %d",
			protocol, unix.RTPROT_STATIC)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("kernel: cannot open a netlink socket: %w", err)
	}
	return &Kernel{handle: h, protocol: netlink.RouteProtocol(protocol)}, nil
}

// Set makes the kernel's state the desired one and changes nothing that is so
// already. It does all it can: an error names what could not be done, and the
// rest is in place.
func (k *Kernel) Set(d Desired) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	d, err := d.complete()
	if err != nil {
		return err
	}
	link, err := k.handle.LinkByName(d.Interface)
	if err != nil {
		return fmt.Errorf("kernel: interface %s: %w", d.Interface, err)
	}
	k.current = d.Interface
	errs := []error{k.setLink(link, &d), d.dropIPv6(link), k.setAddresses(link, &d)}
	if !d.Up {
		d.Routes = nil
	}
	errs = append(errs, k.setRoutes(link, &d))
	return errors.Join(errs...)
}

// Clear removes our routes, and the addresses of the interface of the last Set,
// and takes it down. That the interface is gone already is no error.
func (k *Kernel) Clear() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := []error{k.removeRoutes()}
	link, err := k.handle.LinkByName(k.current)
	var gone netlink.LinkNotFoundError
	switch {
	case k.current == "" || errors.As(err, &gone):
	case err != nil:
		errs = append(errs, fmt.Errorf("kernel: interface %s: %w", k.current, err))
	default:
		d := &Desired{Interface: k.current}
		errs = append(errs, k.setAddresses(link, d), k.setLink(link, d))
	}
	k.current = ""
	return errors.Join(errs...)
}

// Close closes the connection to the kernel and changes nothing.
func (k *Kernel) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handle.Close()
}

// change counts one write to the kernel and says what failed.
func (k *Kernel) change(err error, format string, args ...any) error {
	k.changes++
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("kernel: cannot %s: %w: it needs CAP_NET_ADMIN: run as root; in a container, pass `--cap-add NET_ADMIN`", what, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("kernel: cannot %s: %w: is the address family switched off on this host?", what, err)
	}
	return fmt.Errorf("kernel: cannot %s: %w", what, err)
}

// complete checks d and brings it into the form the rest works on: masked,
// without duplicates, default routes in halves. d itself stays as it is.
func (d Desired) complete() (Desired, error) {
	if d.Interface == "" {
		return d, errors.New("kernel: no interface is named")
	}
	for _, a := range d.Addresses {
		if !a.IsValid() {
			return d, fmt.Errorf("kernel: interface %s: an address is empty", d.Interface)
		}
	}
	routes := d.Routes
	d.Routes = make([]Route, 0, len(routes))
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
			same := func(o Route) bool { return o.key() == r.key() }
			if !slices.ContainsFunc(d.Routes, same) {
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

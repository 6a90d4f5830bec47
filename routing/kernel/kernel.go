// Package kernel brings the kernel's side of routing into the state the gateway
// wants, by netlink: the TUN interface's MTU, state and addresses, and the
// routes to the remote networks through it.
//
// It owns the interface, and the routes and policy rules that carry its protocol
// number; every other route, rule, address and interface of the host is left
// alone, but for the place of the rule for the table local (Desired.Strong). It sets no forwarding sysctls and no firewall. A Kernel is safe for
// concurrent use.
package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Protocol is the routing protocol number (rtm_protocol) that marks our routes:
// `ip route show proto 197`. It is how a later run knows what a crashed one
// left. Numbers above 4 that /etc/iproute2/rt_protos does not name are free for
// anyone's use.
const Protocol = 197

// Kernel changes one network namespace: that of the thread that opened it.
type Kernel struct {
	mu       sync.Mutex
	handle   *netlink.Handle
	protocol netlink.RouteProtocol
	ns       netns.NsHandle
	current  string // the interface of the last Set
	changes  int    // netlink writes so far
	crowded  []netip.Prefix

	overruns atomic.Uint64 // as last read
}

// Options say which part of the kernel's state is ours.
type Options struct {
	// Protocol marks our routes and rules. Gateways that share one network
	// namespace need different ones, each removes all under its own; zero means
	// the constant Protocol.
	Protocol uint8
	// Namespace is the network namespace to change, as `ip netns` names it;
	// empty is that of the calling thread.
	Namespace string
}

// Open connects to the kernel.
func Open(o Options) (*Kernel, error) {
	protocol := o.Protocol
	if protocol == 0 {
		protocol = Protocol
	}
	if protocol <= unix.RTPROT_STATIC {
		return nil, fmt.Errorf("kernel: routing protocol number %d belongs to the kernel or the administrator; choose one above %d",
			protocol, unix.RTPROT_STATIC)
	}
	ns, err := namespace(o.Namespace)
	if err != nil {
		return nil, err
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("kernel: cannot open a netlink socket: %w", err)
	}
	return &Kernel{handle: h, ns: ns, protocol: netlink.RouteProtocol(protocol)}, nil
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
	errs := []error{k.setLink(link, &d), k.setSuperpacket(link, &d), d.dropIPv6(link), k.setAddresses(link, &d)}
	if !d.Up {
		d.Routes = nil
	}
	return errors.Join(append(errs, k.setRouting(link, &d))...)
}

// Clear removes our routes and rules, and the addresses of the interface of the last Set,
// and takes it down. That the interface is gone already is no error.
func (k *Kernel) Clear() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := []error{k.removeRules(), k.removeRoutes()}
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
	if k.ns.IsOpen() {
		k.ns.Close()
	}
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

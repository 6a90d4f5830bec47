package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RemoveLeftovers removes what a crashed run left: our routes and rules, and the TUN
// interface name where it outlived its program (a persistent one that no
// program has open and that was not prepared for a certain user). Call it
// before the interface is opened. An interface of another kind is left alone;
// opening it will say that the name is taken. What a gateway that runs has is no
// leftover, and an error: nothing is removed then.
func (k *Kernel) RemoveLeftovers(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.inUse(name); err != nil {
		return err
	}
	errs := []error{k.removeRules(), k.removeRoutes()}
	link, err := k.handle.LinkByName(name)
	var gone netlink.LinkNotFoundError
	switch {
	case errors.As(err, &gone):
	case err != nil:
		errs = append(errs, fmt.Errorf("kernel: interface %s: %w", name, err))
	case abandoned(link):
		errs = append(errs, k.change(k.handle.LinkDel(link), "remove the leftover interface %s", name))
	}
	return errors.Join(errs...)
}

// inUse finds a gateway that runs: a program has the interface open, or one that
// routes of our number lead through.
func (k *Kernel) inUse(name string) error {
	if link, err := k.handle.LinkByName(name); err == nil && held(link) {
		return fmt.Errorf("kernel: another program has interface %s open; is Causeway running already? Stop it, or choose another gateway.interface.name and route_protocol", name)
	}
	ours, _, err := k.routes()
	if err != nil {
		return err
	}
	for _, r := range ours {
		if link, err := k.handle.LinkByIndex(r.route.LinkIndex); err == nil && held(link) {
			return fmt.Errorf("kernel: the route to %v through interface %s, which another program has open, has our protocol number, %d; is it another Causeway? Give one of the two another gateway.interface.route_protocol",
				r.prefix, link.Attrs().Name, k.protocol)
		}
	}
	return nil
}

// held tells a TUN interface that is up and that a program has open: it has a carrier.
func held(link netlink.Link) bool {
	t, ok := link.(*netlink.Tuntap)
	const carries = unix.IFF_UP | unix.IFF_LOWER_UP
	return ok && t.Mode == unix.IFF_TUN && t.Attrs().RawFlags&carries == carries
}

// abandoned tells a TUN interface that is up and that nobody holds: it has no
// carrier (IFF_LOWER_UP). One that is down says nothing about carrier and may be
// held by a program that is starting; tun.Open takes it over if it can.
func abandoned(link netlink.Link) bool {
	t, ok := link.(*netlink.Tuntap)
	if !ok || t.Mode != unix.IFF_TUN || t.NonPersist || t.Owner != 0 || t.Group != 0 {
		return false // owner and group are 0 where there are none
	}
	flags := t.Attrs().RawFlags
	return flags&unix.IFF_UP != 0 && flags&unix.IFF_LOWER_UP == 0
}

// Package netdev sets up network devices of the kernel, and looks at them, for tests
// of any package.
package netdev

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// patience is far more than the kernel takes for a route.
const patience = 20 * time.Second

// Up gives a device of the thread's namespace addresses and sets it up. The kernel makes
// the local route of an IPv6 address some time later, from a work queue, and until then
// drops what comes for it: Up waits for that.
func Up(name string, addresses ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	updates, done := make(chan netlink.RouteUpdate), make(chan struct{})
	if err := netlink.RouteSubscribe(updates, done); err != nil {
		return err
	}
	defer func() {
		close(done)
		for range updates { // until it is closed
		}
	}()
	awaited := map[string]bool{}
	for _, text := range addresses {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, a); err != nil {
			return err
		}
		if a.IP.To4() == nil {
			awaited[hostRoute(a.IP)] = true
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for late := time.After(patience); len(awaited) > 0; {
		select {
		case u := <-updates:
			if u.Type == unix.RTM_NEWROUTE && u.Table == unix.RT_TABLE_LOCAL && u.Dst != nil {
				delete(awaited, u.Dst.String())
			}
		case <-late:
			return fmt.Errorf("netdev: %s: the kernel made no local routes to %v", name, slices.Collect(maps.Keys(awaited)))
		}
	}
	return nil
}

func hostRoute(ip net.IP) string { return ip.String() + "/128" }

// List is a dump of the kernel's, made anew when a change of the same tables
// interrupted it (NLM_F_DUMP_INTR).
func List[T any](dump func() ([]T, error)) (all []T, err error) {
	for range 10 {
		if all, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, err
}

package netdev

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestUp: once a device is up, what is sent to its addresses is for this host.
func TestUp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}); err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for n := range 50 {
		addresses = append(addresses, fmt.Sprintf("2001:db8::%x/64", n+1))
	}
	if err := Up("near", append(addresses, "192.0.2.1/24")...); err != nil {
		t.Fatal(err)
	}
	for _, text := range addresses {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		if routes, err := netlink.RouteGet(a.IP); err != nil || len(routes) != 1 || routes[0].Type != unix.RTN_LOCAL {
			t.Fatalf("the way to %v is %v, %v", a.IP, routes, err)
		}
	}
	if err := Up("nowhere"); err == nil {
		t.Error("a device that does not exist is up")
	}
}

func TestList(t *testing.T) {
	broken := errors.New("no such table")
	for name, c := range map[string]struct {
		answers []error
		want    error
	}{
		"at once":           {[]error{nil}, nil},
		"interrupted twice": {[]error{netlink.ErrDumpInterrupted, fmt.Errorf("routes: %w", netlink.ErrDumpInterrupted), nil}, nil},
		"another error":     {[]error{netlink.ErrDumpInterrupted, broken}, broken},
		"without end":       {slices.Repeat([]error{netlink.ErrDumpInterrupted}, 10), netlink.ErrDumpInterrupted},
	} {
		asked := 0
		all, err := List(func() ([]int, error) {
			asked++
			return []int{asked}, c.answers[asked-1]
		})
		if !errors.Is(err, c.want) || asked != len(c.answers) || len(all) != 1 || all[0] != asked {
			t.Errorf("%s: %v, %v after %d dumps", name, all, err, asked)
		}
	}
}

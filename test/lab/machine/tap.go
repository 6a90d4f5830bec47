package machine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"causeway/test/lab/machine/order"
	"causeway/test/lab/world"
)

// The host's ends of the machine's devices, as they are called in its namespace.
const (
	wan    = "mwan"
	lan    = "mlan"
	orders = "morder"
)

var devices = []struct{ name, mac string }{{wan, order.MACWan}, {lan, order.MACLan}, {orders, order.MACOrder}}

// newTap makes a TAP device in the namespace, which lives as long as the file.
func newTap(space *world.Namespace, name string) (*os.File, error) {
	var file *os.File
	err := space.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		file = os.NewFile(uintptr(fd), name)
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return file, nil
}

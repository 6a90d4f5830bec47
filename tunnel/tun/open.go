package tun

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// clonePath is the device that makes TUN interfaces.
const clonePath = "/dev/net/tun"

// Open creates the TUN interface name with the MTU, in the portable backend.
// The interface is down and has no addresses: routing/kernel sees to that. It
// is gone when the Device is closed or the process ends, however it ends. A
// persistent interface that somebody made beforehand (`ip tuntap add`) is
// taken over, and stays.
func Open(name string, mtu int) (Device, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(err)
	}
	if err := attach(fd, name); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// From here on the file belongs to dev, or to its finalizer on failure.
	dev, actual, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("tun: cannot set up interface %s (TSO needs Linux 2.6.27): %w", name, err)
	}
	// A control socket belongs to a network namespace as the interface does:
	// made here, it goes on reaching the interface from any thread.
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("tun: cannot make a control socket for interface %s: %w", name, err)
	}
	d := &portable{dev: dev, name: actual, control: control}
	if err := d.SetMTU(mtu); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// attach makes the interface name and ties fd to it.
func attach(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("tun: interface name %q: %w", name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return attachError(name, err)
	}
	return nil
}

// checkName refuses what Linux does not take as an interface name, or takes as
// a pattern.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("tun: the interface has no name")
	case len(name) >= unix.IFNAMSIZ:
		return fmt.Errorf("tun: interface name %q is longer than %d bytes", name, unix.IFNAMSIZ-1)
	case name == "." || name == ".." || strings.ContainsAny(name, "/:% \t\r\n\v\f"):
		return fmt.Errorf("tun: %q cannot be an interface name: no slash, colon, percent sign or blank", name)
	}
	return nil
}

// openError says what to do when /dev/net/tun cannot be opened.
func openError(err error) error {
	advice := "is this process allowed to open it?"
	switch {
	case errors.Is(err, unix.ENOENT):
		advice = "in a container, pass `--device /dev/net/tun`; on a host, `modprobe tun`"
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		advice = "the kernel has no TUN driver: `modprobe tun` on the host"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		advice = "run as root; in a container, pass `--device /dev/net/tun`, which also permits its use"
	}
	return fmt.Errorf("tun: cannot open %s: %w: %s", clonePath, err, advice)
}

// attachError says what to do when the interface cannot be had.
func attachError(name string, err error) error {
	advice := "does the kernel support IFF_VNET_HDR?"
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		advice = "it needs CAP_NET_ADMIN: run as root; in a container, pass `--cap-add NET_ADMIN`"
	case errors.Is(err, unix.EBUSY):
		advice = "another program has it open; is Causeway running already?"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EEXIST):
		advice = "an interface of that name exists that is no TUN interface with the same flags; choose another name or delete it"
	}
	return fmt.Errorf("tun: cannot create interface %s: %w: %s", name, err, advice)
}

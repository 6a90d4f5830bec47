package tun

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// clonePath is the device that makes TUN interfaces.
const clonePath = "/dev/net/tun"

// Backend chooses how a device passes packets on.
type Backend uint8

const (
	Auto     Backend = iota // native where the kernel can, else portable
	Native                  // a SuperDevice, or an error
	Portable                // a BatchDevice
)

// Config says which interface to make.
type Config struct {
	Name    string
	MTU     int
	Backend Backend
	// Queues is how many readers the native backend has at most; 0 is 1.
	Queues int
	// NoTSO and NoUSO are the switches that turn superpackets of TCP and UDP
	// off where the kernel or a driver gets them wrong; the native backend's.
	NoTSO, NoUSO bool
	// NoSteering is the switch that does without Spread.
	NoSteering bool
}

// Open makes the TUN interface. It is down and has no addresses: routing/kernel
// sees to that. It is gone when the Device is closed or the process ends,
// however it ends. A persistent interface that somebody made beforehand
// (`ip tuntap add`) is taken over, and stays.
func Open(cfg Config) (Device, error) {
	if err := checkName(cfg.Name); err != nil {
		return nil, err
	}
	switch cfg.Backend {
	case Portable:
		p, err := openPortable(cfg)
		if err != nil {
			return nil, err
		}
		return p, nil
	case Native:
		return openNative(cfg)
	}
	d, err := openNative(cfg)
	if !errors.Is(err, errNotNative) {
		return d, err
	}
	p, otherwise := openPortable(cfg)
	if otherwise != nil {
		return nil, otherwise
	}
	p.refused = err
	return p, nil
}

func openClone() (fd int, err error) {
	fd, err = unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, openError(err)
	}
	return fd, nil
}

// attach makes the interface name and ties fd to it.
func attach(fd int, name string, flags uint16) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("tun: interface name %q: %w", name, err)
	}
	request.SetUint16(flags)
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
		advice = "an interface of that name exists that is no TUN interface with the same flags, or another program has it open; choose another name or delete it"
	}
	return fmt.Errorf("tun: cannot create interface %s: %w: %s", name, err, advice)
}

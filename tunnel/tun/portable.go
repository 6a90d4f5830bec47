package tun

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// portable is a BatchDevice over golang.zx2c4.com/wireguard/tun, which undoes
// TSO and USO on reading and coalesces on writing.
type portable struct {
	link
	dev     wgtun.Device
	refused error // why it was chosen where the native one was preferred
}

func openPortable(cfg Config) (*portable, error) {
	fd, err := openWhole(cfg.Name)
	if err != nil {
		return nil, err
	}
	// From here on the file belongs to dev, or to its finalizer on failure.
	dev, actual, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("tun: cannot set up interface %s: %w", cfg.Name, err)
	}
	d := &portable{dev: dev}
	if err := d.open(actual); err != nil {
		dev.Close()
		return nil, err
	}
	if err := d.SetMTU(cfg.MTU); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// openWhole makes the interface, with superpackets where the kernel has them. A
// descriptor cannot be told otherwise later, so one that is refused gives way.
func openWhole(name string) (int, error) {
	const flags, tso = unix.IFF_TUN | unix.IFF_NO_PI, unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	fd, err := openClone()
	if err != nil {
		return -1, err
	}
	if superpackets(fd) == nil {
		if err := attach(fd, name, flags|unix.IFF_VNET_HDR); err != nil {
			unix.Close(fd)
			return -1, err
		}
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tso) == nil {
			return fd, nil
		}
		unix.Close(fd)
		if fd, err = openClone(); err != nil {
			return -1, err
		}
	}
	if err := attach(fd, name, flags); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (d *portable) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.dev.Read(bufs, sizes, offset)
	if err == nil {
		return n, nil
	}
	var file *os.PathError
	switch {
	case errors.Is(err, os.ErrClosed):
		return 0, os.ErrClosed
	case errors.As(err, &file):
		return 0, fmt.Errorf("tun: cannot read from interface %s: %w", d.name, err)
	}
	// What is left concerns one packet: not IP, headers that contradict the
	// virtio-net header, or more segments than bufs.
	return max(n, 0), nil
}

func (d *portable) Write(bufs [][]byte, offset int) (refused int, err error) {
	n, err := d.dev.Write(bufs, offset)
	switch {
	case err == nil:
		return 0, nil
	case n == 0:
		refused = len(bufs)
	default:
		refused = causes(err)
	}
	if errors.Is(err, os.ErrClosed) {
		return refused, os.ErrClosed
	}
	return refused, fmt.Errorf("tun: cannot write to interface %s: %w", d.name, err)
}

// causes is how many errors were joined: one for each write that failed.
func causes(err error) (n int) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return 1
	}
	for _, e := range joined.Unwrap() {
		n += causes(e)
	}
	return n
}

// Queues is 1: the backend opens one file and reads it under one lock.
func (d *portable) Queues() int { return 1 }

// Offloads is none: superpackets end in the backend.
func (d *portable) Offloads() Offloads { return Offloads{Refused: d.refused} }

func (d *portable) BatchSize() int { return d.dev.BatchSize() }

func (d *portable) Close() error {
	if !d.close() {
		return nil
	}
	if err := d.dev.Close(); err != nil {
		return fmt.Errorf("tun: cannot close interface %s: %w", d.name, err)
	}
	return nil
}

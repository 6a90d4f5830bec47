package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// portable is a Device over golang.zx2c4.com/wireguard/tun, which undoes TSO
// and USO on reading and coalesces on writing.
type portable struct {
	dev  wgtun.Device
	name string

	mu      sync.Mutex
	control int // socket for ioctls on the interface; -1 when closed
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

func (d *portable) Write(bufs [][]byte, offset int) (int, error) {
	n, err := d.dev.Write(bufs, offset)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrClosed):
		return n, os.ErrClosed
	}
	return n, fmt.Errorf("tun: cannot write to interface %s: %w", d.name, err)
}

func (d *portable) MTU() (mtu int, err error) {
	err = d.ioctl(unix.SIOCGIFMTU, func(r *unix.Ifreq) {}, func(r *unix.Ifreq) { mtu = int(r.Uint32()) })
	if err != nil {
		return 0, fmt.Errorf("tun: cannot read the MTU of interface %s: %w", d.name, err)
	}
	return mtu, nil
}

func (d *portable) SetMTU(mtu int) error {
	err := d.ioctl(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(uint32(mtu)) }, func(*unix.Ifreq) {})
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("tun: cannot set the MTU of interface %s to %d: %w: allowed are 68 to %d",
			d.name, mtu, err, MaxPacket)
	case err != nil:
		return fmt.Errorf("tun: cannot set the MTU of interface %s to %d: %w", d.name, mtu, err)
	}
	return nil
}

// ioctl makes one request about the interface.
func (d *portable) ioctl(request uint, fill, read func(*unix.Ifreq)) error {
	r, err := unix.NewIfreq(d.name)
	if err != nil {
		return err
	}
	fill(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.control < 0 {
		return os.ErrClosed
	}
	if err := unix.IoctlIfreq(d.control, request, r); err != nil {
		return err
	}
	read(r)
	return nil
}

func (d *portable) Name() string { return d.name }

// Queues is 1: the backend opens one file and reads it under one lock.
func (d *portable) Queues() int { return 1 }

func (d *portable) BatchSize() int { return d.dev.BatchSize() }

func (d *portable) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.control < 0 {
		return nil
	}
	unix.Close(d.control)
	d.control = -1
	if err := d.dev.Close(); err != nil {
		return fmt.Errorf("tun: cannot close interface %s: %w", d.name, err)
	}
	return nil
}

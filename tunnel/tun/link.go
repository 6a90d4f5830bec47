package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// link is what both backends do with the interface as such.
type link struct {
	name string

	mu      sync.Mutex
	control int // socket for ioctls on the interface; -1 when closed
}

// open makes the control socket. It belongs to a network namespace as the
// interface does: made together with it, it goes on reaching it from any
// thread.
func (l *link) open(name string) error {
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("tun: cannot make a control socket for interface %s: %w", name, err)
	}
	l.name, l.control = name, control
	return nil
}

// close tells whether it was open.
func (l *link) close() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.control < 0 {
		return false
	}
	unix.Close(l.control)
	l.control = -1
	return true
}

// Name implements Device.
func (l *link) Name() string { return l.name }

// MTU implements Device.
func (l *link) MTU() (mtu int, err error) {
	err = l.ioctl(unix.SIOCGIFMTU, func(r *unix.Ifreq) {}, func(r *unix.Ifreq) { mtu = int(r.Uint32()) })
	if err != nil {
		return 0, fmt.Errorf("tun: cannot read the MTU of interface %s: %w", l.name, err)
	}
	return mtu, nil
}

// SetMTU implements Device.
func (l *link) SetMTU(mtu int) error {
	err := l.ioctl(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(uint32(mtu)) }, func(*unix.Ifreq) {})
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("tun: cannot set the MTU of interface %s to %d: %w: allowed are 68 to %d",
			l.name, mtu, err, MaxPacket)
	case err != nil:
		return fmt.Errorf("tun: cannot set the MTU of interface %s to %d: %w", l.name, mtu, err)
	}
	return nil
}

// ioctl makes one request about the interface.
func (l *link) ioctl(request uint, fill, read func(*unix.Ifreq)) error {
	r, err := unix.NewIfreq(l.name)
	if err != nil {
		return err
	}
	fill(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.control < 0 {
		return os.ErrClosed
	}
	if err := unix.IoctlIfreq(l.control, request, r); err != nil {
		return err
	}
	read(r)
	return nil
}

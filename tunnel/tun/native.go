package tun

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// errNotNative says that this kernel lacks what the native backend needs.
var errNotNative = errors.New("this kernel does not have what the native data path needs of TUN interfaces")

// lacks is the error for what the kernel answered err to.
func lacks(what string, err error) error {
	return fmt.Errorf("tun: %w: %s: %w: the portable data path does without", errNotNative, what, err)
}

// maxQueues is the kernel's limit for one interface (MAX_TAP_QUEUES).
const maxQueues = 256

// native is the SuperDevice of Linux. Its descriptors are non-blocking and stay
// out of the runtime's poller; see queue.
type native struct {
	link
	queues   []*queue
	offloads Offloads
	steering *ebpf.Program // nil: none
}

func openNative(cfg Config) (Device, error) {
	d := &native{link: link{control: -1}}
	if err := d.openAll(cfg); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *native) openAll(cfg Config) error {
	if err := d.open(cfg.Name); err != nil {
		return err
	}
	for range min(max(cfg.Queues, 1), maxQueues) {
		fd, err := openClone()
		if err != nil {
			return err
		}
		q, err := newQueue(d.name, fd)
		if err != nil {
			return err
		}
		d.queues = append(d.queues, q)
	}
	if err := superpackets(d.queues[0].fd); err != nil {
		return err
	}
	if err := d.attach(); err != nil {
		return err
	}
	for _, q := range d.queues {
		if err := unix.IoctlSetPointerInt(q.fd, unix.TUNSETVNETHDRSZ, virtioHeaderLen); err != nil {
			return lacks("virtio-net headers of a given size (TUNSETVNETHDRSZ)", err)
		}
	}
	if err := d.setOffloads(cfg); err != nil {
		return err
	}
	d.setSteering(cfg)
	return d.SetMTU(cfg.MTU)
}

// attach makes the interface and ties the queues to it. An interface that is
// there already gets one only: with several, the kernel would let two programs
// share it.
func (d *native) attach() error {
	const flags = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	if len(d.queues) > 1 {
		err := attach(d.queues[0].fd, d.name, flags|unix.IFF_MULTI_QUEUE|unix.IFF_TUN_EXCL)
		for _, q := range d.queues[1:] {
			if err == nil {
				err = attach(q.fd, d.name, flags|unix.IFF_MULTI_QUEUE)
			}
		}
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		for _, q := range d.queues[1:] {
			q.close()
		}
		d.queues = d.queues[:1]
	}
	return attach(d.queues[0].fd, d.name, flags)
}

// setOffloads asks for all that may be, then for less. The offloads are the
// interface's, whichever queue is asked.
func (d *native) setOffloads(cfg Config) error {
	const (
		tso = unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
		uso = unix.TUN_F_USO4 | unix.TUN_F_USO6 // since Linux 6.2
	)
	fd := d.queues[0].fd
	var err error
	for _, want := range []Offloads{{TSO: true, USO: true}, {TSO: true}, {USO: true}, {}} {
		if want.TSO && cfg.NoTSO || want.USO && cfg.NoUSO {
			continue
		}
		bits := unix.TUN_F_CSUM
		if want.TSO {
			bits |= tso
		}
		if want.USO {
			bits |= uso
		}
		if err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, bits); err == nil {
			d.offloads = want
			return nil
		}
	}
	return lacks("packets whose checksums are left to the reader (TUNSETOFFLOAD)", err)
}

// Queues implements Device.
func (d *native) Queues() int { return len(d.queues) }

// Offloads implements Device.
func (d *native) Offloads() Offloads { return d.offloads }

// NewReader implements SuperDevice.
func (d *native) NewReader(queue int) Reader { return newReader(d.queues[queue]) }

// NewWriter implements SuperDevice.
func (d *native) NewWriter(queue int) Writer { return newWriter(d.queues[queue]) }

// Close implements Device.
func (d *native) Close() error {
	if !d.close() {
		return nil
	}
	var errs []error
	for _, q := range d.queues {
		errs = append(errs, q.close())
	}
	errs = append(errs, d.steering.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tun: cannot close interface %s: %w", d.name, err)
	}
	return nil
}

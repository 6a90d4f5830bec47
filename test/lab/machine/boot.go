package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"causeway/test/lab/machine/order"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
)

// emulator is Debian's qemu-system-x86.
const emulator = "qemu-system-x86_64"

// kernelRoot is the root that holds the kernel.
const kernelRoot = "trixie"

// memory of the guest, in MiB.
const memory = "640"

// Machine is a running emulated machine.
type Machine struct {
	space *world.Namespace // has the link for orders, and wan and lan while unplugged
	qemu  *world.Process
}

// Missing names what a machine needs and is not there, or is empty.
func Missing() string {
	if _, err := exec.LookPath(emulator); err != nil {
		return "the command " + emulator
	}
	return roots.Missing(kernelRoot)
}

// Boot starts a machine, with every root that there is, and waits until it
// takes orders. The namespace is the machine's own: Boot makes it, and Close
// removes it. The directory gets the console's output.
func Boot(ctx context.Context, namespace, directory string) (*Machine, error) {
	if lack := Missing(); lack != "" {
		return nil, fmt.Errorf("machine: %s is missing", lack)
	}
	initrd, err := makeInitrd(ctx, directory)
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	space, err := world.NewNamespace(ctx, namespace, "machine", directory)
	if err != nil {
		return nil, err
	}
	m := &Machine{space: space}
	if err := m.start(ctx, initrd); err != nil {
		return nil, errors.Join(fmt.Errorf("machine: %w", err), m.Close())
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, initrd string) error {
	arguments := []string{
		"-accel", "tcg,thread=multi", "-cpu", "max", "-m", memory, "-smp", "1",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-kernel", filepath.Join(roots.Directory(kernelRoot), "boot", "vmlinuz"), "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off random.trust_cpu=on",
		"-device", "virtio-rng-pci",
	}
	for _, name := range roots.Names() {
		if roots.Missing(name) != "" {
			continue
		}
		arguments = append(arguments,
			"-drive", "if=none,format=raw,readonly=on,id="+name+",file="+roots.Image(name),
			"-device", "virtio-blk-pci,drive="+name+",serial="+name)
	}
	var taps []*os.File
	defer func() {
		for _, tap := range taps {
			_ = tap.Close() // the emulator has it
		}
	}()
	for i, d := range devices {
		tap, err := newTap(m.space, d.name)
		if err != nil {
			return err
		}
		taps = append(taps, tap)
		arguments = append(arguments,
			"-netdev", fmt.Sprintf("tap,id=%s,fd=%d", d.name, 3+i),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=%s,mac=%s,romfile=", d.name, d.mac))
	}
	var err error
	if m.qemu, err = m.space.StartWith("machine", taps, emulator, arguments...); err != nil {
		return err
	}
	if err := m.space.Shell(ctx, fmt.Sprintf("ip addr add %s/30 dev %s; ip link set %s up", order.Host, orders, orders)); err != nil {
		return err
	}
	return world.Eventually(ctx, "the machine", func() error {
		if err := m.qemu.Running(); err != nil {
			return err
		}
		if text := world.Tail(m.qemu.Log, 5); !strings.Contains(text, order.Ready) {
			return fmt.Errorf("its console ends: %s", text)
		}
		return nil
	})
}

// Console is the file that has the console's output.
func (m *Machine) Console() string { return m.space.LogFile("machine") }

// Close ends the machine.
func (m *Machine) Close() error {
	if m.qemu != nil {
		m.qemu.Kill()
	}
	return m.space.Remove()
}

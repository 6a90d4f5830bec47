// Command agent is the first and only program of an emulated machine: its init.
// It loads the modules that the start needs, mounts the roots, and then carries
// out the test's orders (package order).
//
// Called as modprobe, by the kernel, it loads a module from the root trixie.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/test/lab/machine/order"
)

// kernelRoot holds the kernel's modules and the programs that the agent itself
// needs.
const kernelRoot = "trixie"

func main() {
	if filepath.Base(os.Args[0]) == "modprobe" {
		modprobe()
	}
	fmt.Println("agent:", serve())
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // what else could be done
}

// modprobe replaces this process by the root's own program. What the kernel asks
// for often does not exist, and then nobody wants to hear of it.
func modprobe() {
	if err := unix.Chroot("/roots/" + kernelRoot); err == nil {
		_ = unix.Exec("/usr/sbin/modprobe", append([]string{"modprobe"}, os.Args[1:]...), []string{"PATH=/usr/sbin:/usr/bin"})
	}
	os.Exit(1)
}

// serve obeys orders until something fails, and says what did.
func serve() error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	for _, m := range []mount{
		{"proc", "/proc", "proc", 0, ""},
		{"sysfs", "/sys", "sysfs", 0, ""},
		{"devtmpfs", "/dev", "devtmpfs", 0, ""},
		{"tmpfs", "/upper", "tmpfs", 0, ""},
	} {
		if err := m.mount(); err != nil {
			return err
		}
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	g := &guest{}
	if err := g.findRoots(); err != nil {
		return err
	}
	if err := g.fresh(); err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	fmt.Println(order.Ready)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go g.obey(conn.(*net.TCPConn))
	}
}

// mount is one call of mount(2).
type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

func (m mount) mount() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s: %w", m.target, err)
	}
	return nil
}

// loadModules loads the modules in a directory, in the order of their names.
func loadModules(directory string) error {
	paths, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		flags := 0
		if strings.HasSuffix(path, ".xz") {
			flags = unix.MODULE_INIT_COMPRESSED_FILE
		}
		err = unix.FinitModule(int(file.Fd()), "", flags)
		file.Close()
		if err != nil {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// listen waits for the device of the orders and opens the port.
func listen() (net.Listener, error) {
	device, err := deviceOf(order.MACOrder)
	if err != nil {
		return nil, err
	}
	address, err := netlink.ParseAddr(order.Agent.Addr().String() + "/30")
	if err != nil {
		return nil, err
	}
	if err := netlink.AddrAdd(device, address); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(device); err != nil {
		return nil, err
	}
	return net.Listen("tcp4", order.Agent.String())
}

// deviceOf finds a device, which may have to come back from a namespace that is
// no more.
func deviceOf(mac string) (netlink.Link, error) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		// One that comes back meanwhile interrupts the list, which is made anew then.
		list, err := netlink.LinkList()
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, err
		}
		for _, link := range list {
			if link.Attrs().HardwareAddr.String() == mac {
				return link, nil
			}
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("there is no device %s", mac)
		}
	}
}

// chroot prepares a program of a root.
func chroot(root string, arguments []string) *exec.Cmd {
	cmd := exec.Command("/usr/bin/env", append([]string{"--"}, arguments...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: "/roots/" + root, Setpgid: true}
	return cmd
}

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"causeway/test/lab/machine/order"
)

// guest is what orders act upon.
type guest struct {
	roots []string // names

	mu      sync.Mutex
	network netns.NsHandle // what the orders' programs are in
	running sync.WaitGroup
}

// findRoots mounts each disk, whose serial number is the name of a root.
func (g *guest) findRoots() error {
	disks, err := filepath.Glob("/sys/block/vd*")
	if err != nil {
		return err
	}
	for _, disk := range disks {
		serial, err := os.ReadFile(disk + "/serial")
		if err != nil {
			return err
		}
		name := strings.TrimSpace(string(serial))
		if err := (mount{"/dev/" + filepath.Base(disk), "/lower/" + name, "ext4", unix.MS_RDONLY, ""}).mount(); err != nil {
			return err
		}
		g.roots = append(g.roots, name)
	}
	return nil
}

// fresh carries out order.Fresh.
func (g *guest) fresh() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	g.running.Wait()
	for _, name := range g.roots {
		if err := layer(name); err != nil {
			return err
		}
	}
	if g.network > 0 {
		if err := g.network.Close(); err != nil {
			return err
		}
	}
	return g.newNetwork()
}

// layer puts an empty layer over a root.
func layer(name string) error {
	top, upper := "/roots/"+name, "/upper/"+name
	for {
		if err := unix.Unmount(top, unix.MNT_DETACH); err != nil {
			break // nothing is mounted there any more
		}
	}
	if err := os.RemoveAll(upper); err != nil {
		return err
	}
	for _, directory := range []string{"/u", "/w"} {
		if err := os.MkdirAll(upper+directory, 0o755); err != nil {
			return err
		}
	}
	for _, m := range []mount{
		{"overlay", top, "overlay", 0, fmt.Sprintf("lowerdir=/lower/%s,upperdir=%s/u,workdir=%s/w", name, upper, upper)},
		{"proc", top + "/proc", "proc", 0, ""},
		{"sysfs", top + "/sys", "sysfs", 0, ""},
		{"/dev", top + "/dev", "", unix.MS_BIND, ""},
		{"tmpfs", top + "/run", "tmpfs", 0, ""},
		{"tmpfs", top + "/tmp", "tmpfs", 0, ""},
	} {
		if err := m.mount(); err != nil {
			return err
		}
	}
	return nil
}

// newNetwork makes a network namespace that holds the devices wan and lan.
func (g *guest) newNetwork() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if g.network, err = netns.New(); err != nil {
		return err
	}
	if err := netns.Set(home); err != nil {
		return err
	}
	for name, mac := range map[string]string{"wan": order.MACWan, "lan": order.MACLan} {
		device, err := deviceOf(mac)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetName(device, name); err != nil {
			return err
		}
		if err := netlink.LinkSetNsFd(device, int(g.network)); err != nil {
			return err
		}
	}
	return nil
}

// obey carries out the order of one connection.
func (g *guest) obey(conn *net.TCPConn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return
	}
	var o order.Order
	if err := json.Unmarshal(line, &o); err != nil {
		finish(conn, err)
		return
	}
	path := filepath.Join("/roots", o.Root, o.Path)
	switch o.Verb {
	case order.Fresh:
		now := unix.NsecToTimeval(o.Now.UnixNano())
		finish(conn, errors.Join(unix.Settimeofday(&now), g.fresh()))
	case order.Write:
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		finish(conn, errors.Join(err, os.WriteFile(path, o.Data, 0o600)))
	case order.Run:
		finish(conn, g.run(conn, chroot(o.Root, o.Arguments)))
	case order.Dial:
		dial(conn, path)
	default:
		finish(conn, fmt.Errorf("there is no order %q", o.Verb))
	}
}

// finish sends the last frame; who does not wait for it misses nothing.
func finish(conn net.Conn, err error) {
	if err != nil {
		_ = order.WriteFrame(conn, order.Problem, []byte(err.Error()))
		return
	}
	_ = order.WriteFrame(conn, order.Done, nil)
}

// output sends what a program writes as frames.
type output struct{ conn net.Conn }

func (o output) Write(b []byte) (int, error) {
	return len(b), order.WriteFrame(o.conn, order.Output, b)
}

// run runs a program to its end. Each byte that the other side sends is the
// number of a signal for it; when the connection ends, what is left of the
// program and of all that it started is killed.
func (g *guest) run(conn *net.TCPConn, cmd *exec.Cmd) error {
	g.running.Add(1)
	defer g.running.Done()
	cmd.Stdout, cmd.Stderr = output{conn}, output{conn}
	cmd.WaitDelay = time.Second // a program that it leaves behind may hold the output
	if err := g.start(cmd); err != nil {
		return err
	}
	go func() {
		signals := bufio.NewReader(conn)
		for {
			signal, err := signals.ReadByte()
			if err != nil {
				signal = byte(syscall.SIGKILL)
			}
			_ = syscall.Kill(-cmd.Process.Pid, syscall.Signal(signal)) // they may have ended
			if err != nil {
				return
			}
		}
	}()
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return err
}

// start starts a program in the namespace of the devices. The thread leaves it
// again, or ends.
func (g *guest) start(cmd *exec.Cmd) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(g.network); err != nil {
		return err
	}
	err = cmd.Start()
	if back := netns.Set(home); back != nil {
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

// dial joins the connection to a unix socket.
func dial(conn *net.TCPConn, path string) {
	socket, err := net.Dial("unix", path)
	finish(conn, err)
	if err != nil {
		return
	}
	defer socket.Close()
	go func() {
		_, _ = io.Copy(socket, conn) // an end of it is an end of both
		_ = socket.Close()
	}()
	_, _ = io.Copy(conn, socket)
}

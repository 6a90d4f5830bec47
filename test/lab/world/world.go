package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// World is one network of five namespaces, and of those that AddSite adds.
type World struct {
	// Dir holds the logs of every process and the captures. The caller makes
	// and removes it.
	Dir string

	ClientA, GatewayA, Router, GatewayB, ClientB *Namespace

	options Options
	reaper  *exec.Cmd
	hold    io.WriteCloser // the reaper's standard input, a name on each line
}

// Options say how to make a World.
type Options struct {
	// Prefix begins the namespaces' names; it must be unique on the machine.
	Prefix string
	// Dir becomes World.Dir.
	Dir string
	// Keep lets the namespaces and processes outlive this program; Sweep with
	// the same prefix takes them down.
	Keep bool
}

// Missing names what this process lacks for making a World, or is empty.
func Missing() string {
	if os.Geteuid() != 0 {
		return "root (CAP_SYS_ADMIN and CAP_NET_ADMIN, to make network namespaces)"
	}
	for _, command := range []string{"ip", "unshare", "mount"} {
		if _, err := exec.LookPath(command); err != nil {
			return "the command " + command
		}
	}
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		return "/dev/net/tun: " + err.Error()
	}
	return ""
}

// New makes the namespaces, the links between them, addresses and routes.
// Close takes them down.
func New(ctx context.Context, o Options) (*World, error) {
	w := &World{Dir: o.Dir, options: o}
	for role, space := range map[string]**Namespace{
		"client-a": &w.ClientA, "gateway-a": &w.GatewayA, "router": &w.Router,
		"gateway-b": &w.GatewayB, "client-b": &w.ClientB,
	} {
		*space = w.namespace(role)
	}
	if !o.Keep {
		if err := w.startReaper(); err != nil {
			return nil, err
		}
	}
	err := w.build(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("world: make the network: %w", err), w.Close())
	}
	return w, nil
}

func (w *World) namespace(role string) *Namespace {
	return &Namespace{Name: w.options.Prefix + "-" + role, Role: role, dir: w.Dir, keep: w.options.Keep}
}

// Namespaces lists the five that every World has.
func (w *World) Namespaces() []*Namespace {
	return []*Namespace{w.ClientA, w.GatewayA, w.Router, w.GatewayB, w.ClientB}
}

// Close kills what still runs in the namespaces and removes them. A kept World
// stays.
func (w *World) Close() error {
	if w.reaper == nil {
		return nil
	}
	err := w.hold.Close()
	return errors.Join(err, w.reaper.Wait())
}

// startReaper starts the process that takes the World down when its standard
// input ends: at Close, and also when this program dies in any way at all. Its
// own session keeps a Ctrl-C at the terminal from it.
func (w *World) startReaper() error {
	w.reaper = exec.Command("sh", "-c", "set -- $(cat); "+sweepScript)
	w.reaper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := w.reaper.StdinPipe()
	if err != nil {
		return err
	}
	w.hold = hold
	return w.reaper.Start()
}

// create makes namespaces that the World's end takes down.
func (w *World) create(ctx context.Context, spaces ...*Namespace) error {
	var batch strings.Builder
	for _, n := range spaces {
		fmt.Fprintf(&batch, "netns add %s\n", n.Name)
		if w.hold == nil {
			continue
		}
		if _, err := fmt.Fprintln(w.hold, n.Name); err != nil {
			return fmt.Errorf("world: tell the reaper: %w", err)
		}
	}
	if err := ip(ctx, "", batch.String()); err != nil {
		return err
	}
	for _, n := range spaces {
		if err := n.Shell(ctx, Forwarding); err != nil {
			return err
		}
	}
	return nil
}

// sweepScript removes the namespaces that are its arguments, and whatever runs
// in them.
const sweepScript = `
for n in "$@"; do
  [ -e "/run/netns/$n" ] || continue
  for pid in $(ip netns pids "$n"); do kill -9 "$pid" 2>/dev/null; done
  ip netns del "$n" 2>/dev/null
done; true`

// Sweep takes down the namespaces whose names begin with prefix, with every
// process in them, and tells whether there were any.
func Sweep(ctx context.Context, prefix string) (bool, error) {
	paths, err := filepath.Glob("/run/netns/" + prefix + "-*")
	if err != nil || len(paths) == 0 {
		return false, err
	}
	arguments := []string{"-c", sweepScript, "sweep"}
	for _, path := range paths {
		arguments = append(arguments, filepath.Base(path))
	}
	out, err := exec.CommandContext(ctx, "sh", arguments...).CombinedOutput()
	if err != nil {
		return true, fmt.Errorf("world: remove what an earlier run left: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return true, nil
}

// SweepDead takes down what runs of this program left that ended without: the
// namespaces called FAMILY-PID-... whose PID is no process any more, or is this one,
// which has made none yet.
func SweepDead(ctx context.Context, family string) error {
	paths, err := filepath.Glob("/run/netns/" + family + "-*")
	if err != nil {
		return err
	}
	for _, path := range paths {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), family+"-"), "-")
		n, err := strconv.Atoi(pid)
		if err != nil || n != os.Getpid() && unix.Kill(n, 0) == nil {
			continue
		}
		if _, err := Sweep(ctx, family+"-"+pid); err != nil {
			return err
		}
	}
	return nil
}

package world

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
)

// Namespace is one node of a World.
type Namespace struct {
	Name string // as `ip netns` knows it
	Role string // client-a, gateway-a, router, ...

	dir  string
	keep bool
}

// Command prepares a command that runs in the namespace.
func (n *Namespace) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.Name, name}, arguments...)...)
}

// Run runs a command in the namespace to its end. The output is both streams;
// it is part of the error too.
func (n *Namespace) Run(ctx context.Context, name string, arguments ...string) (string, error) {
	out, err := n.Command(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s %s: %w: %s", n.Role, name, strings.Join(arguments, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Shell runs a script of sh in the namespace; its first failing line ends it.
func (n *Namespace) Shell(ctx context.Context, script string) error {
	_, err := n.Run(ctx, "sh", "-e", "-c", script)
	return err
}

// Do calls f on a thread that is in the namespace: sockets that f opens belong
// there for as long as they live. f must not start goroutines that open more.
func (n *Namespace) Do(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("world: this thread's namespace: %w", err)
	}
	defer home.Close()
	there, err := netns.GetFromName(n.Name)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("world: namespace %s: %w", n.Name, err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("world: enter %s: %w", n.Name, err)
	}
	err = f()
	if back := netns.Set(home); back != nil {
		// The thread stays locked and ends with its goroutine: no other
		// goroutine may find itself in the wrong network.
		return errors.Join(err, fmt.Errorf("world: leave %s: %w", n.Name, back))
	}
	runtime.UnlockOSThread()
	return err
}

package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"causeway/test/lab/machine/order"
	"causeway/test/lab/place"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
)

// Place is one root of a plugged machine.
type Place struct {
	guest *Guest
	root  string
}

// Role implements place.Place.
func (p *Place) Role() string { return p.guest.world.GatewayB.Role }

// Dir implements place.Place.
func (p *Place) Dir() string { return roots.Mount }

// Write implements place.Place.
func (p *Place) Write(ctx context.Context, name string, data []byte) error {
	return p.guest.machine.order(ctx, order.Order{Verb: order.Write, Root: p.root, Path: path.Join(roots.Mount, name), Data: data})
}

// Dial implements place.Place.
func (p *Place) Dial(ctx context.Context, name string) (net.Conn, error) {
	c, err := p.guest.machine.open(ctx, order.Order{Verb: order.Dial, Root: p.root, Path: path.Join(roots.Mount, name)})
	if err != nil {
		return nil, err
	}
	if _, err := c.collect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("machine: dial %s: %w", name, err), c.Close())
	}
	return c.Conn, nil
}

// Run implements place.Place.
func (p *Place) Run(ctx context.Context, arguments ...string) (string, error) {
	c, err := p.guest.machine.open(ctx, order.Order{Verb: order.Run, Root: p.root, Arguments: arguments})
	if err != nil {
		return "", err
	}
	defer c.Close()
	out, err := c.collect(ctx)
	if err != nil {
		return out, fmt.Errorf("machine: %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(out))
	}
	return out, nil
}

// Start implements place.Place.
func (p *Place) Start(name string, arguments ...string) (place.Process, error) {
	log, err := os.OpenFile(p.guest.world.GatewayB.LogFile(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("machine: log of %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := p.guest.machine.open(ctx, order.Order{Verb: order.Run, Root: p.root, Arguments: arguments})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	process := &Process{call: c, log: log.Name(), done: make(chan struct{})}
	go func() {
		process.err = errors.Join(c.follow(log), log.Close(), c.Close())
		close(process.done)
	}()
	return process, nil
}

// Process is a program in the machine.
type Process struct {
	call *call
	log  string
	done chan struct{}
	err  error // valid after done
}

// LogFile implements place.Process.
func (p *Process) LogFile() string { return p.log }

// Done implements place.Process.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running implements place.Process.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return &world.EndedError{Name: filepath.Base(p.log), How: p.err, Tail: world.Tail(p.log, 15)}
	default:
		return nil
	}
}

// Signal implements place.Process.
func (p *Process) Signal(s syscall.Signal) error {
	_, err := p.call.Write([]byte{byte(s)})
	return err
}

// Kill implements place.Process.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL) // it may have ended already
	<-p.done
}

// Terminate implements place.Process.
func (p *Process) Terminate(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("machine: %s did not end on SIGTERM: %w", filepath.Base(p.log), ctx.Err())
	}
}

var (
	_ place.Place   = (*Place)(nil)
	_ place.Process = (*Process)(nil)
)

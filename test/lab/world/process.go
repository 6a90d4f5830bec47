package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Process is a program that runs in a namespace.
type Process struct {
	Log string // the file that has its output

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // valid after done
}

// Start starts a program whose output goes to NAME.log in the World's
// directory, after what an earlier process of that name wrote. It dies with
// this program unless the World is kept.
func (n *Namespace) Start(name, command string, arguments ...string) (*Process, error) {
	return n.StartWith(name, nil, command, arguments...)
}

// StartWith is Start for a program that inherits open files, from number 3 on.
func (n *Namespace) StartWith(name string, files []*os.File, command string, arguments ...string) (*Process, error) {
	path := n.LogFile(name)
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("world: log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := n.Command(context.Background(), command, arguments...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := startToDieWithUs
	if n.keep {
		start = (*exec.Cmd).Start
	}
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("world: start %s in %s: %w", name, n.Role, err)
	}
	p := &Process{Log: path, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// LogFile is where the output of the process of that name goes.
func (n *Namespace) LogFile(name string) string { return filepath.Join(n.dir, name+".log") }

// PID is the program's own process ID: ip and sh replace themselves by it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogFile is the file that has its output.
func (p *Process) LogFile() string { return p.Log }

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends it with SIGKILL and waits.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// Terminate asks it to end with SIGTERM and gives the exit error, or kills it
// when ctx ends first.
func (p *Process) Terminate(ctx context.Context) error { return p.end(ctx, syscall.SIGTERM) }

// Hangup sends it SIGHUP.
func (p *Process) Hangup() error { return p.cmd.Process.Signal(syscall.SIGHUP) }

// Interrupt is Terminate with SIGINT.
func (p *Process) Interrupt(ctx context.Context) error { return p.end(ctx, syscall.SIGINT) }

func (p *Process) end(ctx context.Context, s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("world: process %d did not end on %s: %w", p.PID(), s, ctx.Err())
	}
}

// Running is nil while the process runs, and afterwards says how it ended and
// what it wrote last.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return &EndedError{filepath.Base(p.Log), orExit(p.err), Tail(p.Log, 15)}
	default:
		return nil
	}
}

var errExit = errors.New("exit status 0")

func orExit(err error) error {
	if err == nil {
		return errExit
	}
	return err
}

// Tail is the last lines of a file, or what kept it from being read.
func Tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

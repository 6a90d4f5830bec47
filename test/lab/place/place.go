// Package place says what a peer's daemon needs of where it runs, so that the
// same daemon runs in a network namespace with the host's programs, in one with
// those of another Debian suite (package roots), and in an emulated machine
// (package machine).
package place

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Place is where a daemon runs, for one test. Its programs see one directory,
// which is Dir for them, wherever it is for the test.
type Place interface {
	// Role names the place in logs: gateway-b.
	Role() string
	// Dir is the directory, as the programs know it.
	Dir() string
	// Write makes a file below the directory.
	Write(ctx context.Context, name string, data []byte) error
	// Dial connects to the unix socket of that name in the directory.
	Dial(ctx context.Context, name string) (net.Conn, error)
	// Run runs a program to its end and gives its output, both streams, which is
	// part of the error too.
	Run(ctx context.Context, arguments ...string) (string, error)
	// Start starts a program, whose output goes to NAME.log among the test's
	// files.
	Start(name string, arguments ...string) (Process, error)
}

// Process is a program that Start started.
type Process interface {
	// Log is the test's file that has its output.
	LogFile() string
	// Running is nil while it runs, and then says how it ended.
	Running() error
	// Done is closed when it has ended.
	Done() <-chan struct{}
	Signal(s syscall.Signal) error
	// Kill ends it with SIGKILL and waits.
	Kill()
	// Terminate asks it to end with SIGTERM and gives the exit error.
	Terminate(ctx context.Context) error
}

// endTime bounds the end of what did not come up.
const endTime = 10 * time.Second

// OrEnd is err. If it is one, the process is ended: a daemon that did not come up
// would be in the way of the next in the same place.
func OrEnd(p Process, err error) error {
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return errors.Join(err, p.Terminate(ctx))
}

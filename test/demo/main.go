// Command demo joins two sites by a tunnel and shows that it carries traffic.
//
// It makes two sites and a router between them out of network namespaces, starts
// the gateway of each from its file in this directory, and shows the negotiation
// as it happens, what is on the wire, pings, TCP and what the gateways say of
// themselves. Then it takes everything down, also when it fails or is
// interrupted; -keep leaves it up, and -down takes down what was left. It needs
// root and the commands ip, ping and iperf3, and runs from the top of the
// project after `make build`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"causeway/test/lab/world"
)

// The configuration files name the directory too.
const (
	program   = "bin/causeway"
	prefix    = "causeway-demo" // of the namespaces
	directory = "/run/causeway-demo"
)

// limit bounds the whole demonstration: on a machine where something hangs it
// ends with what it waited for.
const limit = 2 * time.Minute

func main() {
	keep := flag.Bool("keep", false, "leave everything up, and say how to look around")
	down := flag.Bool("down", false, "take down what -keep left up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *keep, *down); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; everything is taken down")
		}
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, keep, down bool) error {
	if lack := world.Missing(); lack != "" {
		return fmt.Errorf("this needs %s", lack)
	}
	alone, err := net.Listen("unix", "@"+prefix)
	if err != nil {
		return errors.New("another demonstration is running; wait for its end, or press Ctrl-C there")
	}
	defer alone.Close() // the kernel does too: the name has no file
	found, err := sweep()
	if err != nil {
		return err
	}
	if down {
		if !found {
			fmt.Println("demo: nothing is up")
			return nil
		}
		fmt.Println("demo: everything is taken down")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := demonstrate(ctx, keep); err != nil {
		if _, clean := sweep(); clean != nil {
			return errors.Join(err, clean)
		}
		return err
	}
	return nil
}

// sweep removes what an earlier demonstration left, or this one. It has its own
// time, for the caller's may have run out.
func sweep() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := world.Sweep(ctx, prefix)
	if err != nil {
		return found, err
	}
	return found, os.RemoveAll(directory)
}

// demonstrate is the demonstration, in the order of its output.
func demonstrate(ctx context.Context, keep bool) error {
	d, err := newDemo(ctx, keep)
	if err != nil {
		return err
	}
	defer d.close()
	for _, part := range []func(context.Context) error{
		d.network, d.negotiate, d.ping, d.transfer, d.status,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if keep {
		d.lookAround()
		return d.summary("It stays up: make demo-down takes it down.")
	}
	if err := d.stop(ctx); err != nil {
		return err
	}
	return d.summary("Everything is taken down.")
}

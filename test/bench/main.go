// Command bench measures Causeway beside other tunnels on this machine: a plain
// route without a tunnel, strongSwan with its userspace ESP, and wireguard-go.
//
// Each contender has a network of its own of the same shape, made of namespaces:
// a client, a gateway, a router, a gateway and a client, every link of MTU 1500.
// All networks exist at once and the runs alternate, so that what disturbs the
// machine disturbs all of them; the medians of the rounds count. A run of
// everything rewrites the tables in docs/performance.md. It needs root, the
// packages that test/lab/setup.sh bench installs, and runs from the top of the
// project after `make build`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"causeway/test/lab/world"
)

// document is the page that holds the newest results.
const document = "docs/performance.md"

// options are what the command line says.
type options struct {
	only, tests []string
	seconds     int
	rounds      int
	note, plot  string
	profile     string // a directory; empty: none
	beside      string // another build of the program; empty: none
	scale       int    // connections; 0: the usual tests
	many        bool   // several SAs beside one, instead of the usual tests
	write       bool
}

func main() {
	var o options
	only := flag.String("only", strings.Join(names, ","), "contenders, separated by commas")
	tests := flag.String("tests", strings.Join(testNames(), ","), "tests, separated by commas")
	flag.IntVar(&o.seconds, "seconds", 5, "how long each run lasts")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each run is repeated; the median counts")
	flag.StringVar(&o.note, "note", "", "what the reader of the results should know of this run")
	flag.StringVar(&o.plot, "plot", "", "a file for an SVG plot of this run, also of a selection")
	flag.StringVar(&o.profile, "profile", "", "a directory for CPU profiles of the gateways in the last run")
	flag.StringVar(&o.beside, "beside", "", "another build of bin/causeway to measure beside it, as "+other)
	flag.IntVar(&o.scale, "scale", 0, "measure that many connections between two gateways instead")
	flag.BoolVar(&o.many, "many", false, "measure the same flows over one, two and a hundred connections instead")
	flag.BoolVar(&o.write, "write", true, "rewrite the tables in "+document+" and the plot beside; a run of a selection never does")
	flag.Parse()
	o.only, o.tests = strings.Split(*only, ","), strings.Split(*tests, ",")
	if o.beside != "" {
		o.only = append(o.only, other)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; everything is taken down")
		}
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// check finds what the command line asks for and does not exist.
func (o *options) check() error {
	for _, list := range []struct {
		given, known []string
		what         string
	}{{o.only, append(names[:len(names):len(names)], other), "contender"}, {o.tests, testNames(), "test"}} {
		for _, name := range list.given {
			if !slices.Contains(list.known, name) {
				return fmt.Errorf("there is no %s %q; there are %s", list.what, name, strings.Join(list.known, ", "))
			}
		}
	}
	if slices.Contains(o.only, other) && o.beside == "" {
		return errors.New("-beside says which build " + other + " is")
	}
	if o.seconds < 1 || o.rounds < 1 {
		return errors.New("-seconds and -rounds are at least 1")
	}
	return nil
}

// whole tells whether nothing is left out.
func (o *options) whole() bool { return len(o.only) == len(names) && len(o.tests) == len(tests) }

func run(ctx context.Context, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if lack := world.Missing(); lack != "" {
		return fmt.Errorf("this needs %s", lack)
	}
	switch {
	case o.scale > 0:
		return scale(ctx, o)
	case o.many:
		return measureMany(ctx, o)
	}
	directory, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	contenders, err := start(ctx, o, directory)
	defer func() {
		for _, c := range contenders {
			err = errors.Join(err, c.world.Close())
		}
	}()
	if err != nil {
		return err
	}
	facts := gather(ctx, o)
	results, err := measure(ctx, o, contenders)
	if err != nil {
		return err
	}
	text := report(o, facts, contenders, results)
	fmt.Print("\n" + text)
	if o.plot != "" {
		if err := writePlot(o.plot, o, results); err != nil {
			return err
		}
	}
	if !o.write || !o.whole() {
		return nil
	}
	return errors.Join(rewrite(document, text), writePlot(plot, o, results))
}

// start builds and starts the contenders. Those that have a network are given
// back also with an error, to be taken down.
func start(ctx context.Context, o options, directory string) ([]*contender, error) {
	var list []*contender
	for _, name := range o.only {
		fmt.Printf("starting %s\n", name)
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // a first build of wireguard-go takes its time
		c, err := newContender(ctx, name, directory, o.beside)
		if c != nil {
			list = append(list, c)
		}
		if err == nil {
			err = c.ready(ctx)
		}
		cancel()
		if err != nil {
			return list, fmt.Errorf("%s: %w", name, err)
		}
	}
	return list, nil
}

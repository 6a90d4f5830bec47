package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// scaled is one kind of gateway with many connections between a pair of it.
type scaled struct {
	name  string
	start func(ctx context.Context, space *world.Namespace, directory string, ends []link.End) (pid int, up func() (int, error), err error)
}

var scaledKinds = []scaled{
	{causeway, func(ctx context.Context, space *world.Namespace, directory string, ends []link.End) (int, func() (int, error), error) {
		g, err := gateway.New(program, space, directory, ends...)
		if err != nil {
			return 0, nil, err
		}
		if err := g.Start(ctx); err != nil {
			return 0, nil, err
		}
		return g.PID(), func() (int, error) {
			status, err := g.Status(ctx)
			if err != nil {
				return 0, err
			}
			n := 0
			for _, c := range status.Connections {
				if _, up := status.Up(c.Name); up {
					n++
				}
			}
			return n, nil
		}, nil
	}},
	{swan, func(ctx context.Context, space *world.Namespace, directory string, ends []link.End) (int, func() (int, error), error) {
		if err := addressSelectors(ctx, space, ends); err != nil {
			return 0, nil, err
		}
		d, err := strongswan.New(space, directory, ends...)
		if err != nil {
			return 0, nil, err
		}
		if err := d.Start(ctx); err != nil {
			return 0, nil, err
		}
		return d.PID(), func() (int, error) {
			list, err := d.SAs(ctx)
			return len(strongswan.Up(list)), err
		}, nil
	}},
}

const (
	scaleTimeout = 10 * time.Minute
	// restTime is how long the CPU at rest is measured.
	restTime = 20 * time.Second
	// lookTime keeps the listing of a thousand SAs from being what is measured.
	lookTime = 500 * time.Millisecond
)

// scale sets up many connections and prints what they cost.
func scale(ctx context.Context, o options) (err error) {
	count := o.scale
	if count < 1 || count > link.MostMany {
		return fmt.Errorf("-scale is from 1 to %d", link.MostMany)
	}
	directory, err := os.MkdirTemp("", "causeway-scale-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	var b strings.Builder
	fmt.Fprintf(&b, "| %d connections | set up in | a second | MiB of the initiator before and with them | KiB a connection | responder's | CPU at rest, both |\n|---|---|---|---|---|---|---|\n", count)
	for _, kind := range scaledKinds {
		if !slices.Contains(o.only, kind.name) {
			continue
		}
		fmt.Printf("%d connections of %s\n", count, kind.name)
		row, err := kind.measure(ctx, filepath.Join(directory, kind.name), count)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // the other may get there all the same
			row = fmt.Sprintf("| %s | not all of them: %v ||||||\n", kind.name, err)
		}
		fmt.Print(row)
		b.WriteString(row)
	}
	fmt.Print("\n" + b.String())
	return nil
}

func (k scaled) measure(ctx context.Context, directory string, count int) (row string, err error) {
	ctx, cancel := context.WithTimeout(ctx, scaleTimeout)
	defer cancel()
	empty, err := k.memoryWithout(ctx, directory+"-empty")
	if err != nil {
		return "", err
	}
	w, err := scaleWorld(ctx, directory)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	ours, theirs := quiet(link.Many(count))
	responder, _, err := k.start(ctx, w.GatewayB, directory, theirs)
	if err != nil {
		return "", err
	}
	began := time.Now()
	initiator, up, err := k.start(ctx, w.GatewayA, directory, ours)
	if err != nil {
		return "", err
	}
	if err := allUp(ctx, count, up); err != nil {
		return "", err
	}
	took := time.Since(began)
	c := contender{pids: []int{initiator, responder}}
	memory := [2]float64{}
	for i, pid := range c.pids {
		if memory[i], err = resident(pid); err != nil {
			return "", err
		}
	}
	rest, err := c.atRest(ctx)
	if err != nil {
		return "", err
	}
	each := func(mib float64) float64 { return (mib - empty) * 1024 / float64(count) }
	return fmt.Sprintf("| %s | %.1f s | %.0f | %.1f, %.1f | %.1f | %.1f | %.2f %% |\n", k.name, took.Seconds(), float64(count)/took.Seconds(),
		empty, memory[0], each(memory[0]), each(memory[1]), 100*rest), nil
}

// addressSelectors gives the namespace an address inside each local selector:
// kernel-libipsec installs no policy without one.
func addressSelectors(ctx context.Context, space *world.Namespace, ends []link.End) error {
	var b strings.Builder
	b.WriteString("ip -batch - <<'end'\n")
	for _, end := range ends {
		fmt.Fprintf(&b, "address add %s/32 dev lo\n", end.LocalNetworks[0].Addr().Next())
	}
	b.WriteString("end\n")
	return space.Shell(ctx, b.String())
}

// allUp waits until so many connections are up. A daemon that is too busy to
// answer is asked again.
func allUp(ctx context.Context, count int, up func() (int, error)) error {
	ticker := time.NewTicker(lookTime)
	defer ticker.Stop()
	for {
		n, err := up()
		if err == nil && n >= count {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d were up", n, count), err)
		case <-ticker.C:
		}
	}
}

// quiet has no messages logged: what users run is measured.
func quiet(ours, theirs []link.End) (a, b []link.End) {
	ours[0].Quiet, theirs[0].Quiet = true, true
	return ours, theirs
}

// memoryWithout is what the initiator takes with one connection.
func (k scaled) memoryWithout(ctx context.Context, directory string) (mib float64, err error) {
	w, err := scaleWorld(ctx, directory)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, theirs := quiet(link.Many(1))
	pid, _, err := k.start(ctx, w.GatewayB, directory, theirs)
	if err != nil {
		return 0, err
	}
	return resident(pid)
}

func scaleWorld(ctx context.Context, directory string) (*world.World, error) {
	const prefix = "causeway-scale"
	if _, err := world.Sweep(ctx, prefix); err != nil {
		return nil, err
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	return world.New(ctx, world.Options{Prefix: prefix, Dir: directory})
}

// atRest is the share of one processor that both gateways take when there is no
// traffic.
func (c *contender) atRest(ctx context.Context) (float64, error) {
	before, err := c.cpu()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := c.cpu()
	return (after - before) / restTime.Seconds(), err
}

// resident is the memory of a process in MiB (proc_pid_status(5): VmRSS).
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

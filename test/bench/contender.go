package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// names are the contenders, in the order of the tables.
var names = []string{raw, swan, wireguard, causeway, standard}

const (
	raw       = "raw"
	swan      = "strongswan"
	wireguard = "wireguard-go"
	causeway  = "causeway"
	standard  = "causeway-cipher" // by crypto/cipher, without the assembly of esp/gcm
	other     = "causeway-other"  // another build; only where the command line names one
)

// contender is one kind of tunnel in a network of its own.
type contender struct {
	name  string
	world *world.World
	pids  []int  // of the gateway processes; none where the kernel routes
	mtu   string // of the packets inside

	iperf *world.Process // the server, on client B
}

// server is the address that the client measures against.
var server = world.ClientIn(world.SiteB.Networks[0])

func newContender(ctx context.Context, name, directory, beside string) (*contender, error) {
	prefix := "causeway-bench-" + name
	if _, err := world.Sweep(ctx, prefix); err != nil {
		return nil, err
	}
	directory = filepath.Join(directory, name)
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	w, err := world.New(ctx, world.Options{Prefix: prefix, Dir: directory})
	if err != nil {
		return nil, err
	}
	c := &contender{name: name, world: w}
	begin := map[string]func(context.Context) error{
		raw: c.route, swan: c.strongSwan, wireguard: c.wireGuard, causeway: c.native, standard: c.standard,
		other: func(ctx context.Context) error { return c.causeway(ctx, beside) },
	}
	return c, begin[name](ctx)
}

// ready starts the server and waits until the client reaches it.
func (c *contender) ready(ctx context.Context) error {
	var err error
	if c.iperf, err = c.world.ClientB.Start("iperf3", "iperf3", "-s", "--forceflush"); err != nil {
		return err
	}
	return world.Eventually(ctx, "the far client", func() error {
		if _, err := c.world.ClientA.Run(ctx, "ping", "-n", "-c1", "-W1", server.String()); err != nil {
			return err
		}
		if !strings.Contains(world.Tail(c.iperf.Log, 5), "Server listening") {
			return errors.Join(errors.New("iperf3 does not listen yet"), c.iperf.Running())
		}
		return nil
	})
}

// route lets the router forward between the sites, without any tunnel.
func (c *contender) route(ctx context.Context) error {
	c.mtu = "1500"
	for _, s := range []world.Site{world.SiteA, world.SiteB} {
		if _, err := c.world.Router.Run(ctx, "ip", "route", "add", s.Networks[0].String(), "via", s.Outer4.String()); err != nil {
			return err
		}
	}
	return nil
}

func (c *contender) strongSwan(ctx context.Context) error {
	if lack := strongswan.Missing(); lack != "" {
		return fmt.Errorf("%s is missing; test/lab/setup.sh bench installs it", lack)
	}
	a, b := link.Pair()
	for _, side := range []struct {
		space *world.Namespace
		end   link.End
	}{{c.world.GatewayB, b}, {c.world.GatewayA, a}} {
		d, err := strongswan.New(side.space, c.world.Dir, side.end)
		if err != nil {
			return err
		}
		if err := d.Start(ctx); err != nil {
			return err
		}
		c.pids = append(c.pids, d.PID())
	}
	return c.device(ctx, "ipsec0")
}

// program is this project's gateway as `make build` leaves it.
const program = "bin/causeway"

// native runs the gateway as it is.
func (c *contender) native(ctx context.Context) error { return c.causeway(ctx, program) }

// standard runs it with the AES-GCM of the standard library, which is what it
// uses by itself where only validated cryptography is allowed.
func (c *contender) standard(ctx context.Context) error {
	whole, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	script := filepath.Join(c.world.Dir, "causeway")
	text := fmt.Sprintf("#!/bin/sh\nGODEBUG=fips140=on exec %s \"$@\"\n", whole)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		return err
	}
	return c.causeway(ctx, script)
}

// causeway runs a program that is this project's gateway on both sides.
func (c *contender) causeway(ctx context.Context, program string) error {
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%w; run `make build` first, and this from the top of the project", err)
	}
	a, b := link.Pair()
	for _, side := range []struct {
		space *world.Namespace
		end   link.End
	}{{c.world.GatewayB, b}, {c.world.GatewayA, a}} {
		g, err := gateway.New(program, side.space, c.world.Dir, side.end)
		if err != nil {
			return err
		}
		if err := g.Start(ctx); err != nil {
			return err
		}
		c.pids = append(c.pids, g.PID())
	}
	return c.device(ctx, "cw0")
}

// device reads the MTU of the tunnel's device on gateway A.
func (c *contender) device(ctx context.Context, name string) error {
	return world.Eventually(ctx, "the device "+name, func() error {
		mtu, err := c.world.GatewayA.Run(ctx, "cat", "/sys/class/net/"+name+"/mtu")
		c.mtu = strings.TrimSpace(mtu)
		return err
	})
}

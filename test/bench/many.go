package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// many is a network in which the flows go, and what carries them.
type many struct {
	contender
	title    string
	ends     []link.End         // gateway A's; flow by flow in turn
	farEnds  []*world.Namespace // where the flows of each end
	gateways []*gateway.Gateway
}

// shapes are what the flows go over, in the order of the table. The first is what the
// others are compared with.
var shapes = []struct {
	title string
	begin func(m *many, ctx context.Context, directory string) error
}{
	{"1 connection", func(m *many, ctx context.Context, directory string) error { return m.connections(ctx, directory, 1) }},
	{"2 connections, one peer", func(m *many, ctx context.Context, directory string) error { return m.connections(ctx, directory, 2) }},
	{"2 connections, two peers", (*many).peers},
	{"100 connections", func(m *many, ctx context.Context, directory string) error { return m.connections(ctx, directory, 100) }},
	{wireguard, func(m *many, ctx context.Context, _ string) error { return m.plain(ctx, m.wireGuard) }},
	{raw, func(m *many, ctx context.Context, _ string) error { return m.plain(ctx, m.route) }},
}

// measureMany prints how much the same flows get over one SA and over many.
func measureMany(ctx context.Context, o options) (err error) {
	directory, err := os.MkdirTemp("", "causeway-many-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	var list []*many
	defer func() {
		for _, m := range list {
			err = errors.Join(err, m.world.Close())
		}
	}()
	for i, shape := range shapes {
		fmt.Println("starting", shape.title)
		m, err := newMany(ctx, filepath.Join(directory, strconv.Itoa(i)), i)
		if m != nil {
			list = append(list, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shape.title, err)
		}
	}
	samples := make([][]sample, len(list))
	for round := range o.rounds {
		for i := range list {
			at := (i + round) % len(list)
			before, err := list[at].losses(ctx)
			if err != nil {
				return err
			}
			s, err := list[at].flows(ctx, time.Duration(o.seconds)*time.Second)
			if err != nil {
				return fmt.Errorf("%s: %w", list[at].title, err)
			}
			after, err := list[at].losses(ctx)
			if err != nil {
				return err
			}
			samples[at] = append(samples[at], s)
			fmt.Printf("round %d of %d  %-26s %s  %s\n", round+1, o.rounds, list[at].title, s, after.since(before))
		}
	}
	fmt.Print("\n" + manyTable(samples))
	return nil
}

// manyTable is the Markdown of the samples, by the places in shapes. Where a pass of
// what disturbs a machine takes minutes, the median of the ratios of the rounds is
// steadier than the ratio of the medians: it is in the third column.
func manyTable(samples [][]sample) string {
	rate, cpu := row{value: gigabits, format: "%.2f"}, row{value: cpuSeconds, format: "%.2f"}
	var b strings.Builder
	fmt.Fprintf(&b, "| %d TCP flows over | Gbit/s | of one connection's, round by round | CPU s for each GB |\n|---|---|---|---|\n", manyFlows)
	for i, list := range samples {
		var ratios []float64
		for round, s := range list {
			ratios = append(ratios, s.bits/samples[0][round].bits)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", shapes[i].title, rate.cell(rate.values(list)), rate.cell(ratios), cpu.cell(cpu.values(list)))
	}
	return b.String()
}

// newMany makes the network of a shape, and waits until what is in it carries.
func newMany(ctx context.Context, directory string, shape int) (*many, error) {
	prefix := fmt.Sprintf("causeway-many-%d", shape)
	if _, err := world.Sweep(ctx, prefix); err != nil {
		return nil, err
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	w, err := world.New(ctx, world.Options{Prefix: prefix, Dir: directory})
	if err != nil {
		return nil, err
	}
	m := &many{contender: contender{name: causeway, world: w}, title: shapes[shape].title}
	return m, shapes[shape].begin(m, ctx, directory)
}

// plain has one way for all flows, which begin makes.
func (m *many) plain(ctx context.Context, begin func(context.Context) error) error {
	m.name = m.title
	a, _ := link.Pair()
	m.ends, m.farEnds = []link.End{a}, []*world.Namespace{m.world.ClientB}
	if err := begin(ctx); err != nil {
		return err
	}
	return m.ready(ctx)
}

// connections has that many between gateways A and B, each with networks of its own.
func (m *many) connections(ctx context.Context, directory string, count int) error {
	ours, theirs := link.Many(count)
	m.ends, m.farEnds = ours, slices.Repeat([]*world.Namespace{m.world.ClientB}, count)
	if err := m.addresses(ctx); err != nil {
		return err
	}
	if err := m.start(ctx, directory, m.world.GatewayB, theirs...); err != nil {
		return err
	}
	return m.startOurs(ctx, directory)
}

// peers has one connection of gateway A with each of two others.
func (m *many) peers(ctx context.Context, directory string) error {
	for number := range 2 {
		site := world.FurtherSite(number + 1)
		space, err := m.world.AddSite(ctx, site)
		if err != nil {
			return err
		}
		end := link.Between(world.SiteA, site)
		end.Name = site.Name
		m.ends, m.farEnds = append(m.ends, end), append(m.farEnds, space)
		if err := m.start(ctx, directory, space, end.Peer()); err != nil {
			return err
		}
	}
	return m.startOurs(ctx, directory)
}

// start starts a gateway with its ends of connections.
func (m *many) start(ctx context.Context, directory string, space *world.Namespace, ends ...link.End) error {
	g, err := gateway.New(program, space, directory, ends...)
	if err != nil {
		return err
	}
	if err := g.Start(ctx); err != nil {
		return err
	}
	m.pids, m.gateways = append(m.pids, g.PID()), append(m.gateways, g)
	return nil
}

// startOurs starts gateway A and waits for its connections.
func (m *many) startOurs(ctx context.Context, directory string) error {
	if err := m.start(ctx, directory, m.world.GatewayA, m.ends...); err != nil {
		return err
	}
	a := m.gateways[len(m.gateways)-1]
	return world.Eventually(ctx, "every connection", func() error {
		status, err := a.Status(ctx)
		if err != nil {
			return err
		}
		for _, c := range status.Connections {
			if _, up := status.Up(c.Name); !up {
				return fmt.Errorf("%s is %s", c.Name, c.State)
			}
		}
		return nil
	})
}

// losses are what the flows' sender had to send again, and what the gateways
// dropped, so far.
type losses struct {
	sent, again uint64 // TCP segments
	drops       map[string]uint64
}

// losses counts; drops of sockets are among those of the gateways.
func (m *many) losses(ctx context.Context) (losses, error) {
	l := losses{drops: map[string]uint64{}}
	text, err := m.world.ClientA.Run(ctx, "cat", "/proc/net/snmp")
	if err != nil {
		return l, err
	}
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields // the first line has the names, the second the numbers
			continue
		}
		for i, name := range names {
			n, _ := strconv.ParseUint(fields[i], 10, 64) // MaxConn may be -1
			switch name {
			case "OutSegs":
				l.sent = n
			case "RetransSegs":
				l.again = n
			}
		}
	}
	for _, g := range m.gateways {
		status, err := g.Status(ctx)
		if err != nil {
			return l, err
		}
		for _, drops := range []map[string]uint64{status.Gateway.Drops, status.Gateway.Sockets.Drops} {
			for why, n := range drops {
				l.drops[why] += n
			}
		}
	}
	return l, nil
}

// since puts what came since before into words.
func (l losses) since(before losses) string {
	text := fmt.Sprintf("%.2f %% of %d segments again", 100*float64(l.again-before.again)/float64(max(1, l.sent-before.sent)), l.sent-before.sent)
	for _, why := range slices.Sorted(maps.Keys(l.drops)) {
		if n := l.drops[why] - before.drops[why]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, why)
		}
	}
	return text
}

// addresses gives both sides an address in the network of each connection.
func (m *many) addresses(ctx context.Context) error {
	for _, at := range []struct {
		space   *world.Namespace
		device  string
		address func(link.End) netip.Addr
	}{
		{m.world.ClientA, "eth0", func(e link.End) netip.Addr { return world.ClientIn(e.LocalNetworks[0]) }},
		{m.world.GatewayA, "lan", func(e link.End) netip.Addr { return world.GatewayIn(e.LocalNetworks[0]) }},
		{m.world.GatewayB, "lan", func(e link.End) netip.Addr { return world.GatewayIn(e.RemoteNetworks[0]) }},
		{m.world.ClientB, "eth0", func(e link.End) netip.Addr { return world.ClientIn(e.RemoteNetworks[0]) }},
	} {
		script := "ip -batch - <<'.'\n"
		for _, end := range m.ends {
			script += fmt.Sprintf("addr add %s/24 dev %s\n", at.address(end), at.device)
		}
		if err := at.space.Shell(ctx, script+".\n"); err != nil {
			return err
		}
	}
	return nil
}

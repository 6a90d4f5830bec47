package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// manyCounts are the numbers of connections that carry the same flows.
var manyCounts = []int{1, 2, 100}

// manyFlows is how many TCP flows there are, whatever carries them.
const manyFlows = 100

// many is a pair of gateways with several connections between them, each with
// networks of its own.
type many struct {
	contender
	ends     []link.End // gateway A's
	gateways []*gateway.Gateway
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
	for _, count := range manyCounts {
		fmt.Printf("starting %d connections\n", count)
		m, err := newMany(ctx, filepath.Join(directory, fmt.Sprint(count)), count)
		if m != nil {
			list = append(list, m)
		}
		if err != nil {
			return err
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
				return err
			}
			after, err := list[at].losses(ctx)
			if err != nil {
				return err
			}
			samples[at] = append(samples[at], s)
			fmt.Printf("round %d of %d  %3d connections  %s  %s\n", round+1, o.rounds, manyCounts[at], s, after.since(before))
		}
	}
	fmt.Print("\n" + manyTable(samples))
	return nil
}

// manyTable is the Markdown of the samples, by the places in manyCounts.
func manyTable(samples [][]sample) string {
	rate, cpu := row{value: gigabits, format: "%.2f"}, row{value: cpuSeconds, format: "%.2f"}
	var b strings.Builder
	fmt.Fprintf(&b, "| %d TCP flows over | Gbit/s | of one connection's | CPU s for each GB |\n|---|---|---|---|\n", manyFlows)
	one := median(rate.values(samples[0]))
	for i, list := range samples {
		values := rate.values(list)
		fmt.Fprintf(&b, "| %d connections | %s | %.2f | %s |\n", manyCounts[i], rate.cell(values), median(values)/one, cpu.cell(cpu.values(list)))
	}
	return b.String()
}

func newMany(ctx context.Context, directory string, count int) (*many, error) {
	prefix := fmt.Sprintf("causeway-many-%d", count)
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
	ours, theirs := link.Many(count)
	m := &many{contender: contender{name: causeway, world: w}, ends: ours}
	if err := m.addresses(ctx); err != nil {
		return m, err
	}
	var a *gateway.Gateway
	for _, side := range []struct {
		space *world.Namespace
		ends  []link.End
	}{{w.GatewayB, theirs}, {w.GatewayA, ours}} {
		if a, err = gateway.New(program, side.space, directory, side.ends...); err != nil {
			return m, err
		}
		if err := a.Start(ctx); err != nil {
			return m, err
		}
		m.pids, m.gateways = append(m.pids, a.PID()), append(m.gateways, a)
	}
	return m, world.Eventually(ctx, "every connection", func() error {
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

// flows runs the flows for that long and counts what arrives.
func (m *many) flows(ctx context.Context, length time.Duration) (sample, error) {
	var received atomic.Int64
	var sockets []io.Closer
	var work sync.WaitGroup
	defer func() {
		for _, s := range sockets {
			_ = s.Close()
		}
		work.Wait()
	}()
	for i := range manyFlows {
		from, to, err := m.flow(ctx, m.ends[i%len(m.ends)])
		if err != nil {
			return sample{}, err
		}
		sockets = append(sockets, from, to)
		work.Go(func() { send(from) })
		work.Go(func() { count(to, &received) })
	}
	began, bytes := time.Now(), received.Load()
	before, err := m.cpu()
	if err != nil {
		return sample{}, err
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	took, arrived := time.Since(began), float64(received.Load()-bytes)
	after, err := m.cpu()
	if err == nil && arrived == 0 {
		err = errors.New("nothing arrived")
	}
	return sample{bits: 8 * arrived / took.Seconds(), cpu: (after - before) / (arrived / 1e9)}, err
}

// flow opens a TCP connection from client A to client B.
func (m *many) flow(ctx context.Context, end link.End) (from, to net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	source := net.TCPAddrFromAddrPort(netip.AddrPortFrom(world.ClientIn(end.LocalNetworks[0]), 0))
	var listener net.Listener
	err = m.world.ClientB.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(world.ClientIn(end.RemoteNetworks[0]), 0).String())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	err = m.world.ClientA.Do(func() (err error) {
		from, err = (&net.Dialer{LocalAddr: source}).DialContext(ctx, "tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if to, err = listener.Accept(); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return from, to, nil
}

// send writes until the connection is closed.
func send(c net.Conn) {
	for buffer := make([]byte, 128<<10); ; {
		if _, err := c.Write(buffer); err != nil {
			return
		}
	}
}

// count reads until the connection is closed.
func count(c net.Conn, received *atomic.Int64) {
	for buffer := make([]byte, 256<<10); ; {
		n, err := c.Read(buffer)
		received.Add(int64(n))
		if err != nil {
			return
		}
	}
}

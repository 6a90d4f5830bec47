package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// manyConnections is how many TestManyConnections has.
const manyConnections = 1000

// TestManyConnections brings very many connections up between two of our
// gateways, has a flow over each, changes one by a reload, of which the others
// lose nothing, and ends them.
func TestManyConnections(t *testing.T) {
	require(t)
	s := makeUnseen(t)
	s.lastFor(sceneTimeout)
	m := s.many(manyConnections)
	began := time.Now()
	m.start()
	took := time.Since(began)
	t.Logf("%d connections are up after %v, %.0f a second; memory of the gateways %.1f and %.1f MiB", len(m.ours), took.Round(time.Millisecond),
		float64(len(m.ours))/took.Seconds(), s.memory(m.left), s.memory(m.right))

	flows := m.flows()
	flows.next()
	const changed = 7
	m.ours[changed].ESPLifetime = 30 * time.Minute
	s.must(m.left.Configure(m.ours...))
	began = time.Now()
	_, err := m.left.Command(s.ctx, "reload")
	s.must(err)
	t.Logf("a reload that changes one took %v", time.Since(began).Round(time.Millisecond))
	flows.next()
	flows.finish(func(i int) bool { return i == changed })

	began = time.Now()
	s.must(s.bounded(m.left.Stop))
	t.Logf("the end took %v", time.Since(began).Round(time.Millisecond))
	s.eventually("the other end to have no connection", func() error {
		if n := m.countUp(m.right); n > 0 {
			return fmt.Errorf("%d are up", n)
		}
		return nil
	})
	s.must(s.bounded(m.right.Stop))
}

// manyScene is two of our gateways with many connections.
type manyScene struct {
	*scene
	ours, theirs []link.End
	left, right  *gateway.Gateway
}

// many makes the network; start starts the gateways. The clients have an address
// for each connection, to which a route leads: as neighbours they would be too
// many for the kernel's table.
func (s *scene) many(count int) *manyScene {
	s.t.Helper()
	m := &manyScene{scene: s}
	m.ours, m.theirs = link.Many(count)
	var a, b strings.Builder
	for _, end := range m.ours {
		fmt.Fprintf(&a, "addr add %s/32 dev eth0\n", world.ClientIn(end.LocalNetworks[0]))
		fmt.Fprintf(&b, "addr add %s/32 dev eth0\n", world.ClientIn(end.RemoteNetworks[0]))
	}
	for space, script := range map[*world.Namespace]string{
		s.ClientA: "ip -batch - <<.\n" + a.String() + ".\n", s.ClientB: "ip -batch - <<.\n" + b.String() + ".\n",
		s.GatewayA: "ip route add 10.64.0.0/10 via " + world.ClientIn(world.SiteA.Networks[0]).String(),
		s.GatewayB: "ip route add 10.128.0.0/10 via " + world.ClientIn(world.SiteB.Networks[0]).String(),
	} {
		s.must(space.Shell(s.ctx, script))
	}
	return m
}

// start starts both gateways and waits until every connection is up at both.
func (m *manyScene) start() {
	m.t.Helper()
	m.patience = 3 * time.Minute
	m.right = m.causeway(m.GatewayB, m.theirs...)
	m.left = m.causeway(m.GatewayA, m.ours...)
	for _, g := range []*gateway.Gateway{m.left, m.right} {
		m.eventually("every connection", func() error { return m.allUp(g) })
	}
}

func (m *manyScene) allUp(g *gateway.Gateway) error {
	if n := m.countUp(g); n < len(m.ours) {
		return fmt.Errorf("%d of %d are up", n, len(m.ours))
	}
	return nil
}

// countUp is how many of a gateway's connections are up.
func (m *manyScene) countUp(g *gateway.Gateway) (n int) {
	m.t.Helper()
	status, err := g.Status(m.ctx)
	m.must(err)
	for _, c := range status.Connections {
		if _, up := status.Up(c.Name); up {
			n++
		}
	}
	return n
}

// memory is what a gateway has resident, in MiB (proc_pid_status(5)).
func (s *scene) memory(g *gateway.Gateway) float64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	s.must(err)
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	s.must(err)
	return kib / 1024
}

// flowPeriod is how often each flow sends a packet, which the other end returns,
// and flowBurst how many flows send at once: no queue on the way overflows.
const (
	flowPeriod = 100 * time.Millisecond
	flowBurst  = 20
)

// flows is one flow of UDP over each connection.
type flows struct {
	m     *manyScene
	pairs []*flow
	stop  chan struct{}
	work  sync.WaitGroup

	began   processors
	absence *absence
	outside int // what queues outside the gateways had no room for before
}

type flow struct {
	near, far *net.UDPConn
	mu        sync.Mutex
	rounds    []bool // whether the packet of each round came back
}

// flows begins to send.
func (m *manyScene) flows() *flows {
	m.t.Helper()
	f := &flows{m: m, stop: make(chan struct{}), began: usedProcessors(m.t), absence: watchAbsence(), outside: m.overflowedOutside()}
	for _, end := range m.ours {
		p := new(flow)
		here := net.UDPAddrFromAddrPort(netip.AddrPortFrom(world.ClientIn(end.LocalNetworks[0]), 0))
		there := net.UDPAddrFromAddrPort(netip.AddrPortFrom(world.ClientIn(end.RemoteNetworks[0]), 0))
		m.must(m.ClientB.Do(func() (err error) { p.far, err = net.ListenUDP("udp4", there); return err }))
		m.must(m.ClientA.Do(func() (err error) {
			p.near, err = net.DialUDP("udp4", here, p.far.LocalAddr().(*net.UDPAddr))
			return err
		}))
		f.pairs = append(f.pairs, p)
		f.work.Go(p.echo)
		f.work.Go(p.count)
	}
	f.work.Go(f.send)
	return f
}

// echo returns what comes to the far end, until it is closed.
func (p *flow) echo() {
	for b := make([]byte, 64); ; {
		n, from, err := p.far.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		_, _ = p.far.WriteToUDPAddrPort(b[:n], from) // what is lost is counted
	}
}

// count notes what comes back, until the near end is closed. An ICMP error is
// no end, and no answer.
func (p *flow) count() {
	for b := make([]byte, 64); ; {
		n, err := p.near.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if round, err := strconv.Atoi(string(b[:n])); err == nil {
			p.mu.Lock()
			if round < len(p.rounds) {
				p.rounds[round] = true
			}
			p.mu.Unlock()
		}
	}
}

// send sends a packet of each flow again and again, spread over the period.
func (f *flows) send() {
	tick := time.NewTicker(flowPeriod * flowBurst / time.Duration(max(flowBurst, len(f.pairs))))
	defer tick.Stop()
	for round := 0; ; round++ {
		for i, p := range f.pairs {
			if i%flowBurst == 0 {
				select {
				case <-tick.C:
				case <-f.stop:
					return
				}
			}
			p.mu.Lock()
			p.rounds = append(p.rounds, false)
			p.mu.Unlock()
			_, _ = p.near.Write([]byte(strconv.Itoa(round))) // what is lost is counted
		}
	}
}

// next waits until a round that begins now has been answered by most.
func (f *flows) next() {
	f.m.t.Helper()
	begin := f.round()
	f.m.eventually("the flows to go on", func() error {
		if n := f.answered(begin + 1); n < len(f.pairs)-1 {
			return fmt.Errorf("%d of %d go on", n, len(f.pairs))
		}
		return nil
	})
}

func (f *flows) round() int {
	f.pairs[0].mu.Lock()
	defer f.pairs[0].mu.Unlock()
	return len(f.pairs[0].rounds)
}

// answered is how many flows have an answer of a round from this one on.
func (f *flows) answered(round int) (n int) {
	for _, p := range f.pairs {
		p.mu.Lock()
		for i := round; i < len(p.rounds); i++ {
			if p.rounds[i] {
				n++
				break
			}
		}
		p.mu.Unlock()
	}
	return n
}

// mayOverflow is the part of all packets that queues may have no room for, once in a
// while: a processor that the machine's host takes away, or that others use, for a
// tenth of a second is enough.
const mayOverflow = 0.05

// finish ends the flows and wants every packet back, but of those that are
// excused, and those that a queue had no room for and that are counted there.
func (f *flows) finish(excused func(i int) bool) {
	f.m.t.Helper()
	close(f.stop)
	missing := func() (lost []string, sent int) {
		for i, p := range f.pairs {
			p.mu.Lock()
			sent += len(p.rounds)
			for round, ok := range p.rounds {
				if !ok && !excused(i) {
					lost = append(lost, fmt.Sprintf("%d of c%d", round, i))
				}
			}
			p.mu.Unlock()
		}
		return lost, sent
	}
	deadline := time.Now().Add(5 * time.Second)
	lost, sent := missing()
	for len(lost) > 0 && time.Now().Before(deadline) {
		time.Sleep(flowPeriod)
		lost, sent = missing()
	}
	others, away := usedProcessors(f.m.t).others(f.began), f.absence.end(f.m.t)
	for _, p := range f.pairs {
		_ = p.near.Close()
		_ = p.far.Close()
	}
	f.work.Wait()
	if len(lost) > 0 {
		overflowed := f.m.overflowed() + f.m.overflowedOutside() - f.outside
		f.m.t.Logf("of %d packets %d did not come back: %v", sent, len(lost), lost[:min(len(lost), 20)])
		f.m.t.Logf("queues had no room for %d; others used %.0f %% of a processor, and one was away for %v", overflowed, 100*others, away)
		if len(lost) > overflowed {
			f.m.t.Errorf("%d packets are lost and nowhere counted", len(lost)-overflowed)
		}
		if float64(len(lost)) > mayOverflow*float64(sent) && others < quietPart && away < longAbsence {
			f.m.t.Errorf("a queue overflowed for long while the processors were there and nobody else used them")
		}
		return
	}
	f.m.t.Logf("all of %d packets came back", sent)
}

// overflowed is how many packets found no room in a queue of either gateway.
func (m *manyScene) overflowed() (n int) {
	m.t.Helper()
	for _, g := range []*gateway.Gateway{m.left, m.right} {
		status, err := g.Status(m.ctx)
		m.must(err)
		m.t.Logf("%s dropped %v, at its sockets %v", g.Space().Role, status.Gateway.Drops, status.Gateway.Sockets.Drops)
		n += int(status.Gateway.Drops["device_overrun"] + status.Gateway.Sockets.Drops["overflow"])
	}
	return n
}

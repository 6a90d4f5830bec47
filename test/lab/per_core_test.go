package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

const (
	perCoreWorkers = 2
	// perCoreFlows are as many TCP connections each way at once: which worker one
	// begins at is the kernel's choice, and that all choose one has a probability of
	// 1 in 128.
	perCoreFlows = 8
	perCoreSize  = 8 << 20
	// perCorePassed is in how many segments TCP may find once that some passed each
	// other: it is one of 2,000 at most, and one of 100 to 200 if each packet takes the
	// SA of any worker.
	perCorePassed = 500
)

// TestPerCore has two gateways of two workers each, with a Child SA for each worker
// besides the one for all (RFC 9611): both workers of both ends send and receive,
// what arrives is what was sent, flows keep their order, and a rekey of all changes
// nothing. Where trains are cut on the way and merged anew, as between network cards,
// a train may hold both SAs, and then order suffers (docs/adr/0015).
func TestPerCore(t *testing.T) {
	t.Parallel()
	t.Run("trains stay whole", func(t *testing.T) { perCore(t, false) })
	t.Run("trains are merged anew", func(t *testing.T) { perCore(t, true) })
}

func perCore(t *testing.T, anew bool) {
	s := newScene(t)
	for _, space := range []*world.Namespace{s.GatewayA, s.GatewayB} {
		if anew {
			s.must(space.Shell(s.ctx, "ethtool -K wan tx-udp-segmentation off gso off gro on >/dev/null"))
		}
	}
	a, b := link.Pair()
	for _, end := range []*link.End{&a, &b} {
		end.ESPKeys, end.GatewayKeys = []string{"per_core: auto"}, fmt.Sprintf("workers: %d", perCoreWorkers)
	}
	right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
	s.up(right)
	s.up(left)
	s.transferMany()
	for _, g := range []*gateway.Gateway{left, right} {
		s.eventually("a Child SA for each worker", func() error { return workersOf(s.status(g, link.Name), 0) })
	}
	before := s.segments()
	s.transferMany()
	s.must(left.RekeyChild(s.ctx))
	s.transferMany()
	then := s.segments()
	sent, passed := then.sent-before.sent, then.passed-before.passed
	t.Logf("of %d segments %d were sent again; %d times they had passed each other", sent, then.again-before.again, passed)
	if passed > sent/perCorePassed {
		t.Errorf("of %d segments some passed each other %d times", sent, passed)
	}
	for _, g := range []*gateway.Gateway{left, right} {
		c := s.status(g, link.Name)
		// Since the rekey; ports decide by chance how many flows each has.
		if err := workersOf(c, 100); err != nil {
			t.Error(err)
		}
		for _, reason := range []string{"replay", "authentication", "selector", "unknown_spi", "no_sa"} {
			if n := c.Drops[reason]; n > 0 {
				t.Errorf("dropped on a path that harms nothing: %d for %s", n, reason)
			}
		}
	}
}

// transferMany has flows each way at once.
func (s *scene) transferMany() {
	s.t.Helper()
	a, b := world.ClientIn(world.SiteA.Networks[0]), world.ClientIn(world.SiteB.Networks[0])
	ended := make(chan error)
	for range perCoreFlows {
		go func() { ended <- s.transfer(s.ClientA, s.ClientB, b, perCoreSize) }()
		go func() { ended <- s.transfer(s.ClientB, s.ClientA, a, perCoreSize) }()
	}
	for range 2 * perCoreFlows {
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// workersOf is nil if each worker has a Child SA that carried so many packets each way.
func workersOf(c *gateway.Connection, packets uint64) error {
	in, out := [perCoreWorkers + 1]uint64{}, [perCoreWorkers + 1]uint64{}
	seen := [perCoreWorkers + 1]bool{}
	for _, child := range c.Children {
		if child.Worker <= perCoreWorkers {
			seen[child.Worker] = true
			in[child.Worker] += child.PacketsIn
			out[child.Worker] += child.PacketsOut
		}
	}
	for n := range seen {
		if !seen[n] || n > 0 && (in[n] < packets || out[n] < packets) {
			return fmt.Errorf("packets by worker, the first for all: in %v, out %v, of %d Child SAs", in, out, len(c.Children))
		}
	}
	return nil
}

// segments are how many TCP segments the clients sent so far, how many of these
// again, and how often one learnt that its segments had passed each other
// (tcp(7): what was taken for lost and was not is no loss of ours on a busy machine).
func (s *scene) segments() (n segments) {
	s.t.Helper()
	for _, client := range []*world.Namespace{s.ClientA, s.ClientB} {
		for _, file := range []string{"snmp", "netstat"} {
			var text []byte
			s.must(client.Do(func() (err error) {
				text, err = os.ReadFile("/proc/thread-self/net/" + file)
				return err
			}))
			names, values := []string(nil), []string(nil)
			for line := range strings.Lines(string(text)) {
				names, values = values, strings.Fields(line)
				if len(names) == 0 || names[0] != values[0] {
					continue
				}
				for i, name := range names {
					count, _ := strconv.Atoi(values[i])
					switch name {
					case "OutSegs":
						n.sent += count
					case "RetransSegs":
						n.again += count
					case "TCPSACKReorder", "TCPTSReorder", "TCPRenoReorder":
						n.passed += count
					}
				}
			}
		}
	}
	return n
}

// segments are counts of TCP segments.
type segments struct{ sent, again, passed int }

// TestPerCoreStrongSwan negotiates Child SAs for single workers with strongSwan 6.1,
// whose userspace ESP knows nothing of processors: it takes those that our workers ask
// for, and packets pass both ways.
func TestPerCoreStrongSwan(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.ESPKeys, a.GatewayKeys = []string{"per_core: auto"}, fmt.Sprintf("workers: %d", perCoreWorkers)
	b.SwanChildKeys = []string{"per_cpu_sas = yes"}
	s.strongswanAt(s.in(roots.Forky, s.GatewayB), strongswan.Userspace, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	s.transferMany()
	s.eventually("a Child SA for each worker", func() error { return workersOf(s.status(g, link.Name), 0) })
	s.pingBoth(a)
}

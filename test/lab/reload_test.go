package lab

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/link"
)

const (
	reloads   = 100
	untouched = 6 // of the connections no reload changes
	toChange  = 6
)

// TestReloads reloads a gateway a hundred times with random changes of half of its
// connections, and with damaged files, while packets flow over all. Those of a
// connection that no file changed are all answered.
func TestReloads(t *testing.T) {
	require(t)
	s := makeUnseen(t)
	m := s.many(untouched + toChange)
	m.start()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	flows := m.flows()
	refused := 0
	for range reloads {
		s.must(m.left.Configure(changedAtRandom(random, m.ours)...))
		_, err := m.left.Command(s.ctx, "reload")
		s.must(err)
		if m.damagedReload(random) {
			refused++
		}
	}
	if refused < reloads/4 {
		t.Errorf("only %d of %d damaged files were refused", refused, reloads)
	}
	flows.finish(func(i int) bool { return i >= untouched })
	s.must(m.left.Configure(m.ours...))
	_, err := m.left.Command(s.ctx, "reload")
	s.must(err)
	m.eventually("every connection, those that were away too", func() error { return m.allUp(m.left) })
}

// changedAtRandom leaves the first ends as they are and changes some of the others
// in some way: live, or so that it has to be made anew, or away.
func changedAtRandom(random *rand.Rand, ends []link.End) []link.End {
	out := slices.Clone(ends[:untouched])
	for _, end := range ends[untouched:] {
		switch random.IntN(6) {
		case 0:
			continue
		case 1:
			end.ESPLifetime = time.Duration(20+random.IntN(40)) * time.Minute
		case 2:
			end.Keys = "bandwidth: {ceiling: " + []string{"5mbit", "50mbit", "500mbit"}[random.IntN(3)] + "}"
		case 3:
			end.Keys = "metric: " + []string{"5", "50"}[random.IntN(2)]
		case 4:
			end.DPD = time.Duration(10+random.IntN(50)) * time.Second
		}
		out = append(out, end)
	}
	return out
}

// damagedReload damages the file. If it is invalid then, the reload is refused,
// and the running configuration is still that of the good file, which it gives
// back.
func (m *manyScene) damagedReload(random *rand.Rand) (refused bool) {
	m.t.Helper()
	path := m.left.Config()
	good, err := os.ReadFile(path)
	m.must(err)
	defer func() { m.must(os.WriteFile(path, good, 0o600)) }()
	bad := bytes.Clone(good)
	for range 1 + random.IntN(3) {
		bad[random.IntN(len(bad))] = byte(random.Uint32())
	}
	if random.IntN(4) == 0 {
		bad = bad[:random.IntN(len(bad))]
	}
	m.must(os.WriteFile(path, bad, 0o600))
	if _, err := m.left.Command(m.ctx, "diff", "-c", path); err == nil {
		return false // the damage makes another valid file
	}
	if out, err := m.left.Command(m.ctx, "reload"); err == nil {
		m.t.Errorf("a damaged file was taken: %s\n%s", out, bad)
	}
	m.must(os.WriteFile(path, good, 0o600))
	if out, err := m.left.Command(m.ctx, "diff", "-c", path); err != nil || !strings.Contains(out, "nothing would change") {
		m.t.Errorf("after a damaged file: %s %v", out, err)
	}
	return true
}

// TestReplacedConnectionKeepsRoutes: a reload has a connection made anew whose peer does
// not answer any more. While its SAs are deleted, and after that, its routes stay: nothing
// leaves in the clear.
func TestReplacedConnectionKeepsRoutes(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	s.causeway(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	monitor, err := s.GatewayA.Start("routes", "ip", "monitor", "route")
	s.must(err)
	seen := func(route string) error { return inLog(monitor.Log, "Deleted "+route) }
	s.eventually("the monitor to see routes", func() error {
		s.ip(s.GatewayA, "route", "add", "203.0.113.77/32", "dev", "lan")
		s.ip(s.GatewayA, "route", "del", "203.0.113.77/32", "dev", "lan")
		return seen("203.0.113.77 ")
	})
	s.must(s.Lose(s.ctx, 100))
	a.LocalIdentity = "other.lab.example"
	s.must(g.Configure(a))
	began := time.Now()
	s.command(g, 0, "reload")
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the reload took %v: it did not wait for the peer, and the test proves nothing", took)
	}
	for _, network := range a.RemoteNetworks {
		if seen(network.String()+" dev cw0 ") == nil {
			t.Errorf("the route to %v was taken away", network)
		}
	}
	s.must(s.bounded(g.Stop))
	s.eventually("the end of the route", func() error { return seen(a.RemoteNetworks[0].String() + " dev cw0 ") })
}

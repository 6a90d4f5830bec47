package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/place"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// scene is one test's network and what runs in it. Its methods end the test
// when they fail, so they belong to the test's goroutine.
type scene struct {
	*world.World
	t   *testing.T
	ctx context.Context
	// patience bounds one wait.
	patience time.Duration
	// shared tells that other cases have this network after this one.
	shared bool
}

var scenes atomic.Uint64

// long tells that the long forms run: make lab-long.
var long = os.Getenv("CAUSEWAY_LONG") != ""

// sceneTimeout bounds a test, and longTimeout one in its long form; lookTimeout
// bounds one wait in it, if the test has
// no reason for more.
const (
	sceneTimeout = 4 * time.Minute
	longTimeout  = 40 * time.Minute
	lookTimeout  = 45 * time.Second
)

// newScene makes the network of a test that may run beside others.
func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	require(t)
	places.enter()
	t.Cleanup(places.leave)
	return makeScene(t)
}

func makeScene(t *testing.T) *scene {
	t.Helper()
	s := makeUnseen(t)
	_, err := s.Capture(s.ctx, "router")
	s.must(err)
	return s
}

// makeUnseen makes a network without a capture, for a test that needs the
// processors for itself.
func makeUnseen(t *testing.T) *scene {
	t.Helper()
	// The name is short: the path of a unix socket has at most 107 bytes.
	top, _, _ := strings.Cut(t.Name(), "/")
	dir, err := os.MkdirTemp("", "cwlab-"+top+"-")
	if err != nil {
		t.Fatal(err)
	}
	limit := sceneTimeout
	if long {
		limit = longTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	s := &scene{t: t, ctx: ctx, patience: lookTimeout}
	t.Cleanup(func() {
		cancel()
		if s.World != nil {
			if err := s.Close(); err != nil {
				t.Errorf("take the network down: %v", err)
			}
		}
		if t.Failed() {
			showLogs(t, dir)
			t.Logf("logs, configurations and the capture are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir) // it is below the temporary directory
	})
	prefix := fmt.Sprintf("%s-%d-%d", family, os.Getpid(), scenes.Add(1))
	s.World, err = world.New(ctx, world.Options{Prefix: prefix, Dir: dir})
	s.must(err)
	return s
}

// shownLines is how much of each log a failure shows.
const shownLines = 25

// showLogs shows how every process's log ends.
func showLogs(t *testing.T, dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is right
	for _, log := range logs {
		if text := world.Tail(log, shownLines); text != "" {
			t.Logf("%s ends\n%s", filepath.Base(log), text)
		}
	}
}

// sub runs one case of a test as a subtest in the test's network. The gateways
// and daemons that the case starts end with it.
func (s *scene) sub(name string, body func(s *scene)) bool {
	return s.t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), sceneTimeout)
		defer cancel()
		one := *s
		one.t, one.ctx, one.shared = t, ctx, true
		t.Cleanup(func() {
			if t.Failed() {
				showLogs(t, s.Dir)
			}
		})
		body(&one)
	})
}

// ends ends what a case of a shared scene has started, at the end of the case.
func (s *scene) ends(stop func(context.Context) error) {
	if !s.shared {
		return // the network's end is its end
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
		defer cancel()
		_ = stop(ctx) // the test may have ended it
	})
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits until check gives nil.
func (s *scene) eventually(what string, check func() error) {
	s.t.Helper()
	s.must(s.bounded(func(ctx context.Context) error { return world.Eventually(ctx, what, check) }))
}

// bounded runs one step of a test by its patience.
func (s *scene) bounded(step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.patience)
	defer cancel()
	return step(ctx)
}

// causeway starts our gateway.
func (s *scene) causeway(space *world.Namespace, ends ...link.End) *gateway.Gateway {
	s.t.Helper()
	g, err := gateway.New(program, space, s.Dir, ends...)
	s.must(err)
	s.must(s.bounded(g.Start))
	s.ends(g.Stop)
	return g
}

// strongswanAt starts a strongSwan in any place.
func (s *scene) strongswanAt(where place.Place, path strongswan.DataPath, ends ...link.End) *strongswan.Daemon {
	s.t.Helper()
	d, err := strongswan.At(where, path, ends...)
	s.must(err)
	s.must(s.bounded(d.Start))
	s.ends(d.Stop)
	return d
}

// in is a place with that root in a namespace.
func (s *scene) in(root string, space *world.Namespace) place.Place {
	s.t.Helper()
	requireRoot(s.t, root)
	where, err := roots.In(root, space, filepath.Join(s.Dir, root+"-"+space.Role))
	s.must(err)
	return where
}

// strongswan starts a strongSwan.
func (s *scene) strongswan(space *world.Namespace, ends ...link.End) *strongswan.Daemon {
	s.t.Helper()
	d, err := strongswan.New(space, s.Dir, ends...)
	s.must(err)
	s.must(s.bounded(d.Start))
	s.ends(d.Stop)
	return d
}

// status is what our gateway says of a connection now.
func (s *scene) status(g *gateway.Gateway, name string) *gateway.Connection {
	s.t.Helper()
	status, err := g.Status(s.ctx)
	s.must(err)
	c := status.Connection(name)
	if c == nil {
		s.t.Fatalf("the gateway knows no connection %s", name)
	}
	return c
}

// up waits until our gateway says that the connection carries traffic.
func (s *scene) up(g *gateway.Gateway) *gateway.Connection {
	s.t.Helper()
	return s.upNamed(g, link.Name)
}

func (s *scene) upNamed(g *gateway.Gateway, name string) *gateway.Connection {
	s.t.Helper()
	var c *gateway.Connection
	s.eventually("connection "+name+" to be up", func() error {
		status, err := g.Status(s.ctx)
		if err != nil {
			return errors.Join(err, g.Running())
		}
		var up bool
		if c, up = status.Up(name); !up {
			return fmt.Errorf("it is %s", describe(c))
		}
		return nil
	})
	return c
}

func describe(c *gateway.Connection) string {
	if c == nil {
		return "unknown"
	}
	if c.LastError != nil {
		return fmt.Sprintf("%s: %s: %s", c.State, c.LastError.Reason, c.LastError.Message)
	}
	return c.State
}

// failure waits until the connection's newest failure has that reason.
func (s *scene) failure(g *gateway.Gateway, name, reason string) *gateway.Error {
	s.t.Helper()
	var last *gateway.Error
	s.eventually("the failure "+reason, func() error {
		c := s.status(g, name)
		if last = c.LastError; last == nil || last.Reason != reason {
			return errors.New(describe(c))
		}
		return nil
	})
	return last
}

// swanUp waits until strongSwan has exactly one IKE SA, established, with that
// many Child SAs installed, and gives it. A Child SA that was deleted strongSwan
// keeps for some seconds, and for good if the IKE SA is rekeyed when they end.
func (s *scene) swanUp(d *strongswan.Daemon, children int) strongswan.IKE {
	s.t.Helper()
	var list []strongswan.IKE
	s.eventually("one IKE SA at strongSwan", func() error {
		var err error
		if list, err = d.SAs(s.ctx); err != nil {
			return err
		}
		if len(list) == 1 {
			list[0].Children = slices.DeleteFunc(list[0].Children, func(c strongswan.Child) bool { return c.State == "DELETED" })
		}
		if len(list) != 1 || len(strongswan.Up(list)) != 1 || len(list[0].Children) != children {
			return fmt.Errorf("its SAs: %+v", list)
		}
		for _, c := range list[0].Children {
			if c.State != "INSTALLED" {
				return fmt.Errorf("its SAs: %+v", list)
			}
		}
		return nil
	})
	return list[0]
}

// gateways gives the namespaces of the end's own gateway and of the other.
func (s *scene) gateways(end link.End) (own, other *world.Namespace) {
	if atSiteA(end) {
		return s.GatewayA, s.GatewayB
	}
	return s.GatewayB, s.GatewayA
}

// clients gives the clients of the end's own site and of the other.
func (s *scene) clients(end link.End) (own, other *world.Namespace) {
	if atSiteA(end) {
		return s.ClientA, s.ClientB
	}
	return s.ClientB, s.ClientA
}

func atSiteA(end link.End) bool {
	return end.Local == world.SiteA.Outer4 || end.Local == world.SiteA.Outer6
}

// TestFailedStart: a daemon whose configuration does not load has ended, and is in
// nobody's way in the same place.
func TestFailedStart(t *testing.T) {
	s := newScene(t)
	_, b := link.Pair()
	broken := b
	broken.SwanKeys = []string{"proposals = nonsense"}
	d, err := strongswan.New(s.GatewayB, s.Dir, broken)
	s.must(err)
	if err := s.bounded(d.Start); err == nil || !strings.Contains(err.Error(), "proposals") {
		t.Fatalf("a configuration that does not load: %v", err)
	}
	if _, err := d.SAs(s.ctx); err == nil {
		t.Error("the daemon that did not load its configuration still runs")
	}
	s.strongswan(s.GatewayB, b)
}

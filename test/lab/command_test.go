package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// command runs a subcommand against the gateway, wants that exit code and gives
// both outputs.
func (s *scene) command(g *gateway.Gateway, code int, arguments ...string) string {
	s.t.Helper()
	out, err := g.Command(s.ctx, arguments...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		s.must(err)
	}
	if err != nil {
		out += err.Error()
	}
	if got != code {
		s.t.Errorf("causeway %s exits with %d, want %d:\n%s", strings.Join(arguments, " "), got, code, out)
	}
	return out
}

// TestUpDown is a connection on demand: the commands, their exit codes, and
// what becomes of the SAs.
func TestUpDown(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	b := a.Peer()
	a.Start = false
	g := s.causeway(s.GatewayA, a)
	d := s.strongswan(s.GatewayB, b)
	s.command(g, 0, "status") // down, and not wanted
	s.command(g, 0, "up", link.Name)
	s.command(g, 0, "status")
	s.pingBoth(a)
	s.agree(g, d, a, b)
	s.command(g, 0, "rekey", link.Name, "--child")
	s.command(g, 0, "down", link.Name)
	s.gone(d)
	if c := s.status(g, link.Name); c.State != "down" || c.Wanted != "down" || len(c.Children) != 0 {
		t.Errorf("after down: %+v", c)
	}
	s.command(g, 0, "status")
	s.command(g, 1, "rekey", link.Name)
	s.command(g, 1, "up", "nobody")
	d.Kill()
	if out := s.command(g, 1, "up", link.Name, "--timeout", "3s"); !strings.Contains(out, "timeout") {
		t.Errorf("up without a peer says %q", out)
	}
	s.command(g, 3, "status")
	s.must(s.bounded(d.Start))
	s.up(g)
	s.pingBoth(a)
	s.command(g, 0, "version")
}

// TestCheck: a configuration with errors is refused by check and by run.
func TestCheck(t *testing.T) {
	s := newScene(t)
	config := filepath.Join(s.Dir, "wrong.yaml")
	s.must(os.WriteFile(config, []byte("connections:\n  link:\n    remot: {}\n"), 0o600))
	for _, command := range []string{"check", "run"} {
		out, err := s.GatewayA.Run(s.ctx, program, command, "-c", config)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("causeway %s: %v, want exit status 2", command, err)
		}
		if !strings.Contains(out, "wrong.yaml:3:5: connections.link.remot: unknown key") {
			t.Errorf("causeway %s says %s", command, out)
		}
	}
}

// TestReload changes the configuration by SIGHUP under traffic that does not
// notice.
func TestReload(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a = networks(a, 0)
	g, d := s.joined(a, a.Peer())
	before := s.status(g, link.Name)
	other := networks(a, 1)
	other.Name, other.Remote, other.Start = "other", world.SiteB.Router4, false
	s.under(func() {
		s.must(g.Configure(a, other))
		s.must(g.Reload())
		s.eventually("the new connection", func() error { return s.known(g, "other", true) })

		good, err := os.ReadFile(g.Config())
		s.must(err)
		s.must(os.WriteFile(g.Config(), append(good, "wrong: true\n"...), 0o600))
		s.command(g, 1, "reload")
		s.must(s.known(g, "other", true))

		s.must(g.Configure(a))
		s.must(g.Reload())
		s.eventually("the end of the new connection", func() error { return s.known(g, "other", false) })
	})
	if after := s.status(g, link.Name); after.IKE.SPIi != before.IKE.SPIi || after.Children[0].SPIIn != before.Children[0].SPIIn {
		t.Errorf("a reload that does not touch the connection replaced its SAs: %+v, before %+v", after, before)
	}
	s.agree(g, d, a, a.Peer())

	changed, _ := networks(a, 0), b
	changed.ESP = []string{"aes128gcm16", "aes256gcm16"}
	s.under(func() {
		s.must(g.Configure(changed))
		s.command(g, 0, "reload") // which waits until it is in force
		s.sameSAs(g, before)
		s.must(g.RekeyChild(s.ctx)) // which negotiates what is new
	})
	s.agree(g, d, a, a.Peer())
	changed.LocalIdentity = "other.lab.example" // which the peer does not know
	s.must(g.Configure(changed))
	s.must(g.Reload())
	s.failure(g, link.Name, "authentication_failed")
	s.must(g.Configure(a))
	s.must(g.Reload())
	s.replaced(g, before)
	s.pingBoth(a)
	s.agree(g, d, a, a.Peer())
}

func (s *scene) known(g *gateway.Gateway, name string, want bool) error {
	status, err := g.Status(s.ctx)
	if err == nil && (status.Connection(name) != nil) != want {
		err = errors.New(world.Tail(g.Log(), 3))
	}
	return err
}

// TestEvents follows the events of a connection that comes up and goes down.
func TestEvents(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.Start = false
	g := s.causeway(s.GatewayA, a)
	s.strongswan(s.GatewayB, b)
	p, err := s.GatewayA.Start("events", program, "events", "-o", "json", "--socket", g.Socket())
	s.must(err)
	// It has subscribed once it shows what a command makes happen.
	s.eventually("the events of a whole life", func() error {
		s.command(g, 0, "up", link.Name)
		s.command(g, 0, "down", link.Name)
		text, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		for _, event := range []string{"connecting", "ike_established", "child_established", "child_closed", "ike_closed"} {
			if !strings.Contains(string(text), `"type":"`+event+`"`) {
				return errors.New(event + " is missing in " + string(text))
			}
		}
		return nil
	})
	s.must(p.Running())
}

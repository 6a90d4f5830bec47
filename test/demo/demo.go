package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/internal/control"
	"causeway/test/lab/gateway"
	"causeway/test/lab/world"
)

// demo is one demonstration. Its parts run one after another.
type demo struct {
	*page
	world *world.World
	a, b  *gateway.Gateway
	keep  bool

	events *follower // of site B; nil while none is shown

	// For the summary.
	took     time.Duration
	suites   string
	pings    string
	onWire   string
	tcp      []string
	finished bool
}

func newDemo(ctx context.Context, keep bool) (*demo, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w; run `make build` first, and this from the top of the project", err)
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	if err := writeSecret(filepath.Join(directory, "psk")); err != nil {
		return nil, err
	}
	w, err := world.New(ctx, world.Options{Prefix: prefix, Dir: directory, Keep: keep})
	if err != nil {
		return nil, err
	}
	d := &demo{page: newPage(os.Stdout), world: w, keep: keep}
	d.a = d.gateway(w.GatewayA, "site-a")
	d.b = d.gateway(w.GatewayB, "site-b")
	return d, nil
}

// gateway prepares the gateway of a site, from its file as it stands.
func (d *demo) gateway(space *world.Namespace, site string) *gateway.Gateway {
	return gateway.Prepare(program, space, configuration(site), socket(site))
}

func configuration(site string) string { return "test/demo/" + site + ".yaml" }

func socket(site string) string { return filepath.Join(directory, site+".sock") }

// close takes down what the demonstration has not left up on purpose.
func (d *demo) close() {
	d.unfollow()
	if d.keep && d.finished {
		return
	}
	if err := d.world.Close(); err != nil {
		d.line("%v", err)
	}
	if _, err := sweep(); err != nil {
		d.line("%v", err)
	}
}

func (d *demo) network(ctx context.Context) error {
	if err := d.settle(ctx); err != nil {
		return err
	}
	d.section("Two sites and the internet between them, in network namespaces")
	d.block(`
client A ─── gateway A ─── router ─── gateway B ─── client B
10.1.0.2     192.0.2.2                198.51.100.2    10.2.0.2
fd00:1::2                                            fd00:2::2`[1:])
	d.line("")
	d.line("Nothing leads from one client to the other yet:")
	d.command("ping 10.2.0.2     (on client A)")
	out, err := d.world.ClientA.Run(ctx, "ping", "-n", "-c1", "-W1", "10.2.0.2")
	if err == nil {
		return errors.New("client B answers without a tunnel")
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "packet loss") {
			d.block(line)
		}
	}
	return ctx.Err()
}

// settle waits until every IPv6 address may be used: until duplicate address
// detection (RFC 4862 §5.4) is through, neighbours do not find each other.
func (d *demo) settle(ctx context.Context) error {
	for _, space := range d.world.Namespaces() {
		if err := world.Eventually(ctx, "the IPv6 addresses of "+space.Role, func() error {
			out, err := space.Run(ctx, "ip", "-6", "-oneline", "address", "show", "tentative")
			if err == nil && out != "" {
				err = errors.New("not ready: " + out)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// negotiate starts the gateways and waits until the tunnel is up. Site B waits
// for site A, so its events are the whole negotiation.
func (d *demo) negotiate(ctx context.Context) error {
	d.section("Two gateways negotiate (site B's view, live)")
	d.command(program + " run -c " + configuration("site-b"))
	if err := begin(ctx, d.b); err != nil {
		return err
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	d.command(program + " run -c " + configuration("site-a"))
	d.line("")
	began := time.Now()
	if err := begin(ctx, d.a); err != nil {
		return err
	}
	for _, side := range []struct {
		gateway *gateway.Gateway
		name    string
	}{{d.a, "to-b"}, {d.b, "to-a"}} {
		if err := d.waitUp(ctx, side.gateway, side.name); err != nil {
			return err
		}
	}
	d.took = time.Since(began)
	d.unfollow()
	return nil
}

// follow shows the events of site B until unfollow.
func (d *demo) follow(ctx context.Context) error {
	var first time.Time
	f, err := follow(ctx, socket("site-b"), func(ev control.Event) {
		if first.IsZero() {
			first = ev.At
		}
		d.line("%7.1f ms  %s", float64(ev.At.Sub(first).Microseconds())/1000, ev.Message)
	})
	d.events = f
	return err
}

func (d *demo) unfollow() {
	d.events.stop()
	d.events = nil
}

// patience is how long a gateway may take to start, or a tunnel to come up.
const patience = 20 * time.Second

// begin starts a gateway.
func begin(ctx context.Context, g *gateway.Gateway) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return g.Start(ctx)
}

func (d *demo) waitUp(ctx context.Context, g *gateway.Gateway, connection string) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return world.Eventually(patient, "connection "+connection, func() error {
		if err := g.Running(); err != nil {
			return err
		}
		s, err := g.Status(ctx)
		if err != nil {
			return err
		}
		c, up := s.Up(connection)
		if !up {
			if c != nil && c.LastError != nil {
				return errors.New(c.LastError.Message)
			}
			return errors.New("it is not up yet")
		}
		d.suites = c.IKE.Suite + " and " + c.Children[0].Suite
		return nil
	})
}

func (d *demo) status(ctx context.Context) error {
	d.section("What the gateways say")
	for _, site := range []string{"site-a", "site-b"} {
		d.command(program + " status --socket " + socket(site))
		g := d.a
		if site == "site-b" {
			g = d.b
		}
		out, err := g.Command(ctx, "status")
		if err != nil {
			return err
		}
		d.block(out)
		d.line("")
	}
	d.command(program + " status to-b --socket " + socket("site-a"))
	out, err := d.a.Command(ctx, "status", "to-b")
	if err != nil {
		return err
	}
	d.block(out)
	return nil
}

// stop ends site A as an administrator does and shows that site B hears of it.
func (d *demo) stop(ctx context.Context) error {
	d.section("Site A ends: its SAs are deleted at site B")
	if err := d.follow(ctx); err != nil {
		return err
	}
	if err := d.a.Stop(ctx); err != nil {
		return err
	}
	err := world.Eventually(ctx, "the end of the tunnel at site B", func() error {
		s, err := d.b.Status(ctx)
		if err != nil {
			return err
		}
		if _, up := s.Up("to-a"); up {
			return errors.New("it is still up")
		}
		return nil
	})
	d.unfollow()
	if err != nil {
		return err
	}
	return d.b.Stop(ctx)
}

// summary is the last line.
func (d *demo) summary(end string) error {
	d.finished = true
	fmt.Fprintf(d.w, "\n%s two sites joined in %v with %s; %s; %s; TCP %s. %s\n", d.bold("Shown:"),
		d.took.Round(10*time.Millisecond), d.suites, d.onWire, d.pings, strings.Join(d.tcp, ", "), end)
	return nil
}

func (d *demo) lookAround() {
	d.section("Look around")
	in := func(n *world.Namespace) string { return "ip netns exec " + n.Name + " " }
	for _, l := range []struct{ what, command string }{
		{"everything about the tunnel", program + " status to-b --socket " + socket("site-a")},
		{"what happens, IKE messages included", program + " events --messages --socket " + socket("site-a")},
		{"new keys, without losing a packet", program + " rekey to-b --socket " + socket("site-a")},
		{"down, and up again", program + " down to-b --socket " + socket("site-a") + " && " + program + " up to-b --socket " + socket("site-a")},
		{"from client to client", in(d.world.ClientA) + "ping 10.2.0.2"},
		{"TCP both ways at once", in(d.world.ClientA) + "iperf3 -c 10.2.0.2 --bidir"},
		{"what is on the wire (needs tcpdump)", in(d.world.Router) + "tcpdump -ni any udp port 500 or udp port 4500"},
		{"routes of a gateway", in(d.world.GatewayA) + "ip route"},
		{"the log of a gateway", "tail " + filepath.Join(directory, "causeway-gateway-a.log")},
	} {
		fmt.Fprintf(d.w, "  # %s\n  %s\n", l.what, d.bold(l.command))
	}
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/internal/control"
	"causeway/routing/kernel"
	"causeway/test/netdev"
)

// inside says that this process has a network namespace of its own.
const inside = "CAUSEWAY_TEST_NAMESPACE"

// TestWholeGateway runs real gateways in a process with a network namespace of
// its own: threads make sockets, so a thread's namespace is not enough.
func TestWholeGateway(t *testing.T) {
	if os.Getenv(inside) != "" {
		t.Skip("this is the process inside the namespace")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestInside", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("CAP_SYS_ADMIN is missing: a network namespace of its own needs it")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "--- PASS: TestInside"); n != 8 {
		t.Errorf("%d of 8 tests passed inside:\n%s", n, out)
	}
}

// peerless is a host with one outer network and nobody else on it.
func peerless(t *testing.T) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("run by TestWholeGateway, in a network namespace of its own")
	}
	if err := netdev.Up("lo"); err != nil {
		t.Fatal(err)
	}
	outer := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "outer"}, PeerName: "other"}
	if err := netlink.LinkAdd(outer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(outer) })
	if err := errors.Join(netdev.Up("outer", "198.51.100.10/24"), netdev.Up("other")); err != nil {
		t.Fatal(err)
	}
}

const gatewayText = `gateway:
  name: hq
  interface: {addresses: [169.254.21.2/30]}
control: {socket: control.sock}
connections:
  wanted:
    remote: {address: 198.51.100.20, networks: [10.2.0.0/16, 10.3.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
  demand:
    remote: {address: 198.51.100.21, networks: [10.4.0.0/16]}
    auth: {psk: "long-enough-secret-42"}
    start: on-demand
`

// running is one gateway.
type running struct {
	config string
	client *control.Client
	cancel context.CancelFunc
	ended  chan error
}

// start runs a gateway and waits until it answers, or has ended.
func start(t *testing.T, text string) *running {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{
		config: filepath.Join(dir, "causeway.yaml"), client: control.NewClient(filepath.Join(dir, "control.sock")),
		cancel: cancel, ended: make(chan error, 1),
	}
	r.write(t, text)
	go func() { r.ended <- Run(ctx, Options{ConfigPath: r.config, Version: "test"}) }()
	t.Cleanup(cancel)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 6000 {
		if s, err := r.client.Status(t.Context()); err == nil && len(s.Connections) > 0 {
			_, _ = r.client.Reload(t.Context()) // changes nothing, and waits for the start's end
			return r
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			return r
		case <-tick.C:
		}
	}
	t.Fatal("the gateway neither answers nor ends")
	return nil
}

func (r *running) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Fatalf("the gateway ended with %v", err)
	}
}

// wantRoutes waits until the gateway's routes are these: they follow what the
// control API shows, soon.
func wantRoutes(t *testing.T, want []string) {
	t.Helper()
	diff := ""
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if diff = cmp.Diff(want, routes(t)); diff == "" {
			return
		}
		<-tick.C
	}
	t.Errorf("routes (-want +got):\n%s", diff)
}

// routesOf are those with a protocol number.
func routesOf(protocol netlink.RouteProtocol) ([]netlink.Route, error) {
	return netdev.List(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol}, netlink.RT_FILTER_PROTOCOL)
	})
}

func addressesOf(link netlink.Link) ([]netlink.Addr, error) {
	return netdev.List(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_V4) })
}

// routes are those of the gateway, as the kernel has them.
func routes(t *testing.T) []string {
	t.Helper()
	all, err := routesOf(kernel.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range all {
		if r.Type == unix.RTN_UNICAST {
			out = append(out, r.Dst.String())
		}
	}
	for _, r := range all { // stand-ins: behind another route, or alone
		if r.Type == unix.RTN_UNREACHABLE && !slices.Contains(out, r.Dst.String()) {
			out = append(out, "unreachable "+r.Dst.String())
		}
	}
	slices.Sort(out)
	return out
}

func untouched(t *testing.T) {
	t.Helper()
	if got := routes(t); len(got) > 0 {
		t.Errorf("routes left: %v", got)
	}
	if _, err := netlink.LinkByName("cw0"); err == nil {
		t.Error("cw0 is still there")
	}
	for _, port := range []int{500, 4500} {
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		if err != nil {
			t.Errorf("port %d is still taken: %v", port, err)
			continue
		}
		c.Close()
	}
}

func TestInsideStartAndEnd(t *testing.T) {
	peerless(t)
	g := start(t, gatewayText)
	s, err := g.client.Status(t.Context())
	if err != nil {
		t.Fatalf("%v; the gateway ended: %v", err, <-g.ended)
	}
	if s.Gateway.Name != "hq" || s.Gateway.Interface != "cw0" || s.Gateway.MTU != 1438 || s.Gateway.Version != "test" || s.Gateway.Sockets == nil {
		t.Errorf("gateway %+v", s.Gateway)
	}
	var got []string
	for _, c := range s.Connections {
		got = append(got, fmt.Sprint(c.Name, " ", c.Wanted, " ", c.Remote, " ", c.RemoteNetworks))
		if c.Children == nil || c.Drops == nil {
			t.Errorf("%s: children or drops are null", c.Name)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"demand down 198.51.100.21 [10.4.0.0/16]", "wanted up 198.51.100.20 [10.2.0.0/16 10.3.0.0/16]"}, got); d != "" {
		t.Errorf("connections (-want +got):\n%s", d)
	}
	link, err := netlink.LinkByName("cw0")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := addressesOf(link)
	if err != nil {
		t.Fatal(err)
	}
	if len(addresses) != 1 || addresses[0].IPNet.String() != "169.254.21.2/30" || link.Attrs().MTU != 1438 || link.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("cw0: addresses %v, MTU %d, flags %v", addresses, link.Attrs().MTU, link.Attrs().Flags)
	}
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16"})
	g.end(t)
	untouched(t)
	if _, err := os.Stat(filepath.Join(filepath.Dir(g.config), "control.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestInsideReload(t *testing.T) {
	peerless(t)
	g := start(t, gatewayText)
	g.write(t, strings.Replace(gatewayText, "10.3.0.0/16", "10.30.0.0/16", 1))
	if _, err := g.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRoutes(t, []string{"10.2.0.0/16", "10.30.0.0/16"})
	g.write(t, gatewayText[:strings.Index(gatewayText, "  demand:")])
	if _, err := g.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := g.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Connections) != 1 {
		t.Errorf("connections after one was removed: %+v", s.Connections)
	}
	g.write(t, strings.Replace(gatewayText, "169.254.21.2", "169.254.21.6", 1))
	if _, err := g.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("cw0")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := addressesOf(link); err != nil || len(a) != 1 || a[0].IP.String() != "169.254.21.6" {
		t.Errorf("addresses after a reload: %v, %v", a, err)
	}
	g.end(t)
	untouched(t)
}

// TestInsideAfterACrash: what kill -9 leaves is no obstacle: a socket, routes,
// and an interface if it was persistent.
func TestInsideAfterACrash(t *testing.T) {
	peerless(t)
	outer, err := netlink.LinkByName("outer")
	if err != nil {
		t.Fatal(err)
	}
	_, stale, _ := net.ParseCIDR("10.99.0.0/16")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: outer.Attrs().Index, Dst: stale, Protocol: kernel.Protocol}); err != nil {
		t.Fatal(err)
	}
	left := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "cw0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI}
	if err := netlink.LinkAdd(left); err != nil {
		t.Fatal(err)
	}
	for _, f := range left.Fds {
		f.Close()
	}
	if err := netlink.LinkSetUp(left); err != nil {
		t.Fatal(err)
	}
	g := start(t, gatewayText)
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16"})
	if _, err := g.client.Status(t.Context()); err != nil {
		t.Fatalf("%v; the gateway ended: %v", err, <-g.ended)
	}
	g.end(t)
	untouched(t)
}

// TestInsideFailures: each says what to do, and leaves nothing behind.
func TestInsideFailures(t *testing.T) {
	peerless(t)
	port, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero, Port: 4500})
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, gatewayText)
	if err := <-g.ended; err == nil || !strings.Contains(err.Error(), ":4500") || !strings.Contains(err.Error(), "stop it or choose other ports") {
		t.Errorf("port in use: error %v", err)
	}
	port.Close()
	untouched(t)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g = start(t, strings.Replace(gatewayText, "control.sock", file, 1))
	if err := <-g.ended; err == nil || !strings.Contains(err.Error(), file+" exists and is no socket") {
		t.Errorf("no socket: error %v", err)
	}
	untouched(t)

	g = start(t, strings.Replace(gatewayText, "interface: {", "interface: {name: outer, ", 1))
	if err := <-g.ended; err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("interface in use: error %v", err)
	}
	untouched(t)

	g = start(t, strings.Replace(gatewayText, "name: hq\n", "name: hq\n  listen: {addresses: [192.0.2.99]}\n", 1))
	if err := <-g.ended; err == nil || !strings.Contains(err.Error(), "no interface has that address") {
		t.Errorf("an address of somebody else: error %v", err)
	}
	untouched(t)
}

const branchKeys = `remote: {address: 198.51.100.22, networks: [10.9.0.0/16]}
auth: {psk: "long-enough-secret-44"}
start: on-traffic
`

// TestInsideConfigure changes connections one by one by the API.
func TestInsideConfigure(t *testing.T) {
	peerless(t)
	g := start(t, gatewayText)
	ctx := t.Context()
	text := func() string {
		t.Helper()
		return read(t, g.config)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	done := func(_ control.Applied, err error) {
		t.Helper()
		must(err)
	}
	done(g.client.SetConnection(ctx, "branch", []byte(branchKeys), false))
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16", "10.9.0.0/16"})
	if text() != gatewayText {
		t.Error("the file changed without being asked to")
	}
	plan, err := g.client.Plan(ctx, g.config, []byte(gatewayText))
	must(err)
	if len(plan.Removed) != 1 || plan.Removed[0] != "branch" || len(plan.Added)+len(plan.Changed)+len(plan.Settings) != 0 {
		t.Errorf("a reload would do %+v", plan)
	}
	done(g.client.Reload(ctx)) // back to what the file says
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16"})

	done(g.client.SetConnection(ctx, "branch", []byte(branchKeys), true))
	done(g.client.RemoveConnection(ctx, "demand", true))
	done(g.client.Reload(ctx))
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16", "10.9.0.0/16"})
	if s := text(); !strings.Contains(s, "branch:") || strings.Contains(s, "demand:") || !strings.Contains(s, "name: hq") {
		t.Errorf("the file:\n%s", s)
	}
	if mode, err := os.Stat(g.config); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", mode.Mode(), err)
	}

	weak := branchKeys + "ike: {proposals: [aes128-sha1-modp1024]}\n"
	applied, err := g.client.SetConnection(ctx, "branch", []byte(weak), false)
	must(err)
	if len(applied.Warnings) == 0 || !strings.HasPrefix(applied.Warnings[0], "warning: connections.branch.ike.proposals[0]: ") {
		t.Errorf("a weak connection: %q", applied.Warnings)
	}
	done(g.client.SetConnection(ctx, "branch", []byte(branchKeys), false))

	var p *control.Problem
	before := text()
	if _, err := g.client.SetConnection(ctx, "branch", []byte("remote: {address: nobody!}"), true); !errors.As(err, &p) || p.Reason != control.ReasonBadConfiguration {
		t.Errorf("a bad connection: %v", err)
	}
	if text() != before {
		t.Error("a bad connection changed the file")
	}
	changed := strings.Replace(before, "name: hq", "name: other\n  workers: 1", 1)
	changed = strings.Replace(changed, "10.3.0.0/16", "10.33.0.0/16", 1)
	changed = strings.Replace(changed, "198.51.100.22", "198.51.100.23", 1)
	plan, err = g.client.Plan(ctx, g.config, []byte(changed))
	must(err)
	if len(plan.Changed) != 2 || !plan.Changed[0].Live || plan.Changed[1].Live != true || len(plan.Restart) != 1 || plan.Restart[0] != "gateway.workers" {
		t.Errorf("a reload would do %+v", plan)
	}
	if _, err := g.client.Plan(ctx, g.config, []byte("connections: 7")); !errors.As(err, &p) || p.Reason != control.ReasonBadConfiguration {
		t.Errorf("the plan of a bad file: %v", err)
	}
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16", "10.9.0.0/16"})
	g.end(t)
	untouched(t)
}

// TestInsideRefusedRoute: a route that the host has already is reported; the
// other connections are served.
func TestInsideRefusedRoute(t *testing.T) {
	peerless(t)
	outer, err := netlink.LinkByName("outer")
	if err != nil {
		t.Fatal(err)
	}
	theirs := netip.MustParsePrefix("10.3.0.0/16")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: outer.Attrs().Index,
		Dst: &net.IPNet{IP: theirs.Addr().AsSlice(), Mask: net.CIDRMask(16, 32)}, Protocol: unix.RTPROT_STATIC}); err != nil {
		t.Fatal(err)
	}
	g := start(t, gatewayText)
	wantRoutes(t, []string{"10.2.0.0/16", "unreachable 10.3.0.0/16"})
	g.end(t)
	untouched(t)
	left, err := routesOf(unix.RTPROT_STATIC)
	if err != nil || len(left) != 1 {
		t.Errorf("the host's own route: %v, %v", left, err)
	}
}

// TestInsidePreparedInterface: an interface that somebody made beforehand stays,
// as it was found.
func TestInsidePreparedInterface(t *testing.T) {
	peerless(t)
	made := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "cw0"}, Mode: netlink.TUNTAP_MODE_TUN,
		Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR}
	if err := netlink.LinkAdd(made); err != nil {
		t.Fatal(err)
	}
	for _, f := range made.Fds {
		f.Close()
	}
	g := start(t, gatewayText)
	wantRoutes(t, []string{"10.2.0.0/16", "10.3.0.0/16"})
	g.end(t)
	if got := routes(t); len(got) > 0 {
		t.Errorf("routes left: %v", got)
	}
	link, err := netlink.LinkByName("cw0")
	if err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(link)
	addresses, err := addressesOf(link)
	if err != nil || len(addresses) > 0 || link.Attrs().Flags&net.FlagUp != 0 {
		t.Errorf("addresses %v, flags %v, error %v", addresses, link.Attrs().Flags, err)
	}
}

// TestInsideDeviceTakenAway: without its device the gateway ends at once, and
// says why; whoever supervises it starts another.
func TestInsideDeviceTakenAway(t *testing.T) {
	peerless(t)
	g := start(t, gatewayText)
	link, err := netlink.LinkByName("cw0")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if err := <-g.ended; err == nil || !strings.Contains(err.Error(), "the data path ended") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took >= shutdownTime {
		t.Errorf("it took %v to end", took)
	}
	untouched(t)
}

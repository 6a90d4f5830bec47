package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/internal/control"
	"causeway/routing/kernel"
)

// TestWhatNeedsARestart: each key outside connections either changes with a
// reload or is said to need a restart; a new key must be thought about.
func TestWhatNeedsARestart(t *testing.T) {
	restart := []string{
		"gateway.listen.addresses", "gateway.listen.ike_port", "gateway.listen.nat_port", "gateway.interface.name", "gateway.interface.namespace",
		"gateway.interface.mtu", "gateway.interface.route_protocol", "gateway.state_directory", "gateway.workers", "gateway.data_path", "gateway.disable_offloads",
		"control.socket", "control.http", "log.format", "usage.file", "usage.keep",
	}
	live := []string{
		"gateway.name", "gateway.identity", "gateway.interface.addresses", "gateway.interface.strong_host", "gateway.interface.routes", "gateway.interface.outside_networks",
		"gateway.interface.fail_closed", "gateway.interface.route_table", "gateway.interface.route_metric", "gateway.interface.source_rules",
		"gateway.bandwidth.up", "gateway.bandwidth.down", "log.level",
	}
	if d := cmp.Diff(restart, needRestart(append(slices.Clone(live), restart...))); d != "" {
		t.Errorf("keys that need a restart (-want +got):\n%s", d)
	}
	decided := append(live, restart...)
	slices.Sort(decided)
	if d := cmp.Diff(settings(t), decided); d != "" {
		t.Errorf("the keys that there are (-), and those of which is decided what a reload does (+):\n%s", d)
	}
}

// settings are the keys outside connections.
func settings(t *testing.T) (out []string) {
	t.Helper()
	type node struct {
		Properties map[string]node
	}
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema node
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema.Properties, "connections")
	delete(schema.Properties, "defaults")
	var walk func(path string, n node)
	walk = func(path string, n node) {
		if len(n.Properties) == 0 {
			out = append(out, strings.TrimPrefix(path, "."))
		}
		for name, below := range n.Properties {
			walk(path+"."+name, below)
		}
	}
	walk("", schema)
	slices.Sort(out)
	return out
}

func TestDifferenceInWords(t *testing.T) {
	before := parse(t, twoSites)
	after := parse(t, strings.NewReplacer("  b:", "  c:", "secret-42", "secret-44", "169.254.21.2", "169.254.21.6").Replace(twoSites))
	got := describeDifference(config.Diff(before, after))
	want := "added c; removed b; changed a (auth.psk); changed gateway.interface.addresses"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestReloadThatIsRefused: nothing is touched, and user and log learn why. The
// gateway has no engine: touching it would panic.
func TestReloadThatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "causeway.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	log, level, err := newLogger(config.Log{Level: config.LogInfo, Format: config.LogConsole}, zapcore.AddSync(&out))
	if err != nil {
		t.Fatal(err)
	}
	write(twoSites)
	g := &Gateway{options: Options{ConfigPath: path, Socket: "/run/other.sock"}, log: log, level: level}
	cfg, _, problems := load(g.options)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g.config.Store(cfg)
	for _, c := range []struct{ what, text, reason, says string }{
		{"errors", strings.Replace(twoSites, "10.2.0.0/16", "10.2.0.0/99", 1), control.ReasonBadConfiguration, "causeway.yaml:6:"},
		{"empty", "nonsense", control.ReasonBadConfiguration, "causeway.yaml:1:1"},
		{"restart", "log: {format: json}\n" + twoSites, control.ReasonRestartNeeded, "log.format cannot change"},
	} {
		write(c.text)
		out.Reset()
		_, err := g.Reload(t.Context())
		var p *control.Problem
		if !errors.As(err, &p) || p.Reason != c.reason || !strings.Contains(p.Message, c.says) {
			t.Errorf("%s: error %v, want %s %q", c.what, err, c.reason, c.says)
		}
		if !strings.Contains(out.String(), c.says) || !strings.Contains(out.String(), "ERROR reload: ") {
			t.Errorf("%s: log\n%s", c.what, out.String())
		}
		if g.config.Load() != cfg {
			t.Errorf("%s: the configuration was replaced", c.what)
		}
	}
	write(twoSites + "\n# a remark\n")
	out.Reset()
	if _, err := g.Reload(t.Context()); err != nil || !strings.Contains(out.String(), "nothing has changed") {
		t.Errorf("the same again: error %v, log\n%s", err, out.String())
	}
}

// TestReloadOfAddresses: ICMP errors of the data path come from the addresses that the
// device has now.
func TestReloadOfAddresses(t *testing.T) {
	f := newFuzzed(t, runningFile)
	defer f.end()
	sources := func() [2]netip.Addr {
		own := pointee(reflect.ValueOf(f.tunnel).Elem().FieldByName("own"))
		return *(*[2]netip.Addr)(own.Addr().UnsafePointer())
	}
	if got := sources(); got[0].String() != "169.254.21.2" || got[1].IsValid() {
		t.Errorf("at the start they come from %v", got)
	}
	f.write(t, []byte(strings.Replace(runningFile, "[169.254.21.2/30]", `["fd00::6/64", 169.254.21.6/30]`, 1)))
	if _, err := f.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sources(); got[0].String() != "169.254.21.6" || got[1].String() != "fd00::6" {
		t.Errorf("after a reload they come from %v", got)
	}
}

// refusing is a kernel that takes no route.
type refusing struct{ *recordedRoutes }

func (refusing) Set(kernel.Desired) error { return errors.New("kernel: cannot add the route") }

// TestReloadWithoutRoutes: what is in force although the kernel refuses a route is told
// beside that.
func TestReloadWithoutRoutes(t *testing.T) {
	f := newFuzzed(t, runningFile)
	defer f.end()
	var out bytes.Buffer
	var err error
	if f.log, _, err = newLogger(config.Log{Level: config.LogInfo, Format: config.LogConsole}, zapcore.AddSync(&out)); err != nil {
		t.Fatal(err)
	}
	f.Gateway.routes = newRouteKeeper(refusing{f.routes})
	f.write(t, []byte(strings.Replace(runningFile, "10.3.0.0/16", "10.13.0.0/16", 1)))
	_, err = f.Reload(t.Context())
	want := func(says ...string) {
		t.Helper()
		var p *control.Problem
		if !errors.As(err, &p) || p.Reason != control.ReasonRoutes {
			t.Errorf("error %v", err)
		}
		for _, s := range says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("the log lacks %q:\n%s", s, out.String())
			}
		}
	}
	want("configuration reloaded: changed a (remote.networks)", "cannot add the route")
	_, err = f.SetConnection(t.Context(), "n", []byte("{remote: {address: 203.0.113.20, networks: [10.100.0.0/24]}}"), false)
	want("set n by the API: configuration reloaded: added n")
	if f.config.Load().Connections[4].Name != "n" {
		t.Errorf("the connections are %v", f.connectionNames())
	}
}

// TestPlanWithoutRawSockets: what a reload refuses, for sockets that could not be opened
// at the start, the plan says, too.
func TestPlanWithoutRawSockets(t *testing.T) {
	f := newFuzzed(t, runningFile)
	defer f.end()
	text := []byte(strings.Replace(runningFile, "esp: {tfc_padding: 128}", "esp: {encapsulation: never}", 1))
	f.write(t, text)
	_, err := f.Reload(t.Context())
	var p *control.Problem
	if !errors.As(err, &p) || p.Reason != control.ReasonRestartNeeded {
		t.Errorf("the reload: %v", err)
	}
	if plan, err := f.Plan(f.path, text); err != nil || !slices.Equal(plan.Restart, []string{"esp.encapsulation: never"}) {
		t.Errorf("the plan: %+v, %v", plan, err)
	}
	if plan, err := f.Plan(f.path, []byte(runningFile)); err != nil || len(plan.Restart) > 0 {
		t.Errorf("the plan of what runs: %+v, %v", plan, err)
	}
}

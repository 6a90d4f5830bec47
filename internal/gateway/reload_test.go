package gateway

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/internal/control"
)

// TestWhatNeedsARestart: each key outside connections either changes with a
// reload or is said to need a restart; a new key must be thought about.
func TestWhatNeedsARestart(t *testing.T) {
	restart := []string{
		"gateway.listen.addresses", "gateway.listen.ike_port", "gateway.listen.nat_port", "gateway.interface.name",
		"gateway.interface.mtu", "gateway.workers", "gateway.data_path", "gateway.disable_offloads", "control.socket", "control.http", "log.format", "usage.file", "usage.keep",
	}
	live := []string{
		"gateway.name", "gateway.identity", "gateway.interface.addresses", "gateway.interface.strong_host", "gateway.interface.routes", "gateway.interface.outside_networks",
		"gateway.bandwidth.up", "gateway.bandwidth.down", "log.level",
	}
	if d := cmp.Diff(restart, needRestart(append(live, restart...))); d != "" {
		t.Errorf("keys that need a restart (-want +got):\n%s", d)
	}
	// The keys that exist, from two files that agree on nothing.
	one := parse(t, `gateway: {name: a, identity: a.example.com, workers: 1, data_path: native, listen: {addresses: [192.0.2.1], ike_port: 501, nat_port: 4501},
  interface: {name: cw1, addresses: [169.254.0.1/30], strong_host: true, mtu: 1400, routes: true, outside_networks: [192.0.2.0/24]}, bandwidth: {up: 1gbit, down: 1gbit}}
control: {socket: /run/a.sock, http: "127.0.0.1:1"}
log: {level: info, format: console}
usage: {file: /var/lib/a.db, keep: 1d}
`)
	two := parse(t, `gateway: {name: b, identity: b.example.com, workers: 2, data_path: portable, disable_offloads: [uso], listen: {addresses: [192.0.2.2], ike_port: 502, nat_port: 4502},
  interface: {name: cw2, addresses: [169.254.0.2/30], mtu: 1401, routes: false}, bandwidth: {up: 2gbit, down: 2gbit}}
control: {socket: /run/b.sock, http: "127.0.0.1:2"}
log: {level: debug, format: json}
usage: {file: /var/lib/b.db, keep: 2d}
`)
	known := map[string]bool{}
	for _, k := range append(live, restart...) {
		known[k] = true
	}
	differ := config.Diff(one, two).Settings
	for _, k := range differ {
		if !known[k] {
			t.Errorf("nobody decided what a reload does with %s", k)
		}
	}
	if len(differ) != len(known) {
		t.Errorf("%d keys differ, %d are decided: %v", len(differ), len(known), differ)
	}
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

package gateway

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"causeway/config"
	"causeway/esp"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/auth/online"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/routing/kernel"
	"causeway/routing/probe"
	"causeway/tunnel"
	"causeway/tunnel/tun/tuntest"
	"causeway/tunnel/udp"
)

// runningFile is what the gateway runs whose file is fuzzed.
const runningFile = `gateway:
  name: hub
  identity: hub.example.com
  listen: {addresses: [198.51.100.10]}
  interface: {name: cw0, addresses: [169.254.21.2/30], mtu: 1400, routes: true}
  bandwidth: {up: 100mbit, down: 100mbit}
log: {level: info, format: console}
defaults:
  start: on-demand
  auth: {psk: "long-enough-secret-41"}
connections:
  a:
    remote: {address: 203.0.113.5, networks: [10.2.0.0/16, 10.3.0.0/16]}
    bandwidth: {guarantee: 10mbit, ceiling: 50mbit, weight: 1}
    transit: true
  b:
    remote: {address: branch.example.net, networks: [10.4.0.0/16]}
    auth: {psk: "long-enough-secret-43"}
    ike: {proposals: [aes256gcm16-prfsha384-ecp384], lifetime: 8h}
    esp: {lifetime: 1h, replay_window: 1024}
  c:
    local: {networks: [10.1.0.0/16]}
    remote: {address: 203.0.113.7, networks: [10.5.0.0/16]}
    direct: {interface: eth9, next_hop: 192.0.2.1, probe: {target: 192.0.2.1}}
    esp: {tfc_padding: 128}
  d:
    remote: {address: 203.0.113.8, networks: [10.5.0.0/16]}
    metric: 10
    type: route-based
    mode: respond-only
`

// swaps are values of the file and others that may stand there, some of them
// wrong.
var swaps = [][2]string{
	{"10.2.0.0/16", "10.12.0.0/16"}, {"10.3.0.0/16", "10.2.0.0/16"}, {"10.4.0.0/16", "2001:db8:4::/48"}, {"10.5.0.0/16", "10.5.0.0/99"},
	{"203.0.113.5", "203.0.113.55"}, {"branch.example.net", "203.0.113.9"}, {"203.0.113.7", "any"}, {"203.0.113.8", "203.0.113.7"},
	{"secret-41", "secret-44"}, {"secret-43", "secret-45"}, {`"long-enough-secret-43"`, `""`}, {"100mbit", "50mbit"}, {"10mbit", "20mbit"}, {"10mbit", "200mbit"},
	{"weight: 1", "weight: 3"}, {"weight: 1", "weight: -1"}, {"transit: true", "transit: false"}, {"8h", "9h"}, {"1h", "50m"}, {"1h", "1y"},
	{"replay_window: 1024", "replay_window: 4096"}, {"tfc_padding: 128", "tfc_padding: 256"}, {"metric: 10", "metric: 0"}, {"metric: 10", "metric: 99999999999"},
	{"on-demand", "on-traffic"}, {"respond-only", "default"}, {"route-based", "policy-based"}, {"eth9", "eth8"}, {"192.0.2.1", "192.0.2.9"},
	{"name: cw0", "name: cw7"}, {"mtu: 1400", "mtu: 1300"}, {"mtu: 1400", "mtu: 14"}, {"routes: true", "routes: false"}, {"level: info", "level: debug"},
	{"format: console", "format: json"}, {"169.254.21.2/30", "169.254.21.6/30"}, {"name: hub", "name: spoke"}, {"hub.example.com", "hq.example.com"},
	{"aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"}, {"aes256gcm16-prfsha384-ecp384", "rot13"}, {"  d:", "  e:"}, {"  a:", "  b:"}, {"connections:", "connection:"},
}

// damage changes the file as the program says, three bytes to a step.
func damage(program []byte) []byte {
	text := []byte(runningFile)
	for ; len(program) >= 3; program = program[3:] {
		op, at := program[0], int(program[1])<<8|int(program[2])
		lines := bytes.SplitAfter(text, []byte("\n"))
		line := at % len(lines)
		switch op % 8 {
		case 0, 1, 2, 3:
			s := swaps[at%len(swaps)]
			text = bytes.Replace(text, []byte(s[0]), []byte(s[1]), 1)
		case 4: // a line goes
			lines[line] = nil
			text = bytes.Join(lines, nil)
		case 5: // a connection goes
			from := bytes.Index(text, []byte("\n  "+string(rune('a'+at%4))+":\n"))
			if from < 0 {
				continue
			}
			end := len(text)
			if next := bytes.Index(text[from+4:], []byte("\n  "+string(rune('b'+at%4))+":\n")); next >= 0 {
				end = from + 4 + next
			}
			text = append(text[:from:from], text[end:]...)
		case 6: // a connection comes
			n := strconv.Itoa(at % 200)
			text = append(text, "  n"+n+": {remote: {address: 203.0.113.20, networks: [10.100."+n+".0/24]}}\n"...)
		case 7: // a byte changes
			if len(text) > 0 {
				text[at%len(text)] ^= op/8 | 1
			}
		}
	}
	return text
}

// silent is an outer network on which nothing arrives, and lines on which
// nothing does.
type silent struct{}

func (silent) SendIKE([]byte, netip.AddrPort, netip.AddrPort) error   { return nil }
func (silent) SendProbe([]byte, netip.AddrPort, netip.AddrPort) error { return nil }
func (silent) LocalAddr(netip.Addr) (netip.Addr, error)               { return here.Addr(), nil }
func (silent) HasAddr(netip.Addr) bool                                { return true }
func (silent) Receivers(int) []tunnel.Receiver                        { return nil }
func (silent) Control() []tunnel.Receiver                             { return nil }
func (silent) Workers() int                                           { return 1 }
func (silent) NewSender(int) tunnel.Sender                            { return nil }
func (silent) SendKeepalive(_, _ netip.AddrPort) error                { return nil }
func (silent) PathErrors() []tunnel.PathErrorReader                   { return nil }
func (silent) PathMTU(_, _ netip.Addr) (int, error)                   { return 0, nil }
func (silent) Close() error                                           { return nil }
func (silent) Send(uint16) error                                      { return nil }
func (silent) Answers() <-chan uint16                                 { return nil }
func (silent) resolve(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("no DNS here")
}
func (silent) line(pathID, *watched) probe.Line { return silent{} }

// recordedRoutes is a kernel that notes what it is told.
type recordedRoutes struct {
	sets int
	last kernel.Desired
}

func (r *recordedRoutes) Set(d kernel.Desired) error { r.sets, r.last = r.sets+1, d; return nil }
func (r *recordedRoutes) Crowded() []netip.Prefix    { return nil }
func (r *recordedRoutes) Clear() error               { return nil }

// fuzzed is a gateway that runs a file, with a Child SA in the data path for
// each connection.
type fuzzed struct {
	*Gateway
	path   string
	routes *recordedRoutes
	spis   map[string]uint32
}

func newFuzzed(t *testing.T, file string) *fuzzed {
	t.Helper()
	log, level, err := newLogger(config.Log{Level: config.LogInfo, Format: config.LogConsole}, discard{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fuzzed{path: filepath.Join(t.TempDir(), "causeway.yaml"), routes: &recordedRoutes{}, spis: map[string]uint32{}}
	device := tuntest.New("cw0", 1400)
	g := &Gateway{
		options: Options{ConfigPath: f.path}, started: time.Now(), log: log, level: level, conns: &udp.Conns{}, device: device, mtu: 1400, workers: 1,
		stream: control.NewStream(), tally: control.NewTally(), fetcher: online.New(),
	}
	f.Gateway = g
	if g.tunnel, err = tunnel.New(tunnel.Config{Device: device, Transport: silent{}}); err != nil {
		t.Fatal(err)
	}
	g.dataPath = &dataPath{tunnel: g.tunnel, replayWindows: map[string]int{}}
	if g.engine, err = ike.NewEngine(ike.EngineConfig{Transport: silent{}, DataPath: g.dataPath, Report: func(sa.Report) {}, Resolve: silent{}.resolve}); err != nil {
		t.Fatal(err)
	}
	g.routes, g.paths = newRouteKeeper(f.routes), newPaths(silent{}.line, func(pathID, bool, error) {})
	f.write(t, []byte(file))
	cfg, text, problems := load(g.options)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g.config.Store(cfg)
	g.text = text
	if err := g.apply(t.Context(), nil, cfg); err != nil {
		t.Fatal(err)
	}
	for _, c := range cfg.Connections {
		f.spis[c.Name] = f.child(t, c.Name)
	}
	return f
}

// end ends its goroutines.
func (f *fuzzed) end() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	f.engine.Close(ended)
	f.paths.close()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Sync() error                 { return nil }

func (f *fuzzed) write(t *testing.T, text []byte) {
	t.Helper()
	if err := os.WriteFile(f.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// child gives the connection a Child SA.
func (f *fuzzed) child(t *testing.T, name string) (spi uint32) {
	t.Helper()
	spi, err := f.tunnel.AllocateSPI(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.NewInbound(esp.Parameters{SPI: spi, Cipher: esp.AESGCM16, EncryptionKey: make([]byte, 36), ESN: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.tunnel.InstallInbound(name, in, selector.Compile(selector.Any(), selector.Any()), here, there); err != nil {
		t.Fatal(err)
	}
	return spi
}

// state is all that a reload could touch, by identity where there is one: what is
// the same object was neither replaced nor begun anew.
type state struct {
	Config     *config.Config
	Text       string
	Level      string
	Routes     recordedRoutes
	Forwarding uintptr            // what the workers read
	Carried    map[string]uintptr // what they read of each connection
	Owners     map[string]uintptr
	Windows    map[string]int
	Watched    map[pathID]uintptr
	Alive      map[string]bool // the Child SAs
	Status     []ike.ConnectionStatus
	Up, Down   uint64 // the lines' rates
}

func (f *fuzzed) state() state {
	s := state{
		Config: f.config.Load(), Text: string(f.text), Level: f.level.String(), Routes: *f.routes, Owners: ownersOf(f.engine),
		Windows: map[string]int{}, Watched: map[pathID]uintptr{}, Alive: map[string]bool{}, Status: f.engine.Status(),
	}
	s.Forwarding = pointee(reflect.ValueOf(f.tunnel).Elem().FieldByName("forwarding")).Addr().Pointer()
	s.Carried = carriedBy(f.tunnel)
	for name, n := range f.dataPath.replayWindows {
		s.Windows[name] = n
	}
	for id, w := range f.paths.all {
		s.Watched[id] = reflect.ValueOf(w).Pointer()
	}
	for name, spi := range f.spis {
		_, s.Alive[name] = f.tunnel.ChildCounters(spi)
	}
	return s
}

// pointee is what an atomic.Pointer of another package points to.
func pointee(p reflect.Value) reflect.Value {
	return reflect.NewAt(p.Field(0).Type().Elem().Elem(), p.FieldByName("v").UnsafePointer()).Elem()
}

// carriedBy is the data path's settings of the connections.
func carriedBy(t *tunnel.Tunnel) map[string]uintptr {
	out := map[string]uintptr{}
	for all := pointee(reflect.ValueOf(t).Elem().FieldByName("forwarding")).FieldByName("connections").MapRange(); all.Next(); {
		out[all.Key().String()] = all.Value().Elem().FieldByName("config").FieldByName("v").Pointer()
	}
	return out
}

// ownersOf is the goroutines' state of the connections.
func ownersOf(e *ike.Engine) map[string]uintptr {
	out := map[string]uintptr{}
	for all := pointee(reflect.ValueOf(e).Elem().FieldByName("owners")).FieldByName("byName").MapRange(); all.Next(); {
		out[all.Key().String()] = all.Value().Pointer()
	}
	return out
}

// reloadDamaged has a gateway reload the damaged file, and tells whether it took
// it.
func reloadDamaged(t *testing.T, program []byte) (taken bool) {
	text := damage(program)
	if bytes.Contains(text, []byte("_file")) || bytes.Contains(text, []byte("_env")) {
		return false // nothing that the fuzzer names is opened
	}
	f := newFuzzed(t, runningFile)
	defer f.end()
	before := f.state()
	f.write(t, text)
	_, err := f.Reload(t.Context())
	after := f.state()
	next, problems := config.Parse(f.path, text, Checks())
	if err != nil {
		var p *control.Problem
		if !errors.As(err, &p) || p.Reason != control.ReasonBadConfiguration && p.Reason != control.ReasonRestartNeeded {
			t.Fatalf("refused without a reason: %v\n%s", err, text)
		}
		if p.Reason == control.ReasonRestartNeeded && !strings.Contains(p.Hint, "nothing was changed") {
			t.Errorf("%q does not say that nothing was changed", p.Hint)
		}
		if d := cmp.Diff(before, after, cmp.Comparer(func(a, b *config.Config) bool { return a == b }), cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
			t.Fatalf("it was refused (%v) and changed something:\n%s\n%s", err, d, text)
		}
		return false
	}
	if problems.Err() != nil {
		t.Fatalf("a file with errors was taken: %v\n%s", problems, text)
	}
	f.touchedOnlyChanges(t, &before, &after, next)
	if t.Failed() {
		t.Fatalf("the file:\n%s", text)
	}
	return true
}

// touchedOnlyChanges compares what was with what is, after next was taken.
func (f *fuzzed) touchedOnlyChanges(t *testing.T, before, after *state, next *config.Config) {
	difference := config.Diff(before.Config, next)
	if !difference.IsZero() && !after.Config.Equal(next) {
		t.Errorf("another configuration runs: %+v", config.Diff(next, after.Config))
	}
	if len(after.Owners) != len(next.Connections) {
		t.Errorf("%d connections run, the file has %d", len(after.Owners), len(next.Connections))
	}
	if difference.IsZero() && before.Forwarding != after.Forwarding {
		t.Error("nothing differs, and the workers have other routes")
	}
	differs := map[string]bool{}
	for _, c := range difference.Changed {
		differs[c.New.Name] = true
	}
	for _, c := range next.Connections {
		old, had := before.Owners[c.Name]
		if differs[c.Name] || !had {
			continue
		}
		if after.Owners[c.Name] != old || before.Carried[c.Name] != after.Carried[c.Name] || before.Windows[c.Name] != after.Windows[c.Name] {
			t.Errorf("connection %s did not change and was begun anew", c.Name)
		}
		if !after.Alive[c.Name] {
			t.Errorf("connection %s did not change and lost its Child SA", c.Name)
		}
		for _, kind := range []pathKind{pathDirect, pathTunnel} {
			if id := (pathID{c.Name, kind}); before.Watched[id] != after.Watched[id] {
				t.Errorf("connection %s did not change and its %s is watched anew", c.Name, kind)
			}
		}
	}
	for _, c := range difference.Removed {
		if after.Owners[c.Name] != 0 || after.Alive[c.Name] {
			t.Errorf("connection %s was removed and is there", c.Name)
		}
	}
	f.log = zap.NewNop()
	next, text, problems := load(f.options)
	if done, err := f.adopt(t.Context(), next, text, problems); err != nil || !strings.Contains(done, "nothing has changed") {
		t.Errorf("the same file again: %q, %v", done, err)
	}
}

// FuzzReload: whatever is done to the file of a running gateway, a reload either
// refuses it and touches nothing, or touches only what differs.
func FuzzReload(f *testing.F) {
	for i := range swaps {
		f.Add([]byte{0, byte(i >> 8), byte(i)})
	}
	for i := range byte(4) {
		f.Add([]byte{4, 0, 5 * i, 5, 0, i, 6, 0, i, 7, i, 77})
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) <= 60 {
			reloadDamaged(t, program)
		}
	})
}

// TestReloadOfAnyFile is FuzzReload with as many random programs as take a moment,
// and finds both kinds of files among them.
func TestReloadOfAnyFile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	taken, refused := 0, 0
	for range 100 {
		program := make([]byte, 3*(1+random.IntN(4)))
		for i := range program {
			program[i] = byte(random.Uint32())
		}
		if reloadDamaged(t, program) {
			taken++
		} else {
			refused++
		}
	}
	if taken < 20 || refused < 20 {
		t.Errorf("%d files were taken and %d refused: one kind is hardly tried", taken, refused)
	}
}

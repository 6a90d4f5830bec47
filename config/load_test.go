package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compare = []cmp.Option{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, Secret{})}

const psk = "f1Zq0vX5tS9rW2mK8bYc"

// mustParse loads text that has no error.
func mustParse(t testing.TB, text string) *Config {
	t.Helper()
	c, problems := Parse("gw.yaml", []byte(text), testChecks)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMinimal(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	got := mustParse(t, `
connections:
  azure-west:
    remote:
      address: 203.0.113.5
      networks: [10.2.0.0/16]
    auth:
      psk: "`+psk+`"
`)
	want := &Config{
		Gateway: Gateway{
			Name:      host,
			Listen:    Listen{IKEPort: 500, NATPort: 4500},
			Interface: Interface{Name: "cw0", Routes: true, FailClosed: true, RouteProtocol: 197},
			DataPath:  DataPathAuto,
		},
		Control: Control{Socket: "/run/causeway/control.sock"},
		Log:     Log{Level: LogInfo, Format: LogConsole},
		Usage:   Usage{Keep: 400 * 24 * time.Hour},
		Connections: []Connection{{
			Name:    "azure-west",
			Profile: ProfileNone,
			Remote: Remote{
				Addresses: []Address{{IP: netip.MustParseAddr("203.0.113.5")}},
				Port:      500,
				Networks:  []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")},
			},
			Auth:      Auth{PSK: NewSecret(psk), Local: MethodPSK, Remote: MethodPSK},
			Type:      RouteBased,
			Start:     StartAlways,
			Mode:      ModeDefault,
			IKE:       IKE{Version: 2, ModeConfig: ModeConfigOff, Lifetime: 8 * time.Hour, DPD: 30 * time.Second, FragmentSize: 1280, Childless: ChildlessAllow, CrashDetection: true, FollowRedirects: true, MessageIDSync: true},
			ESP:       ESP{Lifetime: time.Hour, LifetimeBytes: 100_000_000_000, ReplayWindow: 8192, Encapsulation: EncapsulationAuto, Mode: TunnelMode},
			Direct:    Direct{Probe: builtinProbe},
			Probe:     builtinProbe,
			Metric:    100,
			Bandwidth: Share{Weight: 1},
		}},
	}
	if diff := cmp.Diff(want, got, compare...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInterface loads the example that users are shown, which sets every key
// but the alternatives of auth.
func TestInterface(t *testing.T) {
	got, problems := Load("testdata/interface.yaml", Checks{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	prefixes := func(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }
	want := &Config{
		Gateway: Gateway{
			Name:      "hq",
			Identity:  "hq.example.com",
			Listen:    Listen{Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.10")}, IKEPort: 500, NATPort: 4500},
			Interface: Interface{Name: "cw0", Addresses: prefixes("169.254.21.2/30"), Routes: true, FailClosed: true, RouteProtocol: 197},
			DataPath:  DataPathAuto,
			Bandwidth: Bandwidth{Up: 1e9, Down: 1e9},
		},
		Control: Control{Socket: "/run/causeway/control.sock", HTTP: "127.0.0.1:8500"},
		Log:     Log{Level: LogInfo, Format: LogConsole},
		Usage:   Usage{Keep: 400 * 24 * time.Hour},
		Connections: []Connection{{
			Name:    "azure-west",
			Profile: ProfileNone,
			Local:   Local{Identity: "hq.example.com", Networks: prefixes("10.1.0.0/16")},
			Remote: Remote{
				Addresses: []Address{{IP: netip.MustParseAddr("203.0.113.5")}},
				Port:      500,
				Identity:  "203.0.113.5",
				Networks:  prefixes("10.2.0.0/16"),
			},
			Auth:  Auth{PSK: NewSecret("s3cret"), Local: MethodPSK, Remote: MethodPSK},
			Type:  RouteBased,
			Start: StartAlways,
			Mode:  ModeDefault,
			IKE: IKE{Version: 2, ModeConfig: ModeConfigOff, Proposals: []string{"aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"},
				Lifetime: 8 * time.Hour, DPD: 30 * time.Second, FragmentSize: 1280, Childless: ChildlessAllow, CrashDetection: true, FollowRedirects: true, MessageIDSync: true},
			ESP: ESP{Proposals: []string{"aes256gcm16-esn", "aes256gcm16"}, Lifetime: time.Hour,
				LifetimeBytes: 100e9, ReplayWindow: 8192, Encapsulation: EncapsulationAuto, Mode: TunnelMode},
			Direct:    Direct{Probe: builtinProbe},
			Probe:     builtinProbe,
			Metric:    100,
			Bandwidth: Share{Guarantee: 100e6, Ceiling: 500e6, Weight: 1},
		}},
	}
	if diff := cmp.Diff(want, got, compare...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, p := range problems {
		if !strings.Contains(p.What, "is weak") && !strings.Contains(p.What, "chmod 600") {
			t.Errorf("unexpected problem: %s", p)
		}
	}
}

func TestDefaultsAreMergedUnderEachConnection(t *testing.T) {
	t.Setenv("CAUSEWAY_TEST_PSK", "another-"+psk)
	c := mustParse(t, `
gateway: {identity: hq.example.com}
connections:
  a:
    remote: {address: [203.0.113.5, branch.example.com.], networks: ["2001:db8::/32"]}
    esp: {lifetime: 1h30m, lifetime_bytes: off}
  b:
    local: {identity: b.example.com}
    remote: {address: any, identity: b, networks: [10.3.0.0/16]}
    auth: {psk_env: CAUSEWAY_TEST_PSK}
defaults:
  local: {networks: [10.1.0.0/16]}
  auth: {psk: "`+psk+`"}
  ike: {dpd: off, lifetime: 2d}
  esp: {lifetime: 30m, replay_window: 64, proposals: [aes256gcm16]}
`)
	a, b := c.Connections[0], c.Connections[1]
	if a.ESP.Lifetime != 90*time.Minute || a.ESP.LifetimeBytes != 0 || a.ESP.ReplayWindow != 64 || len(a.ESP.Proposals) != 1 {
		t.Errorf("a.esp = %+v", a.ESP)
	}
	if b.ESP.Lifetime != 30*time.Minute || b.IKE.Lifetime != 48*time.Hour || b.IKE.DPD != 0 {
		t.Errorf("b.esp = %+v, b.ike = %+v", b.ESP, b.IKE)
	}
	if a.Local.Identity != "hq.example.com" || b.Local.Identity != "b.example.com" || len(b.Local.Networks) != 1 {
		t.Errorf("local = %+v, %+v", a.Local, b.Local)
	}
	if string(a.Auth.PSK.Bytes()) != psk || string(b.Auth.PSK.Bytes()) != "another-"+psk || b.Auth.PSKEnv == "" {
		t.Error("a connection's own method does not replace that of defaults, or defaults are not used")
	}
	if want := []Address{{IP: netip.MustParseAddr("203.0.113.5")}, {Name: "branch.example.com"}}; !cmp.Equal(want, a.Remote.Addresses, compare...) {
		t.Errorf("a.remote.address = %v", a.Remote.Addresses)
	}
	if !b.Remote.Any || b.Mode != RespondOnly || b.Start != StartOnDemand {
		t.Errorf("address any gives mode %s and start %s", b.Mode, b.Start)
	}
}

// TestOwnMethodReplacesThatOfDefaults: nothing of the other method is left.
func TestOwnMethodReplacesThatOfDefaults(t *testing.T) {
	c := mustParse(t, `
defaults: {auth: {psk_file: missing.psk}}
connections:
  a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: "`+psk+`"}}
`)
	if want := (Auth{PSK: NewSecret(psk), Local: MethodPSK, Remote: MethodPSK}); !cmp.Equal(want, c.Connections[0].Auth, compare...) {
		t.Errorf("auth = %+v", c.Connections[0].Auth)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	text := "control: {socket: run.sock}\nconnections:\n  a:\n    remote: {address: \"2001:db8::5\", networks: [10.2.0.0/16]}\n    auth: {psk_file: a.psk}\n"
	for name, data := range map[string]string{"gw.yaml": text, "a.psk": psk + "\r\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := Load(filepath.Join(dir, "gw.yaml"), testChecks)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.Control.Socket != filepath.Join(dir, "run.sock") {
		t.Errorf("control.socket = %s", c.Control.Socket)
	}
	if string(c.Connections[0].Auth.PSK.Bytes()) != psk {
		t.Error("the key in the file is not read, or keeps its line end")
	}
}

func TestUnreadableFile(t *testing.T) {
	for path, want := range map[string]string{
		"testdata/missing.yaml": "testdata/missing.yaml: cannot be read: no such file or directory",
		"testdata":              "testdata: cannot be read: is a directory",
	} {
		c, problems := Load(path, Checks{})
		if c != nil || problems.String() != want {
			t.Errorf("Load(%s) = %v, %q, want %q", path, c, problems, want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	_, problems := Parse("gw.yaml", make([]byte, maxFileSize+1), Checks{})
	if len(problems) != 1 || !strings.Contains(problems[0].What, "larger than 16 MiB") {
		t.Error(problems)
	}
}

// TestAliasesAreBounded has a file of a few lines that stands for 10^9 values.
func TestAliasesAreBounded(t *testing.T) {
	text := "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		text += fmt.Sprintf("b%d: &a%d [%s*a%d]\n", i, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	_, problems := Parse("gw.yaml", []byte(text), Checks{})
	if len(problems) != 1 || !strings.Contains(problems[0].What, "aliases (*name) expand to more than") {
		t.Error(problems)
	}
}

// TestManyConnections has as many as a large hub: the checks between them must
// not compare all with all.
func TestManyConnections(t *testing.T) {
	const n = 5000
	var b strings.Builder
	b.WriteString("defaults: {auth: {psk: \"" + psk + "\"}}\nconnections:\n")
	for i := range n {
		fmt.Fprintf(&b, "  c%d: {remote: {address: 203.0.%d.%d, networks: [10.%d.%d.0/24]}}\n", i, i/250, 1+i%250, i/250, i%250)
	}
	if c := mustParse(t, b.String()); len(c.Connections) != n || c.Connections[4999].Name != "c4999" {
		t.Errorf("%d connections, out of order or missing", len(c.Connections))
	}
}

// TestManyRepetitions has one network on each line of a long list: every
// repetition is reported, in time that grows with the list alone.
func TestManyRepetitions(t *testing.T) {
	const n = 5000
	list := strings.Repeat("10.2.0.0/16, ", n)
	_, problems := Parse("gw.yaml", []byte("connections: {a: {local: {networks: ["+list+"]}, remote: {address: a.example.com, networks: ["+list+"]}, auth: {psk: "+psk+"}}}"), testChecks)
	if got := len(problems); got < 2*(n-1) || got > 3*n {
		t.Errorf("%d problems", got)
	}
}

func TestProblem(t *testing.T) {
	for _, test := range []struct {
		p    Problem
		want string
	}{
		{Problem{File: "f", Line: 3, Column: 4, Path: "a.b", What: "is wrong"}, "f:3:4: a.b: is wrong"},
		{Problem{File: "f", Line: 3, Column: 4, Path: "a.b", What: "is odd", Severity: Warning}, "f:3:4: warning: a.b: is odd"},
		{Problem{File: "f", What: "cannot be read"}, "f: cannot be read"},
	} {
		if got := test.p.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	both := Problems{{What: "e"}, {What: "w", Severity: Warning}}
	if both.Err() == nil || both.Warnings().Err() != nil || len(both.Errors()) != 1 {
		t.Error("only errors prevent the use of a configuration")
	}
}

// TestReservedTables: routes do not go where the kernel or this gateway has others.
func TestReservedTables(t *testing.T) {
	for table, says := range map[string]string{
		"254": "write main", "255": "the kernel's table local", "30197": "keeps for other routes", "30453": "keeps for other routes", "30709": "keeps for other routes",
		"253": "", "30198": "", "4500": "", "main": "",
	} {
		_, problems := Parse("c.yaml", []byte("gateway: {interface: {route_table: "+table+"}}\nconnections: {a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: f1Zq0vX5tS9rW2mK8bYc}}}\n"), Checks{})
		if got := problems.String(); (got == "") != (says == "") || !strings.Contains(got, says) {
			t.Errorf("route_table %s: %q, want %q", table, got, says)
		}
	}
}

// TestManyStrangersV1: a message of IKEv1 is tried with 64 keys, so the 65th connection
// whose peer may come from anywhere would not be found.
func TestManyStrangersV1(t *testing.T) {
	many := func(n int, keys string) string {
		var b strings.Builder
		b.WriteString("defaults: {auth: {psk: f1Zq0vX5tS9rW2mK8bYc}, mode: respond-only}\nconnections:\n")
		for i := range n {
			fmt.Fprintf(&b, "  c%03d: {remote: {address: any, identity: c%d.example.com, networks: [10.%d.0.0/16]}, %s}\n", i, i, i, keys)
		}
		return b.String()
	}
	for _, c := range []struct {
		n    int
		keys string
		says string
	}{
		{64, "ike: {version: 1}", ""}, {66, "ike: {version: 2}", ""}, {66, "ike: {version: 1, aggressive: true}", ""},
		{66, "ike: {version: 1}", "c.yaml:67:28: connections.c064.remote.address: connection c064 is one of 66"},
	} {
		_, problems := Parse("c.yaml", []byte(many(c.n, c.keys)), Checks{})
		if got := problems.Errors().String(); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%d with %s: %q, want %q", c.n, c.keys, got, c.says)
		}
	}
}

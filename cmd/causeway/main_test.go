package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rogpeppe/go-internal/testscript"

	"causeway/internal/control"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"causeway": main})
}

// TestScripts runs testdata/script: the commands as users type them, against
// gateways that say what a file says.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("CAUSEWAY_SOCKET", env.WorkDir+"/s")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"gateway": startGateway,
			"exits":   exits,
		},
	})
}

// exits runs a command which must end with the given code: exits 3 causeway status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s ended with %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// startGateway serves the control API on $CAUSEWAY_SOCKET as a script's file says:
// its status, how commands fail, and the events that each reader gets.
func startGateway(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gateway FILE")
	}
	now := time.Now()
	text, err := template.New(args[0]).Funcs(template.FuncMap{"at": func(offset string) (string, error) {
		d, err := time.ParseDuration(offset)
		return now.Add(d).Format(time.RFC3339Nano), err
	}}).Parse(ts.ReadFile(args[0]))
	ts.Check(err)
	var filled bytes.Buffer
	ts.Check(text.Execute(&filled, nil))
	g := &scripted{stream: control.NewStream()}
	decoder := json.NewDecoder(&filled)
	decoder.DisallowUnknownFields()
	ts.Check(decoder.Decode(g))
	server := control.NewServer(g, g.stream, prometheus.NewRegistry())
	ts.Check(server.ListenSocket(ts.Getenv("CAUSEWAY_SOCKET")))
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan struct{})
	go func() {
		defer close(told)
		g.tell(ctx)
		if len(g.Events) > 0 {
			server.Close(ctx) // which is how readers of events come to an end
		}
	}()
	ts.Defer(func() {
		cancel()
		<-told
		server.Close(context.Background())
	})
}

// scripted is a gateway that says what it is told to.
type scripted struct {
	State    control.Status              `json:"status"`
	Failures map[string]*control.Problem `json:"failures"` // by command
	Events   []control.Event             `json:"events"`
	Changes  control.Plan                `json:"plan"`
	Used     []control.UsageRow          `json:"usage"`
	Applied  control.Applied             `json:"applied"`

	stream *control.Stream
}

func (g *scripted) Status() control.Status { return g.State }

func (g *scripted) result(command string) error {
	if p := g.Failures[command]; p != nil {
		return p
	}
	return nil
}

func (g *scripted) Up(_ context.Context, c string) error   { return g.result("up " + c) }
func (g *scripted) Down(_ context.Context, c string) error { return g.result("down " + c) }

func (g *scripted) Reload(context.Context) (control.Applied, error) {
	return g.Applied, g.result("reload")
}

func (g *scripted) Plan(string, []byte) (control.Plan, error) {
	return g.Changes, g.result("plan")
}

// Usage says what was asked for in the answer.
func (g *scripted) Usage(q control.UsageQuery) (control.Usage, error) {
	u := control.Usage{From: q.From, To: q.To, By: "hour", Rows: []control.UsageRow{}}
	if q.Daily {
		u.By = "day"
	}
	for _, r := range g.Used {
		if (q.Connection == "" || r.Connection == q.Connection) && !r.Start.Before(q.From) && r.Start.Before(q.To) {
			u.Rows = append(u.Rows, r)
		}
	}
	return u, g.result("usage " + q.Connection)
}

func (g *scripted) SetConnection(_ context.Context, c string, keys []byte, persist bool) (control.Applied, error) {
	return g.Applied, g.result(fmt.Sprintf("set %s %s %v", c, bytes.TrimSpace(keys), persist))
}

func (g *scripted) RemoveConnection(_ context.Context, c string, persist bool) (control.Applied, error) {
	return g.Applied, g.result(fmt.Sprintf("remove %s %v", c, persist))
}

func (g *scripted) Rekey(_ context.Context, c string, ike, children bool) error {
	command := "rekey " + c
	if ike {
		command += " ike"
	}
	if children {
		command += " child"
	}
	return g.result(command)
}

// tell publishes the events once somebody listens.
func (g *scripted) tell(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !g.stream.Heard() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	for _, ev := range g.Events {
		g.stream.Publish(ev)
	}
}

// TestLogWithoutReader: the gateway goes on when nobody reads its log any more, and
// ends as it should.
func TestLogWithoutReader(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace and a TUN interface")
	}
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "s")
	text := "control: {socket: s}\nconnections: {a: {remote: {address: 203.0.113.5, networks: [10.2.0.0/16]}, auth: {psk: f1Zq0vX5tS9rW2mK8bYc}, start: on-demand}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("causeway", "run", "-c", path)
	cmd.Stderr, cmd.SysProcAttr = writer, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	writer.Close()
	var log strings.Builder
	for lines := bufio.NewScanner(reader); !strings.Contains(log.String(), "gateway started"); {
		if !lines.Scan() {
			t.Fatalf("it ended: %v\n%s", cmd.Wait(), log.String())
		}
		log.WriteString(lines.Text() + "\n")
	}
	reader.Close()
	for range 3 { // each of which the log would tell
		if _, err := control.NewClient(socket).Reload(t.Context()); err != nil {
			t.Fatalf("a reload: %v", err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

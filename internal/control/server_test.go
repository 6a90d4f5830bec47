package control

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestStatusIsTheContract(t *testing.T) {
	client, _, _ := daemon(t, &backend{status: sample()})
	resp, err := client.request(t.Context(), http.MethodGet, "/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var raw json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	got := string(raw) + "\n"
	const golden = "testdata/status.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("GET /v1/status is not %s (-want +got); a breaking change of the API needs a reason in docs/adr:\n%s", golden, d)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
}

func TestClientReadsWhatTheServerSays(t *testing.T) {
	want := sample()
	client, _, _ := daemon(t, &backend{status: want})
	got, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
	conn, err := client.Connection(t.Context(), "branch")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Connections[1], conn); d != "" {
		t.Errorf("connection (-want +got):\n%s", d)
	}
}

func TestCommandsReachTheBackend(t *testing.T) {
	b := &backend{status: sample()}
	client, _, _ := daemon(t, b)
	ctx := t.Context()
	for _, err := range []error{
		client.Command(ctx, "branch", "up", time.Minute),
		client.Command(ctx, "branch", "down", time.Minute),
		client.Command(ctx, "branch", "rekey", time.Minute),
		client.Command(ctx, "branch", "rekey", time.Minute, "ike"),
		client.Command(ctx, "branch", "rekey", time.Minute, "child"),
		client.Command(ctx, "branch", "rekey", time.Minute, "ike", "child"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if a, err := client.Reload(ctx); err != nil || len(a.Warnings) != 1 || a.Warnings[0] != "reload is doubtful" {
		t.Errorf("a reload gives %+v, %v", a, err)
	}
	want := []string{
		"up branch", "down branch", "rekey branch ike children", "rekey branch ike", "rekey branch children",
		"rekey branch ike children", "reload",
	}
	if d := cmp.Diff(want, b.calls); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}

func TestEveryRefusalIsAProblem(t *testing.T) {
	client, _, _ := daemon(t, &backend{status: sample()})
	for _, c := range []struct {
		method, path string
		code         int
		says         string
	}{
		{"GET", "/v1/connections/nobody", 404, `no connection is named "nobody"`},
		{"POST", "/v1/connections/nobody/up", 404, `no connection is named "nobody"`},
		{"POST", "/v1/connections/nobody/rekey", 404, `no connection is named "nobody"`},
		{"GET", "/v1/connections/branch/up", 405, "there is no GET /v1/connections/branch/up"},
		{"DELETE", "/v1/status", 405, "there is no DELETE /v1/status"},
		{"GET", "/v2/status", 404, "there is no GET /v2/status"},
		{"POST", "/v1/connections/branch/sideways", 404, "there is no POST"},
		{"POST", "/v1/connections/branch/up?timeout=soon", 400, `timeout "soon"`},
		{"POST", "/v1/connections/branch/up?timeout=-1s", 400, `timeout "-1s"`},
		{"POST", "/v1/connections/branch/up?timeout=24h", 400, `timeout "24h"`},
	} {
		req, err := http.NewRequest(c.method, "http://causeway"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var p Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.code || p.Reason != ReasonRefused || !strings.Contains(p.Message, c.says) {
			t.Errorf("%s %s: %d %+v, want %d %q", c.method, c.path, resp.StatusCode, p, c.code, c.says)
		}
		if c.code == 405 && (p.Hint == "" || resp.Header.Get("Allow") == "") {
			t.Errorf("%s %s does not say what is allowed: %+v", c.method, c.path, p)
		}
	}
}

func TestFailuresKeepTheirFacts(t *testing.T) {
	want := &Problem{Reason: "proposal_mismatch", Message: "no common proposal", Local: "a\nb", Remote: "c", Hint: "change it"}
	client, _, _ := daemon(t, &backend{status: sample(), do: func(context.Context) error { return want }})
	var got *Problem
	if err := client.Command(t.Context(), "branch", "up", time.Minute); !errors.As(err, &got) {
		t.Fatalf("error %v is no Problem", err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("problem (-want +got):\n%s", d)
	}
	if d := cmp.Diff("  ours: a\n  ours: b\n  peer: c\n", got.Details()); d != "" {
		t.Errorf("details (-want +got):\n%s", d)
	}
	other, _, _ := daemon(t, &backend{do: func(context.Context) error { return errors.New("broken") }})
	if _, err := other.Reload(t.Context()); !errors.As(err, &got) || got.Reason != ReasonInternal || got.Message != "broken" {
		t.Errorf("an error that is no Problem arrives as %v", err)
	}
}

func TestCommandEndsInTime(t *testing.T) {
	waiting := func(ctx context.Context) error {
		<-ctx.Done()
		return &Problem{Reason: "timeout", Message: "no result within the time allowed"}
	}
	client, _, _ := daemon(t, &backend{status: sample(), do: waiting})
	start := time.Now()
	err := client.Command(t.Context(), "branch", "up", 50*time.Millisecond)
	var p *Problem
	if !errors.As(err, &p) || p.Reason != "timeout" {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("a command with a timeout of 50 ms took %v", took)
	}
}

func TestCommandEndsWithItsClient(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	client, _, _ := daemon(t, &backend{status: sample(), do: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- client.Command(ctx, "branch", "up", time.Minute) }()
	<-began
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-ended
}

// TestDeafDaemon: a daemon that takes a request and never answers.
func TestDeafDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := NewClient("/nowhere")
		client.http.Transport = deaf{}
		_, err := client.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), "no answer within 10s") {
			t.Errorf("error %v", err)
		}
	})
}

type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestCommandsLeaveRoom: however many commands wait for peers, the status is shown, and
// what was refused goes once another is done.
func TestCommandsLeaveRoom(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	client, _, _ := daemon(t, &backend{status: sample(), do: func(context.Context) error {
		started <- struct{}{}
		<-release
		return nil
	}})
	up := func() error { return client.Command(t.Context(), sample().Connections[0].Name, "up", time.Minute) }
	done := make(chan error)
	for range maxCommands {
		go func() { done <- up() }()
		<-started
	}
	var p *Problem
	if err := up(); !errors.As(err, &p) || p.Reason != ReasonRefused {
		t.Errorf("one more of at most %d: %v", maxCommands, err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	close(release)
	for range maxCommands {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	go func() { <-started }()
	if err := up(); err != nil {
		t.Errorf("when all are done: %v", err)
	}
}

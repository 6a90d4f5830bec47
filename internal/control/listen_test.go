package control

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

func TestSocketIsItsOwnersAlone(t *testing.T) {
	client, s, _ := daemon(t, &backend{})
	info, err := os.Stat(client.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	s.Close(t.Context())
	if _, err := os.Stat(client.path); !os.IsNotExist(err) {
		t.Errorf("the socket is there after Close: %v", err)
	}
	s.Close(t.Context()) // a second time is harmless
}

func TestDeadSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close() // as kill -9 leaves it
	s := NewServer(&backend{}, NewStream(), prometheus.NewRegistry())
	if err := s.ListenSocket(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenSocketRefuses(t *testing.T) {
	living, _, _ := daemon(t, &backend{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, says string }{
		{living.path, "another causeway answers"},
		{file, "exists and is no socket"},
		{filepath.Join(t.TempDir(), strings.Repeat("x", 120)), "longer than 107 bytes"},
		{filepath.Join(file, "control.sock"), "not a directory"},
	} {
		s := NewServer(&backend{}, NewStream(), prometheus.NewRegistry())
		err := s.ListenSocket(c.path)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", c.path, err, c.says)
		}
	}
	if _, err := living.Status(t.Context()); err != nil {
		t.Errorf("the living daemon does not answer any more: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file was changed: %q", text)
	}
}

// TestBusySocketLives: a daemon whose queue of connections is full is no dead
// one.
func TestBusySocketLives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil { // room for one
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if err := removeDeadSocket(path); err == nil {
		t.Error("the socket of a busy daemon was removed")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestClientExplainsWhatIsMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "control.sock")
	_, err := NewClient(missing).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no causeway answers on "+missing) || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("error %v", err)
	}
	if err := NewClient(missing).unreachable(fs.ErrPermission); !strings.Contains(err.Error(), "user of the daemon") {
		t.Errorf("error %v", err)
	}
}

func TestMetricsAddressServesNothingElse(t *testing.T) {
	_, s, _ := daemon(t, &backend{status: sample()})
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	probe.Close()
	if err := s.ListenMetrics(address); err != nil {
		t.Fatal(err)
	}
	if err := s.ListenMetrics(address); err == nil || !strings.Contains(err.Error(), "control.http "+address) {
		t.Errorf("an address in use: error %v", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(method, path string) (int, string) {
		req, err := http.NewRequest(method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if code, text := get("GET", "/metrics"); code != 200 || !strings.Contains(text, `causeway_connection_up{connection="azure-west"} 1`) {
		t.Errorf("/metrics: %d\n%s", code, text)
	}
	for _, path := range []string{"/v1/status", "/v1/events", "/", "/v1/connections/branch/up"} {
		for _, method := range []string{"GET", "POST"} {
			if code, _ := get(method, path); code != 404 {
				t.Errorf("%s %s over TCP: %d", method, path, code)
			}
		}
	}
}

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// CVE-2018-5388 of strongSwan: the length that a message on the control socket says
// to have was believed. Whatever is said here of lengths, the daemon answers with a
// Problem or hangs up, and does nothing.
func TestCVE_2018_5388_LengthsOnTheControlSocket(t *testing.T) {
	b := &backend{status: sample()}
	client, _, _ := daemon(t, b)
	long := strings.Repeat("x", 64<<10)
	for what, request := range map[string]string{
		"nothing of HTTP":     "\xff\xff\xff\xff\x00\x00\x00\x01",
		"an old message":      "\x04\x00\x00\x00" + long,
		"a negative length":   "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"two lengths":         "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"beyond 64 bits":      "POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n",
		"more than there is":  "POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n{}",
		"a huge chunk":        "PUT /v1/connections/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
		"a chunk of no size":  "PUT /v1/connections/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
		"a long line":         "GET /v1/" + long + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a long header":       "POST /v1/reload HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n",
		"many headers":        "POST /v1/reload HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 10000) + "\r\n",
		"lines without end":   "POST /v1/reload HTTP/1.1\r\nHost: x\r\nX: " + long,
		"of no such protocol": "POST /v1/reload HTTP/9.9\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("unix", client.path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(request)) // the daemon may have hung up
		_ = conn.(*net.UnixConn).CloseWrite()
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && answer.StatusCode < 400 {
			t.Errorf("%s is answered %s", what, answer.Status)
		}
		conn.Close()
	}
	resp, err := client.request(t.Context(), http.MethodPut, "/v1/connections/branch", make([]byte, maxText+1))
	var p *Problem
	if resp != nil {
		resp.Body.Close()
	}
	if !errors.As(err, &p) || !strings.Contains(p.Message, "too large") {
		t.Errorf("a body of %d octets: %v", maxText+1, err)
	}
	if len(b.calls) > 0 {
		t.Errorf("the daemon did %q", b.calls)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// CVE-2018-5388, and strongSwan #566, #1382 and #2776, in which a client that stopped
// reading stopped the daemon: one that is slow, in whatever it does, is left in time,
// and nobody waits for it meanwhile.
func TestCVE_2018_5388_SlowClients(t *testing.T) {
	for what, request := range map[string]string{
		"says nothing":            "",
		"stops in the header":     "GET /v1/status HTTP/1.1\r\nHost:",
		"stops in a body":         "POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"stops in a chunk":        "PUT /v1/connections/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
		"stops in an unread body": "POST /v1/connections/branch/down HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"takes no status":         "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
		"takes no refusal":        "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
		"takes no metrics":        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"takes no events":         "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
		"asks and asks":           strings.Repeat("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 100),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs, hungUp, s := called(&backend{status: sample()})
				go func() { _, _ = theirs.Write([]byte(request)) }()
				start := time.Now()
				<-hungUp
				if took, most := time.Since(start), headerTime+bodyTime+answerTime+idleTime; took > most {
					t.Errorf("left after %v, at most %v are allowed", took, most)
				}
				theirs.Close()
				s.Close(t.Context())
			})
		})
	}
}

// TestCommandsOutliveTheirBody: what bounds the time of a body does not bound what is
// done with it.
func TestCommandsOutliveTheirBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, _, s := called(&backend{do: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * bodyTime):
				return nil
			}
		}})
		go func() {
			_, _ = theirs.Write([]byte("PUT /v1/connections/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"))
		}()
		answer, err := http.ReadResponse(bufio.NewReader(theirs), nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", answer, err)
		}
		theirs.Close()
		s.Close(t.Context())
	})
}

// called is a server at which one client calls: its end of the line, and what is
// closed when the server hangs up.
func called(b *backend) (theirs net.Conn, hungUp chan struct{}, s *Server) {
	ours, theirs := net.Pipe()
	l := &lonely{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	s, hungUp = NewServer(b, NewStream(), prometheus.NewRegistry()), make(chan struct{})
	s.serve(l, s.handler)
	l.conns <- watched{ours, hungUp}
	return theirs, hungUp, s
}

// TestManyClients: those that there is no room for wait until others have gone, and no
// longer than the listener is there.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calling := &lonely{conns: make(chan net.Conn, 4), closed: make(chan struct{})}
		for range cap(calling.conns) {
			ours, _ := net.Pipe()
			calling.conns <- ours
		}
		r := withRoom(calling, 2)
		accepted, ended := make(chan net.Conn, cap(calling.conns)), make(chan error)
		go func() {
			for {
				c, err := r.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Errorf("%d clients are served where there is room for 2", n)
		}
		first := <-accepted
		first.Close()
		first.Close() // makes no more room
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Errorf("%d clients are served when one of 2 has gone", n)
		}
		r.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("who waits for room is told %v", err)
		}
	})
}

// lonely is a listener at which a few clients call.
type lonely struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *lonely) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *lonely) Close() error   { close(l.closed); return nil }
func (l *lonely) Addr() net.Addr { return &net.UnixAddr{Name: "control.sock"} }

// watched tells when it is closed.
type watched struct {
	net.Conn
	closed chan struct{}
}

func (w watched) Close() error {
	select {
	case <-w.closed:
	default:
		close(w.closed)
	}
	return w.Conn.Close()
}

// FuzzControlSocket: whatever is read as a request, it is one of the API's own, or is
// refused with a Problem, and fails on nothing.
func FuzzControlSocket(f *testing.F) {
	for _, request := range []string{
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n", "POST /v1/connections/branch/up?timeout=1s HTTP/1.1\r\nHost: x\r\n\r\n",
		"PUT /v1/connections/a%2Fb?persist HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "DELETE /v1/connections/branch HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/usage?from=2026-01-01&by=day HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/plan?file=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(request))
	}
	s := NewServer(&backend{status: sample()}, NewStream(), prometheus.NewRegistry())
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that events end
		w := &taker{httptest.NewRecorder()}
		s.handler.ServeHTTP(w, r.WithContext(ctx))
		var p Problem
		if text := w.Body.Bytes(); w.Code >= 400 && (json.Unmarshal(text, &p) != nil || p.Reason == "" || p.Message == "") {
			t.Errorf("%d without a Problem: %q", w.Code, text)
		}
	})
}

// taker is a client that takes all.
type taker struct{ *httptest.ResponseRecorder }

func (*taker) SetWriteDeadline(time.Time) error { return nil }
func (*taker) SetReadDeadline(time.Time) error  { return nil }

// CVE-2025-9615 of NetworkManager's plug-in for strongSwan: it used the credentials of
// one local user for another. The daemon reads files that a connection names with its
// own rights, so nobody else may name them: the socket is for its owner alone.
func TestCVE_2025_9615_OtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := NewServer(&backend{}, NewStream(), prometheus.NewRegistry())
	path := filepath.Join(dir, "control.sock")
	if err := s.ListenSocket(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if err := dialAs(65534, path); !errors.Is(err, syscall.EACCES) {
		t.Errorf("another user connects: %v", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := dialAs(65534, path); err != nil {
		t.Errorf("where the socket's mode allows it: %v: the test proves nothing", err)
	}
}

// dialAs connects with a user's rights to files, and none of root's.
func dialAs(user int, path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := unix.SetfsuidRetUid(user); err != nil {
		return fmt.Errorf("fsuid: %w", err)
	}
	defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server serves the API. Close ends it.
type Server struct {
	backend Backend
	stream  *Stream
	handler http.Handler
	servers []*http.Server
	// ended closes the event streams, which no other deadline would end.
	ended chan struct{}
}

// NewServer makes a server that serves nothing yet. Metrics come from registry.
func NewServer(b Backend, s *Stream, registry *prometheus.Registry) *Server {
	srv := &Server{backend: b, stream: s, ended: make(chan struct{})}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", srv.status)
	mux.HandleFunc("GET /v1/connections/{name}", srv.connection)
	mux.HandleFunc("POST /v1/connections/{name}/up", srv.command(b.Up))
	mux.HandleFunc("POST /v1/connections/{name}/down", srv.command(b.Down))
	mux.HandleFunc("POST /v1/connections/{name}/rekey", srv.rekey)
	mux.HandleFunc("POST /v1/reload", srv.reload)
	mux.HandleFunc("GET /v1/events", srv.events)
	mux.Handle("GET /metrics", metrics)
	srv.handler = mux
	return srv
}

// ListenSocket serves the whole API on the unix socket at path. A socket that
// a dead daemon left is replaced; a living one is an error.
func (s *Server) ListenSocket(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("control: socket %s: %w", path, err)
	}
	if err := removeDeadSocket(path); err != nil {
		return err
	}
	old := syscall.Umask(0o177) // born with mode 0600, never wider
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return fmt.Errorf("control: socket %s: %w", path, err)
	}
	s.serve(l, s.handler)
	return nil
}

func removeDeadSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control: socket %s: %w", path, err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("control: %s exists and is no socket; choose another control.socket", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("control: another causeway answers on %s; stop it, or choose another control.socket", path)
	}
	return os.Remove(path)
}

// ListenMetrics serves /metrics, and nothing that changes anything, on a TCP
// address.
func (s *Server) ListenMetrics(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("control: control.http %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.handler)
	s.serve(l, mux)
	return nil
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	s.servers = append(s.servers, srv)
	go srv.Serve(l) // ends with Close, which is when it returns
}

// Close ends all serving, for as long as ctx allows running requests.
func (s *Server) Close(ctx context.Context) {
	close(s.ended)
	for _, srv := range s.servers {
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
	}
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.backend.Status())
}

func (s *Server) connection(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	for _, c := range s.backend.Status().Connections {
		if c.Name == name {
			writeJSON(w, http.StatusOK, c)
			return
		}
	}
	writeJSON(w, http.StatusNotFound, &Problem{
		Reason: "refused", Message: fmt.Sprintf("no connection is named %q", name), Hint: "GET /v1/status lists them",
	})
}

func (s *Server) command(do func(context.Context, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.finish(w, r, func(ctx context.Context) error { return do(ctx, r.PathValue("name")) })
	}
}

// rekey replaces what the parameters ike and child name; both when none does.
func (s *Server) rekey(w http.ResponseWriter, r *http.Request) {
	ike, child := r.URL.Query().Has("ike"), r.URL.Query().Has("child")
	if !ike && !child {
		ike, child = true, true
	}
	s.finish(w, r, func(ctx context.Context) error {
		return s.backend.Rekey(ctx, r.PathValue("name"), ike, child)
	})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	s.finish(w, r, s.backend.Reload)
}

// maxWait bounds what a client may ask a command to wait.
const maxWait = 10 * time.Minute

// finish runs a command for as long as the parameter timeout allows.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, do func(context.Context) error) {
	wait := 30 * time.Second
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > maxWait {
			writeJSON(w, http.StatusBadRequest, &Problem{
				Reason: "refused", Message: fmt.Sprintf("timeout %q is no duration from 1ms to %v", text, maxWait),
			})
			return
		}
		wait = d
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	err := do(ctx)
	if err == nil {
		writeJSON(w, http.StatusOK, struct{}{})
		return
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = &Problem{Reason: "internal", Message: err.Error()}
	}
	writeJSON(w, http.StatusConflict, p)
}

// events streams what happens from now on, as server-sent events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	reader := s.stream.subscribe()
	defer s.stream.unsubscribe(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	fmt.Fprint(w, ": causeway events\n\n")
	flush.Flush()
	for {
		select {
		case ev := <-reader.events:
			if n := s.stream.takeLost(reader); n > 0 {
				fmt.Fprintf(w, "event: lost\ndata: %d\n\n", n)
			}
			data, err := json.Marshal(ev)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", ev.Type, data); err != nil {
				return
			}
			flush.Flush()
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		}
	}
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v) // an error is the client's having gone
}

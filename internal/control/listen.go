package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// longestPath is what a unix socket's address holds (sun_path, less the final
// zero).
const longestPath = 107

// ListenSocket serves the whole API on the unix socket at path. A socket that
// a dead daemon left is replaced; a living one is an error.
func (s *Server) ListenSocket(path string) error {
	if len(path) > longestPath {
		return fmt.Errorf("control: socket %s: its path is longer than %d bytes; choose another control.socket", path, longestPath)
	}
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

// removeDeadSocket removes a socket that nobody listens on: only the kernel's
// refusal says so, a daemon that is slow to answer lives.
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
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("control: another causeway answers on %s; stop it, or choose another control.socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control: socket %s that a dead daemon left: %w", path, err)
	}
	return nil
}

// ListenMetrics serves /metrics, and nothing that changes anything, on a TCP
// address.
func (s *Server) ListenMetrics(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("control: control.http %s: %w", address, err)
	}
	s.serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.Error(w, "only /metrics is served here", http.StatusNotFound)
			return
		}
		s.handler.ServeHTTP(w, r)
	}))
	return nil
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		_ = srv.Serve(withRoom(l, maxClients)) // returns with Close; before, only if the socket breaks
	})
}

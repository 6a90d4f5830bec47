package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxText bounds a configuration that a client sends.
const maxText = 4 << 20

// text reads the request's body; if that fails, the request is answered.
func (s *Server) text(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
	if err == nil {
		return text, true
	}
	var large *http.MaxBytesError
	code := http.StatusBadRequest
	if errors.As(err, &large) {
		code = http.StatusRequestEntityTooLarge
	}
	writeJSON(w, code, &Problem{Reason: ReasonRefused, Message: fmt.Sprintf("the request's body cannot be taken: %v", err)})
	return nil, false
}

// plan answers what the configuration in the body would change; the parameter
// file is its path.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	text, ok := s.text(w, r)
	if !ok {
		return
	}
	p, err := s.backend.Plan(r.URL.Query().Get("file"), text)
	if err != nil {
		s.finish(w, r, func(context.Context) (Applied, error) { return Applied{}, err })
		return
	}
	writeJSON(w, http.StatusOK, p)
}

func (s *Server) setConnection(w http.ResponseWriter, r *http.Request) {
	keys, ok := s.text(w, r)
	if !ok {
		return
	}
	s.finish(w, r, func(ctx context.Context) (Applied, error) {
		return s.backend.SetConnection(ctx, r.PathValue("name"), keys, r.URL.Query().Has("persist"))
	})
}

func (s *Server) removeConnection(w http.ResponseWriter, r *http.Request) {
	if c, ok := s.named(w, r); ok {
		s.finish(w, r, func(ctx context.Context) (Applied, error) {
			return s.backend.RemoveConnection(ctx, c.Name, r.URL.Query().Has("persist"))
		})
	}
}

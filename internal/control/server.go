package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server serves the API. Its Listen methods are for one goroutine, before
// Close, which ends it.
type Server struct {
	backend Backend
	stream  *Stream
	handler http.Handler
	servers []*http.Server
	serving sync.WaitGroup
	// commands has a place for each that waits for a connection.
	commands chan struct{}
	// ended closes the event streams, which no other deadline would end.
	ended chan struct{}
	once  sync.Once
}

// What a client may cost: a header or a whole request that takes longer, an answer
// that is not taken for longer, and a command that waits longer are given up.
const (
	headerTime = 5 * time.Second
	bodyTime   = 10 * time.Second // of header and body
	answerTime = 10 * time.Second
	maxWait    = 10 * time.Minute
	idleTime   = time.Minute
	maxHeader  = 16 << 10
	maxScrapes = 4 // at the same time
)

// NewServer makes a server that serves nothing yet. Metrics come from registry.
func NewServer(b Backend, s *Stream, registry *prometheus.Registry) *Server {
	srv := &Server{backend: b, stream: s, commands: make(chan struct{}, maxCommands), ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", srv.status)
	mux.HandleFunc("GET /v1/connections/{name}", srv.connection)
	mux.HandleFunc("POST /v1/connections/{name}/up", srv.command(b.Up))
	mux.HandleFunc("POST /v1/connections/{name}/down", srv.command(b.Down))
	mux.HandleFunc("POST /v1/connections/{name}/rekey", srv.rekey)
	mux.HandleFunc("PUT /v1/connections/{name}", srv.setConnection)
	mux.HandleFunc("DELETE /v1/connections/{name}", srv.removeConnection)
	mux.HandleFunc("POST /v1/plan", srv.plan)
	mux.HandleFunc("POST /v1/reload", srv.reload)
	mux.HandleFunc("GET /v1/usage", srv.usage)
	mux.HandleFunc("GET /v1/events", srv.events)
	mux.Handle("GET /metrics", inTime(promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})))
	srv.handler = problems(mux)
	return srv
}

// inTime bounds how long h's answer may take to be taken.
func inTime(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The deadline cannot be set on a connection that is gone already.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
		h.ServeHTTP(w, r)
	})
}

// problems lets unknown paths and wrong methods be answered as every other
// failure is, with a Problem.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := &refusal{header: w.Header()}
		h.ServeHTTP(refusal, r)
		p := &Problem{Reason: ReasonRefused, Message: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path)}
		if allowed := w.Header().Get("Allow"); allowed != "" {
			p.Hint = "allowed are " + allowed
		}
		writeJSON(w, refusal.code, p)
	})
}

// refusal keeps what the multiplexer answers to a request that it has no
// handler for, but for the text.
type refusal struct {
	header http.Header
	code   int
}

func (r *refusal) Header() http.Header         { return r.header }
func (r *refusal) WriteHeader(code int)        { r.code = code }
func (r *refusal) Write(b []byte) (int, error) { return len(b), nil }

// Close ends all serving, for as long as ctx allows running requests. Event
// streams end at once.
func (s *Server) Close(ctx context.Context) {
	s.once.Do(func() { close(s.ended) })
	for _, srv := range s.servers {
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
	}
	s.serving.Wait()
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.backend.Status())
}

func (s *Server) connection(w http.ResponseWriter, r *http.Request) {
	if c, ok := s.named(w, r); ok {
		writeJSON(w, http.StatusOK, c)
	}
}

// named is the connection that the request is about; if there is none, the
// request is answered.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (Connection, bool) {
	name := r.PathValue("name")
	for _, c := range s.backend.Status().Connections {
		if c.Name == name {
			return c, true
		}
	}
	writeJSON(w, http.StatusNotFound, &Problem{
		Reason: ReasonRefused, Message: fmt.Sprintf("no connection is named %q", name), Hint: "causeway status lists them",
	})
	return Connection{}, false
}

func (s *Server) command(do func(context.Context, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.commands <- struct{}{}:
			defer func() { <-s.commands }()
		default:
			writeJSON(w, http.StatusServiceUnavailable, &Problem{
				Reason: ReasonRefused, Message: fmt.Sprintf("%d commands wait for connections already", maxCommands), Hint: "try again when one of them is done",
			})
			return
		}
		if c, ok := s.named(w, r); ok {
			s.finish(w, r, func(ctx context.Context) (Applied, error) { return Applied{}, do(ctx, c.Name) })
		}
	}
}

// rekey replaces what the parameters ike and child name; both when none does.
func (s *Server) rekey(w http.ResponseWriter, r *http.Request) {
	ike, child := r.URL.Query().Has("ike"), r.URL.Query().Has("child")
	if !ike && !child {
		ike, child = true, true
	}
	s.command(func(ctx context.Context, name string) error {
		return s.backend.Rekey(ctx, name, ike, child)
	})(w, r)
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	s.finish(w, r, s.backend.Reload)
}

// finish runs a command for as long as the parameter timeout allows.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, do func(context.Context) (Applied, error)) {
	wait := 30 * time.Second
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Millisecond || d > maxWait {
			writeJSON(w, http.StatusBadRequest, &Problem{
				Reason: ReasonRefused, Message: fmt.Sprintf("timeout %q is no duration from 1ms to %.0fm", text, maxWait.Minutes()),
			})
			return
		}
		wait = d
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	applied, err := do(ctx)
	if err == nil {
		writeJSON(w, http.StatusOK, applied)
		return
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = &Problem{Reason: ReasonInternal, Message: err.Error()}
	}
	writeJSON(w, http.StatusConflict, p)
}

// events streams what happens from now on, as server-sent events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	reader := s.stream.subscribe()
	if reader == nil {
		writeJSON(w, http.StatusServiceUnavailable, &Problem{
			Reason: ReasonRefused, Message: fmt.Sprintf("%d clients follow the events already", maxReaders), Hint: "end one of them",
		})
		return
	}
	defer s.stream.unsubscribe(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if send(w, ": events of causeway\n\n") != nil {
		return
	}
	for {
		select {
		case ev := <-reader.events:
			if s.tell(w, reader, ev) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ended:
			// What happened to the last, such as the end of each SA.
			for len(reader.events) > 0 {
				if s.tell(w, reader, <-reader.events) != nil {
					return
				}
			}
			return
		}
	}
}

// tell sends ev, and before it how many were lost since the last one.
func (s *Server) tell(w http.ResponseWriter, r *reader, ev Event) error {
	if n := s.stream.takeLost(r); n > 0 {
		if err := sendEvent(w, lost(n)); err != nil {
			return err
		}
	}
	return sendEvent(w, ev)
}

func sendEvent(w http.ResponseWriter, ev Event) error {
	data, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	return send(w, fmt.Sprintf("event: %s\ndata: %s\n\n", ev.Type, data))
}

// send gives text to the client now. One that does not take it in time is not
// waited for.
func send(w http.ResponseWriter, text string) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = send(w, string(text)+"\n") // an error is the client's having gone
}

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// untilHeard waits for the first reader, whose goroutine is the HTTP server's.
func untilHeard(t *testing.T, stream *Stream) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !stream.Heard() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nobody listens")
		}
	}
}

// follow collects events until there are n.
func follow(t *testing.T, client *Client, stream *Stream, n int, publish func()) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []Event
	enough := errors.New("enough")
	done := make(chan error)
	go func() {
		done <- client.Events(ctx, func(ev Event) error {
			if got = append(got, ev); len(got) == n {
				return enough
			}
			return nil
		})
	}()
	untilHeard(t, stream)
	publish()
	if err := <-done; !errors.Is(err, enough) {
		t.Fatalf("error %v after %d of %d events", err, len(got), n)
	}
	return got
}

func TestEventsArriveInOrderAndWhole(t *testing.T) {
	client, _, stream := daemon(t, &backend{})
	want := []Event{
		{At: noon, Type: "connecting", Level: "info", Connection: "a", Message: "one\nline: not two\ndata: x", Fields: map[string]string{"k": "v"}},
		{At: noon, Type: "failed", Level: "warn", Connection: "b", Message: "two", Problem: &Problem{Reason: "timeout", Message: "m", Local: "l\nl"}},
	}
	got := follow(t, client, stream, len(want), func() {
		for _, ev := range want {
			stream.Publish(ev)
		}
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

// TestSlowReaderIsTold: what a reader has no room for is counted, and the
// reader learns of it before the next event.
func TestSlowReaderIsTold(t *testing.T) {
	s := NewStream()
	r := s.subscribe()
	for i := range streamBuffer + 7 {
		s.Publish(Event{Message: fmt.Sprint(i)})
	}
	if n := s.takeLost(r); n != 7 {
		t.Errorf("%d lost, want 7", n)
	}
	if n := s.takeLost(r); n != 0 {
		t.Errorf("%d lost the second time", n)
	}
	if ev := <-r.events; ev.Message != "0" {
		t.Errorf("the oldest event is %q", ev.Message)
	}
	s.unsubscribe(r)
	if s.Heard() {
		t.Error("heard after the last reader left")
	}
	s.Publish(Event{}) // to nobody
}

// TestLostEventsReachTheClient runs the handler with a reader that is behind.
func TestLostEventsReachTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := NewStream()
		s := NewServer(&backend{}, stream, prometheus.NewRegistry())
		w := &gated{ResponseRecorder: httptest.NewRecorder(), open: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.events(w, httptest.NewRequest(http.MethodGet, "/v1/events", nil).WithContext(ctx))
		}()
		synctest.Wait() // subscribed, and stuck in its first write
		for i := range streamBuffer + 3 {
			stream.Publish(Event{Type: "test", Message: fmt.Sprint(i)})
		}
		close(w.open)
		synctest.Wait()
		cancel()
		<-done
		text := w.Body.String()
		if !strings.Contains(text, "event: lost\ndata: {") || !strings.Contains(text, "3 events were lost") {
			t.Errorf("the reader was not told that it lost 3 events:\n%.300s", text)
		}
		if n := strings.Count(text, "event: test\n"); n != streamBuffer {
			t.Errorf("%d events, want %d", n, streamBuffer)
		}
	})
}

// gated is a client that takes nothing until it is open.
type gated struct {
	*httptest.ResponseRecorder
	open chan struct{}
}

func (g *gated) SetWriteDeadline(time.Time) error { return nil }

func (g *gated) Write(b []byte) (int, error) {
	<-g.open
	return g.ResponseRecorder.Write(b)
}

// TestStuckReaderIsLeft: a client that stops reading is not waited for.
func TestStuckReaderIsLeft(t *testing.T) {
	stream := NewStream()
	s := NewServer(&backend{}, stream, prometheus.NewRegistry())
	s.events(&stuck{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/v1/events", nil))
	if stream.Heard() {
		t.Error("still subscribed")
	}
}

// stuck is a client whose deadline has passed.
type stuck struct{ *httptest.ResponseRecorder }

func (s *stuck) SetWriteDeadline(at time.Time) error {
	if time.Until(at) > answerTime {
		return errors.New("a deadline too far away")
	}
	return nil
}
func (s *stuck) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestCloseEndsStreams(t *testing.T) {
	client, s, stream := daemon(t, &backend{})
	done := make(chan error)
	go func() { done <- client.Events(t.Context(), func(Event) error { return nil }) }()
	untilHeard(t, stream)
	start := time.Now()
	s.Close(t.Context())
	if err := <-done; err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("Close took %v with a reader of events", took)
	}
	if stream.Heard() {
		t.Error("still subscribed after Close")
	}
}

func TestFollowerThatEndsIsNoError(t *testing.T) {
	client, _, stream := daemon(t, &backend{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- client.Events(ctx, func(Event) error { return nil }) }()
	untilHeard(t, stream)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("error %v", err)
	}
}

func TestPublishFromManyGoroutines(t *testing.T) {
	s := NewStream()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				s.Publish(Event{})
			}
		})
		wg.Go(func() {
			for range 100 {
				r := s.subscribe()
				s.takeLost(r)
				s.unsubscribe(r)
			}
		})
	}
	wg.Wait()
}

// TestLastEventsArrive: what was published before Close is not lost by it.
func TestLastEventsArrive(t *testing.T) {
	client, s, stream := daemon(t, &backend{})
	var got []string
	done := make(chan error)
	go func() {
		done <- client.Events(t.Context(), func(ev Event) error {
			got = append(got, ev.Message)
			return nil
		})
	}()
	untilHeard(t, stream)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		stream.Publish(Event{Message: fmt.Sprint(i)})
	}
	s.Close(t.Context())
	if err := <-done; err == nil {
		t.Error("the stream ended without saying so")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

// TestFollowersLeaveRoom: however many follow the events, and read none, commands are
// answered.
func TestFollowersLeaveRoom(t *testing.T) {
	client, _, _ := daemon(t, &backend{status: sample()})
	for i := range maxClients {
		resp, err := client.request(t.Context(), http.MethodGet, "/v1/events", nil)
		if i < maxReaders {
			if err != nil {
				t.Fatalf("follower %d: %v", i, err)
			}
			defer resp.Body.Close()
			continue
		}
		var p *Problem
		if resp != nil {
			resp.Body.Close()
		}
		if !errors.As(err, &p) || p.Reason != ReasonRefused {
			t.Fatalf("follower %d of at most %d: %v", i, maxReaders, err)
		}
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

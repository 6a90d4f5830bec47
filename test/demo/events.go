package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"causeway/internal/control"
)

// follower shows the events of a gateway. It reads the control API by itself
// instead of running `causeway events`, to know when it is subscribed: not one
// event of the negotiation may be missed.
type follower struct {
	body io.Closer
	done chan struct{} // closed when nothing is shown any more
}

// follow returns when the gateway has subscribed it. Every event goes to show,
// from one goroutine, until stop.
func follow(ctx context.Context, socket string, show func(control.Event)) (*follower, error) {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://causeway/v1/events", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() { // the stream begins with a comment
		return nil, errors.Join(errors.New("events: the gateway ended the stream"), lines.Err(), resp.Body.Close())
	}
	f := &follower{body: resp.Body, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for lines.Scan() {
			var ev control.Event
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if ok && json.Unmarshal([]byte(data), &ev) == nil && ev.Message != "" {
				show(ev)
			}
		}
	}()
	return f, nil
}

// stop ends it; show is not called after it. A nil follower is stopped.
func (f *follower) stop() {
	if f == nil {
		return
	}
	_ = f.body.Close() // only read from
	<-f.done
}

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Client talks to a daemon through its socket. Its methods may be called from
// any goroutine. An error that is a *Problem is the daemon's own answer.
type Client struct {
	path string
	http *http.Client
}

// patience is how long the daemon may take for an answer that needs no peer,
// and longer than asked for one that does.
const patience = 10 * time.Second

// NewClient makes a client of the daemon at the socket path.
func NewClient(path string) *Client {
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Status asks for everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, patience, http.MethodGet, "/v1/status", &s)
	return s, err
}

// Connection asks for one connection.
func (c *Client) Connection(ctx context.Context, name string) (Connection, error) {
	var conn Connection
	err := c.call(ctx, patience, http.MethodGet, "/v1/connections/"+url.PathEscape(name), &conn)
	return conn, err
}

// Command runs up, down or rekey on a connection and waits for the result, at
// most timeout. What a rekey replaces is in what: ike, child, or none for both.
func (c *Client) Command(ctx context.Context, name, command string, timeout time.Duration, what ...string) error {
	q := url.Values{"timeout": {timeout.String()}}
	for _, w := range what {
		q.Set(w, "")
	}
	path := "/v1/connections/" + url.PathEscape(name) + "/" + command + "?" + q.Encode()
	return c.call(ctx, max(timeout, 0)+patience, http.MethodPost, path, nil)
}

// Reload makes the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) (Applied, error) {
	return c.apply(ctx, http.MethodPost, "/v1/reload", nil)
}

func (c *Client) apply(ctx context.Context, method, path string, body []byte) (Applied, error) {
	var a Applied
	err := c.send(ctx, 4*patience, method, path, body, &a)
	return a, err
}

// Plan asks what a configuration would change; file is where its text is from.
func (c *Client) Plan(ctx context.Context, file string, text []byte) (Plan, error) {
	var p Plan
	err := c.send(ctx, patience, http.MethodPost, "/v1/plan?"+url.Values{"file": {file}}.Encode(), text, &p)
	return p, err
}

// Usage asks what connections carried; an empty from, to, by or connection is
// the daemon's choice.
func (c *Client) Usage(ctx context.Context, from, to, by, connection string) (Usage, error) {
	q := url.Values{}
	for name, value := range map[string]string{"from": from, "to": to, "by": by, "connection": connection} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var u Usage
	err := c.call(ctx, 4*patience, http.MethodGet, "/v1/usage?"+q.Encode(), &u)
	return u, err
}

// SetConnection adds or changes one connection.
func (c *Client) SetConnection(ctx context.Context, name string, keys []byte, persist bool) (Applied, error) {
	return c.apply(ctx, http.MethodPut, connectionPath(name, persist), keys)
}

// RemoveConnection removes one.
func (c *Client) RemoveConnection(ctx context.Context, name string, persist bool) (Applied, error) {
	return c.apply(ctx, http.MethodDelete, connectionPath(name, persist), nil)
}

func connectionPath(name string, persist bool) string {
	path := "/v1/connections/" + url.PathEscape(name)
	if persist {
		path += "?persist"
	}
	return path
}

// maxEvent bounds one event's text: both sides' proposals at their longest
// stay well below.
const maxEvent = 1 << 20

// Events calls each for every event until it fails or ctx ends; only the
// latter is no error.
func (c *Client) Events(ctx context.Context, each func(Event) error) error {
	resp, err := c.request(ctx, http.MethodGet, "/v1/events", nil)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var ev Event
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			return fmt.Errorf("control: event of the daemon at %s: %w", c.path, err)
		}
		if err := each(ev); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("control: events of the daemon at %s: %w", c.path, err)
	}
	return fmt.Errorf("the causeway on %s has ended", c.path)
}

// call makes a request and waits for the answer at most for the time given.
func (c *Client) call(ctx context.Context, wait time.Duration, method, path string, into any) error {
	return c.send(ctx, wait, method, path, nil, into)
}

// send is call with a body.
func (c *Client) send(ctx context.Context, wait time.Duration, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no answer within %v", wait))
	defer cancel()
	resp, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("control: answer of the daemon at %s: %w", c.path, err)
	}
	return nil
}

// request makes a request; an answer that is no success is returned as its
// Problem.
func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://causeway"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, c.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Message == "" {
		return nil, fmt.Errorf("control: the daemon at %s answered %s", c.path, resp.Status)
	}
	return nil, &p
}

func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no causeway answers on %s; start one with `causeway run`, or name its socket with --socket or $CAUSEWAY_SOCKET", c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to open %s; run this as the user of the daemon", c.path)
	}
	return fmt.Errorf("control: the daemon at %s: %w", c.path, err)
}

package online

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// maxTime bounds an answer, from the look-up of the name to its last octet.
	maxTime = 3 * time.Second
	// maxResponse and maxList bound an OCSP response and a revocation list.
	maxResponse, maxList = 16 << 10, 1 << 20
	// maxAge bounds how long an answer is kept, however long it says to hold;
	// failureAge how long a server that does not answer is left alone.
	maxAge, failureAge = time.Hour, 30 * time.Second
	// maxKept and maxKeptBytes bound the answers kept.
	maxKept, maxKeptBytes = 1024, 32 << 20
	// maxRedirects bounds how often a server may send us elsewhere.
	maxRedirects = 2
)

// Fetcher implements auth.Fetcher. Its methods may be called from any goroutine.
type Fetcher struct {
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	kept  map[question]*answer
	bytes int // of all kept
}

// question is what was asked; no request: a list.
type question struct{ server, request string }

// answer is what came of a question. Its fields are set when done is closed.
type answer struct {
	done  chan struct{}
	data  []byte
	err   error
	until time.Time // when to ask anew
}

// New makes a Fetcher. It uses no proxy.
func New() *Fetcher {
	dialer := &net.Dialer{Timeout: maxTime, Control: func(_, address string, _ syscall.RawConn) error { return allowed(address) }}
	return &Fetcher{
		now:  time.Now,
		kept: map[question]*answer{},
		client: &http.Client{
			Timeout: maxTime,
			Transport: &http.Transport{
				DialContext: dialer.DialContext, MaxConnsPerHost: 4, MaxIdleConns: 16, IdleConnTimeout: 10 * time.Second,
				MaxResponseHeaderBytes: 8 << 10, DisableCompression: true,
			},
			CheckRedirect: func(r *http.Request, via []*http.Request) error {
				if len(via) > maxRedirects || r.URL.Scheme != "http" {
					return errors.New("it sends us elsewhere")
				}
				return nil
			},
		},
	}
}

// allowed refuses addresses at which no server of an authority is, but services
// of this very host's surroundings are, such as a cloud's metadata.
func allowed(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := at.Addr().Unmap(); a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return fmt.Errorf("%s is no address of an authority's server", a)
	}
	return nil
}

// Fetch implements auth.Fetcher. Who asks what is being asked waits for the same
// answer.
func (f *Fetcher) Fetch(server string, request []byte, until func([]byte) time.Time) ([]byte, error) {
	q := question{server, string(request)}
	f.mu.Lock()
	a := f.kept[q]
	if a != nil && a.over() && !f.now().Before(a.until) {
		f.drop(q)
		a = nil
	}
	if a != nil {
		f.mu.Unlock()
		<-a.done
		return a.data, a.err
	}
	if len(f.kept) >= maxKept {
		f.makeRoom()
	}
	a = &answer{done: make(chan struct{})}
	f.kept[q] = a
	f.mu.Unlock()
	f.ask(q, a, until)
	return a.data, a.err
}

// ask asks the server and keeps what it says. Whatever becomes of it, those who
// wait for the answer go on.
func (f *Fetcher) ask(q question, a *answer, until func([]byte) time.Time) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(a.done)
		if f.bytes += len(a.data); f.bytes > maxKeptBytes {
			f.makeRoom()
		}
	}()
	a.data, a.err = f.get(q.server, q.request)
	now := f.now()
	a.until = now.Add(failureAge)
	if a.err == nil {
		if end := until(a.data); end.After(now) {
			a.until = end
		}
		if latest := now.Add(maxAge); a.until.After(latest) {
			a.until = latest
		}
	}
}

// over tells whether the answer is there.
func (a *answer) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (f *Fetcher) drop(q question) {
	f.bytes -= len(f.kept[q].data)
	delete(f.kept, q)
}

// makeRoom drops a half of the answers, whichever: they can be had again.
func (f *Fetcher) makeRoom() {
	left := (len(f.kept) + 1) / 2
	for q, a := range f.kept {
		if left == 0 {
			return
		}
		if a.over() {
			f.drop(q)
			left--
		}
	}
}

// get posts a request to a server, or gets what is there.
func (f *Fetcher) get(server, request string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	method, limit := http.MethodGet, int64(maxList)
	if request != "" {
		method, limit = http.MethodPost, maxResponse
	}
	r, err := http.NewRequestWithContext(ctx, method, server, bytes.NewReader([]byte(request)))
	if err != nil {
		return nil, err
	}
	if request != "" {
		r.Header.Set("Content-Type", "application/ocsp-request")
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("it says " + resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d octets", limit)
	}
	return data, nil
}

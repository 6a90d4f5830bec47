package online

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// maxTime bounds an answer, from the look-up of the name to its last octet.
	maxTime = 3 * time.Second
	// maxResponse and maxList bound an OCSP response and a revocation list.
	maxResponse, maxList = 16 << 10, 1 << 20
	// maxAge bounds how long an answer is kept, however long it says to hold, and
	// failureAge one that does not count. So long is a server left alone that cannot
	// be reached: a thousand peers have as many certificates, and one such server.
	maxAge, failureAge = time.Hour, 30 * time.Second
	// maxKept and maxKeptBytes bound the answers kept, and maxSilent the servers
	// that are left alone.
	maxKept, maxKeptBytes = 1024, 32 << 20
	maxSilent             = 256
	// maxRedirects bounds how often a server may send us to another place of its own.
	maxRedirects = 2
)

// Fetcher implements auth.Fetcher. Its methods may be called from any goroutine.
type Fetcher struct {
	client *http.Client
	now    func() time.Time
	ctx    context.Context // ends what is being asked
	cancel context.CancelFunc

	mu    sync.Mutex
	kept  map[question]*answer
	bytes int // of all kept
	// silent are the hosts that could not be reached lately.
	silent map[string]silence
}

// silence is why a server is left alone, and until when.
type silence struct {
	why   error
	until time.Time
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
	ctx, cancel := context.WithCancel(context.Background())
	return &Fetcher{
		ctx: ctx, cancel: cancel,
		now:    time.Now,
		kept:   map[question]*answer{},
		silent: map[string]silence{},
		client: &http.Client{
			Timeout: maxTime,
			Transport: &http.Transport{
				DialContext: dial, MaxConnsPerHost: 4, MaxIdleConns: 16, IdleConnTimeout: 10 * time.Second,
				MaxResponseHeaderBytes: 8 << 10, DisableCompression: true,
			},
			CheckRedirect: func(r *http.Request, via []*http.Request) error {
				// Who answers is not authenticated: another server only a certificate can name.
				if len(via) > maxRedirects || r.URL.Scheme != "http" || r.URL.Host != via[0].URL.Host {
					return errors.New("it sends us elsewhere")
				}
				return nil
			},
		},
	}
}

// Close ends what is being asked, and lets nothing else be.
func (f *Fetcher) Close() { f.cancel() }

// dial connects to a host that a certificate names.
func dial(ctx context.Context, network, to string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: maxTime, Control: func(_, address string, _ syscall.RawConn) error { return allowed(host, address) }}
	return d.DialContext(ctx, network, to)
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

// wasSilent is why a host is left alone now, or nil.
func (f *Fetcher) wasSilent(host string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.silent[host]; ok && f.now().Before(s.until) {
		return fmt.Errorf("it is left alone for a while: %w", s.why)
	}
	return nil
}

// noteSilent leaves a host alone that could not be reached.
func (f *Fetcher) noteSilent(host string, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.silent) >= maxSilent {
		clear(f.silent) // they are found out again
	}
	f.silent[host] = silence{why, f.now().Add(failureAge)}
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
	ctx, cancel := context.WithTimeout(f.ctx, maxTime)
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
	if err := f.wasSilent(r.URL.Host); err != nil {
		return nil, err
	}
	resp, err := f.client.Do(r)
	if err != nil {
		f.noteSilent(r.URL.Host, err)
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

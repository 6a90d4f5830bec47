package online

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs a server and counts what it is asked.
func serve(t *testing.T, answer http.HandlerFunc) (string, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func never([]byte) time.Time { return time.Time{} }

// TestFetch posts requests and gets lists.
func TestFetch(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write([]byte(r.Method + " " + r.Header.Get("Content-Type") + " " + string(body)))
	})
	for want, request := range map[string][]byte{"GET  ": nil, "POST application/ocsp-request who?": []byte("who?")} {
		if got, err := New().Fetch(url, request, never); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

// TestKept: an answer is asked for once while it holds, an hour at most, and one
// that does not count, or failed, for a short time.
func TestKept(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name  string
		holds time.Duration
		fails bool
		kept  time.Duration
	}{
		{"ten minutes", 10 * time.Minute, false, 10 * time.Minute},
		{"a week", 7 * 24 * time.Hour, false, maxAge},
		{"not believed", -time.Hour, false, failureAge},
		{"a failure", time.Hour, true, failureAge},
	} {
		url, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.fails {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		f, at := New(), now
		f.now = func() time.Time { return at }
		until := func([]byte) time.Time { return now.Add(c.holds) }
		for _, step := range []struct {
			after time.Duration
			asked int32
		}{{0, 1}, {c.kept - time.Second, 1}, {c.kept, 2}} {
			at = now.Add(step.after)
			if _, err := f.Fetch(url, nil, until); (err != nil) != c.fails {
				t.Errorf("%s: %v", c.name, err)
			}
			if n := asked.Load(); n != step.asked {
				t.Errorf("%s: asked %d times after %v, want %d", c.name, n, step.after, step.asked)
			}
		}
	}
}

// TestAskedOnce: many that ask the same at a time share one answer.
func TestAskedOnce(t *testing.T) {
	free, came := make(chan struct{}), make(chan struct{}, 64)
	url, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		came <- struct{}{}
		<-free
		_, _ = w.Write([]byte("yes"))
	})
	f := New()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if got, err := f.Fetch(url, []byte("q"), never); err != nil || string(got) != "yes" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	<-came
	close(free)
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestPanic: an answer that its judge fails on leaves nobody waiting.
func TestPanic(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("yes")) })
	f := New()
	func() {
		defer func() { _ = recover() }()
		_, _ = f.Fetch(url, nil, func([]byte) time.Time { panic("malformed") })
	}()
	if got, err := f.Fetch(url, nil, never); err != nil || string(got) != "yes" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestHostile: what is too long, elsewhere or never ends is an error.
func TestHostile(t *testing.T) {
	endless, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for chunk := bytes.Repeat([]byte{1}, 64<<10); r.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	loop, asked := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	secure, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://127.0.0.1/", http.StatusFound)
	})
	silent, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	here, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
	})
	other, askedOther := serve(t, func(http.ResponseWriter, *http.Request) {})
	inside, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other+"/reboot", http.StatusTemporaryRedirect)
	})
	for _, c := range []struct{ name, server, says string }{
		{"to this host", here, "sends us elsewhere"},
		{"to another server", inside, "sends us elsewhere"},
		{"endless", endless, "more than 1048576 octets"},
		{"a loop", loop, "sends us elsewhere"},
		{"to https", secure, "sends us elsewhere"},
		{"metadata of a cloud", "http://169.254.169.254/latest", "no address of an authority's server"},
		{"in IPv6", "http://[fe80::1%25lo]/", "no address of an authority's server"},
		{"malformed", "http://[::1", "missing ']'"},
		{"silent", silent, "deadline exceeded"},
	} {
		f := New()
		if c.name == "silent" {
			f.client.Timeout = 50 * time.Millisecond
		}
		if _, err := f.Fetch(c.server, nil, never); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	if n := asked.Load(); n != maxRedirects+1 {
		t.Errorf("a loop was followed %d times", n)
	}
	if n := askedOther.Load(); n != 0 {
		t.Errorf("a server that no certificate names was asked %d times", n)
	}
}

// TestClose: who waits for a server is let go.
func TestClose(t *testing.T) {
	came := make(chan struct{})
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
	})
	f := New()
	failed := make(chan error)
	go func() {
		_, err := f.Fetch(url, nil, never)
		failed <- err
	}()
	<-came
	f.Close()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := f.Fetch("http://192.0.2.1/", nil, never); !errors.Is(err, context.Canceled) {
		t.Errorf("asked after the end: %v", err)
	}
}

// TestAddresses: names lead to no address of this host, which only a certificate
// can name, and nothing leads to services of its cloud.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		host, address string
		allowed       bool
	}{
		{"ocsp.example.com", "192.0.2.1:80", true},
		{"ocsp.example.com", "10.1.2.3:80", true},
		{"ocsp.example.com", "127.0.0.1:80", false},
		{"ocsp.example.com", "[::1]:80", false},
		{"ocsp.example.com", "[::ffff:127.0.0.1]:80", false},
		{"ocsp.example.com", "169.254.169.254:80", false},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"localhost", "[::1]:80", true},
		{"169.254.169.254", "169.254.169.254:80", false},
		{"ocsp.example.com", "100.64.0.1:80", true},
		{"ocsp.example.com", "[fd00:1::1]:80", true},
		{"ocsp.example.com", "[2001:db8::1]:80", true},
		{"ocsp.example.com", "[64:ff9b::c000:201]:80", true}, // 192.0.2.1
		{"ocsp.example.com", "0.1.2.3:80", false},
		{"ocsp.example.com", "255.255.255.255:80", false},
		{"ocsp.example.com", "168.63.129.16:80", false},
		{"168.63.129.16", "168.63.129.16:32526", false},
		{"ocsp.example.com", "100.100.100.200:80", false},
		{"ocsp.example.com", "192.0.0.192:80", false},
		{"fd00:ec2::254", "[fd00:ec2::254]:80", false},
		{"ocsp.example.com", "[fd00:ec2::23]:80", false},
		{"ocsp.example.com", "[fd20:ce::254]:80", false},
		{"ocsp.example.com", "[fd00:c1::a9fe:a9fe]:80", false},
		{"ocsp.example.com", "[fd00:42::42]:80", false},
		{"ocsp.example.com", "[fe80::a9fe:a9fe%eth0]:80", false},
		{"ocsp.example.com", "[::ffff:168.63.129.16]:80", false},
		{"ocsp.example.com", "[64:ff9b::a9fe:a9fe]:80", false},
		{"ocsp.example.com", "[64:ff9b::a83f:8110]:80", false},
		{"ocsp.example.com", "[2002:a9fe:a9fe::1]:80", false},
		{"ocsp.example.com", "[64:ff9b::7f00:1]:80", false},
		{"ocsp.example.com", "[::a9fe:a9fe]:80", false},
		{"ocsp.example.com", "[::7f00:1]:80", false},
	} {
		if err := allowed(c.host, c.address); (err == nil) != c.allowed {
			t.Errorf("%s at %s: %v", c.host, c.address, err)
		}
	}
}

// TestSilentServer: one that cannot be reached is left alone for a while, whatever
// it is to be asked.
func TestSilentServer(t *testing.T) {
	url, asked := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // hangs up
	f, at := New(), time.Unix(1_800_000_000, 0)
	f.now = func() time.Time { return at }
	ask := func(n byte, want int32) {
		t.Helper()
		if _, err := f.Fetch(url, []byte{n}, never); err == nil {
			t.Error("an answer of a server that has none")
		}
		if got := asked.Load(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	ask(1, 1)
	ask(2, 1)
	at = at.Add(failureAge)
	ask(3, 2)
	for i := range 2 * maxSilent {
		f.noteSilent(fmt.Sprint(i), io.EOF)
	}
	if len(f.silent) > maxSilent {
		t.Errorf("%d servers are noted", len(f.silent))
	}
}

// CVE-2021-41991 of strongSwan: which certificate a full cache gave up was drawn by a
// number that overflowed. However much is asked here, so much is kept.
func TestCVE_2021_41991_RoomForAnswers(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 8<<10)) })
	f := New()
	for i := range maxKept + 100 {
		if _, err := f.Fetch(url, []byte{1, byte(i >> 8), byte(i)}, never); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for _, a := range f.kept {
		sum += len(a.data)
	}
	if len(f.kept) > maxKept || sum != f.bytes {
		t.Errorf("%d kept with %d bytes, counted as %d", len(f.kept), sum, f.bytes)
	}
}

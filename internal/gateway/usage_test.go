package gateway

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/internal/control"
	"causeway/routing/usage"
	"causeway/tunnel"
)

// counted is a data path's counters. counting guards what changes while a
// gateway reads it.
type counted map[string]usage.Amount

var counting sync.Mutex

func (c counted) set(name string, a usage.Amount) {
	counting.Lock()
	defer counting.Unlock()
	c[name] = a
}

func (c counted) drop(name string) {
	counting.Lock()
	defer counting.Unlock()
	delete(c, name)
}

func (c counted) of(names []string) map[string]usage.Amount {
	counting.Lock()
	defer counting.Unlock()
	out := map[string]usage.Amount{}
	for _, name := range names {
		if a, ok := c[name]; ok {
			out[name] = a
		}
	}
	return out
}

// metered is a gateway with the connections a and b that keeps usage of counters.
func metered(t *testing.T, file string, counters counted, log *zap.Logger) *Gateway {
	t.Helper()
	g := &Gateway{usage: newUsageKeeper(config.Usage{File: file, Keep: 400 * 24 * time.Hour}, log, counters.of)}
	g.config.Store(parse(t, twoSites))
	return g
}

func used(t *testing.T, g *Gateway, q control.UsageQuery) map[string]uint64 {
	t.Helper()
	q.To = time.Now().Add(time.Hour)
	u, err := g.Usage(q)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, r := range u.Rows {
		out[r.Start.Format("01-02T15 ")+r.Connection] = r.BytesIn
	}
	return out
}

// TestUsageOutlivesTheGateway: counters are written down every minute and at
// the end, those of a connection when it is removed, and a new run adds to
// them. A bubble's clock begins at 2000-01-01T00:00Z.
func TestUsageOutlivesTheGateway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "usage.db")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * time.Minute)
		counters := counted{"a": {BytesIn: 5}}
		g := metered(t, file, counters, zap.NewNop())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			g.usage.run(ctx, g.connectionNames)
		}()
		synctest.Wait()
		counters.set("a", usage.Amount{BytesIn: 100})
		time.Sleep(50*time.Minute + time.Second) // to the hour, whose last minute that was
		counters.set("a", usage.Amount{BytesIn: 130})
		counters.set("b", usage.Amount{BytesIn: 7})
		g.usage.remove([]string{"b"}, func() { counters.drop("b") })
		time.Sleep(10 * time.Minute)
		counters.set("a", usage.Amount{BytesIn: 150})
		counters.set("b", usage.Amount{BytesIn: 8})
		cancel()
		<-ended
		g.usage.close(g.connectionNames())

		g = metered(t, file, counted{"a": {BytesIn: 1}}, zap.NewNop())
		want := map[string]uint64{"01-01T00 a": 100, "01-01T00 b": 7, "01-01T01 a": 51, "01-01T01 b": 8}
		if d := cmp.Diff(want, used(t, g, control.UsageQuery{})); d != "" {
			t.Errorf("hours (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]uint64{"01-01T00 a": 151}, used(t, g, control.UsageQuery{Daily: true, Connection: "a"})); d != "" {
			t.Errorf("days (-want +got):\n%s", d)
		}
		g.usage.close(nil)
	})
}

// TestUsageThatCannotBeKept: the log says so once, and the API why.
func TestUsageThatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "usage.db")
	if err := os.WriteFile(file, []byte("no store"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log, _, err := newLogger(config.Log{Level: config.LogInfo, Format: config.LogConsole}, zapcore.AddSync(&out))
	if err != nil {
		t.Fatal(err)
	}
	g := metered(t, file, counted{"a": {BytesIn: 5}}, log)
	for range 3 {
		g.usage.write([]string{"a"})
	}
	if n := strings.Count(out.String(), "usage cannot be recorded"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
	var p *control.Problem
	if _, err := g.Usage(control.UsageQuery{}); !errors.As(err, &p) || p.Reason != control.ReasonUsage || p.Hint == "" {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	g.usage.write([]string{"a"})
	if !strings.Contains(out.String(), "usage is recorded again") {
		t.Errorf("log\n%s", out.String())
	}
	g.usage.close(nil)
	if _, err := (&Gateway{}).Usage(control.UsageQuery{}); !errors.As(err, &p) || p.Reason != control.ReasonRefused {
		t.Errorf("without a file: error %v", err)
	}
	if err := usageProblem(usage.ErrTooMany); !errors.As(err, &p) || p.Reason != control.ReasonRefused {
		t.Errorf("too long an answer: error %v", err)
	}
}

// TestNoUsageKept: without a file everything works and nothing happens.
func TestNoUsageKept(t *testing.T) {
	k := newUsageKeeper(config.Usage{}, zap.NewNop(), nil)
	k.run(t.Context(), nil)
	removed := false
	k.remove([]string{"a"}, func() { removed = true })
	k.close(nil)
	if !removed {
		t.Error("the connection was not removed")
	}
}

func TestAmountOfCounters(t *testing.T) {
	c := tunnel.Counters{PacketsIn: 1, BytesIn: 2, PacketsOut: 3, BytesOut: 4, DropsIn: 7, DropsOut: 8, LimitedIn: 5, LimitedOut: 6}
	want := usage.Amount{PacketsIn: 1, BytesIn: 2, PacketsOut: 3, BytesOut: 4, DropsIn: 7, DropsOut: 8, LimitedIn: 5, LimitedOut: 6}
	if got := amountOf(c); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

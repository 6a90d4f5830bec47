package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"causeway/config"
	"causeway/internal/control"
	"causeway/routing/usage"
	"causeway/tunnel"
)

// usageTime is how often counters are written down: what a crash may lose.
const usageTime = time.Minute

// usageKeeper writes down what connections carry. A file that cannot be used
// costs the record and nothing else. A nil keeper keeps nothing.
type usageKeeper struct {
	log *zap.Logger
	// count is the counters of connections now; those that are unknown are
	// left out.
	count func(names []string) map[string]usage.Amount

	mu      sync.Mutex // from counting to writing, so that no connection is forgotten between
	store   *usage.Store
	failing bool
}

// newUsageKeeper is nil if no usage is to be kept.
func newUsageKeeper(cfg config.Usage, log *zap.Logger, count func([]string) map[string]usage.Amount) *usageKeeper {
	if cfg.File == "" {
		return nil
	}
	return &usageKeeper{log: log, count: count, store: usage.New(cfg.File, cfg.Keep)}
}

// run writes down every minute until ctx ends. names are the connections then.
func (k *usageKeeper) run(ctx context.Context, names func() []string) {
	if k == nil {
		return
	}
	k.write(names())
	tick := time.NewTicker(usageTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.write(names())
		case <-ctx.Done():
			return
		}
	}
}

func (k *usageKeeper) write(names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writeLocked(names)
}

// writeLocked writes for the hour in which most of it was carried: that of half
// a minute ago. A failure is told once, and that it is over.
func (k *usageKeeper) writeLocked(names []string) {
	err := k.store.Add(time.Now().Add(-usageTime/2), k.count(names))
	switch {
	case err != nil && !k.failing:
		k.log.Error("usage cannot be recorded; the gateway runs on", zap.Error(err))
	case err == nil && k.failing:
		k.log.Info("usage is recorded again")
	}
	k.failing = err != nil
}

// remove writes down what connections carried to the end, before remove takes
// their counters away.
func (k *usageKeeper) remove(names []string, remove func()) {
	if k == nil || len(names) == 0 {
		remove()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writeLocked(names)
	remove()
	for _, name := range names {
		k.store.Forget(name)
	}
}

// close writes down the last and closes the file.
func (k *usageKeeper) close(names []string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writeLocked(names)
	if err := k.store.Close(); err != nil {
		k.log.Error("usage", zap.Error(err))
	}
}

// rows answers a question, up to now.
func (k *usageKeeper) rows(names []string, q usage.Query) ([]usage.Row, error) {
	k.write(names)
	return k.store.Rows(q)
}

// Usage implements control.Backend.
func (g *Gateway) Usage(q control.UsageQuery) (control.Usage, error) {
	if g.usage == nil {
		return control.Usage{}, &control.Problem{
			Reason: control.ReasonRefused, Message: "usage is not kept",
			Hint: "name a file for it in the configuration, usage.file, and restart causeway",
		}
	}
	ask := usage.Query{From: q.From, To: q.To, By: usage.Hour, Connection: q.Connection}
	out := control.Usage{From: q.From, To: q.To, By: "hour", Rows: []control.UsageRow{}}
	if q.Daily {
		ask.By, out.By = usage.Day, "day"
	}
	rows, err := g.usage.rows(g.connectionNames(), ask)
	if err != nil {
		return control.Usage{}, usageProblem(err)
	}
	for _, r := range rows {
		out.Rows = append(out.Rows, control.UsageRow{
			Start: r.Start, Connection: r.Connection,
			PacketsIn: r.PacketsIn, BytesIn: r.BytesIn, PacketsOut: r.PacketsOut, BytesOut: r.BytesOut, DropsIn: r.DropsIn, DropsOut: r.DropsOut,
			LimitedInS: r.LimitedIn.Seconds(), LimitedOutS: r.LimitedOut.Seconds(),
		})
	}
	return out, nil
}

func usageProblem(err error) error {
	if errors.Is(err, usage.ErrTooMany) {
		return &control.Problem{
			Reason: control.ReasonRefused, Message: fmt.Sprintf("the answer has more than %d rows", usage.MostRows),
			Hint: "ask for a shorter time, for days, or for one connection",
		}
	}
	return &control.Problem{
		Reason: control.ReasonUsage, Message: err.Error(),
		Hint: "the gateway runs on; move a damaged file away and restart causeway to begin a new one",
	}
}

// connectionNames are the configured ones.
func (g *Gateway) connectionNames() []string {
	var names []string
	for _, c := range g.config.Load().Connections {
		names = append(names, c.Name)
	}
	return names
}

// countUsage reads the data path's counters.
func (g *Gateway) countUsage(names []string) map[string]usage.Amount {
	totals := make(map[string]usage.Amount, len(names))
	for _, name := range names {
		if c, ok := g.tunnel.ConnectionCounters(name); ok {
			totals[name] = amountOf(c)
		}
	}
	return totals
}

func amountOf(c tunnel.Counters) usage.Amount {
	return usage.Amount{
		PacketsIn: c.PacketsIn, BytesIn: c.BytesIn, PacketsOut: c.PacketsOut, BytesOut: c.BytesOut,
		DropsIn: c.DropsIn, DropsOut: c.DropsOut, LimitedIn: c.LimitedIn, LimitedOut: c.LimitedOut,
	}
}

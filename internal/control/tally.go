package control

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Tally counts events by connection and type, and failures by reason. Its
// methods may be called from any goroutine.
type Tally struct {
	events, failures *prometheus.CounterVec

	mu    sync.RWMutex
	known map[string]bool
}

// NewTally makes a Tally that counts nothing yet and knows no connection.
func NewTally() *Tally {
	return &Tally{
		known: map[string]bool{},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "causeway_events_total", Help: "Events, by type; the connection is empty where none is known.",
		}, []string{"connection", "type"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "causeway_failures_total", Help: "Failures, by reason; the connection is empty where none is known.",
		}, []string{"connection", "reason"}),
	}
}

// Know lets a connection have counters of its own. Of others, such as one that is
// gone and whose half-open IKE SAs are still there, events count as of none.
func (t *Tally) Know(connection string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[connection] = true
}

// Count adds one event; reason is empty where it is no failure.
func (t *Tally) Count(connection, kind, reason string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if !t.known[connection] {
		connection = ""
	}
	t.events.WithLabelValues(connection, kind).Inc()
	if reason != "" {
		t.failures.WithLabelValues(connection, reason).Inc()
	}
}

// Forget ends the counters of a connection that is configured no more.
func (t *Tally) Forget(connection string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, connection)
	label := prometheus.Labels{"connection": connection}
	t.events.DeletePartialMatch(label)
	t.failures.DeletePartialMatch(label)
}

// Describe implements prometheus.Collector.
func (t *Tally) Describe(ch chan<- *prometheus.Desc) {
	t.events.Describe(ch)
	t.failures.Describe(ch)
}

// Collect implements prometheus.Collector.
func (t *Tally) Collect(ch chan<- prometheus.Metric) {
	t.events.Collect(ch)
	t.failures.Collect(ch)
}

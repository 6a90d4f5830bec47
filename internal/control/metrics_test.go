package control

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	tally := NewTally()
	for _, name := range []string{"azure-west", "branch", "gone"} {
		tally.Know(name)
	}
	tally.Count("azure-west", "ike_established", "")
	tally.Count("branch", "failed", "authentication_failed")
	tally.Count("gone", "failed", "timeout")
	tally.Forget("gone")
	tally.Count("gone", "failed", "timeout")     // of what outlives it for a moment
	registry := prometheus.NewPedanticRegistry() // checks names, labels and descriptions
	registry.MustRegister(NewCollector(&backend{status: sample()}), tally)
	const golden = "testdata/metrics.txt"
	if *update {
		writeMetrics(t, registry, golden)
	}
	want, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.GatherAndCompare(registry, want); err != nil {
		t.Error(err)
	}
	found, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func writeMetrics(t *testing.T, registry *prometheus.Registry, path string) {
	t.Helper()
	s := NewServer(&backend{}, NewStream(), registry)
	socket := t.TempDir() + "/s"
	if err := s.ListenSocket(socket); err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	resp, err := NewClient(socket).request(t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOutageIsSeen holds the metrics to their purpose: an alert on wanted and
// not up.
func TestOutageIsSeen(t *testing.T) {
	for _, c := range []struct {
		wanted, state string
		up            float64
		outage        bool
	}{
		{"up", "up", 1, false},
		{"up", "rekeying", 1, false},
		{"up", "connecting", 0, true},
		{"up", "failed", 0, true},
		{"up", "down", 0, true},
		{"down", "down", 0, false},
		{"down", "up", 1, false},
	} {
		conn := Connection{Name: "x", Wanted: c.wanted, State: c.state}
		if conn.Outage() != c.outage {
			t.Errorf("wanted %s, is %s: outage %v", c.wanted, c.state, conn.Outage())
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(NewCollector(&backend{status: Status{Connections: []Connection{conn}}}))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]float64{}
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "causeway_connection_") && len(f.Metric) == 1 {
				seen[f.GetName()] = f.Metric[0].GetGauge().GetValue()
			}
		}
		if d := cmp.Diff(c.up, seen["causeway_connection_up"]); d != "" {
			t.Errorf("wanted %s, is %s: up (-want +got):\n%s", c.wanted, c.state, d)
		}
		if wanted := seen["causeway_connection_wanted"]; wanted == 1 != (c.wanted == "up") {
			t.Errorf("wanted %s, is %s: wanted is %v", c.wanted, c.state, wanted)
		}
	}
}

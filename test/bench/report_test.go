package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		list []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(test.list); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.list, got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	o := options{only: []string{raw, swan, wireguard, causeway, standard}}
	r := results{
		"tcp": {
			raw:       {{bits: 10e9}, {bits: 12e9}, {bits: 11e9}},
			swan:      {{bits: 0.5e9, cpu: 30}, {bits: 0.4e9, cpu: 20}, {bits: 0.6e9, cpu: 40}},
			wireguard: {{bits: 2e9, cpu: 6}},
			causeway:  {{bits: 4e9, cpu: 3}},
			standard:  {{bits: 3e9, cpu: 4}},
		},
		"udp1200": {
			raw: {{packets: 200e3}}, swan: {{packets: 10e3, cpu: 100}}, wireguard: {{packets: 25e3, cpu: 50}},
			causeway: {{packets: 100e3, cpu: 5}}, standard: {{packets: 50e3, cpu: 10}},
		},
		"ping": {raw: {{ping: 0.05}}, swan: {{ping: 0.6}}, wireguard: {{ping: 0.2}}, causeway: {{ping: 0.3}}, standard: {{ping: 0.4}}},
	}
	const header = `|  | raw | strongswan | wireguard-go | causeway | causeway-cipher | better than strongswan by | better than wireguard-go by | causeway of raw | causeway-cipher better than wireguard-go by |
|---|---|---|---|---|---|---|---|---|---|
`
	for name, c := range map[string]struct {
		rows []row
		want string
	}{
		"throughput": {throughputRows, `| TCP, 1 flow, Gbit/s | 11.00 (10.00–12.00) | 0.50 (0.40–0.60) | 2.00 | 4.00 | 3.00 | **8.0** | **2.0** | **0.36** | **1.5** |
| UDP, 1200 bytes, kpacket/s | 200 | 10 | 25 | 100 | 50 | **10.0** | **4.0** | **0.50** | **2.0** |
| ping, idle, ms | 0.05 | 0.60 | 0.20 | 0.30 | 0.40 | **2.0** | **0.67** | **0.17** | **0.50** |
`},
		"CPU for each GB": {cpuRows, `| TCP, 1 flow | – | 30.00 (20.00–40.00) | 6.00 | 3.00 | 4.00 | **10.0** | **2.0** | – | **1.5** |
`},
		"CPU for each million": {packetRows, `| UDP, 1200 bytes | – | 120.0 | 60.0 | 6.0 | 12.0 | **20.0** | **10.0** | – | **5.0** |
`},
	} {
		if diff := cmp.Diff(header+c.want, table(o, c.rows, r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Who did not take part has no column.
	few := options{only: []string{raw, causeway}}
	if diff := cmp.Diff(`|  | raw | causeway | causeway of raw |
|---|---|---|---|
| TCP, 1 flow | – | 3.00 | – |
`, table(few, cpuRows, r)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestManyTable(t *testing.T) {
	const want = `| 100 TCP flows over | Gbit/s | of one connection's, round by round | CPU s for each GB |
|---|---|---|---|
| 1 connection | 4.00 (3.00–5.00) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) |
| 2 connections, one peer | 5.25 (4.50–6.00) | 1.35 (1.20–1.50) | 2.50 (2.50–2.50) |
`
	got := manyTable([][]sample{{{bits: 3e9, cpu: 2}, {bits: 5e9, cpu: 2}}, {{bits: 4.5e9, cpu: 2.5}, {bits: 6e9, cpu: 2.5}}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRewrite(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + begin + "old\n" + end + "after\n")
	for range 2 { // the second finds what the first left
		if err := rewrite(page, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before\n"+begin+"\nnew\n\n"+end+"after\n", string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	write("no markers\n")
	if err := rewrite(page, "new\n"); err == nil {
		t.Error("a page without markers was rewritten")
	}
}

// TestDocument sees that the page has the markers.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(page, "new\n"); err != nil {
		t.Error(err)
	}
}

func TestReceived(t *testing.T) {
	bits, bytes, err := received([]byte(`{"end": {"sum_sent": {"bits_per_second": 9}, "sum_received": {"bytes": 1000, "bits_per_second": 8}}}`))
	if err != nil || bits != 8 || bytes != 1000 {
		t.Errorf("%v bit/s, %v bytes, %v; want 8, 1000 and no error", bits, bytes, err)
	}
	for name, out := range map[string]string{
		"text":    "iperf3: error",
		"error":   `{"error": "unable to connect", "end": {"sum_received": {"bytes": 1}}}`,
		"nothing": `{"end": {}}`,
	} {
		if _, _, err := received([]byte(out)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOptions(t *testing.T) {
	good := options{only: names, tests: testNames(), seconds: 1, rounds: 1}
	if err := good.check(); err != nil || !good.whole() {
		t.Errorf("everything: %v, whole %v", err, good.whole())
	}
	for name, change := range map[string]func(*options){
		"contender": func(o *options) { o.only = []string{"ipsec"} },
		"test":      func(o *options) { o.tests = []string{"sctp"} },
		"seconds":   func(o *options) { o.seconds = 0 },
		"rounds":    func(o *options) { o.rounds = 0 },
	} {
		o := good
		if change(&o); o.check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCPU computes until the kernel has counted some of it.
func TestCPU(t *testing.T) {
	c := contender{pids: []int{os.Getpid()}}
	before, err := c.cpu()
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+2.0/userHZ; {
		if after, err = c.cpu(); err != nil {
			t.Fatal(err)
		}
	}
	c.pids = []int{1 << 30}
	if _, err := c.cpu(); err == nil {
		t.Error("a process that does not exist has a time")
	}
}

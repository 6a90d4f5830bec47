package control

import (
	"github.com/prometheus/client_golang/prometheus"
)

// states are the values of causeway_connection_state's label.
var states = []string{"down", "connecting", "up", "rekeying", "failed"}

// collector turns one Status into metrics at each scrape: nothing is counted
// twice and nothing is kept.
type collector struct {
	backend Backend

	info, uptime                       *prometheus.Desc
	wanted, up, state, attempts        *prometheus.Desc
	established, lastError             *prometheus.Desc
	packets, bytes, drops, gatewayDrop *prometheus.Desc
}

// NewCollector makes the collector of the gateway's metrics.
func NewCollector(b Backend) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("causeway_"+name, help, labels, nil)
	}
	return &collector{
		backend:     b,
		info:        desc("gateway_info", "The gateway; always 1.", "name", "version", "interface", "data_path"),
		uptime:      desc("gateway_uptime_seconds", "Time since the start."),
		wanted:      desc("connection_wanted", "1 when the connection is to be up.", "connection"),
		up:          desc("connection_up", "1 when the connection carries traffic. Wanted and not up is an outage.", "connection"),
		state:       desc("connection_state", "1 for the state that the connection is in.", "connection", "state"),
		attempts:    desc("connection_failed_attempts", "Failed attempts since the last success.", "connection"),
		established: desc("ike_established_timestamp_seconds", "When the newest IKE SA was established.", "connection"),
		lastError:   desc("connection_last_error_timestamp_seconds", "When the newest failure happened, by reason.", "connection", "reason"),
		packets:     desc("child_packets", "Packets of the Child SAs in use now.", "connection", "direction"),
		bytes:       desc("child_bytes", "Inner bytes of the Child SAs in use now.", "connection", "direction"),
		drops:       desc("connection_dropped_packets_total", "Packets dropped, by reason.", "connection", "reason"),
		gatewayDrop: desc("gateway_dropped_packets_total", "Packets of no connection dropped, by reason.", "reason"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.backend.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	g := s.Gateway
	gauge(c.info, 1, g.Name, g.Version, g.Interface, g.DataPath)
	gauge(c.uptime, float64(g.UptimeS))
	for reason, n := range g.Drops {
		ch <- prometheus.MustNewConstMetric(c.gatewayDrop, prometheus.CounterValue, float64(n), reason)
	}
	for _, conn := range s.Connections {
		gauge(c.wanted, truth(conn.Wanted == "up"), conn.Name)
		gauge(c.up, truth(conn.State == "up" || conn.State == "rekeying"), conn.Name)
		gauge(c.attempts, float64(conn.Attempt), conn.Name)
		for _, state := range states {
			gauge(c.state, truth(conn.State == state), conn.Name, state)
		}
		if conn.IKE != nil && conn.IKE.EstablishedAt != nil {
			gauge(c.established, float64(conn.IKE.EstablishedAt.Unix()), conn.Name)
		}
		if conn.LastError != nil {
			gauge(c.lastError, float64(conn.LastError.At.Unix()), conn.Name, conn.LastError.Reason)
		}
		c.traffic(ch, conn)
	}
}

func (c *collector) traffic(ch chan<- prometheus.Metric, conn Connection) {
	var in, out, bytesIn, bytesOut uint64
	for _, child := range conn.Children {
		in, out = in+child.PacketsIn, out+child.PacketsOut
		bytesIn, bytesOut = bytesIn+child.BytesIn, bytesOut+child.BytesOut
	}
	add := func(d *prometheus.Desc, kind prometheus.ValueType, v uint64, label string) {
		ch <- prometheus.MustNewConstMetric(d, kind, float64(v), conn.Name, label)
	}
	add(c.packets, prometheus.GaugeValue, in, "in")
	add(c.packets, prometheus.GaugeValue, out, "out")
	add(c.bytes, prometheus.GaugeValue, bytesIn, "in")
	add(c.bytes, prometheus.GaugeValue, bytesOut, "out")
	for reason, n := range conn.Drops {
		add(c.drops, prometheus.CounterValue, n, reason)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

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

	info, uptime, offload, gatewayDrops       *prometheus.Desc
	wanted, up, state, attempts               *prometheus.Desc
	established, lastError                    *prometheus.Desc
	packets, bytes, drops, children, path     *prometheus.Desc
	limited, dropsBy                          *prometheus.Desc
	messagesIn, datagramsIn, bytesIn          *prometheus.Desc
	datagramsOut, bytesOut, lost, gsoFallback *prometheus.Desc
	lent                                      *prometheus.Desc
}

// NewCollector makes the collector of the gateway's metrics.
func NewCollector(b Backend) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("causeway_"+name, help, labels, nil)
	}
	return &collector{
		backend:      b,
		info:         desc("gateway_info", "The gateway; always 1.", "name", "version", "interface", "data_path"),
		uptime:       desc("gateway_uptime_seconds", "Time since the start."),
		offload:      desc("gateway_offload_enabled", "1 when the feature of the kernel or the processor is in use.", "offload"),
		gatewayDrops: desc("gateway_dropped_packets_total", "Packets dropped, of all connections and of none, by reason.", "reason"),
		wanted:       desc("connection_wanted", "1 when the connection is to be up.", "connection"),
		up:           desc("connection_up", "1 when the connection carries traffic. Wanted and not up is an outage.", "connection"),
		state:        desc("connection_state", "1 for the state that the connection is in.", "connection", "state"),
		attempts:     desc("connection_failed_attempts", "Failed attempts since the last success.", "connection"),
		established:  desc("ike_established_timestamp_seconds", "When the newest IKE SA was established.", "connection"),
		lastError:    desc("connection_last_error_timestamp_seconds", "When the newest failure happened, by reason.", "connection", "reason"),
		packets:      desc("connection_packets_total", "Inner packets carried; rekeys do not reset it.", "connection", "direction"),
		bytes:        desc("connection_bytes_total", "Bytes of inner packets carried; rekeys do not reset it.", "connection", "direction"),
		drops:        desc("connection_dropped_packets_total", "Packets dropped, by reason.", "connection", "reason"),
		dropsBy:      desc("connection_dropped_packets_by_direction_total", "Packets dropped, by direction.", "connection", "direction"),
		limited:      desc("connection_limited_seconds_total", "How long the connection used all of the bandwidth that it may have, with packets waiting.", "connection", "direction"),
		children:     desc("connection_children", "Child SA pairs that are there now.", "connection"),
		path:         desc("path_up", "1 when the probes of the path (direct, tunnel) are answered.", "connection", "path"),
		messagesIn:   desc("udp_received_messages_total", "Messages received on the outer sockets; datagrams that the kernel merged are one."),
		datagramsIn:  desc("udp_received_datagrams_total", "Datagrams received on the outer sockets. As many as messages: the kernel merges nothing, as with peers that send no UDP checksum."),
		bytesIn:      desc("udp_received_bytes_total", "UDP payload received on the outer sockets."),
		datagramsOut: desc("udp_sent_datagrams_total", "Datagrams sent on the outer sockets."),
		bytesOut:     desc("udp_sent_bytes_total", "UDP payload sent on the outer sockets."),
		lost:         desc("udp_dropped_datagrams_total", "Datagrams lost at the outer sockets, by reason.", "reason"),
		lent:         desc("udp_lent_messages_total", "Messages that a worker took from the socket of another, which could not keep up alone."),
		gsoFallback:  desc("udp_segmentation_fallbacks_total", "Trains of datagrams that the kernel took only one by one."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.info, c.uptime, c.offload, c.gatewayDrops, c.wanted, c.up, c.state, c.attempts, c.established, c.lastError,
		c.packets, c.bytes, c.drops, c.dropsBy, c.limited, c.children, c.path, c.messagesIn, c.datagramsIn, c.bytesIn, c.datagramsOut, c.bytesOut, c.lost, c.gsoFallback, c.lent,
	} {
		ch <- d
	}
}

// metrics sends what one Status holds.
type metrics chan<- prometheus.Metric

func (m metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m metrics) count(d *prometheus.Desc, v uint64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (m metrics) seconds(d *prometheus.Desc, v float64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	m, s := metrics(ch), c.backend.Status()
	g := s.Gateway
	m.gauge(c.info, 1, g.Name, g.Version, g.Interface, g.DataPath)
	m.gauge(c.uptime, float64(g.UptimeS))
	for name, state := range g.Offloads {
		m.gauge(c.offload, truth(state == "on"), name)
	}
	for reason, n := range g.Drops {
		m.count(c.gatewayDrops, n, reason)
	}
	if g.Sockets != nil {
		c.sockets(m, g.Sockets)
	}
	for _, conn := range s.Connections {
		c.connection(m, conn)
	}
}

func (c *collector) sockets(m metrics, s *Sockets) {
	m.count(c.messagesIn, s.MessagesIn)
	m.count(c.datagramsIn, s.DatagramsIn)
	m.count(c.bytesIn, s.BytesIn)
	m.count(c.datagramsOut, s.DatagramsOut)
	m.count(c.bytesOut, s.BytesOut)
	m.count(c.gsoFallback, s.GSOFallbacks)
	m.count(c.lent, s.LentMessages)
	for reason, n := range s.Drops {
		m.count(c.lost, n, reason)
	}
}

func (c *collector) connection(m metrics, conn Connection) {
	m.gauge(c.wanted, truth(conn.Wanted == "up"), conn.Name)
	m.gauge(c.up, truth(conn.Carrying()), conn.Name)
	m.gauge(c.attempts, float64(conn.Attempt), conn.Name)
	m.gauge(c.children, float64(len(conn.Children)), conn.Name)
	for _, state := range states {
		m.gauge(c.state, truth(conn.State == state), conn.Name, state)
	}
	if conn.IKE != nil && conn.IKE.EstablishedAt != nil {
		m.gauge(c.established, float64(conn.IKE.EstablishedAt.Unix()), conn.Name)
	}
	if conn.LastError != nil {
		m.gauge(c.lastError, float64(conn.LastError.At.Unix()), conn.Name, conn.LastError.Reason)
	}
	m.count(c.packets, conn.PacketsIn, conn.Name, "in")
	m.count(c.packets, conn.PacketsOut, conn.Name, "out")
	m.count(c.bytes, conn.BytesIn, conn.Name, "in")
	m.count(c.bytes, conn.BytesOut, conn.Name, "out")
	m.count(c.dropsBy, conn.DropsIn, conn.Name, "in")
	m.count(c.dropsBy, conn.DropsOut, conn.Name, "out")
	m.seconds(c.limited, conn.LimitedInS, conn.Name, "in")
	m.seconds(c.limited, conn.LimitedOutS, conn.Name, "out")
	for _, p := range conn.Paths {
		m.gauge(c.path, truth(p.State == "up"), conn.Name, p.Kind)
	}
	for reason, n := range conn.Drops {
		m.count(c.drops, n, conn.Name, reason)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

package control

import (
	"fmt"
	"strings"
	"time"
)

// Status is the answer of GET /v1/status.
type Status struct {
	Gateway     Gateway      `json:"gateway"`
	Connections []Connection `json:"connections"`
}

// Gateway describes the daemon.
type Gateway struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	UptimeS   int64  `json:"uptime_s"`
	Interface string `json:"interface"`
	MTU       int    `json:"mtu"`
	Workers   int    `json:"workers"`
	DataPath  string `json:"data_path"`
	// Offloads are the kernel features in use, e.g. udp_segment: on.
	Offloads map[string]string `json:"offloads,omitempty"`
	// OffloadsRefused says why those are off that nobody turned off, and what to
	// do about it.
	OffloadsRefused string `json:"offloads_refused,omitempty"`
	// Drops counts packets dropped since the start, by reason: of all
	// connections, past ones included, and of none.
	Drops map[string]uint64 `json:"drops,omitempty"`
	// Sockets counts what the outer sockets carried, IKE included.
	Sockets *Sockets `json:"sockets,omitempty"`
}

// Sockets is what happened on the UDP sockets since the start. A message is a
// datagram, or a train of them that the kernel merged.
type Sockets struct {
	MessagesIn   uint64 `json:"messages_in"`
	DatagramsIn  uint64 `json:"datagrams_in"`
	BytesIn      uint64 `json:"bytes_in"`
	DatagramsOut uint64 `json:"datagrams_out"`
	BytesOut     uint64 `json:"bytes_out"`
	// Drops counts datagrams that were lost at the sockets, by reason.
	Drops map[string]uint64 `json:"drops"`
	// GSOFallbacks counts trains that the kernel refused as such.
	GSOFallbacks uint64 `json:"gso_fallbacks"`
	// LentMessages counts those of MessagesIn that a worker took from the socket of
	// another, which could not keep up alone.
	LentMessages uint64 `json:"lent_messages"`
}

// Connection is one configured connection: wanted and actual.
type Connection struct {
	Name     string  `json:"name"`
	Wanted   string  `json:"wanted"` // up, down
	State    string  `json:"state"`  // down, connecting, up, rekeying, failed
	IKE      *IKE    `json:"ike,omitempty"`
	Children []Child `json:"children"`
	// Inner packets and bytes since the connection was configured: rekeys and
	// outages do not reset them.
	PacketsIn  uint64 `json:"packets_in"`
	BytesIn    uint64 `json:"bytes_in"`
	PacketsOut uint64 `json:"packets_out"`
	BytesOut   uint64 `json:"bytes_out"`
	// How long the connection used all of the bandwidth that it may have, with
	// packets waiting.
	LimitedInS  float64 `json:"limited_in_s"`
	LimitedOutS float64 `json:"limited_out_s"`
	// PathMTU is what packets to the peer may have, with the outer IP header.
	PathMTU int `json:"path_mtu,omitempty"`
	// Drops counts packets of this connection that were dropped, by reason;
	// DropsIn and DropsOut are those of each direction.
	Drops     map[string]uint64 `json:"drops"`
	DropsIn   uint64            `json:"drops_in"`
	DropsOut  uint64            `json:"drops_out"`
	LastError *LastError        `json:"last_error,omitempty"`
	// NextAttempt is when a connection that is down is tried again.
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	Attempt     int        `json:"attempt,omitempty"`
	// Networks of both sides as configured, for tables.
	LocalNetworks  []string `json:"local_networks,omitempty"`
	RemoteNetworks []string `json:"remote_networks,omitempty"`
	Remote         string   `json:"remote,omitempty"`
	// Paths are those that probes watch: a private line, the tunnel.
	Paths []Path `json:"paths,omitempty"`
}

// Path is one way to a connection's networks, and what its probes say of it.
type Path struct {
	Kind      string    `json:"kind"`  // direct (a private line), tunnel
	State     string    `json:"state"` // up, down
	Since     time.Time `json:"since"`
	Interface string    `json:"interface,omitempty"`
	Target    string    `json:"target"`
}

// Carrying tells whether the connection carries traffic now.
func (c *Connection) Carrying() bool { return c.State == "up" || c.State == "rekeying" }

// Outage tells whether the connection is wanted and carries nothing.
func (c *Connection) Outage() bool { return c.Wanted == "up" && !c.Carrying() }

// IKE is the connection's newest IKE SA.
type IKE struct {
	Version        int        `json:"version"`
	Role           string     `json:"role"`
	SPIi           string     `json:"spi_i"`
	SPIr           string     `json:"spi_r"`
	Local          string     `json:"local"`
	Remote         string     `json:"remote"`
	LocalIdentity  string     `json:"local_identity"`
	RemoteIdentity string     `json:"remote_identity"`
	NAT            string     `json:"nat"`
	Suite          string     `json:"suite"`
	Resumed        bool       `json:"resumed"` // with a ticket (RFC 5723)
	EstablishedAt  *time.Time `json:"established_at,omitempty"`
	RekeyAt        *time.Time `json:"rekey_at,omitempty"`
}

// Child is one Child SA pair.
type Child struct {
	Name            string     `json:"name,omitempty"`
	SPIIn           string     `json:"spi_in"`
	SPIOut          string     `json:"spi_out"`
	Suite           string     `json:"suite"`
	Encapsulation   string     `json:"encapsulation"`
	Mode            string     `json:"mode"`
	LocalSelectors  []string   `json:"local_selectors"`
	RemoteSelectors []string   `json:"remote_selectors"`
	PacketsIn       uint64     `json:"packets_in"`
	BytesIn         uint64     `json:"bytes_in"`
	PacketsOut      uint64     `json:"packets_out"`
	BytesOut        uint64     `json:"bytes_out"`
	EstablishedAt   time.Time  `json:"established_at"`
	RekeyAt         *time.Time `json:"rekey_at,omitempty"`
	// Worker is the one that it is for, counted from 1 (RFC 9611); absent: all.
	Worker int `json:"worker,omitempty"`
}

// LastError is the newest failure of a connection.
type LastError struct {
	Problem
	At time.Time `json:"at"`
}

// Problem is why something did not work: a stable reason
// (docs/troubleshooting.md), what happened, what each side has, and what to
// change. It is the body of every answer that is not a success.
type Problem struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Local   string `json:"local,omitempty"`
	Remote  string `json:"remote,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// The reasons of the API itself; those of failures are ike/sa's.
const (
	ReasonRefused          = "refused"           // the request makes no sense
	ReasonBadConfiguration = "bad_configuration" // reload: the file has errors
	ReasonRestartNeeded    = "restart_needed"    // reload: only a restart can change that
	ReasonRoutes           = "routes"            // the kernel refuses an address or a route
	ReasonUsage            = "usage_unavailable" // the file of usage cannot be read
	ReasonInternal         = "internal"          // a defect of this program
)

// Error is the one-line form.
func (p *Problem) Error() string {
	if p.Hint == "" {
		return fmt.Sprintf("%s (%s)", p.Message, p.Reason)
	}
	return fmt.Sprintf("%s (%s); %s", p.Message, p.Reason, p.Hint)
}

// Details are the facts of both sides, a line each; empty when there are none.
func (p *Problem) Details() string {
	var b strings.Builder
	for _, side := range []struct{ who, what string }{{"ours", p.Local}, {"peer", p.Remote}} {
		if side.what == "" {
			continue
		}
		for line := range strings.SplitSeq(side.what, "\n") {
			fmt.Fprintf(&b, "  %s: %s\n", side.who, line)
		}
	}
	return b.String()
}

// Plan is what a configuration would change of the running gateway.
type Plan struct {
	Added   []string        `json:"added"`
	Removed []string        `json:"removed"`
	Changed []PlannedChange `json:"changed"`
	// Settings are the keys outside connections that differ; those of Restart,
	// which are among them, only a restart can change.
	Settings []string `json:"settings"`
	Restart  []string `json:"restart"`
	Warnings []string `json:"warnings,omitempty"`
}

// Applied is what is to be said of a change that was made.
type Applied struct {
	Warnings []string `json:"warnings,omitempty"`
}

// PlannedChange is one connection's.
type PlannedChange struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"`
	// Live: its SAs stay. Otherwise they are deleted and made anew.
	Live bool `json:"live"`
}

// IsZero tells whether nothing would change.
func (p *Plan) IsZero() bool {
	return len(p.Added)+len(p.Removed)+len(p.Changed)+len(p.Settings) == 0
}

// Event is one thing that happened, as GET /v1/events streams it.
type Event struct {
	At         time.Time         `json:"at"`
	Type       string            `json:"type"` // e.g. ike_established
	Level      string            `json:"level"`
	Connection string            `json:"connection,omitempty"`
	Message    string            `json:"message"`
	Problem    *Problem          `json:"problem,omitempty"`
	Fields     map[string]string `json:"fields,omitempty"`
}

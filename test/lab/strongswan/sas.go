package strongswan

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"causeway/test/lab/vici"
)

// IKE is an IKE SA as the daemon lists it.
type IKE struct {
	ID                uint64 // the daemon's own number
	State             string // ESTABLISHED, CONNECTING, ...
	Initiator         bool
	SPIi, SPIr        string
	Local, Remote     string // address:port
	LocalID           string
	RemoteID          string
	Suite             string
	Children          []Child
	LocalNAT, PeerNAT bool
}

// Child is a Child SA as the daemon lists it.
type Child struct {
	ID                              uint64
	State                           string // INSTALLED, REKEYED, ...
	SPIIn, SPIOut                   string
	Suite                           string
	Encapsulated, ESN               bool
	LocalSelectors, RemoteSelectors []string
	PacketsIn, PacketsOut           uint64
	BytesIn, BytesOut               uint64
}

// SAs lists every IKE SA of the daemon.
func (d *Daemon) SAs(ctx context.Context) ([]IKE, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var list []IKE
	err = conn.Stream("list-sas", "list-sa", func(s vici.Section) {
		for name := range s {
			list = append(list, ike(s.Section(name)))
		}
	})
	return list, err
}

func ike(s vici.Section) IKE {
	sa := IKE{
		ID:        count(s.Text("uniqueid")),
		State:     s.Text("state"),
		Initiator: s.Text("initiator") == "yes",
		SPIi:      s.Text("initiator-spi"),
		SPIr:      s.Text("responder-spi"),
		Local:     net.JoinHostPort(s.Text("local-host"), s.Text("local-port")),
		Remote:    net.JoinHostPort(s.Text("remote-host"), s.Text("remote-port")),
		LocalID:   s.Text("local-id"),
		RemoteID:  s.Text("remote-id"),
		Suite:     suite(s, "encr-alg", "encr-keysize", "integ-alg", "prf-alg", "dh-group"),
		LocalNAT:  s.Text("nat-local") == "yes",
		PeerNAT:   s.Text("nat-remote") == "yes",
	}
	children := s.Section("child-sas")
	for name := range children {
		sa.Children = append(sa.Children, child(children.Section(name)))
	}
	slices.SortFunc(sa.Children, func(a, b Child) int { return strings.Compare(a.SPIIn, b.SPIIn) })
	return sa
}

func child(s vici.Section) Child {
	return Child{
		ID:              count(s.Text("uniqueid")),
		State:           s.Text("state"),
		SPIIn:           s.Text("spi-in"),
		SPIOut:          s.Text("spi-out"),
		Suite:           suite(s, "encr-alg", "encr-keysize", "integ-alg", "dh-group"),
		Encapsulated:    s.Text("encap") == "yes",
		ESN:             s.Text("esn") == "1",
		LocalSelectors:  s.List("local-ts"),
		RemoteSelectors: s.List("remote-ts"),
		PacketsIn:       count(s.Text("packets-in")),
		PacketsOut:      count(s.Text("packets-out")),
		BytesIn:         count(s.Text("bytes-in")),
		BytesOut:        count(s.Text("bytes-out")),
	}
}

func suite(s vici.Section, keys ...string) string {
	var parts []string
	for _, key := range keys {
		if text := s.Text(key); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "-")
}

func count(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0 // the daemon leaves out what it has not counted yet
	}
	return n
}

// Up gives the established IKE SAs that have an installed Child SA.
func Up(list []IKE) []IKE {
	return slices.DeleteFunc(slices.Clone(list), func(sa IKE) bool {
		return sa.State != "ESTABLISHED" ||
			!slices.ContainsFunc(sa.Children, func(c Child) bool { return c.State == "INSTALLED" })
	})
}

package gateway

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/sa"
	"causeway/tunnel"
	"causeway/tunnel/tun/tuntest"
)

// mappings is an outer network that notes whose NAT mapping is kept alive.
type mappings struct {
	silent
	mu   sync.Mutex
	kept []string
}

func (m *mappings) SendKeepalive(_, remote netip.AddrPort) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.kept, remote.String()) {
		m.kept = append(m.kept, remote.String())
	}
	return nil
}

// TestNATIsFollowed: of several IKE SAs of one connection each has its NAT mapping kept
// alive where this end is behind the NAT, wherever its peer is, until it ends.
func TestNATIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &mappings{}
		path, err := tunnel.New(tunnel.Config{Device: tuntest.New("cw0", 1400), Transport: network})
		if err != nil {
			t.Fatal(err)
		}
		path.AddConnection("sites", tunnel.ConnectionConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- path.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		g := &Gateway{tunnel: path}
		ours := netip.MustParseAddrPort("198.51.100.10:4500")
		at := func(host string) netip.AddrPort { return netip.MustParseAddrPort("203.0.113." + host + ":4500") }
		made := func(spi uint64, nat, host string) sa.Report {
			return sa.IKEEstablished{Connection: "sites", IKE: sa.IKEInfo{SPIi: spi, SPIr: spi, NAT: nat, Local: ours, Remote: at(host)}}
		}
		changed := func(spi uint64, nat, host string) sa.Report {
			return sa.EndpointChanged{Connection: "sites", SPIi: spi, SPIr: spi, Local: ours, New: at(host), NAT: nat}
		}
		closed := func(spi uint64, replaced bool) sa.Report {
			return sa.IKEClosed{Connection: "sites", SPIi: spi, SPIr: spi, Replaced: replaced}
		}
		for _, step := range []struct {
			what    string
			reports []sa.Report
			want    string
		}{
			{"three peers, of which two show a NAT before us", []sa.Report{made(1, "local", "1"), made(2, "both", "2"), made(3, "remote", "3")}, "1 2"},
			{"one moves", []sa.Report{changed(2, "", "20")}, "1 20"},
			{"there is no NAT any more", []sa.Report{changed(1, "none", "1")}, "20"},
			{"there is one now", []sa.Report{changed(3, "both", "3")}, "20 3"},
			{"one without moves", []sa.Report{changed(1, "", "10")}, "20 3"},
			{"one is replaced", []sa.Report{made(4, "both", "20"), closed(2, true)}, "20 3"},
			{"one ends", []sa.Report{closed(3, false)}, "20"},
			{"all have ended", []sa.Report{closed(4, false), closed(1, false)}, ""},
		} {
			for _, r := range step.reports {
				g.followNAT(r)
			}
			network.mu.Lock()
			network.kept = nil
			network.mu.Unlock()
			time.Sleep(30 * time.Second)
			synctest.Wait()
			network.mu.Lock()
			slices.Sort(network.kept)
			got := strings.NewReplacer("203.0.113.", "", ":4500", "").Replace(strings.Join(network.kept, " "))
			network.mu.Unlock()
			if got != step.want {
				t.Errorf("%s: the mappings of %q are kept, not of %q", step.what, got, step.want)
			}
		}
	})
}

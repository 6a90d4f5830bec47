package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// speedSize goes each way in every case of TestOffloads.
func speedSize() int {
	if long {
		return 10 << 30
	}
	return 48 << 20
}

// TestOffloads transfers with each offload on and off, both ways at once between
// two of our gateways: what arrives is what was sent, datagrams of all sizes in
// order, nothing is dropped, and what is off is what was turned off. The long form carries 10 GiB each way.
func TestOffloads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		without    []string
	}{
		{"all", "native", nil},
		{"no tso", "native", []string{"tso"}},
		{"no uso", "native", []string{"uso"}},
		{"no udp_segment", "native", []string{"udp_segment"}},
		{"no udp_gro", "native", []string{"udp_gro"}},
		{"no spi_steering", "native", []string{"spi_steering"}},
		{"no tun_steering", "native", []string{"tun_steering"}},
		{"no vaes", "native", []string{"vaes"}},
		{"none", "native", []string{"tso", "uso", "udp_segment", "udp_gro", "spi_steering", "tun_steering", "vaes"}},
		{"portable", "portable", nil},
		{"portable, none", "portable", []string{"udp_segment", "udp_gro"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			a, b := link.Pair()
			a.DataPath, a.DisableOffloads = c.path, c.without
			b.DataPath, b.DisableOffloads = c.path, c.without
			right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
			s.up(right)
			before := s.up(left)
			s.transferBoth(speedSize())
			for i := range a.RemoteNetworks {
				s.must(s.datagrams(s.ClientA, s.ClientB, world.ClientIn(a.RemoteNetworks[i])))
				s.must(s.datagrams(s.ClientB, s.ClientA, world.ClientIn(a.LocalNetworks[i])))
			}
			s.sameSAs(left, before)
			for _, g := range []*gateway.Gateway{left, right} {
				status, err := g.Status(s.ctx)
				s.must(err)
				if status.Gateway.DataPath != c.path {
					t.Errorf("the data path is %s", status.Gateway.DataPath)
				}
				s.offloadsAre(status, c.path, c.without)
				for _, reason := range []string{"replay", "authentication", "selector"} {
					if n := status.Connection(link.Name).Drops[reason]; n > 0 {
						t.Errorf("dropped on a path that harms nothing: %d for %s", n, reason)
					}
				}
			}
		})
	}
}

// damagedPort is the one whose packets lose a bit in TestInnerDamage.
const damagedPort = 7007

// TestInnerDamage changes a byte in one of a hundred TCP segments before gateway
// B seals them, whose checksums are then wrong. Gateway A authenticates them all
// and joins segments to superpackets, whose checksums the kernel does not look at:
// a damaged one must stay alone with the checksum that it had, so that the client
// drops it and TCP sends it again (RFC 9293 §3.1).
func TestInnerDamage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"native", "portable"} {
		t.Run(path, func(t *testing.T) {
			s := newScene(t)
			a, b := link.Pair()
			a.DataPath, b.DataPath = path, path
			right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
			s.up(right)
			s.up(left)
			s.damageInner()
			s.must(s.transferTo(damagedPort, s.ClientB, s.ClientA, world.ClientIn(world.SiteA.Networks[0]), badTransferSize))
			sent, damaged, refused := s.forwarded("sent"), s.forwarded("damaged"), s.checksumErrors(s.ClientA)
			lost := s.lostBetween(right, left)
			// Of the damaged ones so many are lost as of all, and one byte in 256 has had
			// that value already.
			unseen := damaged*min(lost, sent)/max(sent, 1) + damaged/256
			if refused < 20 || refused > damaged || damaged-refused > 2*unseen+10 {
				t.Errorf("of %d segments %d were damaged, of which the client saw %d; on the way %d were lost, so about %d are to be missing", sent, damaged, refused, lost, unseen)
			}
			if c := s.status(left, link.Name); c.Drops["authentication"] > 0 || c.Drops["replay"] > 0 {
				t.Errorf("our gateway dropped %v", c.Drops)
			}
		})
	}
}

// lostBetween is how many packets the gateways count as lost from one to the
// other: those that came faster than a loaded machine let them be read, for the
// most part.
func (s *scene) lostBetween(from, to *gateway.Gateway) int {
	s.t.Helper()
	a, b := s.statusOf(from).Gateway, s.statusOf(to).Gateway
	n := a.Drops["device_overrun"] + a.Drops["send"] + b.Drops["device"]
	for _, more := range b.Sockets.Drops {
		n += more
	}
	return int(n)
}

// damageInner makes gateway B damage what it forwards to the port. Client B has
// to compute its checksums itself before, as a host on a real wire: where a
// kernel leaves them to the next device, damage on the way is signed by it.
func (s *scene) damageInner() {
	s.t.Helper()
	s.must(s.ClientB.Shell(s.ctx, "ethtool -K eth0 tx off tso off gso off >/dev/null"))
	cmd := s.GatewayB.Command(s.ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`
table inet damage {
  chain forward {
    type filter hook forward priority 0;
    iifname "lan" meta length > 1000 tcp dport %[1]d counter comment "sent"
    iifname "lan" meta length > 1000 tcp dport %[1]d numgen random mod 100 < 1 @th,4000,8 set 0x5a counter comment "damaged"
  }
}`, damagedPort))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("nft: %v: %s", err, out)
	}
}

// forwarded is how many packets the rule of damageInner with that comment counted.
func (s *scene) forwarded(comment string) int {
	s.t.Helper()
	out, err := s.GatewayB.Run(s.ctx, "nft", "list", "table", "inet", "damage")
	s.must(err)
	m := regexp.MustCompile(`counter packets (\d+) bytes \d+ comment "` + comment + `"`).FindStringSubmatch(out)
	if m == nil {
		s.t.Fatalf("nft has no counter of what is %s: %s", comment, out)
	}
	n, err := strconv.Atoi(m[1])
	s.must(err)
	return n
}

// checksumErrors is how many TCP segments the kernel of a namespace refused for
// their checksums.
func (s *scene) checksumErrors(space *world.Namespace) int {
	s.t.Helper()
	out, err := space.Run(s.ctx, "cat", "/proc/net/snmp")
	s.must(err)
	if n, ok := snmpCount(out, "Tcp:", "InCsumErrors"); ok {
		return n
	}
	s.t.Fatalf("the kernel does not count wrong checksums:\n%s", out)
	return 0
}

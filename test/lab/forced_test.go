package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// elsewhere are hosts of the internet, which site A reaches through site B alone.
var elsewhere = []netip.Addr{netip.MustParseAddr("203.0.113.99"), netip.MustParseAddr("2001:db8:99::1")}

// TestForcedTunnel sends everything through the peer: 0.0.0.0/0 and ::/0. The peer
// itself is reached beside the tunnel, and nothing of the site leaves in the clear,
// whether the peer has gone or the gateway was killed.
func TestForcedTunnel(t *testing.T) {
	s := newScene(t)
	s.internet()
	s.watchForLeaks()
	a, _ := link.Pair()
	a.RemoteNetworks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	a.InterfaceKeys = "fail_closed: true"
	right, left := s.causeway(s.GatewayB, a.Peer()), s.causeway(s.GatewayA, a)
	s.forced(left)
	_, err := left.Command(s.ctx, "rekey", link.Name) // the peer is still reached
	s.must(err)
	s.forced(left)

	right.Kill()
	s.unreached("the peer has gone")
	s.must(s.bounded(right.Start))
	s.forced(left)

	left.Kill()
	s.unreached("the gateway was killed")
	s.must(s.bounded(left.Start))
	s.forced(left)
}

// internet puts hosts behind site B.
func (s *scene) internet() {
	s.t.Helper()
	for i, network := range []netip.Prefix{world.SiteB.Networks[0], world.SiteB.Networks[2]} {
		host := fmt.Sprintf("%s/%d", elsewhere[i], elsewhere[i].BitLen())
		s.ip(s.ClientB, "addr", "add", host, "dev", "lo")
		s.ip(s.GatewayB, "route", "add", host, "via", world.ClientIn(network).String())
	}
}

// watchForLeaks counts at the router what comes from site A with addresses of its
// networks, and sees itself work.
func (s *scene) watchForLeaks() {
	s.t.Helper()
	s.must(s.Router.Shell(s.ctx, `nft add table inet leaks
nft add chain inet leaks in '{ type filter hook prerouting priority raw; }'
nft add rule inet leaks in iifname a ip saddr 10.0.0.0/8 counter
nft add rule inet leaks in iifname a ip6 saddr fd00::/8 counter`))
	for _, from := range []netip.Prefix{world.SiteA.Networks[0], world.SiteA.Networks[2]} {
		to := world.SiteA.Router4
		if from.Addr().Is6() {
			to = world.SiteA.Router6
		}
		before := s.leaks()
		// The first packet of IPv6 on a new link may take longer than ping waits.
		s.eventually("a packet from "+from.String()+" in the clear", func() error {
			_, _ = s.ClientA.Run(s.ctx, "ping", "-n", "-c", "1", "-W", "0.2", to.String()) // the router has no way back
			if s.leaks() == before {
				return errors.New("the router has seen none")
			}
			return nil
		})
	}
}

var counted = regexp.MustCompile(`counter packets (\d+)`)

func (s *scene) leaks() (n int) {
	s.t.Helper()
	out, err := s.Router.Run(s.ctx, "nft", "list", "table", "inet", "leaks")
	s.must(err)
	for _, m := range counted.FindAllStringSubmatch(out, -1) {
		packets, _ := strconv.Atoi(m[1]) // the pattern has digits only
		n += packets
	}
	return n
}

// forced wants the internet reached through the tunnel, and the peer beside it.
func (s *scene) forced(g *gateway.Gateway) {
	s.t.Helper()
	s.up(g)
	before := s.leaks()
	for _, to := range elsewhere {
		s.eventually("an answer of "+to.String(), func() error {
			out, err := s.ClientA.Run(s.ctx, "ping", "-n", "-c", "1", "-W", "1", to.String())
			if err != nil {
				err = fmt.Errorf("%s", out)
			}
			return err
		})
		s.ping(s.ClientA, to, 5)
		s.way(s.GatewayA, "cw0", to.String())
		s.way(s.GatewayA, "cw0", world.SiteB.Outer4.String())
		s.way(s.GatewayA, "wan", world.SiteB.Outer4.String(), "ipproto", "udp", "sport", "4500", "dport", "4500")
	}
	if n := s.leaks() - before; n > 0 {
		s.t.Errorf("%d packets left in the clear while the tunnel was up", n)
	}
}

// way wants packets to go by a device: `ip route get` and its arguments.
func (s *scene) way(space *world.Namespace, device string, to ...string) {
	s.t.Helper()
	out, err := space.Run(s.ctx, "ip", append([]string{"route", "get"}, to...)...)
	if err != nil || !strings.Contains(out, "dev "+device+" ") {
		s.t.Errorf("the way to %v is %s%v, not by %s", to, out, err, device)
	}
}

// unreached sends to the internet, which must not answer, and sees that nothing
// leaves.
func (s *scene) unreached(why string) {
	s.t.Helper()
	before := s.leaks()
	for _, to := range elsewhere {
		if out, err := s.ClientA.Run(s.ctx, "ping", "-n", "-i", "0.2", "-c", "5", "-W", "1", to.String()); err == nil {
			s.t.Errorf("%s, and %s answers: %s", why, to, out)
		}
	}
	if n := s.leaks() - before; n > 0 {
		s.t.Errorf("%s, and %d packets left in the clear", why, n)
	}
}

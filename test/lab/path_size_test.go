package lab

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// The headers in front of an echo request's data, and of TCP's.
const (
	echo4, echo6 = 20 + 8, 40 + 8
	tcp4, tcp6   = 20 + 20, 40 + 20
)

// TestSize sends what is larger than the tunnel's MTU.
func TestSize(t *testing.T) {
	t.Parallel()
	t.Run("told", sizeTold)
	t.Run("fragmented", sizeFragmented)
	t.Run("MSS", sizeMSS)
	t.Run("lower path MTU", sizeLowerPath)
}

// mtuOf is the tunnel's MTU, which status gives.
func (s *scene) mtuOf(g *gateway.Gateway) int {
	s.t.Helper()
	status, err := g.Status(s.ctx)
	s.must(err)
	return status.Gateway.MTU
}

// echo sends one echo request of that many bytes of data, with DF or without,
// and gives what ping printed.
func (s *scene) echo(from *world.Namespace, to netip.Addr, size int, df bool) (string, error) {
	discover := "dont"
	if df {
		discover = "do"
	}
	// What the kernel remembers of the path's MTU would keep the packet from
	// being sent.
	for _, family := range []string{"-4", "-6"} {
		if _, err := from.Run(s.ctx, "ip", family, "route", "flush", "cache"); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, 15*time.Second)
	defer cancel()
	return from.Run(ctx, "ping", "-n", "-c", "1", "-W", "5", "-M", discover, "-s", strconv.Itoa(size), to.String())
}

var tooBig = regexp.MustCompile(`mtu ?= ?(\d+)`)

// sizeTold finds the MTU in the ICMP errors (RFC 1191, RFC 8201): a packet of
// exactly that size passes, and one byte more is told of.
func sizeTold(t *testing.T) {
	s := newScene(t)
	left, _ := s.ours()
	mtu := s.mtuOf(left)
	for _, family := range []struct {
		name   string
		to     netip.Addr
		header int
	}{
		{"IPv4", world.ClientIn(world.SiteB.Networks[0]), echo4},
		{"IPv6", world.ClientIn(world.SiteB.Networks[2]), echo6},
	} {
		if out, err := s.echo(s.ClientA, family.to, mtu-family.header, true); err != nil {
			t.Errorf("%s: a packet of the MTU, %d, does not pass: %v", family.name, mtu, err)
		} else if strings.Contains(out, "mtu") {
			t.Errorf("%s: a packet of the MTU, %d, is too big:\n%s", family.name, mtu, out)
		}
		for _, size := range []int{mtu + 1, 1500} {
			out, err := s.echo(s.ClientA, family.to, size-family.header, true)
			if told := tooBig.FindStringSubmatch(out); err == nil || told == nil || told[1] != strconv.Itoa(mtu) {
				t.Errorf("%s: a packet of %d bytes with DF, error %v, want the MTU %d told:\n%s", family.name, size, err, mtu, out)
			}
		}
	}
}

// sizeFragmented sends packets that may be cut: IPv4 by the gateway, IPv6 by
// its sender.
func sizeFragmented(t *testing.T) {
	s := newScene(t)
	s.ours()
	for _, size := range []int{1473, 3000, 20_000, 60_000} {
		if _, err := s.echo(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), size, false); err != nil {
			t.Errorf("IPv4, %d bytes: %v", size, err)
		}
	}
	to := world.ClientIn(world.SiteB.Networks[2])
	// The first tells the client's kernel the MTU, which it then cuts by.
	_, _ = s.ClientA.Run(s.ctx, "ping", "-n", "-c", "1", "-W", "5", "-s", "3000", to.String())
	if _, err := s.ClientA.Run(s.ctx, "ping", "-n", "-c", "2", "-i", "0.1", "-W", "5", "-s", "3000", to.String()); err != nil {
		t.Errorf("IPv6, 3000 bytes: %v", err)
	}
}

// sizeMSS captures the SYN and its answer behind the other gateway: both
// directions are clamped to what the tunnel carries.
func sizeMSS(t *testing.T) {
	s := newScene(t)
	left, _ := s.ours()
	mtu := s.mtuOf(left)
	for _, family := range []struct {
		name, filter string
		network      int
		want         int
	}{
		{"IPv4", "tcp[tcpflags] & tcp-syn != 0", 0, mtu - tcp4},
		{"IPv6", "ip6 proto 6 and ip6[53] & 2 != 0", 2, mtu - tcp6},
	} {
		a, b := world.ClientIn(world.SiteA.Networks[family.network]), world.ClientIn(world.SiteB.Networks[family.network])
		syn := s.sniff(s.ClientB, "eth0", "syn-"+family.name, 1, fmt.Sprintf("src host %s and %s", a, family.filter))
		answer := s.sniff(s.ClientA, "eth0", "answer-"+family.name, 1, fmt.Sprintf("src host %s and %s", b, family.filter))
		s.must(s.transfer(s.ClientA, s.ClientB, b, 1))
		for name, n := range map[string]*sniffer{"the SYN": syn, "its answer": answer} {
			if text := n.found(10 * time.Second); !strings.Contains(text, fmt.Sprintf("mss %d,", family.want)) {
				t.Errorf("%s: %s should have mss %d:\n%s", family.name, name, family.want, text)
			}
		}
	}
}

// sizeLowerPath lowers the MTU of the link between the router and gateway B
// while TCP has the larger one in use: A hears of it by ICMP from the router
// (RFC 1191), B from its own kernel. What B clamps may keep TCP's segments
// from ever being too large for A to hear of it: then the first echo request
// teaches A, is lost, and a later one is told.
func sizeLowerPath(t *testing.T) {
	s := newScene(t)
	left, right := s.ours()
	before := s.status(left, link.Name)
	s.transferBoth(1 << 20)
	const lower = 1400
	for space, device := range map[*world.Namespace]string{s.Router: world.SiteB.Name, s.GatewayB: "wan"} {
		s.must(space.Shell(s.ctx, fmt.Sprintf("ip link set dev %s mtu %d", device, lower)))
	}
	s.transferBoth(10 << 20)
	s.sameSAs(left, before)
	s.up(right)
	for _, from := range []struct {
		client *world.Namespace
		to     netip.Addr
	}{{s.ClientA, world.ClientIn(world.SiteB.Networks[0])}, {s.ClientB, world.ClientIn(world.SiteA.Networks[0])}} {
		// A gateway that a probe told less than the router finds the way back up.
		s.eventually(fmt.Sprintf("%s is told what %d bytes outside carry", from.client.Role, lower), func() error {
			out, err := s.echo(from.client, from.to, lower-echo4, true)
			told := tooBig.FindStringSubmatch(out)
			if err == nil || told == nil {
				return fmt.Errorf("a packet as large as the outer MTU passes, or nobody tells: %w\n%s", err, out)
			}
			if mtu, _ := strconv.Atoi(told[1]); mtu >= lower || mtu < lower-100 {
				return fmt.Errorf("the MTU told is %d", mtu)
			}
			return nil
		})
	}
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

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
	t.Run("forged path MTU", sizeForgedPath)
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
		s.told(from.client, from.to, lower)
	}
}

// told waits until a client is told what packets of so many bytes outside carry: a
// gateway that a probe told less finds the way back up.
func (s *scene) told(client *world.Namespace, to netip.Addr, outer int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s is told what %d bytes outside carry", client.Role, outer), func() error {
		out, err := s.echo(client, to, outer-echo4, true)
		told := tooBig.FindStringSubmatch(out)
		if err == nil || told == nil {
			return fmt.Errorf("a packet as large as the outer MTU passes, or nobody tells: %w\n%s", err, out)
		}
		if mtu, _ := strconv.Atoi(told[1]); mtu >= outer || mtu < outer-100 {
			return fmt.Errorf("the MTU told is %d", mtu)
		}
		return nil
	})
}

// sizeForgedPath tells the kernel of gateway B by ICMP that little passes, which
// it believes of whoever names the right addresses and ports, and then lowers
// the MTU of the interface: that is what counts when the kernel refuses a packet.
func sizeForgedPath(t *testing.T) {
	s := newScene(t)
	s.ours()
	const lower, forged = 1400, 600
	s.must(s.Router.Do(func() error { return sendTooBig(world.SiteB.Router4, world.SiteB.Outer4, world.SiteA.Outer4, forged) }))
	s.eventually("the kernel believes the forger", func() error {
		out, err := s.GatewayB.Run(s.ctx, "ip", "route", "get", world.SiteA.Outer4.String())
		if err == nil && !strings.Contains(out, fmt.Sprintf("mtu %d", forged)) {
			err = errors.New(out)
		}
		return err
	})
	s.must(s.GatewayB.Shell(s.ctx, fmt.Sprintf("ip link set dev wan mtu %d", lower)))
	s.told(s.ClientB, world.ClientIn(world.SiteA.Networks[0]), lower)
}

// sendTooBig says in a router's name that a packet of UDP between two gateways was
// too big for it.
func sendTooBig(router, from, to netip.Addr, mtu uint16) error {
	ip := func(protocol layers.IPProtocol, src, dst netip.Addr) *layers.IPv4 {
		return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	packet := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(packet, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		ip(layers.IPProtocolICMPv4, router, from),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded), Seq: mtu},
		ip(layers.IPProtocolUDP, from, to),
		gopacket.Payload{4500 >> 8, 4500 & 0xff, 4500 >> 8, 4500 & 0xff, 0, 8, 0, 0})
	if err != nil {
		return err
	}
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(raw)
	return unix.Sendto(raw, packet.Bytes(), 0, &unix.SockaddrInet4{Addr: from.As4()})
}

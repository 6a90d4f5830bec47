package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// Addresses of the two ends of a GRE tunnel between the gateways.
var (
	greA = netip.MustParseAddr("172.30.0.1")
	greB = netip.MustParseAddr("172.30.0.2")
)

const transportSize = 10 << 20

// hostPair is link.Hosts by a data path of ours, with or without UDP.
func hostPair(dataPath string, bare bool, protocols ...string) (a, b link.End) {
	a, _ = link.Hosts(protocols...)
	a.DataPath, a.Bare = dataPath, bare
	return a, a.Peer()
}

// greTunnel makes a GRE device at each gateway.
func (s *scene) greTunnel() {
	s.t.Helper()
	s.gre(s.GatewayA, world.SiteA.Outer4, world.SiteB.Outer4, greA)
	s.gre(s.GatewayB, world.SiteB.Outer4, world.SiteA.Outer4, greB)
}

// inClear looks for packets that should have been protected. The function that it
// returns fails the test if there were any.
func (s *scene) inClear(filter string) func() {
	s.t.Helper()
	n := s.sniff(s.Router, "any", "clear", 1, filter)
	return func() {
		s.t.Helper()
		if n.process.Running() != nil {
			s.t.Errorf("in the clear: %s", world.Tail(n.process.Log, 5))
		}
	}
}

// inTransport wants a Child SA in transport mode with these selectors.
func (s *scene) inTransport(g *gateway.Gateway, local, remote string) *gateway.Connection {
	s.t.Helper()
	c := s.up(g)
	child := c.Children[0]
	if child.Mode != "transport" || !slices.Equal(child.LocalSelectors, []string{local}) || !slices.Equal(child.RemoteSelectors, []string{remote}) {
		s.t.Errorf("the Child SA is %+v, want transport mode for %s === %s", child, local, remote)
	}
	return c
}

// noHarm wants nothing dropped that the peer sent.
func (s *scene) noHarm(gs ...*gateway.Gateway) {
	s.t.Helper()
	for _, g := range gs {
		for _, reason := range []string{"selector", "malformed", "authentication", "loop", "options", "fragment"} {
			if n := s.status(g, link.Name).Drops[reason]; n > 0 {
				s.t.Errorf("%s dropped %d packets: %s", g.Space().Role, n, reason)
			}
		}
	}
}

func selectorOf(a netip.Addr, protocol string) string {
	text := netip.PrefixFrom(a, a.BitLen()).String()
	if protocol != "" {
		text += "[" + protocol + "]"
	}
	return text
}

// TestTransportGRE protects a GRE tunnel, and nothing else of what the two gateways
// send each other: with each data path, in UDP and without.
func TestTransportGRE(t *testing.T) {
	t.Parallel()
	for _, dataPath := range []string{"native", "portable"} {
		for _, bare := range []bool{false, true} {
			t.Run(dataPath+map[bool]string{false: ", UDP", true: ", bare"}[bare], func(t *testing.T) {
				s := newScene(t)
				a, b := hostPair(dataPath, bare, "gre")
				right := s.causeway(s.GatewayB, b)
				left := s.causeway(s.GatewayA, a)
				clear := s.inClear("proto gre")
				s.greTunnel()
				c := s.inTransport(left, selectorOf(a.Local, "gre"), selectorOf(a.Remote, "gre"))
				if want := map[bool]string{false: "udp", true: "none"}[bare]; c.Children[0].Encapsulation != want {
					t.Errorf("encapsulation %s, want %s", c.Children[0].Encapsulation, want)
				}
				s.up(right)
				s.ping(s.GatewayA, greB, 20)
				s.ping(s.GatewayB, greA, 20, "-s", "1400")
				s.must(s.transfer(s.GatewayA, s.GatewayB, greB, transportSize))
				s.must(s.transfer(s.GatewayB, s.GatewayA, greA, transportSize))
				s.must(right.RekeyChild(s.ctx))
				s.ping(s.GatewayA, greB, 20)
				s.ping(s.GatewayA, a.Remote, 5) // beside it
				s.noHarm(left, right)

				// A program that is gone leaves no way in the clear.
				left.Kill()
				if _, err := s.GatewayA.Run(s.ctx, "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", greB.String()); err == nil {
					t.Error("GRE passes without a gateway")
				}
				clear()
			})
		}
	}
}

// TestTransportHosts protects everything that two gateways send each other, whatever
// its length, with IKE and ESP themselves on the same way.
func TestTransportHosts(t *testing.T) {
	t.Parallel()
	for name, v6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		for _, bare := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", UDP", true: ", bare"}[bare], func(t *testing.T) {
				s := newScene(t)
				a, b := hostPair("auto", bare)
				if v6 {
					a.Local, a.Remote = world.SiteA.Outer6, world.SiteB.Outer6
					b = a.Peer()
				}
				clear := s.inClear(fmt.Sprintf("host %s and host %s and (icmp or tcp or icmp6[0] = 128)", a.Local, a.Remote))
				right := s.causeway(s.GatewayB, b)
				left := s.causeway(s.GatewayA, a)
				s.inTransport(left, selectorOf(a.Local, ""), selectorOf(a.Remote, ""))
				s.up(right)
				for _, size := range []string{"0", "1000", "1300", "1400", "1472", "4000", "20000"} {
					s.ping(s.GatewayA, a.Remote, 3, "-s", size)
					s.ping(s.GatewayB, a.Local, 3, "-s", size)
				}
				s.must(s.transfer(s.GatewayA, s.GatewayB, a.Remote, transportSize))
				s.must(s.transfer(s.GatewayB, s.GatewayA, a.Local, transportSize))
				s.must(left.RekeyChild(s.ctx))
				s.ping(s.GatewayA, a.Remote, 20)
				s.noHarm(left, right)
				left.Kill()
				if _, err := s.GatewayA.Run(s.ctx, "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", a.Remote.String()); err == nil {
					t.Error("packets pass without a gateway")
				}
				clear()
			})
		}
	}
}

// TestTransportLoops: with the rules gone that keep ESP outside, it comes back by the
// device. It is not sealed again, and the rules are set again, long before they are
// looked at in any case.
func TestTransportLoops(t *testing.T) {
	s := newScene(t)
	a, b := hostPair("auto", false)
	s.causeway(s.GatewayB, b)
	left := s.causeway(s.GatewayA, a)
	s.up(left)
	s.ping(s.GatewayA, a.Remote, 3)
	s.eventually("packets that came back", func() error {
		s.must(s.GatewayA.Shell(s.ctx, "while ip rule del priority 30193; do true; done 2>/dev/null\nping -n -c 3 -i 0.1 -W 0.2 "+a.Remote.String()+" || true"))
		if n := s.status(left, link.Name).Drops["loop"]; n == 0 {
			return fmt.Errorf("none: %v", s.status(left, link.Name).Drops)
		}
		return nil
	})
	s.patience = 15 * time.Second
	s.eventually("the rules to be back", func() error {
		out, err := s.GatewayA.Run(s.ctx, "ip", "rule", "show", "priority", "30193")
		if err == nil && !strings.Contains(out, "esp") {
			err = fmt.Errorf("they are: %s", out)
		}
		return err
	})
	s.ping(s.GatewayA, a.Remote, 3)
}

// TestTransportOnTraffic: the first packet between the two hosts brings the connection
// up and is sent then.
func TestTransportOnTraffic(t *testing.T) {
	s := newScene(t)
	a, b := hostPair("auto", false, "icmp")
	a.Start, a.OnTraffic, b.Start = false, true, false
	clear := s.inClear("icmp[0] = 8")
	s.causeway(s.GatewayB, b)
	left := s.causeway(s.GatewayA, a)
	s.ping(s.GatewayA, a.Remote, 1, "-W", "10")
	s.inTransport(left, selectorOf(a.Local, "icmp"), selectorOf(a.Remote, "icmp"))
	clear()
}

// TestTransportReload: a connection goes from transport mode to a tunnel for the
// networks, and back.
func TestTransportReload(t *testing.T) {
	s := newScene(t)
	hostA, hostB := hostPair("auto", false, "gre")
	netA, netB := link.Pair()
	s.greTunnel()
	right := s.causeway(s.GatewayB, hostB)
	left := s.causeway(s.GatewayA, hostA)
	s.up(left)
	s.ping(s.GatewayA, greB, 5)
	for _, to := range []struct {
		a, b link.End
		mode string
	}{{netA, netB, "tunnel"}, {hostA, hostB, "transport"}} {
		s.must(right.Configure(to.b))
		s.must(left.Configure(to.a))
		s.must(right.Reload())
		s.must(left.Reload())
		s.eventually("a Child SA in "+to.mode+" mode", func() error {
			for _, g := range []*gateway.Gateway{left, right} {
				if c := s.status(g, link.Name); c.State != "up" || len(c.Children) != 1 || c.Children[0].Mode != to.mode {
					return fmt.Errorf("%s has %+v", g.Space().Role, c.Children)
				}
			}
			return nil
		})
		if to.mode == "tunnel" {
			s.pingBoth(netA)
		} else {
			s.ping(s.GatewayA, greB, 5)
		}
	}
}

// TestTransportNAT has one host behind a NAT, each with its own names for the two
// addresses (RFC 7296 §2.23.1), in both versions of IKE. What checksums cover
// arrives; the host in the open learns from the SA where the other is.
func TestTransportNAT(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 1} {
		t.Run(fmt.Sprintf("IKEv%d", version), func(t *testing.T) {
			s := newScene(t)
			s.must(s.Masquerade(s.ctx, world.SiteB))
			a, _ := hostPair("auto", false)
			a.Version = version
			if version == 1 {
				a.IKE, a.ESP = pairv1().IKE, pairv1().ESP
			}
			b := a.Peer()
			b.Remote = netip.Addr{}
			hidden := world.SiteB.Router4
			open := s.causeway(s.GatewayB, b)
			left := s.causeway(s.GatewayA, a)
			s.inTransport(left, selectorOf(a.Local, ""), selectorOf(a.Remote, ""))
			s.inTransport(open, selectorOf(a.Remote, ""), selectorOf(hidden, ""))
			s.ping(s.GatewayA, a.Remote, 5)
			s.ping(s.GatewayA, a.Remote, 2, "-s", "4000")
			s.eventually("a way back", func() error {
				_, err := s.GatewayB.Run(s.ctx, "ping", "-n", "-c", "1", "-W", "1", hidden.String())
				return err
			})
			s.must(s.transfer(s.GatewayA, s.GatewayB, a.Remote, transportSize))
			s.must(open.RekeyChild(s.ctx))
			s.must(s.transfer(s.GatewayA, s.GatewayB, a.Remote, 1<<20))
			s.noHarm(left, open)
		})
	}
}

// TestTransportUserspaceESP: strongSwan's userspace ESP has no transport mode, which
// the failure says as far as it is told.
func TestTransportUserspaceESP(t *testing.T) {
	s := newScene(t)
	a, b := link.Hosts()
	s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	if f := s.failure(g, link.Name, "proposal_mismatch"); !strings.Contains(f.Hint, "transport mode") {
		t.Errorf("%+v", f)
	}
}

// TestTransportRefused: an end that is for a tunnel only is told of in both roles.
func TestTransportRefused(t *testing.T) {
	s := newScene(t)
	a, b := link.Hosts()
	b.Mode, b.PolicyBased = "", true
	b.LocalNetworks, b.RemoteNetworks = []netip.Prefix{netip.PrefixFrom(b.Local, 32)}, []netip.Prefix{netip.PrefixFrom(b.Remote, 32)}
	right := s.causeway(s.GatewayB, b)
	left := s.causeway(s.GatewayA, a)
	if f := s.failure(left, link.Name, "mode_mismatch"); !strings.Contains(f.Hint, "prefer-transport") {
		t.Errorf("%+v", f)
	}
	s.must(right.Stop(s.ctx))
	b.Start, a.Start = true, false
	s.must(left.Configure(a))
	s.must(left.Reload())
	s.causeway(s.GatewayB, b)
	s.eventually("the refusal", func() error {
		if f := s.status(left, link.Name).LastError; f == nil || !strings.Contains(f.Message, "asks for tunnel mode") {
			return fmt.Errorf("it says: %+v", f)
		}
		return nil
	})
}

// TestTransportKernel is transport mode against the kernel's ESP: either end begins,
// in UDP and without, of both versions of IKE.
func TestTransportKernel(t *testing.T) {
	s, guest := newMachineScene(t)
	s.sub("declined", func(s *scene) {
		a, b := link.Hosts()
		b.Mode = "tunnel"
		d := s.strongswanAt(guest.In(roots.Trixie), strongswan.Kernel, b)
		g := s.causeway(s.GatewayA, a)
		s.failure(g, link.Name, "mode_mismatch")
		a.Mode = "prefer-transport"
		s.must(g.Configure(a))
		s.must(g.Reload())
		if c := s.up(g); c.Children[0].Mode != "tunnel" {
			s.t.Errorf("%+v", c.Children)
		}
		s.ping(s.GatewayA, a.Remote, 5)
		s.swanUp(d, 1)
	})
	s.sub("GRE", func(s *scene) {
		a, b := hostPair("auto", true, "gre")
		there := guest.In(roots.Trixie)
		d := s.strongswanAt(there, strongswan.Kernel, b)
		g := s.causeway(s.GatewayA, a)
		s.inTransport(g, selectorOf(a.Local, "gre"), selectorOf(a.Remote, "gre"))
		s.swanUp(d, 1)
		s.gre(s.GatewayA, a.Local, a.Remote, greA)
		_, err := there.Run(s.ctx, "sh", "-e", "-c", fmt.Sprintf("ip link add gre1 type gre local %s remote %s ttl 64; ip addr add %s/30 dev gre1; ip link set gre1 up", a.Remote, a.Local, greB))
		s.must(err)
		s.ping(s.GatewayA, greB, 10, "-s", "1300")
		s.noHarm(g)
		_, err = there.Run(s.ctx, "ip", "link", "del", "gre1")
		s.must(err)
	})
	for _, version := range []int{2, 1} {
		for _, bare := range []bool{false, true} {
			for _, begins := range []bool{true, false} {
				name := fmt.Sprintf("IKEv%d, bare %v, we begin %v", version, bare, begins)
				s.sub(name, func(s *scene) {
					a, _ := hostPair("auto", bare)
					if a.Version = version; version == 1 {
						a.IKE, a.ESP = pairv1().IKE, pairv1().ESP
					}
					a.Start = begins
					b := a.Peer()
					d := s.strongswanAt(guest.In(roots.Trixie), strongswan.Kernel, b)
					g := s.causeway(s.GatewayA, a)
					c := s.inTransport(g, selectorOf(a.Local, ""), selectorOf(a.Remote, ""))
					if want := map[bool]string{false: "udp", true: "none"}[bare]; c.Children[0].Encapsulation != want {
						s.t.Errorf("encapsulation %s, want %s", c.Children[0].Encapsulation, want)
					}
					s.swanUp(d, 1)
					for _, size := range []string{"0", "1400", "4000"} {
						s.ping(s.GatewayA, a.Remote, 3, "-s", size)
					}
					out, err := guest.In(roots.Trixie).Run(s.ctx, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", "3000", a.Local.String())
					if err != nil {
						s.t.Errorf("from the kernel: %v: %s", err, out)
					}
					s.noHarm(g)
				})
			}
		}
	}
}

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// everywhere are the networks of a tunnel for everything.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// TestTunnelCrackServerIP (CVE-2023-36671): what a client of site A sends to the peer's
// outer address, as IKE, ESP or anything else, goes into the tunnel like all else, and
// the peer's own packets beside it.
func TestTunnelCrackServerIP(t *testing.T) {
	t.Parallel()
	for name, v6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		for _, bare := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", UDP", true: ", bare"}[bare], func(t *testing.T) {
				s := newScene(t)
				s.internet()
				s.watchForLeaks()
				a, _ := link.Pair()
				if v6 {
					a.Local, a.Remote = world.SiteA.Outer6, world.SiteB.Outer6
				}
				a.RemoteNetworks, a.Bare = everywhere, bare
				right, left := s.causeway(s.GatewayB, a.Peer()), s.causeway(s.GatewayA, a)
				s.up(left)
				s.up(right)
				before := s.leaks()
				s.ping(s.ClientA, a.Remote, 10)
				s.ping(s.ClientA, elsewhere[0], 10)
				s.tries(s.ClientA, a.Remote)
				s.ping(s.ClientA, a.Remote, 10)
				if n := s.leaks() - before; n > 0 {
					t.Errorf("%d packets of client A's to the peer's outer address left in the clear", n)
				}
				s.must(left.RekeyChild(s.ctx))
				s.ping(s.ClientA, a.Remote, 10)
			})
		}
	}
}

// tries sends what looks like IKE and ESP, and what does not.
func (s *scene) tries(from *world.Namespace, to netip.Addr) {
	s.t.Helper()
	suffix := map[bool]string{true: "4", false: "6"}[to.Is4()]
	s.must(from.Do(func() error {
		for _, ports := range [][2]int{{500, 500}, {4500, 4500}, {5000, 443}} {
			c, err := net.DialUDP("udp"+suffix, &net.UDPAddr{Port: ports[0]}, &net.UDPAddr{IP: to.AsSlice(), Port: ports[1]})
			if err != nil {
				return err
			}
			defer c.Close()
			for range 3 {
				_, _ = c.Write([]byte("the secret of client A")) // that nobody listens may come back
			}
		}
		for _, protocol := range []string{":esp", ":gre"} {
			c, err := net.Dial("ip"+suffix+protocol, to.String())
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write([]byte("the secret of client A")); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestTunnelCrackDNS (CVE-2023-36673): the peer is a name, and a forged answer gives it
// the address of a host that clients of site A want to reach. Whatever the gateway does
// about that, nothing of theirs leaves in the clear.
func TestTunnelCrackDNS(t *testing.T) {
	s := newScene(t)
	s.internet()
	s.watchForLeaks()
	victim := elsewhere[0]
	a, _ := link.Pair()
	a.RemoteNetworks, a.RemoteName = everywhere, "peer.example"
	s.causeway(s.GatewayB, a.Peer())
	left, answer := s.resolving(s.GatewayA, a)

	answer(victim)
	s.must(s.bounded(left.Start))
	s.eventually("an attempt at the forged address", func() error {
		if c := s.status(left, link.Name); c.IKE == nil || at(c.IKE.Remote) != victim {
			return fmt.Errorf("the IKE SA is %+v", c.IKE)
		}
		out, err := s.GatewayA.Run(s.ctx, "ip", "route", "get", victim.String(), "ipproto", "udp", "sport", "500", "dport", "500")
		if err == nil && !strings.Contains(out, "dev wan ") {
			err = fmt.Errorf("IKE goes %s", out)
		}
		return err
	})
	before := s.leaks()
	for range 3 {
		_, _ = s.ClientA.Run(s.ctx, "ping", "-n", "-i", "0.2", "-c", "3", "-W", "1", victim.String()) // there is no tunnel
		s.tries(s.ClientA, victim)
	}
	if n := s.leaks() - before; n > 0 {
		t.Errorf("%d packets of client A's to the address in a forged answer left in the clear", n)
	}

	s.must(s.bounded(left.Stop))
	answer(a.Remote)
	s.must(s.bounded(left.Start))
	s.up(left)
	s.ping(s.ClientA, victim, 10)
	if n := s.leaks() - before; n > 0 {
		t.Errorf("%d packets left in the clear", n)
	}
}

// resolving prepares a gateway that gets its answers from the function.
func (s *scene) resolving(space *world.Namespace, end link.End) (g *gateway.Gateway, answer func(netip.Addr)) {
	s.t.Helper()
	hosts, script := filepath.Join(s.Dir, "hosts"), filepath.Join(s.Dir, "resolving")
	answer = func(a netip.Addr) {
		s.t.Helper()
		s.must(os.WriteFile(hosts, []byte(a.String()+" "+end.RemoteName+"\n"), 0o644))
	}
	answer(end.Remote)
	s.must(os.WriteFile(script, []byte(fmt.Sprintf("#!/bin/sh\nexec unshare --mount sh -c 'mount --bind %s /etc/hosts && exec %s \"$@\"' sh \"$@\"\n", hosts, program)), 0o755))
	g, err := gateway.New(script, space, s.Dir, end)
	s.must(err)
	return g, answer
}

// TestTunnelCrackLocalNet (CVE-2023-36672 and 35838): the network outside says that the
// host that clients of site A want is in it, or has a way there, before the gateway
// starts or while it runs. They reach the host they mean, by the tunnel, and what they
// send to the outer network itself goes there, too, unless the configuration says that
// it is outside.
func TestTunnelCrackLocalNet(t *testing.T) {
	t.Parallel()
	for name, given := range map[string][]string{
		"a network":       {"ip address add 203.0.113.7/24 dev wan", "ip -6 address add 2001:db8:99::7/64 dev wan nodad"},
		"a route by DHCP": {"ip route add 203.0.113.96/28 via 192.0.2.1 proto dhcp", "ip -6 route add 2001:db8:99::/64 via 2001:db8:a::1 proto ra"},
	} {
		for _, late := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "", true: ", late"}[late], func(t *testing.T) {
				s := newScene(t)
				s.internet()
				s.watchForLeaks()
				for _, victim := range elsewhere { // the router claims to be it
					s.ip(s.Router, "address", "add", victim.String(), "dev", "lo")
				}
				a, _ := link.Pair()
				a.RemoteNetworks = everywhere
				s.causeway(s.GatewayB, a.Peer())
				give := func() { s.must(s.GatewayA.Shell(s.ctx, strings.Join(given, "\n"))) }
				if !late {
					give()
				}
				left := s.causeway(s.GatewayA, a)
				s.up(left)
				if late {
					give()
				}
				s.inside()
				before := s.leaks()
				for _, victim := range elsewhere {
					s.ping(s.ClientA, victim, 5)
					s.tries(s.ClientA, victim)
				}
				s.tries(s.ClientA, world.SiteA.Router4)
				s.ping(s.ClientA, a.Remote, 5)
				if n := s.leaks() - before; n > 0 {
					t.Errorf("%d packets of client A's left in the clear", n)
				}

				a.InterfaceKeys = `outside_networks: [192.0.2.0/24, "2001:db8:a::/64"]`
				s.must(left.Configure(a))
				s.must(left.Reload())
				s.eventually("packets to the outer network in the clear", func() error {
					s.tries(s.ClientA, world.SiteA.Router4)
					if s.leaks() == before {
						return fmt.Errorf("none left")
					}
					return nil
				})
				s.ping(s.ClientA, elsewhere[0], 5)
				s.must(s.bounded(left.Stop))
				if out, err := s.GatewayA.Run(s.ctx, "sh", "-c", "ip rule; ip -6 rule; ip route show table all"); err != nil || strings.Contains(out, "proto 197") {
					t.Errorf("what is left: %s%v", out, err)
				}
			})
		}
	}
}

// inside waits until what clients of site A send to hosts elsewhere goes inside.
func (s *scene) inside() {
	s.t.Helper()
	for i, from := range []netip.Prefix{world.SiteA.Networks[0], world.SiteA.Networks[2]} {
		s.eventually("the way into the tunnel", func() error {
			out, err := s.GatewayA.Run(s.ctx, "ip", "route", "get", elsewhere[i].String(), "from", world.ClientIn(from).String(), "iif", "lan")
			if err == nil && !strings.Contains(out, "dev cw0 ") {
				err = fmt.Errorf("it is %s", out)
			}
			return err
		})
	}
}

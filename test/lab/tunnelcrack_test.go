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

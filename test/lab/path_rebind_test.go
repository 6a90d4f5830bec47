package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/relay"
	"causeway/test/lab/world"
)

// livenessInterval is short, so that a test sees liveness checks.
const livenessInterval = 2 * time.Second

// TestRebind gives the peer another port while the tunnel is up, as a NAT does
// that forgot it (RFC 7296 §2.23).
func TestRebind(t *testing.T) {
	t.Parallel()
	t.Run("seen by traffic", rebindTraffic)
	t.Run("seen by liveness", rebindLiveness)
	t.Run("seen by strongSwan", rebindStrongSwan)
	t.Run("NAT restarted", rebindNAT)
	t.Run("pretended by a stranger", rebindStranger)
}

// peerPort waits until the gateway's peer is at that port of the router.
func (s *scene) peerPort(g *gateway.Gateway, port uint16) {
	s.t.Helper()
	want := netip.AddrPortFrom(world.SiteB.Router4, port).String()
	s.eventually("the peer at "+want, func() error {
		if c := s.status(g, link.Name); c.IKE == nil || c.IKE.Remote != want {
			return fmt.Errorf("it is %s, %+v", c.State, c.IKE)
		}
		return nil
	})
}

// sameIKE fails the test unless a connection still has its IKE SA.
func (s *scene) sameIKE(g *gateway.Gateway, before *gateway.Connection) *gateway.Connection {
	s.t.Helper()
	after := s.up(g)
	if after.IKE.SPIi != before.IKE.SPIi || after.IKE.SPIr != before.IKE.SPIr {
		s.t.Errorf("the IKE SA is %s/%s and was %s/%s", after.IKE.SPIi, after.IKE.SPIr, before.IKE.SPIi, before.IKE.SPIr)
	}
	return after
}

// sameSAs is sameIKE, and the one Child SA has to be the same too.
func (s *scene) sameSAs(g *gateway.Gateway, before *gateway.Connection) {
	s.t.Helper()
	after := s.sameIKE(g, before)
	if len(after.Children) != 1 || after.Children[0].SPIIn != before.Children[0].SPIIn || after.Children[0].SPIOut != before.Children[0].SPIOut {
		s.t.Errorf("the Child SAs are %+v and were %+v", after.Children, before.Children)
	}
}

// rebindTraffic lets ESP tell the new port: liveness checks are 30 s away.
func rebindTraffic(t *testing.T) {
	s := newScene(t)
	r := s.relay(nil)
	a, b := relayedPair()
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	before := s.up(far)
	s.pingBoth(a)
	for range 3 {
		s.must(r.Rebind())
		s.eventually("answers through the new port", func() error {
			return s.reaches(s.ClientA, world.ClientIn(world.SiteB.Networks[0]))
		})
		s.peerPort(far, r.FarPort(pathNAT))
		s.pingBoth(a)
	}
	s.sameSAs(far, before)
}

// rebindLiveness lets only IKE tell the new port: no client sends anything.
func rebindLiveness(t *testing.T) {
	s := newScene(t)
	r := s.relay(nil)
	a, b := relayedPair()
	a.DPD, b.DPD = livenessInterval, time.Hour
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	before := s.up(far)
	s.must(r.Rebind())
	s.peerPort(far, r.FarPort(pathNAT))
	s.pingBoth(a)
	s.sameIKE(far, before) // the Child SA may be audited while the first ping is on its way
}

// rebindStrongSwan has strongSwan follow us: it does so on IKE messages, which
// our liveness checks are once its ESP goes astray. Its userspace ESP cannot
// move a Child SA, so it rekeys that.
func rebindStrongSwan(t *testing.T) {
	s := newScene(t)
	r := s.relay(nil)
	a, b := relayedPair()
	a.DPD = livenessInterval
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	before := s.up(g)
	s.pingBoth(a)
	s.must(r.Rebind())
	s.eventually("answers through the new port", func() error {
		return s.reaches(s.ClientA, world.ClientIn(world.SiteB.Networks[0]))
	})
	s.pingBoth(a)
	if sa := s.swanUp(d, 1); !strings.HasSuffix(sa.Remote, fmt.Sprintf(":%d", r.FarPort(pathNAT))) {
		t.Errorf("strongSwan's peer is at %s, want port %d", sa.Remote, r.FarPort(pathNAT))
	}
	s.sameIKE(g, before)
}

// rebindNAT restarts the kernel's own NAT with other ports.
func rebindNAT(t *testing.T) {
	s := newScene(t)
	s.must(s.Masquerade(s.ctx, world.SiteB))
	a, b := natPair()
	a.DPD = livenessInterval
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	before := s.up(far)
	s.pingBoth(a)
	s.must(s.forget())
	s.eventually("answers through the new port", func() error {
		return s.reaches(s.ClientA, world.ClientIn(world.SiteB.Networks[0]))
	})
	s.pingBoth(a)
	s.sameIKE(far, before) // a Child SA that was sent on in vain is replaced
	after := s.status(far, link.Name)
	if port := netip.MustParseAddrPort(after.IKE.Remote).Port(); after.IKE.Remote == before.IKE.Remote || port < 40_000 {
		t.Errorf("the peer is at %s and was at %s, want a port from 40000 on", after.IKE.Remote, before.IKE.Remote)
	}
}

// forget replaces the masquerading rules by such with other ports, and takes
// the addresses away for a moment: the kernel then drops the mappings.
func (s *scene) forget() error {
	device := world.SiteB.Name
	return s.Router.Shell(s.ctx, fmt.Sprintf(`
nft flush table inet nat
nft add rule inet nat out oifname %[1]s meta l4proto udp masquerade to :40000-50000
ip addr del %[2]s/24 dev %[1]s
ip addr add %[2]s/24 dev %[1]s`, device, world.SiteB.Router4))
}

// rebindStranger repeats and damages what the peer sent, from other ports and
// another address of the router, while the tunnel works.
func rebindStranger(t *testing.T) {
	s := newScene(t)
	var heard recording
	s.relay(heard.watch)
	a, b := relayedPair()
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	before := s.up(far)
	s.pingBoth(a)
	strangers := s.strangers()
	m := newMutator(2)
	s.under(func() {
		for range 20 {
			for _, h := range heard.all(relay.ToFar) {
				stranger := strangers[m.random.IntN(len(strangers))]
				to := netip.AddrPortFrom(world.SiteB.Outer4, h.port())
				for _, payload := range [][]byte{h.payload, m.mutate(h.payload)} {
					_, err := stranger.WriteToUDPAddrPort(payload, to)
					s.must(err)
				}
			}
		}
	})
	s.sameSAs(far, before)
	if after := s.status(far, link.Name); after.IKE.Remote != before.IKE.Remote {
		t.Errorf("the peer is at %s, and was at %s", after.IKE.Remote, before.IKE.Remote)
	}
	log, err := os.ReadFile(far.Log())
	s.must(err)
	if strings.Contains(string(log), "endpoint_changed") {
		t.Errorf("the gateway followed a stranger: see %s", far.Log())
	}
}

// strangers are sockets in the router that are not the peer: another port of
// its address, and another address.
func (s *scene) strangers() []*net.UDPConn {
	s.t.Helper()
	other := netip.MustParseAddr("203.0.113.9")
	s.must(s.Router.Shell(s.ctx, fmt.Sprintf("ip addr add %s/32 dev lo", other)))
	var list []*net.UDPConn
	for _, address := range []netip.AddrPort{
		netip.AddrPortFrom(world.SiteB.Router4, 0), netip.AddrPortFrom(other, 500), netip.AddrPortFrom(other, 4500),
	} {
		conn, err := s.listenInRouter(address)
		s.must(err)
		s.t.Cleanup(func() { _ = conn.Close() })
		list = append(list, conn)
	}
	return list
}

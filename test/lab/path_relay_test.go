package lab

import (
	"errors"
	"net"
	"net/netip"

	"causeway/test/lab/link"
	"causeway/test/lab/relay"
	"causeway/test/lab/world"
)

// The relay's paths, by index.
const (
	pathIKE = iota // port 500
	pathNAT        // port 4500
)

// isESP is what a relay counts as repeated and damaged: the other things on port
// 4500 are IKE and keepalives (RFC 3948 §2).
func isESP(path int, payload []byte) bool {
	return path == pathNAT && len(payload) > 4 && !hasMarker(payload)
}

// relay puts a relay into the router, between gateway A, its near host, and
// gateway B. Each gateway sees the router as its peer: a NAT for both.
func (s *scene) relay(watch func(path int, d relay.Direction, payload []byte)) *relay.Relay {
	s.t.Helper()
	config := relay.Config{Seed: 1, Watch: watch, Counts: isESP, Listen: s.listenInRouter}
	for _, port := range []uint16{500, 4500} {
		config.Paths = append(config.Paths, relay.Path{
			Near: netip.AddrPortFrom(world.SiteA.Router4, port),
			Far:  netip.AddrPortFrom(world.SiteB.Router4, port),
			Peer: netip.AddrPortFrom(world.SiteB.Outer4, port),
		})
	}
	r, err := relay.New(config)
	s.must(err)
	s.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			s.t.Error(err)
		}
		if s.t.Failed() {
			s.t.Logf("the relay to the far gateway: %+v", r.Stats(relay.ToFar))
			s.t.Logf("the relay to the near gateway: %+v", r.Stats(relay.ToNear))
		}
	})
	return r
}

func (s *scene) listenInRouter(a netip.AddrPort) (conn *net.UDPConn, err error) {
	moved := s.Router.Do(func() error {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		return nil
	})
	return conn, errors.Join(moved, err)
}

// relayedPair is link.Pair with a relay between: A starts, and B takes its peer
// from wherever it comes.
func relayedPair() (a, b link.End) {
	a, b = link.Pair()
	a.Remote, b.Remote = world.SiteA.Router4, netip.Addr{}
	return a, b
}

package gateway

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"causeway/ike/sa"
	"causeway/tunnel"
)

// report is told everything that the engine's machines say.
func (g *Gateway) report(r sa.Report) {
	g.followNAT(r)
	if p, ok := r.(sa.PathProbed); ok {
		g.tunnel.Probed(p.Connection, p.Size, p.Answered)
	}
	g.count(r)
	if ofInterestToFew(r) && !g.traced() {
		return
	}
	ev := eventOf(r, time.Now())
	logEvent(g.log, ev)
	g.stream.Publish(ev)
}

// traced tells whether anybody sees what comes once per message.
func (g *Gateway) traced() bool { return g.log.Core().Enabled(zap.DebugLevel) || g.stream.Heard() }

// ofInterestToFew tells whether r comes once per message: strangers decide how
// often, so nothing is spent on it that nobody sees.
func ofInterestToFew(r sa.Report) bool {
	switch r.(type) {
	case sa.MessageTrace, sa.MessageDropped:
		return true
	}
	return false
}

// followNAT sends keepalives for the IKE SAs with which this side is behind a NAT
// (RFC 3948 §4). One that takes the place of another is told of in its own name.
func (g *Gateway) followNAT(r sa.Report) {
	switch r := r.(type) {
	case sa.IKEEstablished:
		if behindNAT(r.IKE.NAT) {
			g.tunnel.SetKeepalive(r.Connection, tunnel.IKESA{SPIi: r.IKE.SPIi, SPIr: r.IKE.SPIr}, r.IKE.Local, r.IKE.Remote)
		}
	case sa.EndpointChanged:
		of := tunnel.IKESA{SPIi: r.SPIi, SPIr: r.SPIr}
		switch {
		case r.NAT == "":
			g.tunnel.MoveKeepalive(of, r.Local, r.New)
		case behindNAT(r.NAT):
			g.tunnel.SetKeepalive(r.Connection, of, r.Local, r.New)
		default:
			g.tunnel.SetKeepalive(r.Connection, of, netip.AddrPort{}, netip.AddrPort{})
		}
	case sa.IKEClosed:
		g.tunnel.EndKeepalive(tunnel.IKESA{SPIi: r.SPIi, SPIr: r.SPIr})
	}
}

// count counts r for the metrics. Messages are not counted one by one: strangers
// decide how many there are, and each would cost a look-up.
func (g *Gateway) count(r sa.Report) {
	if _, ok := r.(sa.MessageTrace); ok {
		return
	}
	kind, connection, failure := factsOf(r)
	reason := ""
	if failure != nil {
		reason = string(failure.Reason)
	}
	g.tally.Count(connection, kind, reason)
}

package gateway

import (
	"fmt"
	"net/netip"
	"time"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/internal/control"
	"causeway/tunnel"
	"causeway/tunnel/udp"
)

// Status implements control.Backend.
func (g *Gateway) Status() control.Status {
	cfg := g.config.Load()
	s := control.Status{Gateway: control.Gateway{
		Name: cfg.Gateway.Name, Version: g.options.Version, UptimeS: int64(time.Since(g.started).Seconds()),
		Interface: g.device.Name(), MTU: g.mtu, Workers: g.workers, DataPath: dataPathName(g.device),
		Offloads: offloads(g.device, g.conns.Features()), OffloadsRefused: refused(g.device),
		Drops:   dropsOf(g.tunnel.TotalCounters()),
		Sockets: socketsOf(g.conns.Stats(), g.tunnel.Lent()),
	}, Connections: []control.Connection{}}
	configured := map[string]config.Connection{}
	for _, c := range cfg.Connections {
		configured[c.Name] = c
	}
	if n := g.kernel.Overruns(g.device.Name()); n > 0 {
		s.Gateway.Drops[dropOverrun] = n
	}
	if n := g.engine.DroppedOfStrangers(); n > 0 {
		s.Gateway.Drops[dropInbox] = n
	}
	for _, c := range g.engine.Status() {
		s.Connections = append(s.Connections, g.connectionStatus(c, configured[c.Name]))
	}
	return s
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (g *Gateway) connectionStatus(c ike.ConnectionStatus, conf config.Connection) control.Connection {
	out := control.Connection{
		Name: c.Name, Wanted: "down", State: string(c.State), Attempt: c.Attempt,
		Children: []control.Child{}, NextAttempt: moment(c.NextAttempt),
		LocalNetworks: texts(conf.Local.Networks), RemoteNetworks: texts(conf.Remote.Networks),
		Remote: remoteOf(conf.Remote), Paths: g.paths.status(c.Name),
	}
	if c.Wanted {
		out.Wanted = "up"
	}
	if len(c.Children) > 0 {
		out.PathMTU = g.tunnel.PathMTU(c.Name)
	}
	counters, _ := g.tunnel.ConnectionCounters(c.Name)
	out.PacketsIn, out.BytesIn = counters.PacketsIn, counters.BytesIn
	out.PacketsOut, out.BytesOut = counters.PacketsOut, counters.BytesOut
	out.LimitedInS, out.LimitedOutS = counters.LimitedIn.Seconds(), counters.LimitedOut.Seconds()
	out.Drops, out.DropsIn, out.DropsOut = dropsOf(counters), counters.DropsIn, counters.DropsOut
	if c.Dropped > 0 {
		out.Drops[dropInbox] = c.Dropped
	}
	if len(c.IKE) > 0 {
		out.IKE = ikeStatus(c.IKE[0])
	}
	if isTransport(&conf) {
		for _, peer := range peersNow(&conf, &c) {
			out.RemoteNetworks = append(out.RemoteNetworks, netip.PrefixFrom(peer, peer.BitLen()).String())
		}
		for _, i := range c.IKE {
			local := i.Local.Addr().Unmap()
			out.LocalNetworks = []string{netip.PrefixFrom(local, local.BitLen()).String()}
		}
	}
	for _, child := range c.Children {
		out.Children = append(out.Children, g.childStatus(child))
	}
	if c.LastFailure != nil {
		out.LastError = &control.LastError{Problem: *problemOf(c.LastFailure), At: c.LastFailed}
	}
	return out
}

func ikeStatus(i sa.IKEInfo) *control.IKE {
	return &control.IKE{
		Version: i.Version, Role: role(i.Initiator), SPIi: spi64(i.SPIi), SPIr: spi64(i.SPIr),
		Local: i.Local.String(), Remote: i.Remote.String(),
		LocalIdentity: i.LocalIdentity, RemoteIdentity: i.RemoteIdentity, NAT: i.NAT, Suite: i.Suite, Resumed: i.Resumed,
		EstablishedAt: moment(i.EstablishedAt), RekeyAt: moment(i.RekeyAt),
	}
}

func (g *Gateway) childStatus(c *sa.Child) control.Child {
	n, _ := g.tunnel.ChildCounters(c.SPIIn)
	return control.Child{
		Name: c.Name, SPIIn: spi32(c.SPIIn), SPIOut: spi32(c.SPIOut), Suite: c.Suite.String(),
		Encapsulation: encapsulationOf(c), Mode: c.Mode(),
		LocalSelectors: selectorTexts(c.LocalSelectors), RemoteSelectors: selectorTexts(c.RemoteSelectors),
		PacketsIn: n.PacketsIn, BytesIn: n.BytesIn, PacketsOut: n.PacketsOut, BytesOut: n.BytesOut,
		EstablishedAt: c.EstablishedAt, RekeyAt: moment(c.RekeyAt), Worker: c.Resource,
	}
}

func encapsulationOf(c *sa.Child) string {
	if c.Bare {
		return "none"
	}
	return "udp"
}

// socketsOf is what the sockets count, in the API's words.
func socketsOf(n udp.Stats, lent uint64) *control.Sockets {
	return &control.Sockets{
		MessagesIn: n.Received, DatagramsIn: n.ReceivedDatagrams, BytesIn: n.ReceivedBytes, DatagramsOut: n.Sent, BytesOut: n.SentBytes,
		GSOFallbacks: n.GSOFallbacks, LentMessages: lent,
		Drops: map[string]uint64{
			"overflow": n.Overflow, "truncated": n.Truncated, "too_big": n.TooBig, "no_buffers": n.NoBuffers,
			"denied": n.Denied, "unreachable": n.Unreachable, "failed": n.Failed,
		},
	}
}

// dropInbox counts IKE messages that came faster than their connection could
// look at them, and, for the gateway, those of peers that are not known yet.
const dropInbox = "ike_inbox"

// dropOverrun counts packets that the kernel had for the TUN device while its
// queue was full: more came than the gateway could read. The kernel knows of no
// connections.
const dropOverrun = "device_overrun"

// shownDrops are in every status, also at zero, so that users and graphs can
// rely on them; the others appear once they happen.
var shownDrops = []tunnel.Drop{tunnel.DropReplay, tunnel.DropAuthentication, tunnel.DropSelector, tunnel.DropMeter}

func dropsOf(c tunnel.Counters) map[string]uint64 {
	out := map[string]uint64{}
	for i, n := range c.Drops {
		if n > 0 {
			out[tunnel.Drop(i).String()] = n
		}
	}
	for _, d := range shownDrops {
		out[d.String()] = c.Drops[d]
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func texts(networks []netip.Prefix) []string {
	out := make([]string, 0, len(networks))
	for _, p := range networks {
		out = append(out, p.String())
	}
	return out
}

func selectorTexts(l selector.List) []string {
	out := make([]string, 0, len(l))
	for _, s := range l {
		out = append(out, s.String())
	}
	return out
}

func remoteOf(r config.Remote) string {
	if r.Any {
		return "any"
	}
	if len(r.Addresses) == 0 {
		return ""
	}
	text := r.Addresses[0].String()
	if more := len(r.Addresses) - 1; more > 0 {
		text += fmt.Sprintf(" (+%d)", more)
	}
	return text
}

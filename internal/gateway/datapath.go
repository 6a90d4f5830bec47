package gateway

import (
	"net/netip"
	"sync"
	"time"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/ike/sa"
	"causeway/tunnel"
)

// dataPath is ike.DataPath over a tunnel.
type dataPath struct {
	tunnel *tunnel.Tunnel
	keys   *keyLog
	// replayWindows by connection; a reload changes it while owners read.
	mu            sync.RWMutex
	replayWindows map[string]int
}

func (d *dataPath) setReplayWindow(connection string, packets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replayWindows[connection] = packets
}

func (d *dataPath) forget(connection string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.replayWindows, connection)
}

func (d *dataPath) replayWindow(connection string) int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.replayWindows[connection]
}

// AllocateSPI implements ike.DataPath.
func (d *dataPath) AllocateSPI(connection string, resource int) (uint32, error) {
	return d.tunnel.AllocateSPI(connection, resource)
}

// Accepts implements ike.DataPath: with the keys that it has, since not all are good for
// their cipher.
func (d *dataPath) Accepts(connection string, c *sa.Child) error {
	in, err := d.newInbound(connection, c)
	if err != nil {
		return err
	}
	in.Erase()
	out, err := newOutbound(c)
	if err != nil {
		return err
	}
	out.Erase()
	return nil
}

func (d *dataPath) newInbound(connection string, c *sa.Child) (*esp.Inbound, error) {
	p, err := inboundParameters(c, d.replayWindow(connection))
	if err != nil {
		return nil, err
	}
	return esp.NewInbound(p)
}

func newOutbound(c *sa.Child) (*esp.Outbound, error) {
	p, err := outboundParameters(c)
	if err != nil {
		return nil, err
	}
	return esp.NewOutbound(p)
}

// InstallInbound implements ike.DataPath.
func (d *dataPath) InstallInbound(connection string, c *sa.Child) error {
	in, err := d.newInbound(connection, c)
	if err != nil {
		return err
	}
	d.keys.child(c)
	local, remote := outerOf(c)
	if t := c.Transport; t != nil {
		ends := tunnel.Ends{Local: local.Addr().Unmap(), Remote: remote.Addr().Unmap(), OriginalLocal: t.OriginalLocal, OriginalRemote: t.OriginalRemote}
		return d.tunnel.InstallTransport(connection, in, policyOf(c), local, remote, ends)
	}
	return d.tunnel.InstallInbound(connection, in, policyOf(c), local, remote)
}

// ActivateOutbound implements ike.DataPath.
func (d *dataPath) ActivateOutbound(connection string, c *sa.Child) error {
	out, err := newOutbound(c)
	if err != nil {
		return err
	}
	local, remote := outerOf(c)
	return d.tunnel.ActivateOutbound(connection, out, policyOf(c), c.SPIIn, local, remote)
}

// outerOf is where ESP of the Child SA goes: port 0 stands for no UDP.
func outerOf(c *sa.Child) (local, remote netip.AddrPort) {
	if c.Bare {
		return netip.AddrPortFrom(c.Local.Addr(), 0), netip.AddrPortFrom(c.Remote.Addr(), 0)
	}
	return c.Local, c.Remote
}

func policyOf(c *sa.Child) *selector.Policy {
	return selector.Compile(c.LocalSelectors, c.RemoteSelectors)
}

// StopOutbound implements ike.DataPath.
func (d *dataPath) StopOutbound(_ string, spiIn uint32) { d.tunnel.StopOutbound(spiIn) }

// RemoveChild implements ike.DataPath.
func (d *dataPath) RemoveChild(_ string, spiIn uint32) {
	d.tunnel.RemoveChild(spiIn)
	d.tunnel.ReleaseSPI(spiIn)
}

// SkipAhead implements ike.DataPath.
func (d *dataPath) SkipAhead(_ string, spiIn uint32, by uint64) { d.tunnel.SkipAhead(spiIn, by) }

// MoveChildren implements ike.DataPath.
func (d *dataPath) MoveChildren(_ string, spisIn []uint32, local, remote netip.AddrPort) {
	d.tunnel.MoveChildren(spisIn, local, remote)
}

// Carried implements ike.DataPath.
func (d *dataPath) Carried(spiIn uint32) (in, out uint64) {
	n, _ := d.tunnel.ChildCounters(spiIn)
	return n.PacketsIn, n.PacketsOut
}

// LastInbound implements ike.DataPath.
func (d *dataPath) LastInbound(spiIn uint32) time.Time { return d.tunnel.LastInbound(spiIn) }

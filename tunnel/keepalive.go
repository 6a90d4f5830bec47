package tunnel

import (
	"context"
	"net/netip"
	"time"
)

const (
	// keepaliveInterval is how long a NAT may see nothing of us (RFC 3948 §4).
	keepaliveInterval = 20 * time.Second
	// keepaliveTick is how exactly that is kept.
	keepaliveTick = time.Second
)

// keepalive keeps the NAT mapping of one connection alive. Guarded by
// Tunnel.mu.
type keepalive struct {
	local, remote netip.AddrPort
	packets       uint64        // counters.sent.packets when last looked at
	quiet         time.Duration // how long nothing has been sent
}

func (k *keepalive) on() bool { return k.remote.IsValid() }

// due notes the packets sent so far and tells whether a keepalive must go out.
func (k *keepalive) due(packets uint64) bool {
	if packets != k.packets {
		k.packets, k.quiet = packets, 0
		return false
	}
	k.quiet += keepaliveTick
	if k.quiet < keepaliveInterval {
		return false
	}
	k.quiet = 0
	return true
}

// SetKeepalive sends NAT keepalives for the connection whenever it was idle for
// 20 s: wanted when we are behind a NAT (RFC 3948 §4). The zero remote ends it.
func (t *Tunnel) SetKeepalive(name string, local, remote netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.forwarding.Load().connections[name]; c != nil {
		c.keepalive = keepalive{local: local, remote: remote, packets: c.counters.sent.packets.Load()}
	}
}

// sendKeepalives runs until ctx ends. Its tick is also that of other things that are
// due now and then.
func (t *Tunnel) sendKeepalives(ctx context.Context) error {
	ticker := time.NewTicker(keepaliveTick)
	defer ticker.Stop()
	var due []keepalive
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		t.probePaths()
		t.dropLate(t.now())
		due = t.dueKeepalives(due[:0])
		for _, k := range due {
			// A failure is transient and the sockets count it; the next
			// keepalive is the retry.
			_ = t.cfg.Transport.SendKeepalive(k.local, k.remote)
		}
	}
}

func (t *Tunnel) dueKeepalives(due []keepalive) []keepalive {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.forwarding.Load().connections {
		if c.keepalive.on() && c.keepalive.due(c.counters.sent.packets.Load()) {
			due = append(due, c.keepalive)
		}
	}
	return due
}

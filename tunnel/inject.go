package tunnel

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"causeway/esp"
)

// ErrNoSA says that a connection has no Child SA for a packet now.
var ErrNoSA = errors.New("tunnel: no Child SA carries it")

// injector sends single packets of the gateway's own. It is off the workers'
// path and takes its time.
type injector struct {
	mu      sync.Mutex
	queue   sendQueue
	scratch *esp.Scratch // nil until the first packet
}

// Inject sends one inner packet on the connection, whatever the routes say. It
// is for a few packets a second, such as probes: it locks and allocates.
func (t *Tunnel) Inject(connection string, packet []byte) error {
	c := t.forwarding.Load().connections[connection]
	if c == nil {
		return fmt.Errorf("tunnel: connection %q is not known to the data path", connection)
	}
	packet = slices.Clone(packet) // it may be translated
	sa, p, err := c.carrierOf(packet)
	if err != nil {
		return err
	}
	i := &t.injector
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.scratch == nil {
		i.scratch = esp.NewScratch()
		i.queue.init(t, 0)
	}
	now := t.now()
	i.queue.seal(i.scratch, now, []outboundPacket{sa.outbound(packet, p)})
	return i.queue.flush(now)
}

// carrierOf is the SA that carries the packet now.
func (c *connection) carrierOf(b []byte) (*outboundSA, *packet, error) {
	p := &packet{}
	if p.parse(b) != nil || p.length != len(b) {
		return nil, nil, errMalformed
	}
	sa := c.carrier(c.outbound.Load(), p.key.flow(), everybody)
	if sa == nil {
		return nil, nil, ErrNoSA
	}
	if c.config.Load().Translate.RewriteOutbound(b) != nil {
		return nil, nil, errMalformed
	}
	return sa, p, nil
}

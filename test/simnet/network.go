package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"causeway/ike"
	"causeway/ike/sa"
)

const (
	latency  = 10 * time.Millisecond // one way, of IKE and ESP
	pingWait = 20 * time.Millisecond
)

// Network joins two hosts. Its lock orders all that happens to the data paths.
type Network struct {
	mu     sync.Mutex
	a, b   *Host
	random *rand.Rand
	loss   float64 // the part of datagrams that does not arrive

	pings ping
}

// Host is one end: an engine and what its data path holds.
type Host struct {
	Engine *ike.Engine

	net      *Network
	address  netip.Addr
	nextSPI  uint32
	inbound  map[uint32]*sa.Child
	outbound []*sa.Child // the one in use last
	carried  map[uint32]*[2]uint64
	heard    map[uint32]time.Time // by inbound SPI: the last packet
	failures []*sa.Failure
	replaced int // Child SAs that took the place of another
	renewed  int // IKE SAs that did
}

// New makes two hosts without connections, on a network that loses a part of the
// datagrams.
func New(seed uint64, loss float64) (*Network, error) {
	n := &Network{random: rand.New(rand.NewPCG(seed, 1)), loss: loss}
	var err error
	for i, h := range []**Host{&n.a, &n.b} {
		*h = &Host{
			net: n, address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), nextSPI: 0xc0000000,
			inbound: map[uint32]*sa.Child{}, carried: map[uint32]*[2]uint64{}, heard: map[uint32]time.Time{},
		}
		if (*h).Engine, err = ike.NewEngine(ike.EngineConfig{Transport: *h, DataPath: *h, Report: (*h).report}); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Network) other(h *Host) *Host {
	if h == n.a {
		return n.b
	}
	return n.a
}

// loses decides about one datagram; the lock is held.
func (n *Network) loses() bool { return n.random.Float64() < n.loss }

// SendIKE implements ike.Transport.
func (h *Host) SendIKE(b []byte, local, remote netip.AddrPort) error {
	n := h.net
	n.mu.Lock()
	lost := n.loses()
	n.mu.Unlock()
	if lost {
		return nil
	}
	sent := append([]byte(nil), b...)
	time.AfterFunc(latency, func() { n.other(h).Engine.Receive(sent, remote, local) })
	return nil
}

// SendProbe implements ike.Transport.
func (h *Host) SendProbe(b []byte, local, remote netip.AddrPort) error {
	return h.SendIKE(b, local, remote)
}

// HasAddr implements ike.Transport.
func (h *Host) HasAddr(a netip.Addr) bool { return a == h.address }

// LocalAddr implements ike.Transport.
func (h *Host) LocalAddr(netip.Addr) (netip.Addr, error) { return h.address, nil }

// report counts what a test asks about.
func (h *Host) report(r sa.Report) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	switch r := r.(type) {
	case sa.Failed:
		h.failures = append(h.failures, r.Failure)
	case sa.IKEClosed:
		if r.Failure != nil {
			h.failures = append(h.failures, r.Failure)
		}
	case sa.IKEEstablished:
		if r.Rekeys != 0 {
			h.renewed++
		}
	case sa.ChildEstablished:
		if r.Child.Rekeys != 0 {
			h.replaced++
		}
	}
}

// change does something to a data path, after the packets until now passed.
func (h *Host) change(do func() error) error {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.pings.until(h.net, time.Now())
	return do()
}

// AllocateSPI implements ike.DataPath. No SPI comes twice.
func (h *Host) AllocateSPI(string, int) (spi uint32, err error) {
	return spi, h.change(func() error {
		h.nextSPI++
		spi = h.nextSPI
		return nil
	})
}

// Accepts implements ike.DataPath.
func (h *Host) Accepts(string, *sa.Child) error { return nil }

// InstallInbound implements ike.DataPath.
func (h *Host) InstallInbound(_ string, c *sa.Child) error {
	return h.change(func() error {
		if h.inbound[c.SPIIn] != nil {
			return fmt.Errorf("simnet: SPI %08x is installed twice", c.SPIIn)
		}
		h.inbound[c.SPIIn], h.carried[c.SPIIn] = c, &[2]uint64{}
		return nil
	})
}

// ActivateOutbound implements ike.DataPath.
func (h *Host) ActivateOutbound(_ string, c *sa.Child) error {
	return h.change(func() error {
		if h.inbound[c.SPIIn] == nil {
			return fmt.Errorf("simnet: SPI %08x is sent on before it receives", c.SPIOut)
		}
		h.without(c.SPIIn)
		h.outbound = append(h.outbound, c)
		return nil
	})
}

// without takes a Child SA out of outbound.
func (h *Host) without(spiIn uint32) {
	for i, c := range h.outbound {
		if c.SPIIn == spiIn {
			h.outbound = append(h.outbound[:i], h.outbound[i+1:]...)
			return
		}
	}
}

// StopOutbound implements ike.DataPath.
func (h *Host) StopOutbound(_ string, spiIn uint32) {
	_ = h.change(func() error {
		h.without(spiIn)
		return nil
	})
}

// RemoveChild implements ike.DataPath.
func (h *Host) RemoveChild(_ string, spiIn uint32) {
	_ = h.change(func() error {
		h.without(spiIn)
		delete(h.inbound, spiIn)
		delete(h.carried, spiIn)
		delete(h.heard, spiIn)
		return nil
	})
}

// MoveChildren implements ike.DataPath: nobody moves here.
func (h *Host) MoveChildren(string, []uint32, netip.AddrPort, netip.AddrPort) {}

// SkipAhead implements ike.DataPath: nobody takes over here.
func (h *Host) SkipAhead(string, uint32, uint64) {}

// Carried implements ike.DataPath.
func (h *Host) Carried(spiIn uint32) (in, out uint64) {
	_ = h.change(func() error {
		if n := h.carried[spiIn]; n != nil {
			in, out = n[0], n[1]
		}
		return nil
	})
	return in, out
}

// LastInbound implements ike.DataPath.
func (h *Host) LastInbound(spiIn uint32) (last time.Time) {
	_ = h.change(func() error {
		last = h.heard[spiIn]
		return nil
	})
	return last
}

package tunnel

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway/esp"
)

const (
	// maxEarly bounds the packets that wait for SAs that are being made, and
	// maxEarlyTime for how long: the peer has its SA when it answers, and sends on it
	// while the answer is on its way here.
	maxEarly     = 64
	maxEarlyTime = 100 * time.Millisecond
)

// early holds packets that came on an SPI that was given out and has no SA yet.
// Who sends them knows the SPI, which nobody but the peer was told.
type early struct {
	mu      sync.Mutex
	packets []earlyPacket
	worker  *inboundWorker // nil until the first packet; guarded by mu, too
}

type earlyPacket struct {
	spi           uint32
	bytes         []byte
	local, remote netip.AddrPort
	tos           uint8
	at            time.Duration
}

// holdEarly keeps a copy of a packet for which there is no SA, if one is being
// made; false if none is.
func (t *Tunnel) holdEarly(p earlyPacket) bool {
	if !t.sad.isReserved(p.spi) {
		return false
	}
	e := &t.early
	e.mu.Lock()
	defer e.mu.Unlock()
	t.dropLateLocked(p.at)
	if len(e.packets) >= maxEarly {
		t.unattributed.dropIn(DropUnknownSPI, 1)
		return true
	}
	p.bytes = slices.Clone(p.bytes)
	e.packets = append(e.packets, p)
	t.takeEarlyLocked(p.spi) // if it was installed meanwhile
	return true
}

// dropLate counts as dropped what has been held for too long.
func (t *Tunnel) dropLate(now time.Duration) {
	t.early.mu.Lock()
	defer t.early.mu.Unlock()
	t.dropLateLocked(now)
}

func (t *Tunnel) dropLateLocked(now time.Duration) {
	e := &t.early
	before := len(e.packets)
	e.packets = slices.DeleteFunc(e.packets, func(p earlyPacket) bool { return now-p.at > maxEarlyTime })
	t.unattributed.dropIn(DropUnknownSPI, before-len(e.packets))
	if len(e.packets) == 0 {
		e.packets = nil
	}
}

// takeEarly opens what came before the SA was there.
func (t *Tunnel) takeEarly(spi uint32) {
	t.early.mu.Lock()
	defer t.early.mu.Unlock()
	t.takeEarlyLocked(spi)
}

// takeEarlyLocked looks the SA up once: it may be removed meanwhile, and packets
// without one come back to holdEarly.
func (t *Tunnel) takeEarlyLocked(spi uint32) {
	e := &t.early
	sa := t.sad.lookup(spi)
	if sa == nil || !slices.ContainsFunc(e.packets, func(p earlyPacket) bool { return p.spi == spi }) {
		return
	}
	if e.worker == nil {
		e.worker = newInboundWorker(t, 0)
	}
	w, rest := e.worker, e.packets[:0]
	w.begin()
	for _, p := range e.packets {
		if p.spi != spi {
			rest = append(rest, p)
			continue
		}
		if w.now-p.at > maxEarlyTime {
			t.unattributed.dropIn(DropUnknownSPI, 1)
			continue
		}
		w.local, w.remote, w.tos = p.local, p.remote, p.tos
		w.sa, w.sealed = sa, append(w.sealed, esp.Packet{Bytes: p.bytes})
		w.open()
	}
	clear(e.packets[len(rest):])
	e.packets = rest
	// An error is that of a device which is closed: the workers meet it, too.
	_ = w.out.flush()
}

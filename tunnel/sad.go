package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"

	"causeway/esp"
	"causeway/esp/prefetch"
	"causeway/esp/selector"
	"causeway/tunnel/udp"
)

const (
	sadBits = 16
	sadSize = 1 << sadBits // Child SAs at once, over all connections

	// Every free slot of a worker is used once before one is used again, and then
	// with another upper half: an SPI comes back after at least sadSize/256
	// others, never while late packets of its last owner are on their way.
)

var errSADFull = errors.New("tunnel: every SPI is in use")

// inboundSA is one entry of the SAD (RFC 4301 §4.4.2), with what the workers
// need for the check of RFC 4301 §5.2. Immutable but for hard and heard, which the
// copies that MoveChildren makes share.
type inboundSA struct {
	spi           uint32
	in            *esp.Inbound
	policy        *selector.Policy
	conn          *connection
	lines         prefetch.Lines // what opening on it reads and writes
	local, remote netip.AddrPort
	hard          *atomic.Bool // the hard limit has been reported
	heard         *heard
	transport     *transportMode // nil: tunnel mode
}

// heard is when authentic ESP came last, in Tunnel.now; 0: none yet. It has a cache line
// of its own: each batch writes it, and the SAs beside it are other workers'.
type heard struct {
	at atomic.Int64
	_  [56]byte
}

// at is the SA with these outer addresses.
func (sa *inboundSA) at(local, remote netip.AddrPort) *inboundSA {
	sa = &inboundSA{spi: sa.spi, in: sa.in, policy: sa.policy, conn: sa.conn, hard: sa.hard, heard: sa.heard, transport: sa.transport, local: local, remote: remote}
	sa.in.Prefetch(&sa.lines)
	prefetch.Add(&sa.lines, sa)
	prefetch.Add(&sa.lines, sa.policy)
	prefetch.Add(&sa.lines, sa.conn.down)
	prefetch.Add(&sa.lines, &sa.conn.config)
	prefetch.Add(&sa.lines, sa.heard)
	prefetch.Add(&sa.lines, &sa.conn.counters.received)
	return sa
}

// sad finds an inbound SA by its SPI. An SPI is a random upper half and the
// index of its slot, so that lookup is one load and one comparison; its low bits
// also say which worker it is steered to, its home. Workers read slots;
// everything else is guarded by Tunnel.mu.
type sad struct {
	slots [sadSize]atomic.Pointer[inboundSA]

	random   io.Reader
	homes    []home
	reserved []atomic.Uint32 // by slot: the SPI handed out, 0 if free; workers read it, too
	previous []uint16        // by slot: the upper half used last
	// resources are the workers, counted from 1, of SPIs that are for one.
	resources map[uint32]int
}

// home is the slots of one worker.
type home struct {
	free        []uint16 // ring of free slots, oldest first
	head, count int
}

func newSAD(random io.Reader, workers int) (*sad, error) {
	s := &sad{
		random:   random,
		homes:    make([]home, workers),
		reserved: make([]atomic.Uint32, sadSize),
		previous: make([]uint16, sadSize),

		resources: map[uint32]int{},
	}
	order, err := s.shuffled()
	if err != nil {
		return nil, err
	}
	for _, slot := range order {
		h := &s.homes[s.home(uint32(slot))]
		h.free = append(h.free, slot)
	}
	for i := range s.homes {
		s.homes[i].count = len(s.homes[i].free)
	}
	return s, nil
}

// home is the worker that the SPI, or its slot, is steered to.
func (s *sad) home(spi uint32) int { return udp.Home(spi, len(s.homes)) }

// shuffled is the slots in an order that nobody outside can guess.
func (s *sad) shuffled() ([]uint16, error) {
	noise := make([]byte, 4*sadSize)
	if _, err := io.ReadFull(s.random, noise); err != nil {
		return nil, fmt.Errorf("tunnel: no randomness for SPIs: %w", err)
	}
	order := make([]uint16, sadSize)
	for i := range order {
		order[i] = uint16(i)
	}
	for i := sadSize - 1; i > 0; i-- {
		j := int(binary.NativeEndian.Uint32(noise[4*i:]) % uint32(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order, nil
}

// lookup finds the SA of spi, or nil. Safe for concurrent use.
func (s *sad) lookup(spi uint32) *inboundSA {
	sa := s.slots[spi&(sadSize-1)].Load()
	if sa == nil || sa.spi != spi {
		return nil
	}
	return sa
}

// allocate reserves an SPI, at home with the worker of that number if it has one
// free. The values 0 to 255 are reserved (RFC 4303 §2.1): the upper half is never
// 0.
func (s *sad) allocate(worker int) (uint32, error) {
	for i := range s.homes {
		if h := &s.homes[(worker+i)%len(s.homes)]; h.count > 0 {
			return s.take(h)
		}
	}
	return 0, errSADFull
}

// take reserves the oldest free slot of h, under an SPI that it did not have last.
func (s *sad) take(h *home) (uint32, error) {
	slot := h.free[h.head]
	upper := uint16(0)
	for upper == 0 || upper == s.previous[slot] {
		var b [2]byte
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return 0, fmt.Errorf("tunnel: no randomness for an SPI: %w", err)
		}
		upper = binary.BigEndian.Uint16(b[:])
	}
	h.head = (h.head + 1) % len(h.free)
	h.count--
	spi := uint32(upper)<<sadBits | uint32(slot)
	s.reserved[slot].Store(spi)
	s.previous[slot] = upper
	return spi, nil
}

// isReserved tells whether allocate gave out spi and release has not taken it
// back. Safe for concurrent use.
func (s *sad) isReserved(spi uint32) bool {
	return spi != 0 && s.reserved[spi&(sadSize-1)].Load() == spi
}

func (s *sad) install(sa *inboundSA) { s.slots[sa.spi&(sadSize-1)].Store(sa) }

// release takes spi back, whether or not an SA was installed.
func (s *sad) release(spi uint32) {
	if !s.isReserved(spi) {
		return
	}
	delete(s.resources, spi)
	slot := spi & (sadSize - 1)
	s.slots[slot].Store(nil)
	s.reserved[slot].Store(0)
	h := &s.homes[s.home(slot)]
	h.free[(h.head+h.count)%len(h.free)] = uint16(slot)
	h.count++
}

package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"

	"causeway/esp"
	"causeway/esp/selector"
)

const (
	sadBits = 16
	sadSize = 1 << sadBits // Child SAs at once, over all connections

	// Every free slot is used once before one is used again, and then with
	// another upper half: an SPI comes back after sadSize others at the
	// earliest, never while late packets of its last owner are on their way.
)

var errSADFull = errors.New("tunnel: every SPI is in use")

// inboundSA is one entry of the SAD (RFC 4301 §4.4.2), with what the workers
// need for the check of RFC 4301 §5.2. Immutable but for hard.
type inboundSA struct {
	spi           uint32
	in            *esp.Inbound
	policy        *selector.Policy
	conn          *connection
	local, remote netip.AddrPort
	hard          *atomic.Bool // the hard limit has been reported
}

// sad finds an inbound SA by its SPI. An SPI is a random upper half and the
// index of its slot, so that lookup is one load and one comparison. Workers
// read slots; everything else is guarded by Tunnel.mu.
type sad struct {
	slots [sadSize]atomic.Pointer[inboundSA]

	random   io.Reader
	free     []uint16 // ring of free slots, oldest first
	head     int
	count    int
	reserved []uint32 // by slot: the SPI handed out, 0 if free
	previous []uint16 // by slot: the upper half used last
}

func newSAD(random io.Reader) (*sad, error) {
	s := &sad{
		random:   random,
		free:     make([]uint16, sadSize),
		count:    sadSize,
		reserved: make([]uint32, sadSize),
		previous: make([]uint16, sadSize),
	}
	for i := range s.free {
		s.free[i] = uint16(i)
	}
	return s, s.shuffle()
}

// shuffle puts the free slots in an order that nobody outside can guess.
func (s *sad) shuffle() error {
	noise := make([]byte, 4*sadSize)
	if _, err := io.ReadFull(s.random, noise); err != nil {
		return fmt.Errorf("tunnel: no randomness for SPIs: %w", err)
	}
	for i := sadSize - 1; i > 0; i-- {
		j := int(binary.NativeEndian.Uint32(noise[4*i:]) % uint32(i+1))
		s.free[i], s.free[j] = s.free[j], s.free[i]
	}
	return nil
}

// lookup finds the SA of spi, or nil. Safe for concurrent use.
func (s *sad) lookup(spi uint32) *inboundSA {
	sa := s.slots[spi&(sadSize-1)].Load()
	if sa == nil || sa.spi != spi {
		return nil
	}
	return sa
}

// allocate reserves an SPI. The values 0 to 255 are reserved (RFC 4303 §2.1):
// the upper half is never 0.
func (s *sad) allocate() (uint32, error) {
	if s.count == 0 {
		return 0, errSADFull
	}
	slot := s.free[s.head]
	upper := uint16(0)
	for upper == 0 || upper == s.previous[slot] {
		var b [2]byte
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return 0, fmt.Errorf("tunnel: no randomness for an SPI: %w", err)
		}
		upper = binary.BigEndian.Uint16(b[:])
	}
	s.head = (s.head + 1) % sadSize
	s.count--
	spi := uint32(upper)<<sadBits | uint32(slot)
	s.reserved[slot], s.previous[slot] = spi, upper
	return spi, nil
}

// isReserved tells whether allocate gave out spi and release has not taken it
// back.
func (s *sad) isReserved(spi uint32) bool {
	return spi != 0 && s.reserved[spi&(sadSize-1)] == spi
}

func (s *sad) install(sa *inboundSA) { s.slots[sa.spi&(sadSize-1)].Store(sa) }

// release takes spi back, whether or not an SA was installed.
func (s *sad) release(spi uint32) {
	if !s.isReserved(spi) {
		return
	}
	slot := spi & (sadSize - 1)
	s.slots[slot].Store(nil)
	s.reserved[slot] = 0
	s.free[(s.head+s.count)%sadSize] = uint16(slot)
	s.count++
}

package tunnel

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
)

// strays is when ESP of an unknown SPI was told of last, by a hash of where it
// came from: what strangers send is told of a bounded number of times a second,
// and one of them silences few others.
type strays [64]atomic.Int64

// slot is where an address is noted.
func (s *strays) slot(a netip.Addr) *atomic.Int64 {
	b := a.As16()
	h := (binary.LittleEndian.Uint64(b[:8]) ^ binary.LittleEndian.Uint64(b[8:])) * 0x9e3779b97f4a7c15
	return &s[h>>58]
}

// stray tells of ESP that no SA here belongs to.
func (t *Tunnel) stray(spi uint32, local, remote netip.AddrPort, now time.Duration) {
	if t.cfg.OnUnknownSPI != nil && once(t.strays.slot(remote.Addr()), now) {
		t.cfg.OnUnknownSPI(spi, local, remote)
	}
}

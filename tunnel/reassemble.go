package tunnel

import (
	"encoding/binary"
	"slices"
	"time"
)

// In transport mode ESP is applied to whole datagrams (RFC 4303 §3.1.1), and the
// kernel has cut what is longer than the device's MTU. So fragments on their way out
// are put together here, sealed, and cut again outside.

const (
	// maxAssemblies bounds the packets of one worker that wait for fragments, and
	// assemblyTime for how long: the kernel gives all fragments one after the other.
	maxAssemblies = 16
	assemblyTime  = 2 * time.Second

	fragmentUnit   = 8
	fragmentHeader = 8 // of IPv6
)

// assembler puts together the packets of one worker. It belongs to its goroutine.
type assembler struct {
	pending []*assembly // oldest first
	free    []*assembly
}

// assemblyKey is what the fragments of one packet have in common (RFC 791 §3.2,
// RFC 8200 §4.5).
type assemblyKey struct {
	srcHigh, srcLow, dstHigh, dstLow uint64
	id                               uint32
	protocol                         uint8
	version                          uint8
}

// assembly is one packet that waits for fragments.
type assembly struct {
	key    assemblyKey
	since  time.Duration
	pieces int
	header int // length
	bytes  int // of payload that are there
	top    int // of payload: where what is there ends
	total  int // of payload; 0: the last fragment is not there
	have   [0x10000 / fragmentUnit / 64]uint64
	b      [ipv6HeaderLen + 0x10000]byte
}

// piece is one fragment.
type piece struct {
	key     assemblyKey
	header  []byte // that of the packet, as it would be without fragmentation
	next    uint8
	offset  int
	more    bool
	payload []byte
}

// pieceOf reads a fragment; false if it has more before its payload than can be
// sealed, or is malformed.
func pieceOf(b []byte, p *packet) (f piece, ok bool) {
	k := &p.key
	f.key = assemblyKey{srcHigh: k.srcHigh, srcLow: k.srcLow, dstHigh: k.dstHigh, dstLow: k.dstLow, version: p.version}
	if p.version == 4 {
		field := binary.BigEndian.Uint16(b[6:])
		f.key.id, f.next, f.header = uint32(binary.BigEndian.Uint16(b[4:])), b[9], b[:ipv4HeaderLen]
		f.offset, f.more, f.payload = int(field&0x1fff)*fragmentUnit, field&0x2000 != 0, b[p.headerLen:p.length]
		ok = p.headerLen == ipv4HeaderLen
	} else if ok = b[6] == protoFragment; ok {
		h := b[ipv6HeaderLen:]
		field := binary.BigEndian.Uint16(h[2:])
		f.key.id, f.next, f.header = binary.BigEndian.Uint32(h[4:]), h[0], b[:ipv6HeaderLen]
		f.offset, f.more, f.payload = int(field&^7), field&1 != 0, b[ipv6HeaderLen+fragmentHeader:p.length]
	}
	f.key.protocol = f.next
	return f, ok && len(f.payload) > 0 && (!f.more || len(f.payload)%fragmentUnit == 0) && len(f.header)+f.offset+len(f.payload) <= 0xffff
}

// add takes a fragment, and gives the whole packet if it was the last one missing,
// until the next call. dropped is how many fragments were given up for it.
func (a *assembler) add(now time.Duration, f *piece) (whole []byte, dropped int) {
	for len(a.pending) > 0 && now-a.pending[0].since >= assemblyTime {
		dropped += a.giveUp(0)
	}
	i := slices.IndexFunc(a.pending, func(o *assembly) bool { return o.key == f.key })
	if i < 0 {
		if len(a.pending) == maxAssemblies {
			dropped += a.giveUp(0)
		}
		a.pending = append(a.pending, a.begin(now, f))
		i = len(a.pending) - 1
	}
	x := a.pending[i]
	x.pieces++
	if !x.fits(f) {
		return nil, dropped + a.giveUp(i)
	}
	copy(x.b[x.header+f.offset:], f.payload)
	x.bytes += len(f.payload)
	if f.offset == 0 {
		copy(x.b[:x.header], f.header)
	}
	if x.total == 0 || x.bytes < x.total {
		return nil, dropped
	}
	a.release(i)
	return x.finish(f.next), dropped
}

// begin is an assembly for a new packet.
func (a *assembler) begin(now time.Duration, f *piece) *assembly {
	x := &assembly{}
	if n := len(a.free); n > 0 {
		x, a.free = a.free[n-1], a.free[:n-1]
		clear(x.have[:])
	}
	x.key, x.since, x.header = f.key, now, len(f.header)
	x.pieces, x.bytes, x.top, x.total = 0, 0, 0, 0
	return x
}

// release takes one out; its memory is for the next.
func (a *assembler) release(i int) {
	a.free = append(a.free, a.pending[i])
	a.pending = slices.Delete(a.pending, i, i+1)
}

func (a *assembler) giveUp(i int) (pieces int) {
	pieces = a.pending[i].pieces
	a.release(i)
	return pieces
}

// fits notes where a fragment lies; false if another lies there (RFC 5722), or it
// contradicts where the packet ends.
func (x *assembly) fits(f *piece) bool {
	end := f.offset + len(f.payload)
	if x.total != 0 && (end > x.total || !f.more) {
		return false
	}
	for unit := f.offset / fragmentUnit; unit*fragmentUnit < end; unit++ {
		bit := uint64(1) << (unit % 64)
		if x.have[unit/64]&bit != 0 {
			return false
		}
		x.have[unit/64] |= bit
	}
	x.top = max(x.top, end)
	if !f.more {
		x.total = end
	}
	return f.more || x.top == end
}

// finish is the packet without a trace of fragmentation.
func (x *assembly) finish(next uint8) []byte {
	b := x.b[:x.header+x.total]
	if x.key.version == 6 {
		b[6] = next
		binary.BigEndian.PutUint16(b[4:], uint16(x.total))
		return b
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	clear(b[6:8])
	clear(b[10:12])
	binary.BigEndian.PutUint16(b[10:], checksum(b[:ipv4HeaderLen], 0))
	return b
}

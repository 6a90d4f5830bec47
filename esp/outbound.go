package esp

import (
	"errors"
	"slices"
	"sync/atomic"

	"causeway/esp/prefetch"
)

var errReserveNothing = errors.New("esp: at least one sequence number is reserved at a time")

// Outbound is the sending direction of a Child SA.
type Outbound struct {
	spi    uint32
	shape  shape
	keys   keys
	limits Limits
	// soft and last are sequence numbers: where to ask for a rekey, and the
	// end, which is nearer than the sequence space's when packets are limited.
	soft, last uint64
	tfc        bool

	_        [64]byte // what workers write is apart from what they only read
	sequence atomic.Uint64
	bytes    atomic.Uint64
	softSaid atomic.Bool
	ended    atomic.Bool
}

// NewOutbound prepares an SA for sealing. Its first sequence number is 1.
func NewOutbound(p Parameters) (*Outbound, error) {
	t, err := p.newTransform()
	if err != nil {
		return nil, err
	}
	o := &Outbound{
		spi: p.SPI, shape: t.shape(), limits: p.Limits.within(p.Cipher),
		soft: softSequence(p.ESN), last: lastSequence(p.ESN), tfc: !p.NoTFC,
	}
	if l := p.Limits.HardPackets; l != 0 {
		o.last = min(o.last, l)
	}
	o.keys.hold(t)
	return o, nil
}

// Reserve takes n sequence numbers, from first on, for packets with bytes of
// payload in all. Numbers are used once and never wrap: at a hard limit or the
// end of the sequence space the state is Hard, the error ErrExhausted, and
// nothing is reserved then or later. Soft comes with a reservation that holds,
// once. An erased SA, which nobody has to be told of, is ErrExhausted but OK.
func (o *Outbound) Reserve(n int, bytes int) (first uint64, state LimitState, err error) {
	if n < 1 || bytes < 0 {
		return 0, OK, errReserveNothing
	}
	if o.ended.Load() {
		if o.keys.erased() {
			return 0, OK, ErrExhausted
		}
		return 0, Hard, ErrExhausted
	}
	totalBytes := o.bytes.Add(uint64(bytes))
	used, ok := o.take(uint64(n))
	if !ok || o.limits.HardBytes != 0 && totalBytes > o.limits.HardBytes {
		o.bytes.Add(-uint64(bytes))
		o.ended.Store(true)
		return 0, Hard, ErrExhausted
	}
	last := used + uint64(n)
	if (last >= o.soft || o.limits.softPassed(last, totalBytes)) && o.softSaid.CompareAndSwap(false, true) {
		state = Soft
	}
	return used + 1, state, nil
}

// take adds n to the numbers used, unless that passes the last one.
func (o *Outbound) take(n uint64) (used uint64, ok bool) {
	for {
		used = o.sequence.Load()
		if n > o.last-used {
			return 0, false
		}
		if o.sequence.CompareAndSwap(used, used+n) {
			return used, true
		}
	}
}

// Skip leaves out n sequence numbers, as a peer asks that lost its replay window
// (RFC 6311 §5.2). Where there are not so many left the SA ends, and ok is false: its
// next Reserve is at the hard limit.
func (o *Outbound) Skip(n uint64) (ok bool) {
	if _, ok = o.take(n); !ok {
		o.ended.Store(true)
	}
	return ok
}

// Seal appends to dst the ESP packet that carries payload under the sequence
// number seq, which came from Reserve and is used for this packet only. It
// allocates only if dst lacks capacity for SealedLen more bytes. The spare
// capacity of dst must not overlap payload. An erased SA appends nothing.
func (o *Outbound) Seal(s *Scratch, dst, payload []byte, nextHeader byte, seq uint64) []byte {
	t := o.keys.held.Load()
	if t == nil {
		return dst
	}
	start, n := len(dst), o.shape.sealedLen(len(payload))
	dst = slices.Grow(dst, n)[:start+n]
	packet := dst[start:]
	body := o.shape.body()
	putHeader(packet, o.spi, seq)
	t.putIV(packet[headerLen:body], s, seq)
	putTrailer(packet[body:n-o.shape.icv], len(payload), nextHeader)
	t.seal(s, packet, payload, seq)
	return dst
}

// Prefetch adds what sealing reads and writes of the SA.
func (o *Outbound) Prefetch(l *prefetch.Lines) {
	prefetch.Add(l, o)
	o.keys.prefetch(l)
}

// Overhead is the most bytes that sealing adds to a payload.
func (o *Outbound) Overhead() int {
	return o.shape.body() + o.shape.align - 1 + trailerLen + o.shape.icv
}

// SealedLen is the length of the ESP packet that carries payload bytes.
func (o *Outbound) SealedLen(payload int) int { return o.shape.sealedLen(payload) }

// MaxPayload is the largest payload of an ESP packet of at most espLen bytes, or
// negative if not even an empty one fits.
func (o *Outbound) MaxPayload(espLen int) int { return o.shape.maxPayload(espLen) }

// TFC tells whether the peer takes payloads with padding behind the packet
// (RFC 4303 §2.7).
func (o *Outbound) TFC() bool { return o.tfc }

// SPI identifies the SA at its receiver.
func (o *Outbound) SPI() uint32 { return o.spi }

// Packets is how many sequence numbers were reserved or left out.
func (o *Outbound) Packets() uint64 { return o.sequence.Load() }

// Bytes is how many bytes of payload were reserved.
func (o *Outbound) Bytes() uint64 { return o.bytes.Load() }

// Erase ends the SA and lets go of its keys. Packets being sealed at the time
// are finished. The states of HMAC and the keys of package gcm are overwritten
// once they are; crypto/aes and x/crypto offer no way to overwrite their keys,
// which go when the memory is reused.
func (o *Outbound) Erase() {
	o.keys.erase()
	o.ended.Store(true)
}

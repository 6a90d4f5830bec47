package esp

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"causeway/esp/prefetch"
)

// Inbound is the receiving direction of a Child SA.
type Inbound struct {
	spi          uint32
	shape        shape
	keys         keys
	limits       Limits
	softSequence uint64

	_  [64]byte // what workers write is apart from what they only read
	mu sync.Mutex
	// window, lines, and the writing of the counters, is under mu.
	window         window
	lines          *prefetch.Lines // the first of them is where window is written next
	packets, bytes atomic.Uint64
	soft           atomic.Uint32 // a softState
	ended          atomic.Bool
}

// The soft limit is passed by one worker and reported by any, once.
const (
	softAhead uint32 = iota
	softPassed
	softSaid
)

// Packet is one ESP packet of a batch on its way through Check, Decrypt and
// Commit.
type Packet struct {
	Bytes []byte // the ESP packet, which is overwritten

	Sequence   uint64 // set by Check
	Payload    []byte // set by Decrypt: the part of Bytes that was sealed
	NextHeader byte   // set by Decrypt
	Err        error  // the first step to refuse the packet; later ones pass it by

	authentic bool // set by Decrypt: Commit records nothing else
}

// NewInbound prepares an SA for opening.
func NewInbound(p Parameters) (*Inbound, error) {
	t, err := p.newTransform()
	if err != nil {
		return nil, err
	}
	size, err := p.replayWindow()
	if err != nil {
		return nil, err
	}
	i := &Inbound{
		spi: p.SPI, shape: t.shape(), limits: p.Limits.within(p.Cipher), softSequence: softSequence(p.ESN),
		window: newWindow(size, p.ESN),
	}
	i.keys.hold(t)
	return i, nil
}

// ReplayWindow is the size of the replay window, in packets.
func (i *Inbound) ReplayWindow() int { return int(i.window.size) }

// Open authenticates and decrypts packet in place and returns the part of it
// that was sealed. The error is one of this package's; whatever it is, a packet
// that is not authentic changes nothing of the SA.
func (i *Inbound) Open(s *Scratch, packet []byte) (payload []byte, nextHeader byte, err error) {
	p := Packet{Bytes: packet}
	i.mu.Lock()
	i.check(&p)
	i.mu.Unlock()
	i.Decrypt(s, &p)
	i.mu.Lock()
	i.commit(&p)
	i.mu.Unlock()
	return p.Payload, p.NextHeader, p.Err
}

// OpenBatch does for each packet what Open does, with two locks in all.
func (i *Inbound) OpenBatch(s *Scratch, batch []Packet) {
	i.Check(batch)
	for n := range batch {
		i.Decrypt(s, &batch[n])
	}
	i.Commit(batch)
}

// Check is the first step of the three that OpenBatch takes (RFC 4303 §3.4.3):
// it infers the whole sequence number of each packet and refuses what was seen
// before, at the price of a lock and not of the cryptography. It sets all
// fields but Bytes.
func (i *Inbound) Check(batch []Packet) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range batch {
		i.check(&batch[n])
	}
}

func (i *Inbound) check(p *Packet) {
	*p = Packet{Bytes: p.Bytes}
	switch {
	case i.ended.Load():
		p.Err = ErrExhausted
		return
	case !i.shape.allows(len(p.Bytes)):
		p.Err = ErrShort
		return
	}
	seq, ok := i.window.infer(binary.BigEndian.Uint32(p.Bytes[4:]))
	if !ok || !i.window.fresh(seq) {
		p.Err = ErrReplay
		return
	}
	p.Sequence = seq
}

// Decrypt is the second step: it authenticates and decrypts one packet, without
// a lock and in any order, on any worker. Nothing may be done with the payload
// before Commit took the packet.
func (i *Inbound) Decrypt(s *Scratch, p *Packet) {
	if p.Err != nil {
		return
	}
	t := i.keys.held.Load()
	if t == nil {
		p.Err = ErrExhausted
		return
	}
	plaintext, ok := t.open(s, p.Bytes, p.Sequence)
	if !ok {
		p.Err = ErrAuthentication
		return
	}
	p.authentic = true
	p.Payload, p.NextHeader, ok = cutTrailer(plaintext)
	if !ok {
		p.Err = ErrPadding
	}
}

// Commit is the third step: it records the authentic packets in the replay
// window and counts them. A packet that another worker, or an earlier place in
// the batch, committed meanwhile is refused.
func (i *Inbound) Commit(batch []Packet) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range batch {
		i.commit(&batch[n])
	}
	if i.lines != nil {
		prefetch.Follow(i.lines, i.window.place())
	}
}

func (i *Inbound) commit(p *Packet) {
	if !p.authentic {
		return
	}
	p.authentic = false
	if !i.window.record(p.Sequence) {
		p.refuse(ErrReplay)
	}
	if p.Err != nil { // broken padding: its number is used, but it carries nothing
		return
	}
	packets, bytes := i.packets.Load()+1, i.bytes.Load()+uint64(len(p.Payload))
	if i.ended.Load() || i.limits.hardPassed(packets, bytes) {
		i.ended.Store(true)
		p.refuse(ErrExhausted)
		return
	}
	i.packets.Store(packets)
	i.bytes.Store(bytes)
	if p.Sequence >= i.softSequence || i.limits.softPassed(packets, bytes) {
		i.soft.CompareAndSwap(softAhead, softPassed)
	}
}

func (p *Packet) refuse(err error) { p.Err, p.Payload, p.NextHeader = err, nil, 0 }

// Prefetch puts into l, which has nothing yet, what opening reads and writes of
// the SA. It stays right for the last l given: the place in the replay window
// moves.
func (i *Inbound) Prefetch(l *prefetch.Lines) {
	i.mu.Lock()
	defer i.mu.Unlock()
	prefetch.Add(l, i.window.place())
	i.lines = l
	prefetch.Add(l, i)
	i.keys.prefetch(l)
}

// Limit returns Soft once after a soft limit was passed, and Hard always from
// the hard limit on. Of an erased SA nobody has to be told: it is OK. Workers
// ask after each batch: it costs two loads.
func (i *Inbound) Limit() LimitState {
	switch {
	case i.ended.Load():
		if i.keys.erased() {
			return OK
		}
		return Hard
	case i.soft.Load() == softPassed && i.soft.CompareAndSwap(softPassed, softSaid):
		return Soft
	}
	return OK
}

// SPI identifies the SA here.
func (i *Inbound) SPI() uint32 { return i.spi }

// Packets is how many packets were accepted.
func (i *Inbound) Packets() uint64 { return i.packets.Load() }

// Bytes is how many bytes of payload were accepted.
func (i *Inbound) Bytes() uint64 { return i.bytes.Load() }

// Erase ends the SA and lets go of its keys, as Outbound.Erase does. Packets
// being opened at the time may be refused or finished.
func (i *Inbound) Erase() {
	i.keys.erase()
	i.ended.Store(true)
}

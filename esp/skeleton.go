package esp

import "encoding/binary"

// Scratch is the memory of one worker for sealing and opening.
type Scratch struct{ _ [64]byte }

// NewScratch makes the memory of one worker.
func NewScratch() *Scratch { return new(Scratch) }

// Outbound seals.
type Outbound struct{}

// NewOutbound prepares an SA for sealing.
func NewOutbound(p Parameters) (*Outbound, error) { return &Outbound{}, nil }

// Reserve takes n sequence numbers for bytes of payload.
func (o *Outbound) Reserve(n int, bytes int) (first uint64, state LimitState, err error) {
	return 0, OK, nil
}

// Seal appends the ESP packet that carries payload.
func (o *Outbound) Seal(s *Scratch, dst, payload []byte, nextHeader byte, seq uint64) []byte {
	return dst
}

// Overhead is the most that sealing adds.
func (o *Outbound) Overhead() int { return 0 }

// SealedLen is the length of an ESP packet with payload bytes inside.
func (o *Outbound) SealedLen(payload int) int { return 0 }

// MaxPayload is the largest payload of an ESP packet of at most espLen.
func (o *Outbound) MaxPayload(espLen int) int { return 0 }

// SPI identifies the SA at its receiver.
func (o *Outbound) SPI() uint32 { return 0 }

// Packets counts what was reserved.
func (o *Outbound) Packets() uint64 { return 0 }

// Bytes counts what was reserved.
func (o *Outbound) Bytes() uint64 { return 0 }

// Erase forgets the keys.
func (o *Outbound) Erase() {}

// Inbound opens.
type Inbound struct{}

// NewInbound prepares an SA for opening.
func NewInbound(p Parameters) (*Inbound, error) { return &Inbound{}, nil }

// Open authenticates and decrypts packet in place.
func (i *Inbound) Open(s *Scratch, packet []byte) (payload []byte, nextHeader byte, err error) {
	return nil, 0, ErrShort
}

// Packet is one ESP packet of a batch.
type Packet struct {
	Bytes      []byte // in: the ESP packet; overwritten
	Payload    []byte // out: within Bytes
	Sequence   uint64
	NextHeader byte
	Err        error
}

// OpenBatch opens packets of this SA with two short locks in all.
func (i *Inbound) OpenBatch(s *Scratch, batch []Packet) {}

// Check infers the sequence numbers and refuses replays.
func (i *Inbound) Check(batch []Packet) {}

// Decrypt opens one checked packet; the window does not change.
func (i *Inbound) Decrypt(s *Scratch, p *Packet) {}

// Commit records the decrypted packets in the replay window.
func (i *Inbound) Commit(batch []Packet) {}

// Limit reports Soft once after a soft limit was passed, and Hard from the
// hard limit on.
func (i *Inbound) Limit() LimitState { return OK }

// SPI identifies the SA here.
func (i *Inbound) SPI() uint32 { return 0 }

// Packets counts what was accepted.
func (i *Inbound) Packets() uint64 { return 0 }

// Bytes counts what was accepted.
func (i *Inbound) Bytes() uint64 { return 0 }

// Erase forgets the keys.
func (i *Inbound) Erase() {}

// SPI reads the SPI of an ESP packet.
func SPI(packet []byte) (uint32, bool) {
	if len(packet) < 8 {
		return 0, false
	}
	return binary.BigEndian.Uint32(packet), true
}

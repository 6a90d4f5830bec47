package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// mutator damages datagrams at random.
type mutator struct{ random *rand.Rand }

func newMutator(seed uint64) *mutator {
	return &mutator{rand.New(rand.NewPCG(seed, 0))}
}

// maxDatagram is the largest UDP payload over IPv4.
const maxDatagram = 65507

// mutate gives a damaged copy, or now and then a true one: a replay.
func (m *mutator) mutate(payload []byte) []byte {
	b := slices.Clone(payload)
	switch m.random.IntN(10) {
	case 0: // a replay
	case 1:
		b = b[:m.random.IntN(len(b)+1)]
	case 2:
		b = append(b, m.bytes(1+m.random.IntN(200))...)
	case 3: // a part of it twice
		at := m.random.IntN(len(b) + 1)
		b = slices.Insert(b, at, b[:at]...)
	case 4: // a part of it is other bytes
		at := m.random.IntN(len(b) + 1)
		copy(b[at:], m.bytes(m.random.IntN(32)))
	case 5: // a field at its bounds
		if len(b) > 0 {
			b[m.random.IntN(len(b))] = [...]byte{0x00, 0xff, 0x7f, 0x80, 0x01}[m.random.IntN(5)]
		}
	case 6: // as large as a datagram can be
		if m.random.IntN(20) == 0 {
			b = append(b, make([]byte, maxDatagram-len(b))...)
		}
	default:
		for range 1 + m.random.IntN(8) {
			if len(b) > 0 {
				b[m.random.IntN(len(b))] ^= 1 << m.random.IntN(8)
			}
		}
	}
	return b
}

// freshen moves the sequence number of ESP ahead (RFC 4303 §2.2): a receiver
// that moved its window before it authenticates would drop what is true.
func (m *mutator) freshen(packet []byte) {
	if len(packet) >= 8 {
		sequence := binary.BigEndian.Uint32(packet[4:])
		binary.BigEndian.PutUint32(packet[4:], sequence+1_000+m.random.Uint32N(1<<24))
	}
}

func (m *mutator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.random.Uint32())
	}
	return b
}

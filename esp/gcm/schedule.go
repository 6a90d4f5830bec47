//go:build amd64 && !purego

package gcm

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// schedule is what the assembly reads of a key. Its offsets are known there
// (internal/asm), and it begins on a cache line.
type schedule struct {
	rounds uint64 // more than ten
	_      [24]byte
	// powers are H^18 to H^1, bytes reversed and each times x, so that their
	// products need no shift (RFC 8452 appendix A). H^16, with which the main
	// loop starts, is on a cache line.
	powers [18][16]byte
	_      [3][16]byte // read and multiplied by zero
	// keys are the round keys, the last in the last place: AES-128 leaves the
	// first four empty.
	keys [15][16]byte
	_    [32]byte
}

func newSchedule(key []byte) *schedule {
	const line = 64
	memory := make([]byte, unsafe.Sizeof(schedule{})+line)
	skip := -uintptr(unsafe.Pointer(&memory[0])) % line
	s := (*schedule)(unsafe.Pointer(&memory[skip]))
	s.expand(key)
	s.hashPowers()
	return s
}

// expand is KeyExpansion of FIPS 197 §5.2, its words read little-endian.
func (s *schedule) expand(key []byte) {
	nk := len(key) / 4
	rounds := nk + 6
	s.rounds = uint64(rounds - 10)
	words := (*[60]uint32)(unsafe.Pointer(&s.keys))[4*(14-rounds):]
	for i := range nk {
		words[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	rcon := uint32(1)
	for i := nk; i < 4*(rounds+1); i++ {
		t := words[i-1]
		switch {
		case i%nk == 0:
			t = subWord(bits.RotateLeft32(t, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		case nk > 6 && i%nk == 4:
			t = subWord(t)
		}
		words[i] = words[i-nk] ^ t
	}
}

// hashPowers makes the powers of H = E(K, 0).
func (s *schedule) hashPowers() {
	last := len(s.powers) - 1
	h := &s.powers[last]
	encryptZero(s, h)
	// mulX_POLYVAL of RFC 8452 appendix A, after reversing the bytes
	high, low := binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])
	carry := high >> 63
	binary.LittleEndian.PutUint64(h[:], low<<1^carry)
	binary.LittleEndian.PutUint64(h[8:], high<<1^low>>63^carry*0xc200000000000000)
	for i := last - 1; i >= 0; i-- {
		multiply(&s.powers[i], &s.powers[i+1], h)
	}
}

func (s *schedule) erase() { *s = schedule{} }

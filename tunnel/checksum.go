package tunnel

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// sum adds b to the ones' complement sum initial, unfolded (RFC 1071). Words
// of 64 bits will do: 2^16 is 1 modulo 2^16-1, so every fourth of a word counts
// alike; and so will the machine's byte order, as swapping the bytes of every
// word swaps those of the sum (RFC 1071 §2 (B)).
func sum(b []byte, initial uint64) uint64 {
	var acc uint64
	if hasWide && len(b) >= 2*wideBlock {
		n := len(b) &^ (wideBlock - 1)
		acc = sumWide(&b[0], n)
		b = b[n:]
	}
	acc, carry := bits.Add64(initial, uint64(swap(fold(sumWords(b, acc)))), 0)
	return acc + carry
}

// sumWords adds b, as words of the machine's byte order, to the sum acc.
func sumWords(b []byte, acc uint64) uint64 {
	carry := uint64(0)
	for len(b) >= 64 {
		words := (*[64]byte)(b)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[0:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[8:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[16:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[24:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[32:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[40:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[48:]), carry)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(words[56:]), carry)
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		acc, carry = bits.Add64(acc, binary.NativeEndian.Uint64(tail[:]), carry)
	}
	acc, carry = bits.Add64(acc, carry, 0)
	return acc + carry
}

// swap turns a sum of words of the machine's byte order into one of the
// network's, or back.
func swap(folded uint16) uint16 {
	var word [2]byte
	binary.NativeEndian.PutUint16(word[:], folded)
	return binary.BigEndian.Uint16(word[:])
}

// fold reduces an unfolded sum to the 16 bits of a checksum field, not yet
// complemented.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// checksum is the Internet checksum of b.
func checksum(b []byte, initial uint64) uint16 { return ^fold(sum(b, initial)) }

// adjust is the checksum field value after one 16-bit word that it covers
// changed from before to after: HC' = ~(~HC + ~m + m'), RFC 1624 §3 eqn. 3.
func adjust(field, before, after uint16) uint16 {
	return ^fold(uint64(^field) + uint64(^before) + uint64(after))
}

// pseudoHeader is the unfolded sum of the pseudo-header of an upper layer
// (RFC 9293 §3.1, RFC 8200 §8.1).
func pseudoHeader(src, dst netip.Addr, protocol uint8, length int) uint64 {
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return sum(d[:], sum(s[:], uint64(protocol)+uint64(length)))
	}
	s, d := src.As16(), dst.As16()
	return sum(d[:], sum(s[:], uint64(protocol)+uint64(length)))
}

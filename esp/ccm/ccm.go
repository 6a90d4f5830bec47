// Package ccm is AES-CCM (NIST SP 800-38C, RFC 3610) as ESP (RFC 4309) and IKE
// (RFC 5282) use it: keys of 16, 24 and 32 bytes, tags of 16, 12 and 8, nonces
// of 7 to 13, which there have 11.
//
// The blocks are those of crypto/aes, one at a time: whoever wants speed takes
// AES-GCM. The time depends on lengths alone. A Key is safe for concurrent use
// by workers that each have their own Scratch; nothing allocates per message.
// The package does not choose nonces: a pair of key and nonce that is used twice
// for sealing breaks both messages.
package ccm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrOpen says that a ciphertext or its additional data are not authentic.
var ErrOpen = errors.New("ccm: message is not authentic")

// Key seals and opens under one AES key.
type Key struct {
	block      cipher.Block
	nonce, tag int
}

// NewKey expands a key of 16, 24 or 32 bytes, for nonces and tags of these
// sizes. The bytes of key are not kept.
func NewKey(key []byte, nonceSize, tagSize int) (*Key, error) {
	if nonceSize < 7 || nonceSize > 13 {
		return nil, fmt.Errorf("ccm: a nonce has 7 to 13 bytes, not %d", nonceSize)
	}
	if tagSize != 16 && tagSize != 12 && tagSize != 8 {
		return nil, fmt.Errorf("ccm: a tag has 16, 12 or 8 bytes, not %d", tagSize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ccm: an AES key has 16, 24 or 32 bytes, not %d", len(key))
	}
	return &Key{block: block, nonce: nonceSize, tag: tagSize}, nil
}

// Overhead is the length of a tag.
func (k *Key) Overhead() int { return k.tag }

// NonceSize is the length of a nonce.
func (k *Key) NonceSize() int { return k.nonce }

// String keeps the key out of logs.
func (k *Key) String() string { return "ccm.Key" }

// GoString keeps the key out of %#v.
func (k *Key) GoString() string { return k.String() }

// Scratch is the memory that one message is computed in: what is passed to a
// block cipher cannot live on the stack.
type Scratch struct {
	mac, counter, stream [aes.BlockSize]byte
}

// maxPlaintext is what the length field of the first block, which the nonce
// leaves room for, can hold.
func (k *Key) maxPlaintext() uint64 {
	if n := 15 - k.nonce; n < 8 {
		return 1<<(8*n) - 1
	}
	return math.MaxInt64
}

// Seal encrypts plaintext into dst and appends the tag: dst is Overhead longer
// than plaintext. The two begin at the same place or are apart, which the caller
// sees to. Nothing else is written.
func (k *Key) Seal(s *Scratch, dst, nonce, plaintext, aad []byte) {
	n := len(plaintext)
	if len(dst) != n+k.tag {
		panic("ccm: destination of Seal is not as long as plaintext and tag")
	}
	if uint64(n) > k.maxPlaintext() {
		panic("ccm: plaintext is too long")
	}
	k.begin(s, nonce, n, aad)
	k.encrypt(s, dst[:n], plaintext)
	k.finish(s)
	copy(dst[n:], s.mac[:k.tag])
}

// Open authenticates ciphertext, which ends with the tag, and decrypts it into
// dst, which is Overhead shorter; about their places Seal's rule holds. When it
// fails dst holds zeros: the tag is over the plaintext, so that this is in dst,
// unverified, while Open runs.
func (k *Key) Open(s *Scratch, dst, nonce, ciphertext, aad []byte) error {
	n := len(ciphertext) - k.tag
	if n < 0 {
		return ErrOpen
	}
	if len(dst) != n {
		panic("ccm: destination of Open is not as long as the plaintext")
	}
	if uint64(n) > k.maxPlaintext() {
		return ErrOpen
	}
	k.begin(s, nonce, n, aad)
	k.decrypt(s, dst, ciphertext[:n])
	k.finish(s)
	if subtle.ConstantTimeCompare(s.mac[:k.tag], ciphertext[n:]) != 1 {
		clear(dst)
		return ErrOpen
	}
	return nil
}

// begin takes the first block and the additional data into the MAC (SP 800-38C
// appendix A.2) and sets the counter to the first block of text (A.3).
func (k *Key) begin(s *Scratch, nonce []byte, n int, aad []byte) {
	if len(nonce) != k.nonce {
		panic("ccm: nonce of another size")
	}
	lengthSize := 15 - k.nonce
	// The bytes of the length beyond its field are zero, by maxPlaintext, until
	// the nonce overwrites them.
	binary.BigEndian.PutUint64(s.mac[8:], uint64(n))
	s.mac[0] = byte((k.tag-2)/2<<3 | (lengthSize - 1))
	if len(aad) > 0 {
		s.mac[0] |= 1 << 6
	}
	copy(s.mac[1:], nonce)
	k.block.Encrypt(s.mac[:], s.mac[:])
	k.additional(s, aad)

	clear(s.counter[:])
	s.counter[0] = byte(lengthSize - 1)
	copy(s.counter[1:], nonce)
	s.counter[15] = 1
}

// additional takes the additional data into the MAC, with their length before
// them and zeros up to a whole block behind (SP 800-38C appendix A.2.2).
func (k *Key) additional(s *Scratch, aad []byte) {
	if len(aad) == 0 {
		return
	}
	clear(s.stream[:])
	used := 2
	if len(aad) < 1<<16-1<<8 {
		binary.BigEndian.PutUint16(s.stream[:], uint16(len(aad)))
	} else {
		binary.BigEndian.PutUint16(s.stream[:], 0xfffe)
		binary.BigEndian.PutUint32(s.stream[2:], uint32(len(aad)))
		used = 6
	}
	for {
		aad = aad[copy(s.stream[used:], aad):]
		subtle.XORBytes(s.mac[:], s.mac[:], s.stream[:])
		k.block.Encrypt(s.mac[:], s.mac[:])
		if len(aad) == 0 {
			return
		}
		clear(s.stream[:])
		used = 0
	}
}

// encrypt and decrypt run the MAC over the plaintext and the counter mode in
// one pass.
func (k *Key) encrypt(s *Scratch, dst, src []byte) {
	for len(src) > 0 {
		n := min(len(src), aes.BlockSize)
		subtle.XORBytes(s.mac[:n], s.mac[:n], src[:n])
		k.block.Encrypt(s.mac[:], s.mac[:])
		k.next(s)
		subtle.XORBytes(dst[:n], src[:n], s.stream[:n])
		dst, src = dst[n:], src[n:]
	}
}

func (k *Key) decrypt(s *Scratch, dst, src []byte) {
	for len(src) > 0 {
		n := min(len(src), aes.BlockSize)
		k.next(s)
		subtle.XORBytes(dst[:n], src[:n], s.stream[:n])
		subtle.XORBytes(s.mac[:n], s.mac[:n], dst[:n])
		k.block.Encrypt(s.mac[:], s.mac[:])
		dst, src = dst[n:], src[n:]
	}
}

// next makes one block of key stream and advances the counter, which by
// maxPlaintext never carries into the nonce.
func (k *Key) next(s *Scratch) {
	k.block.Encrypt(s.stream[:], s.counter[:])
	binary.BigEndian.PutUint64(s.counter[8:], binary.BigEndian.Uint64(s.counter[8:])+1)
}

// finish encrypts the MAC with the block of the counter zero.
func (k *Key) finish(s *Scratch) {
	clear(s.counter[1+k.nonce:])
	k.block.Encrypt(s.stream[:], s.counter[:])
	subtle.XORBytes(s.mac[:], s.mac[:], s.stream[:])
}

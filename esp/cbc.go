package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// cbc is AES-CBC (RFC 3602), then HMAC over the ciphertext.
type cbc struct {
	block cipher.Block
	// ivs turns sequence numbers into initialization vectors, which must be
	// unpredictable (RFC 3602 §3): a block cipher under a key of its own, drawn
	// at random and told to nobody, is a permutation that nobody can foretell,
	// and of a number that never repeats it makes a vector that never repeats
	// (NIST SP 800-38A appendix C, first method).
	ivs cipher.Block
	mac *hmac
}

func newCBC(p Parameters) (*cbc, error) {
	if n := len(p.EncryptionKey); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("esp: SPI %08x: %v has a key of 16, 24 or 32 bytes, not %d", p.SPI, p.Cipher, n)
	}
	mac, err := newHMAC(p)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(p.EncryptionKey)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	var ivKey [16]byte
	rand.Read(ivKey[:]) // never fails
	defer clear(ivKey[:])
	ivs, err := aes.NewCipher(ivKey[:])
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &cbc{block: block, ivs: ivs, mac: mac}, nil
}

func (c *cbc) shape() shape {
	return shape{iv: aes.BlockSize, align: aes.BlockSize, block: aes.BlockSize, icv: c.mac.icvLen}
}

func (c *cbc) putIV(iv []byte, s *Scratch, seq uint64) {
	clear(s.block[:8])
	binary.BigEndian.PutUint64(s.block[8:], seq)
	c.ivs.Encrypt(iv, s.block[:])
}

func (c *cbc) seal(s *Scratch, packet, payload []byte, seq uint64) {
	signed := packet[:len(packet)-c.mac.icvLen]
	plaintext := signed[headerLen+aes.BlockSize:]
	copy(plaintext, payload)
	c.encrypt(plaintext, signed[headerLen:headerLen+aes.BlockSize])
	copy(packet[len(signed):], c.mac.sum(s, signed, seq))
}

func (c *cbc) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	signed := packet[:len(packet)-c.mac.icvLen]
	if subtle.ConstantTimeCompare(c.mac.sum(s, signed, seq), packet[len(signed):]) != 1 {
		return nil, false
	}
	ciphertext := signed[headerLen+aes.BlockSize:]
	c.decrypt(ciphertext, signed[headerLen:headerLen+aes.BlockSize])
	return ciphertext, true
}

// encrypt works in place. The chaining is done here and not by a
// cipher.BlockMode because that one carries the IV as state: workers could not
// share it, and making one for each packet allocates.
func (c *cbc) encrypt(b, iv []byte) {
	for ; len(b) >= aes.BlockSize; b = b[aes.BlockSize:] {
		block := b[:aes.BlockSize]
		xorBlock(block, iv)
		c.block.Encrypt(block, block)
		iv = block
	}
}

// decrypt works in place, from the last block to the first, because each needs
// the ciphertext before it.
func (c *cbc) decrypt(b, iv []byte) {
	for end := len(b); end >= aes.BlockSize; end -= aes.BlockSize {
		block := b[end-aes.BlockSize : end]
		c.block.Decrypt(block, block)
		if end > aes.BlockSize {
			xorBlock(block, b[end-2*aes.BlockSize:])
		} else {
			xorBlock(block, iv)
		}
	}
}

func xorBlock(dst, with []byte) {
	_, _ = dst[aes.BlockSize-1], with[aes.BlockSize-1]
	binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(dst)^binary.NativeEndian.Uint64(with))
	binary.NativeEndian.PutUint64(dst[8:], binary.NativeEndian.Uint64(dst[8:])^binary.NativeEndian.Uint64(with[8:]))
}

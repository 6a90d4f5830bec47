package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	des "causeway/esp/tripledes"
)

// tripleDES is 3DES-CBC (RFC 2451), then HMAC over the ciphertext: AES-CBC with
// blocks of half the length, for which it is not slowed down.
type tripleDES struct {
	block cipher.Block
	// ivs is as in cbc. Of what it gives only half is taken, so vectors may
	// repeat, as blocks may: VolumeLimit is for both.
	ivs cipher.Block
	mac *hmac
}

func newTripleDES(p Parameters) (*tripleDES, error) {
	mac, err := newHMAC(p)
	if err != nil {
		return nil, err
	}
	block, err := des.NewCipher(p.EncryptionKey)
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
	return &tripleDES{block: block, ivs: ivs, mac: mac}, nil
}

func (c *tripleDES) shape() shape {
	return shape{iv: des.BlockSize, align: des.BlockSize, block: des.BlockSize, icv: c.mac.icvLen}
}

func (c *tripleDES) putIV(iv []byte, s *Scratch, seq uint64) {
	clear(s.block[:8])
	binary.BigEndian.PutUint64(s.block[8:], seq)
	c.ivs.Encrypt(s.block[:], s.block[:])
	copy(iv, s.block[:des.BlockSize])
}

func (c *tripleDES) seal(s *Scratch, packet, payload []byte, seq uint64) {
	signed := packet[:len(packet)-c.mac.icvLen]
	plaintext := signed[headerLen+des.BlockSize:]
	copy(plaintext, payload)
	c.encrypt(plaintext, signed[headerLen:headerLen+des.BlockSize])
	copy(packet[len(signed):], c.mac.sum(s, signed, seq))
}

func (c *tripleDES) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	signed := packet[:len(packet)-c.mac.icvLen]
	if subtle.ConstantTimeCompare(c.mac.sum(s, signed, seq), packet[len(signed):]) != 1 {
		return nil, false
	}
	ciphertext := signed[headerLen+des.BlockSize:]
	c.decrypt(ciphertext, signed[headerLen:headerLen+des.BlockSize])
	return ciphertext, true
}

// encrypt works in place.
func (c *tripleDES) encrypt(b, iv []byte) {
	for ; len(b) >= des.BlockSize; b = b[des.BlockSize:] {
		block := b[:des.BlockSize]
		subtle.XORBytes(block, block, iv)
		c.block.Encrypt(block, block)
		iv = block
	}
}

// decrypt works in place, from the last block to the first, because each needs
// the ciphertext before it.
func (c *tripleDES) decrypt(b, iv []byte) {
	for end := len(b); end >= des.BlockSize; end -= des.BlockSize {
		block, before := b[end-des.BlockSize:end], iv
		if end > des.BlockSize {
			before = b[end-2*des.BlockSize : end-des.BlockSize]
		}
		c.block.Decrypt(block, block)
		subtle.XORBytes(block, block, before)
	}
}

package transform

import (
	"crypto/cipher"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"slices"
)

// cbcProtection is AES-CBC or 3DES-CBC with an HMAC over all that precedes it (RFC 7296
// §3.14, RFC 3602, RFC 2451).
type cbcProtection struct {
	block    cipher.Block
	integ    integrityHash
	integKey []byte
}

func newCBCProtection(encr Transform, integ uint16, encKey, integKey []byte) (*cbcProtection, error) {
	h, ok := integrityOf(integ)
	if !ok {
		return nil, errors.New("CBC needs an integrity algorithm")
	}
	block, err := NewBlock(encr, encKey)
	if err != nil {
		return nil, err
	}
	return &cbcProtection{block, h, slices.Clone(integKey)}, nil
}

// padding is how many octets fill up the last block, beside the pad length.
func (c *cbcProtection) padding(plainLen int) int {
	size := c.block.BlockSize()
	return (size - (plainLen+1)%size) % size
}

func (c *cbcProtection) overhead(plainLen int) int {
	return c.block.BlockSize() + c.padding(plainLen) + 1 + c.integ.icvLen
}

func (c *cbcProtection) seal(dst, prefix, plaintext []byte, random io.Reader) ([]byte, error) {
	// RFC 7296 §3.14: the IV must be unpredictable, so it is random.
	iv := make([]byte, c.block.BlockSize())
	if _, err := io.ReadFull(random, iv); err != nil {
		return dst, fmt.Errorf("transform: drawing an IV: %w", err)
	}
	dst = slices.Grow(dst, len(plaintext)+c.overhead(len(plaintext)))
	body := len(dst)
	dst = append(dst, iv...)
	text := len(dst)
	dst = append(dst, plaintext...)
	pad := c.padding(len(plaintext))
	dst = append(dst, make([]byte, pad)...)
	dst = append(dst, byte(pad))
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(dst[text:], dst[text:])
	return append(dst, c.icv(prefix, dst[body:])...), nil
}

func (c *cbcProtection) open(prefix, body []byte) ([]byte, error) {
	size := c.block.BlockSize()
	if len(body) < 2*size+c.integ.icvLen || (len(body)-c.integ.icvLen)%size != 0 {
		return nil, ErrLength
	}
	sealed, icv := body[:len(body)-c.integ.icvLen], body[len(body)-c.integ.icvLen:]
	if !hmac.Equal(icv, c.icv(prefix, sealed)) {
		return nil, ErrAuthentication
	}
	iv, text := sealed[:size], sealed[size:]
	plain := make([]byte, len(text))
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(plain, text)
	return unpad(plain)
}

// icv is the truncated HMAC over everything before it.
func (c *cbcProtection) icv(prefix, sealed []byte) []byte {
	mac := hmac.New(c.integ.hash, c.integKey)
	mac.Write(prefix)
	mac.Write(sealed)
	return mac.Sum(nil)[:c.integ.icvLen]
}

func (c *cbcProtection) erase() { clear(c.integKey) }

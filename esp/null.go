package esp

import (
	"crypto/subtle"
	"fmt"
)

// null is no encryption (RFC 2410), with HMAC: whoever is on the path can read
// the payload, but not change it.
type null struct{ mac *hmac }

func newNull(p Parameters) (*null, error) {
	if len(p.EncryptionKey) != 0 {
		return nil, fmt.Errorf("esp: SPI %08x: %v has no key, but there are %d bytes of one", p.SPI, p.Cipher, len(p.EncryptionKey))
	}
	mac, err := newHMAC(p)
	if err != nil {
		return nil, err
	}
	return &null{mac}, nil
}

// shape pads to four bytes (RFC 4303 §2.4); the block of NULL is one byte (RFC
// 2410 §2.3), and there is no IV.
func (n *null) shape() shape { return shape{align: 4, block: 1, icv: n.mac.icvLen} }

func (n *null) putIV([]byte, *Scratch, uint64) {}

func (n *null) seal(s *Scratch, packet, payload []byte, seq uint64) {
	signed := packet[:len(packet)-n.mac.icvLen]
	copy(signed[headerLen:], payload)
	copy(packet[len(signed):], n.mac.sum(s, signed, seq))
}

func (n *null) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	signed := packet[:len(packet)-n.mac.icvLen]
	ok := subtle.ConstantTimeCompare(n.mac.sum(s, signed, seq), packet[len(signed):]) == 1
	return signed[headerLen:], ok
}

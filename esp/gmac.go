package esp

import (
	"encoding/binary"
	"fmt"

	aesgcm "causeway/esp/gcm"
)

// gmac is AES-GMAC (RFC 4543): the packet is authenticated and not encrypted.
type gmac struct {
	aead
	key *aesgcm.Key
}

func newGMAC(p Parameters) (*gmac, error) {
	a, bytes, err := newAEAD(p, aesgcm.TagSize, gcmSaltLen, 16, 24, 32)
	if err != nil {
		return nil, err
	}
	key, err := aesgcm.NewKey(bytes)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &gmac{a, key}, nil
}

func (g *gmac) seal(s *Scratch, packet, payload []byte, seq uint64) {
	copy(packet[headerLen+aeadIVLen:], payload)
	nonce, _ := g.bind(s, packet, seq)
	icv := s.mac[:aesgcm.TagSize]
	signed := g.insert(packet, seq)
	g.key.Seal(icv, (*[aesgcm.NonceSize]byte)(nonce), nil, signed)
	g.remove(packet)
	copy(packet[len(packet)-len(icv):], icv)
}

func (g *gmac) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	nonce, _ := g.bind(s, packet, seq)
	icv := s.mac[:aesgcm.TagSize]
	copy(icv, packet[len(packet)-len(icv):])
	signed := g.insert(packet, seq)
	err := g.key.Open(nil, (*[aesgcm.NonceSize]byte)(nonce), icv, signed)
	g.remove(packet)
	return packet[headerLen+aeadIVLen : len(packet)-len(icv)], err == nil
}

// insert returns what is authenticated: the header with the whole of the
// sequence number, the IV, the payload and its trailer (RFC 4543 §3.3). The high
// half of an extended number is not sent, so that for as long as the ICV is
// computed what follows it moves into the ICV's place.
func (g *gmac) insert(packet []byte, seq uint64) []byte {
	signed := packet[:len(packet)-aesgcm.TagSize]
	if !g.esn {
		return signed
	}
	n := len(signed)
	signed = packet[:n+4]
	copy(signed[headerLen+4:], signed[headerLen:n])
	binary.BigEndian.PutUint64(signed[4:], seq)
	return signed
}

// remove undoes insert, but for the ICV's first bytes.
func (g *gmac) remove(packet []byte) {
	if !g.esn {
		return
	}
	signed := packet[:len(packet)-aesgcm.TagSize+4]
	copy(signed[4:], signed[headerLen:])
}

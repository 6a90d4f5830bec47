package transform

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
)

// curveGroup is an elliptic-curve group: ECP by RFC 5903, Curve25519 by RFC
// 8031.
type curveGroup struct {
	id        uint16
	curve     ecdh.Curve
	scalarLen int
	topMask   byte   // the bits of the first scalar octet that the field has
	prefix    []byte // of the uncompressed point form, which IKE leaves out
	publicLen int
	sharedLen int
}

var curveGroups = map[uint16]*curveGroup{
	ECP256: {ECP256, ecdh.P256(), 32, 0xff, []byte{4}, 64, 32},
	ECP384: {ECP384, ecdh.P384(), 48, 0xff, []byte{4}, 96, 48},
	ECP521: {ECP521, ecdh.P521(), 66, 0x01, []byte{4}, 132, 66},
	X25519: {X25519, ecdh.X25519(), 32, 0xff, nil, 32, 32},
}

func (g *curveGroup) ID() uint16     { return g.id }
func (g *curveGroup) PublicLen() int { return g.publicLen }
func (g *curveGroup) AnswerLen() int { return g.PublicLen() }

// Answer is Generate: both sides do the same.
func (g *curveGroup) Answer(random io.Reader, peer []byte) (PrivateKey, error) {
	return answer(g, random, peer)
}
func (g *curveGroup) SharedLen() int { return g.sharedLen }

// maxDraws bounds the rejection sampling of a scalar. A draw for P-256 fails
// once in 2^32, for the other curves far less often; a reader that fails this
// many is broken.
const maxDraws = 64

// Generate draws a scalar uniformly by rejection. ecdh's own GenerateKey
// ignores its reader, which would make runs impossible to repeat.
func (g *curveGroup) Generate(random io.Reader) (PrivateKey, error) {
	scalar := make([]byte, g.scalarLen)
	defer clear(scalar)
	for range maxDraws {
		if _, err := io.ReadFull(random, scalar); err != nil {
			return nil, fmt.Errorf("transform: group %d: drawing a private key: %w", g.id, err)
		}
		scalar[0] &= g.topMask
		if key, err := g.curve.NewPrivateKey(scalar); err == nil {
			return &curveKey{g, key}, nil
		}
	}
	return nil, fmt.Errorf("transform: group %d: the random source gives no usable private key", g.id)
}

// curveKey is a private key of a curveGroup.
type curveKey struct {
	group *curveGroup
	key   *ecdh.PrivateKey
}

func (k *curveKey) Group() Group { return k.group }

// Public is x | y without the octet 4 (RFC 5903 §7), or the u coordinate (RFC
// 8031 §2).
func (k *curveKey) Public() []byte {
	if k.key == nil {
		return nil
	}
	return bytes.Clone(k.key.PublicKey().Bytes()[len(k.group.prefix):])
}

// Shared is the x coordinate of the common point (RFC 5903 §7). ecdh checks
// that the peer's point is on the curve and not the point at infinity (RFC 6989
// §2.3), and refuses an all-zero X25519 result (RFC 8031 §2.3).
func (k *curveKey) Shared(peer []byte) ([]byte, error) {
	if k.key == nil {
		return nil, errErased
	}
	if err := checkLen(k.group, peer); err != nil {
		return nil, err
	}
	point := append(bytes.Clone(k.group.prefix), peer...)
	public, err := k.group.curve.NewPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("transform: group %d: %w: not a point of the curve", k.group.id, ErrPublicValue)
	}
	shared, err := k.key.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("transform: group %d: %w: of low order", k.group.id, ErrPublicValue)
	}
	return shared, nil
}

// Erase drops the key; crypto/ecdh gives no access to its memory.
func (k *curveKey) Erase() { k.key = nil }

var errErased = errors.New("transform: the private key is erased")

package transform

import (
	"bytes"
	"fmt"
	"io"

	"github.com/cloudflare/circl/dh/x448"
)

// x448Group is Curve448 by RFC 8031. The standard library does not have it.
type x448Group struct{}

func (x448Group) ID() uint16     { return X448 }
func (x448Group) PublicLen() int { return x448.Size }
func (x448Group) AnswerLen() int { return x448.Size }
func (x448Group) SharedLen() int { return x448.Size }

// Generate draws a scalar; any 56 octets are one.
func (g x448Group) Generate(random io.Reader) (PrivateKey, error) {
	k := &x448Key{}
	if _, err := io.ReadFull(random, k.scalar[:]); err != nil {
		return nil, fmt.Errorf("transform: group %d: drawing a private key: %w", X448, err)
	}
	x448.KeyGen(&k.public, &k.scalar)
	return k, nil
}

// Answer is Generate: both sides do the same.
func (g x448Group) Answer(random io.Reader, peer []byte) (PrivateKey, error) {
	return answer(g, random, peer)
}

// x448Key is a private key of Curve448.
type x448Key struct {
	scalar, public x448.Key
	erased         bool
}

func (k *x448Key) Group() Group { return x448Group{} }

// Public is the u coordinate (RFC 8031 §2).
func (k *x448Key) Public() []byte { return bytes.Clone(k.public[:]) }

// Shared refuses a peer's point of low order, whose result is zero (RFC 8031
// §2.3, RFC 7748 §6.2).
func (k *x448Key) Shared(peer []byte) ([]byte, error) {
	if k.erased {
		return nil, errErased
	}
	if err := checkLen(k.Group(), peer); err != nil {
		return nil, err
	}
	var shared, public x448.Key
	copy(public[:], peer)
	if !x448.Shared(&shared, &k.scalar, &public) {
		return nil, fmt.Errorf("transform: group %d: %w: of low order", X448, ErrPublicValue)
	}
	return shared[:], nil
}

// Erase overwrites the scalar.
func (k *x448Key) Erase() {
	clear(k.scalar[:])
	k.erased = true
}

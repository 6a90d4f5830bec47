package transform

import (
	"fmt"
	"io"
	"math/big"
)

// modpGroup is a group of integers modulo a safe prime with generator 2.
//
// Exponentiation is math/big's, whose timing depends on the operands. An
// exponent is used for one key and one agreement and then gone, so that there
// is no series of timings to learn from; elliptic curves are preferred in the
// defaults.
type modpGroup struct {
	id       uint16
	prime    *big.Int
	last     *big.Int // prime - 1
	exponent int      // octets of a private exponent
}

// The exponents are as long as the upper strength estimates of RFC 3526 §8
// ask for, and never below 256 bits.
var modpGroups = map[uint16]*modpGroup{
	MODP1024: newMODP(MODP1024, prime1024, 256/8),
	MODP1536: newMODP(MODP1536, prime1536, 256/8),
	MODP2048: newMODP(MODP2048, prime2048, 320/8),
	MODP3072: newMODP(MODP3072, prime3072, 424/8),
	MODP4096: newMODP(MODP4096, prime4096, 480/8),
	MODP6144: newMODP(MODP6144, prime6144, 544/8),
	MODP8192: newMODP(MODP8192, prime8192, 624/8),
}

func newMODP(id uint16, prime string, exponent int) *modpGroup {
	p, _ := new(big.Int).SetString(prime, 16)
	return &modpGroup{id: id, prime: p, last: new(big.Int).Sub(p, one), exponent: exponent}
}

var (
	one = big.NewInt(1)
	two = big.NewInt(2)
)

func (g *modpGroup) ID() uint16     { return g.id }
func (g *modpGroup) PublicLen() int { return g.prime.BitLen() / 8 }
func (g *modpGroup) AnswerLen() int { return g.PublicLen() }

// Answer is Generate: both sides do the same.
func (g *modpGroup) Answer(random io.Reader, peer []byte) (PrivateKey, error) {
	return answer(g, random, peer)
}
func (g *modpGroup) SharedLen() int { return g.PublicLen() }

// Generate draws an exponent. Its top bit is set, which fixes the number of
// squarings and keeps it away from the trivial ones.
func (g *modpGroup) Generate(random io.Reader) (PrivateKey, error) {
	b := make([]byte, g.exponent)
	defer clear(b)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("transform: group %d: drawing a private key: %w", g.id, err)
	}
	b[0] |= 0x80
	x := new(big.Int).SetBytes(b)
	y := new(big.Int).Exp(two, x, g.prime)
	return &modpKey{group: g, exponent: x, public: y.FillBytes(make([]byte, g.PublicLen()))}, nil
}

// modpKey is a private key of a modpGroup.
type modpKey struct {
	group    *modpGroup
	exponent *big.Int
	public   []byte
}

func (k *modpKey) Group() Group { return k.group }

// Public is padded with zeros to the length of the prime (RFC 7296 §3.4).
func (k *modpKey) Public() []byte { return append([]byte(nil), k.public...) }

// Shared is padded like a public value (RFC 7296 §2.14). For a safe prime
// 1 < r < p-1 is the whole test (RFC 6989 §2.1).
func (k *modpKey) Shared(peer []byte) ([]byte, error) {
	if k.exponent == nil {
		return nil, errErased
	}
	if err := checkLen(k.group, peer); err != nil {
		return nil, err
	}
	r := new(big.Int).SetBytes(peer)
	if r.Cmp(one) <= 0 || r.Cmp(k.group.last) >= 0 {
		return nil, fmt.Errorf("transform: group %d: %w: out of range", k.group.id, ErrPublicValue)
	}
	s := r.Exp(r, k.exponent, k.group.prime)
	defer clear(s.Bits())
	return s.FillBytes(make([]byte, k.group.SharedLen())), nil
}

// Erase overwrites the exponent.
func (k *modpKey) Erase() {
	if k.exponent != nil {
		clear(k.exponent.Bits())
		k.exponent = nil
	}
}

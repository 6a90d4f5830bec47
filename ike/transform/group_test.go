package transform

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// seeded is a deterministic source for tests.
func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var allGroups = []uint16{MODP1024, MODP1536, MODP2048, MODP3072, MODP4096, MODP6144, MODP8192, ECP256, ECP384, ECP521, X25519, X448}

func TestGroupsAgree(t *testing.T) {
	lengths := map[uint16][2]int{
		MODP1024: {128, 128}, MODP1536: {192, 192}, MODP2048: {256, 256}, MODP3072: {384, 384}, MODP4096: {512, 512},
		MODP6144: {768, 768}, MODP8192: {1024, 1024},
		ECP256: {64, 32}, ECP384: {96, 48}, ECP521: {132, 66}, X25519: {32, 32}, X448: {56, 56},
	}
	for _, id := range allGroups {
		t.Run(Transform{KeyExchange, id, 0}.String(), func(t *testing.T) {
			g, err := NewGroup(id)
			if err != nil {
				t.Fatal(err)
			}
			a, b := generate(t, g, 1), generate(t, g, 2)
			if g.ID() != id || a.Group() != g || len(a.Public()) != g.PublicLen() || bytes.Equal(a.Public(), b.Public()) {
				t.Fatal("the public values are not what the group says")
			}
			ab, err := a.Shared(b.Public())
			if err != nil {
				t.Fatal(err)
			}
			ba, err := b.Shared(a.Public())
			if err != nil || !bytes.Equal(ab, ba) {
				t.Fatalf("no agreement: %v", err)
			}
			if got := [2]int{g.PublicLen(), g.SharedLen()}; got != lengths[id] || len(ab) != g.SharedLen() {
				t.Errorf("lengths are %v and %d, want %v", got, len(ab), lengths[id])
			}
			again := generate(t, g, 1)
			if !bytes.Equal(again.Public(), a.Public()) {
				t.Error("the same random octets gave another key")
			}
			a.Erase()
			if _, err := a.Shared(b.Public()); err == nil {
				t.Error("an erased key still agrees")
			}
		})
	}
}

func generate(t testing.TB, g Group, seed byte) PrivateKey {
	t.Helper()
	k, err := g.Generate(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGenerateReportsABadSource(t *testing.T) {
	for _, id := range allGroups {
		g, _ := NewGroup(id)
		if _, err := g.Generate(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("group %d: short source: %v", id, err)
		}
	}
	for _, id := range []uint16{ECP256, ECP384, ECP521} {
		g, _ := NewGroup(id)
		if _, err := g.Generate(constant(0)); err == nil {
			t.Errorf("group %d: the scalar zero was taken", id)
		}
		if _, err := g.Generate(constant(0xff)); err == nil {
			t.Errorf("group %d: a scalar beyond the order was taken", id)
		}
	}
}

// constant is a source of one octet for ever.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func TestUnknownGroup(t *testing.T) {
	for _, id := range []uint16{0, 1, 22, 24, 33, 65535} {
		if _, err := NewGroup(id); err == nil {
			t.Errorf("group %d exists", id)
		}
	}
}

// TestMODPRefusesHostilePublics has the values that RFC 6989 §2.1 forbids, and
// values of the wrong length.
func TestMODPRefusesHostilePublics(t *testing.T) {
	for id, g := range modpGroups {
		key := generate(t, g, 3)
		n := g.PublicLen()
		padded := func(x *big.Int) []byte { return x.FillBytes(make([]byte, n)) }
		minus := func(d int64) *big.Int { return new(big.Int).Sub(g.prime, big.NewInt(d)) }
		bad := map[string][]byte{
			"0": make([]byte, n), "1": padded(one), "p-1": padded(minus(1)), "p": padded(g.prime),
			"p+1": padded(minus(-1)), "all ones": bytes.Repeat([]byte{0xff}, n),
			"empty": nil, "short": make([]byte, n-1), "long": append(padded(two), 0), "unpadded 2": {2},
		}
		for name, peer := range bad {
			if _, err := key.Shared(peer); !errors.Is(err, ErrPublicValue) {
				t.Errorf("group %d: %s: %v", id, name, err)
			}
		}
		for _, good := range []*big.Int{two, minus(2)} {
			if s, err := key.Shared(padded(good)); err != nil || len(s) != n {
				t.Errorf("group %d: a value in range was refused: %v", id, err)
			}
		}
	}
}

// TestMODPSharedIsPadded looks for a shared secret that starts with a zero
// octet, which must stay (RFC 7296 §2.14).
func TestMODPSharedIsPadded(t *testing.T) {
	g := modpGroups[MODP1024]
	key := generate(t, g, 4).(*modpKey)
	for i := int64(2); i < 5000; i++ {
		peer := big.NewInt(i).FillBytes(make([]byte, g.PublicLen()))
		s, err := key.Shared(peer)
		if err != nil {
			t.Fatal(err)
		}
		if s[0] == 0 {
			want := new(big.Int).Exp(big.NewInt(i), key.exponent, g.prime)
			if len(s) != g.SharedLen() || new(big.Int).SetBytes(s).Cmp(want) != 0 {
				t.Errorf("peer value %d: wrong secret %x", i, s)
			}
			return
		}
	}
	t.Fatal("no shared secret with a leading zero was found")
}

func TestMODPExponents(t *testing.T) {
	for id, g := range modpGroups {
		k := generate(t, g, 5).(*modpKey)
		if bits := k.exponent.BitLen(); bits != g.exponent*8 || bits < 256 {
			t.Errorf("group %d: an exponent of %d bits", id, bits)
		}
		words := k.exponent.Bits()
		k.Erase()
		for _, w := range words {
			if w != 0 {
				t.Errorf("group %d: Erase left the exponent in memory", id)
				break
			}
		}
	}
}

// TestCurvesRefuseHostilePublics has points off the curve, the point at
// infinity in the forms a peer could try, coordinates beyond the field, and the
// low-order points of Curve25519 (RFC 7748 §6.1, RFC 8031 §2.3).
func TestCurvesRefuseHostilePublics(t *testing.T) {
	for id, g := range curveGroups {
		key := generate(t, g, 6)
		peer := generate(t, g, 7).Public()
		bad := map[string][]byte{
			"empty": nil, "short": peer[:len(peer)-1], "long": append(bytes.Clone(peer), 0), "zero": make([]byte, len(peer)),
		}
		if id == X25519 {
			bad["one"] = append([]byte{1}, make([]byte, 31)...)
			bad["order 8"] = unhex(t, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
			bad["order 8, the other"] = unhex(t, "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")
			bad["p-1"] = unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
			bad["p"] = unhex(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
			bad["p+1"] = unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
		} else {
			off := bytes.Clone(peer)
			off[len(off)-1] ^= 1
			bad["off the curve"] = off
			bad["swapped"] = append(bytes.Clone(peer[len(peer)/2:]), peer[:len(peer)/2]...)
			bad["beyond the field"] = bytes.Repeat([]byte{0xff}, len(peer))
			bad["with the octet 4"] = append([]byte{4}, peer...)
		}
		for name, value := range bad {
			if _, err := key.Shared(value); !errors.Is(err, ErrPublicValue) {
				t.Errorf("group %d: %s: %v", id, name, err)
			}
		}
	}
}

// TestSafePrimes computes each prime from the digits of pi, as RFC 7296
// appendix B.2 and RFC 3526 define them, and checks that p and (p-1)/2 are
// prime.
func TestSafePrimes(t *testing.T) {
	constants := map[uint16]int64{
		MODP1024: 129093, MODP1536: 741804, MODP2048: 124476, MODP3072: 1690314, MODP4096: 240904, MODP6144: 929484, MODP8192: 4743158,
	}
	for id, g := range modpGroups {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			t.Parallel()
			bits := uint(g.prime.BitLen())
			// p = 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + constant)
			p := new(big.Int).Lsh(one, bits)
			p.Sub(p, new(big.Int).Lsh(one, bits-64)).Sub(p, one)
			middle := piTimesPowerOfTwo(bits - 130)
			middle.Add(middle, big.NewInt(constants[id]))
			p.Add(p, middle.Lsh(middle, 64))
			if p.Cmp(g.prime) != 0 {
				t.Fatalf("the prime is not that of the RFC: %x", g.prime)
			}
			if half := new(big.Int).Rsh(p, 1); !p.ProbablyPrime(0) || !half.ProbablyPrime(0) {
				t.Fatal("no safe prime")
			}
		})
	}
}

// piTimesPowerOfTwo is floor(2^n * pi) by Machin's formula.
func piTimesPowerOfTwo(n uint) *big.Int {
	const guard = 64
	unit := new(big.Int).Lsh(one, n+guard)
	arctan := func(x int64) *big.Int { // of 1/x
		term := new(big.Int).Div(unit, big.NewInt(x))
		sum, square := new(big.Int).Set(term), big.NewInt(x*x)
		for k := int64(1); term.Sign() != 0; k++ {
			term.Div(term, square)
			part := new(big.Int).Div(term, big.NewInt(2*k+1))
			if k%2 == 1 {
				part.Neg(part)
			}
			sum.Add(sum, part)
		}
		return sum
	}
	pi := arctan(5)
	pi.Mul(pi, big.NewInt(4)).Sub(pi, arctan(239)).Mul(pi, big.NewInt(4))
	return pi.Rsh(pi, guard)
}

// FuzzShared gives every group a stranger's public value.
func FuzzShared(f *testing.F) {
	ids := []uint16{MODP1024, MODP2048, ECP256, ECP384, ECP521, X25519}
	keys := make([]PrivateKey, len(ids))
	for i, id := range ids {
		g, _ := NewGroup(id)
		keys[i] = generate(f, g, 8)
		f.Add(byte(i), generate(f, g, 9).Public())
	}
	f.Fuzz(func(t *testing.T, which byte, peer []byte) {
		k := keys[int(which)%len(keys)]
		s, err := k.Shared(peer)
		if err == nil && (len(s) != k.Group().SharedLen() || len(peer) != k.Group().PublicLen()) {
			t.Errorf("%d octets in, %d octets out", len(peer), len(s))
		}
		if err != nil && !errors.Is(err, ErrPublicValue) {
			t.Error(err)
		}
	})
}

// A public value that begins with zeros is as long as the prime, too (RFC 7296 §3.4).
func TestMODPPublicIsPadded(t *testing.T) {
	g, err := NewGroup(MODP1024)
	if err != nil {
		t.Fatal(err)
	}
	random := seeded(3)
	for range 10000 {
		k, err := g.Generate(random)
		if err != nil {
			t.Fatal(err)
		}
		if len(k.Public()) != g.PublicLen() {
			t.Fatalf("a public value of %d octets", len(k.Public()))
		}
		if k.Public()[0] == 0 {
			return
		}
	}
	t.Error("no public value began with a zero")
}

// An exponent that is erased is overwritten, and serves no more (RFC 7296 §2.12).
func TestExponentIsOverwritten(t *testing.T) {
	g, err := NewGroup(MODP2048)
	if err != nil {
		t.Fatal(err)
	}
	k, other := generate(t, g, 1), generate(t, g, 2)
	words := k.(*modpKey).exponent.Bits()
	k.Erase()
	for _, w := range words {
		if w != 0 {
			t.Error("the exponent is still in memory")
			break
		}
	}
	if _, err := k.Shared(other.Public()); err == nil {
		t.Error("an erased exponent serves")
	}
}

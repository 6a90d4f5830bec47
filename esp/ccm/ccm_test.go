package ccm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func mustKey(t testing.TB, key []byte, nonce, tag int) *Key {
	t.Helper()
	k, err := NewKey(key, nonce, tag)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// composed is CCM put together from the modes of crypto/cipher, by the text of
// SP 800-38C §6.1.
func composed(t testing.TB, key, nonce, plaintext, aad []byte, tag int) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	flags := byte(8*((tag-2)/2) + 15 - len(nonce) - 1)
	var blocks []byte
	if len(aad) > 0 {
		flags += 64
		if len(aad) < 0xff00 {
			blocks = binary.BigEndian.AppendUint16(blocks, uint16(len(aad)))
		} else {
			blocks = binary.BigEndian.AppendUint32(append(blocks, 0xff, 0xfe), uint32(len(aad)))
		}
		blocks = append(blocks, aad...)
		blocks = append(blocks, make([]byte, -len(blocks)&15)...)
	}
	length := binary.BigEndian.AppendUint64(nil, uint64(len(plaintext)))
	first := slices.Concat([]byte{flags}, nonce, make([]byte, 15)) // cut below
	first = append(first[:1+len(nonce)], slices.Concat(make([]byte, 8), length)[16-(15-len(nonce)):]...)
	blocks = slices.Concat(first, blocks, plaintext)
	blocks = append(blocks, make([]byte, -len(blocks)&15)...)
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(blocks, blocks)

	counter := append([]byte{byte(15 - len(nonce) - 1)}, nonce...)
	stream := cipher.NewCTR(block, append(counter, make([]byte, 15-len(nonce))...))
	mac := blocks[len(blocks)-16:]
	stream.XORKeyStream(mac, mac)
	out := make([]byte, len(plaintext), len(plaintext)+tag)
	stream.XORKeyStream(out, plaintext)
	return append(out, mac[:tag]...)
}

// TestComposed compares every length around blocks, in place and apart.
func TestComposed(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	draw := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	s := new(Scratch)
	for _, keyLen := range []int{16, 24, 32} {
		for _, tag := range []int{8, 12, 16} {
			for nonceLen := 7; nonceLen <= 13; nonceLen++ {
				key := draw(keyLen)
				k := mustKey(t, key, nonceLen, tag)
				for n := range 70 {
					nonce, plaintext, aad := draw(nonceLen), draw(n), draw(n*7%50)
					want := composed(t, key, nonce, plaintext, aad, tag)
					buffer := append(bytes.Clone(plaintext), make([]byte, tag)...)
					k.Seal(s, buffer, nonce, buffer[:n], aad)
					if !bytes.Equal(buffer, want) {
						t.Fatalf("%d bytes, nonce %d, tag %d: %x, want %x", n, nonceLen, tag, buffer, want)
					}
					apart := make([]byte, n)
					if err := k.Open(s, apart, nonce, buffer, aad); err != nil || !bytes.Equal(apart, plaintext) {
						t.Fatalf("%d bytes opened apart: %v", n, err)
					}
					if err := k.Open(s, buffer[:n], nonce, buffer, aad); err != nil || !bytes.Equal(buffer[:n], plaintext) {
						t.Fatalf("%d bytes opened in place: %v", n, err)
					}
				}
			}
		}
	}
}

// TestLongAdditionalData has lengths around that from which on the length takes
// six bytes.
func TestLongAdditionalData(t *testing.T) {
	key, nonce := make([]byte, 16), make([]byte, 11)
	k := mustKey(t, key, 11, 16)
	for _, n := range []int{0xfeff, 0xff00, 0xff01, 0x10000, 0x12345} {
		aad := bytes.Repeat([]byte{0xad}, n)
		got := make([]byte, 3+16)
		k.Seal(new(Scratch), got, nonce, []byte("abc"), aad)
		if want := composed(t, key, nonce, []byte("abc"), aad, 16); !bytes.Equal(got, want) {
			t.Errorf("%d bytes of additional data: %x, want %x", n, got, want)
		}
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	k := mustKey(t, make([]byte, 32), 11, 8)
	nonce, aad, s := make([]byte, 11), []byte("additional"), new(Scratch)
	sealed := make([]byte, 20+8)
	k.Seal(s, sealed, nonce, make([]byte, 20), aad)
	refused := func(what string, nonce, sealed, aad []byte) {
		t.Helper()
		dst := bytes.Repeat([]byte{0xa5}, len(sealed)-8)
		if err := k.Open(s, dst, nonce, sealed, aad); err != ErrOpen || !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Errorf("%s: %v, %x", what, err, dst)
		}
	}
	for _, b := range [][]byte{sealed, nonce, aad} {
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			refused(fmt.Sprintf("bit %d", bit), nonce, sealed, aad)
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	for n := 8; n < len(sealed); n++ {
		refused(fmt.Sprintf("%d bytes", n), nonce, sealed[:n], aad)
	}
	for n := range 8 {
		if err := k.Open(s, nil, nonce, sealed[:n], aad); err != ErrOpen {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := k.Open(s, sealed[:20], nonce, sealed, aad); err != nil {
		t.Errorf("the message itself: %v", err)
	}
}

// TestTooLong: a nonce of 13 bytes leaves two for the length.
func TestTooLong(t *testing.T) {
	k := mustKey(t, make([]byte, 16), 13, 8)
	s, nonce, long := new(Scratch), make([]byte, 13), make([]byte, 1<<16+8)
	k.Seal(s, long[:1<<16+7], nonce, long[:1<<16-1], nil)
	if err := k.Open(s, long[:1<<16-1], nonce, long[:1<<16+7], nil); err != nil {
		t.Errorf("the longest: %v", err)
	}
	if err := k.Open(s, long[:1<<16], nonce, long, nil); err != ErrOpen {
		t.Errorf("one more: %v", err)
	}
	panics(t, "too long", func() { k.Seal(s, long, nonce, long[:1<<16], nil) })
}

func TestMisuse(t *testing.T) {
	for _, c := range []struct{ key, nonce, tag int }{{15, 11, 16}, {0, 11, 16}, {16, 6, 16}, {16, 14, 16}, {16, 11, 4}, {16, 11, 15}} {
		if k, err := NewKey(make([]byte, c.key), c.nonce, c.tag); err == nil || k != nil {
			t.Errorf("%+v is a key", c)
		}
	}
	k, s, b := mustKey(t, make([]byte, 16), 11, 16), new(Scratch), make([]byte, 100)
	panics(t, "nonce", func() { k.Seal(s, b[:36], b[:12], b[:20], nil) })
	panics(t, "short destination", func() { k.Seal(s, b[:35], b[:11], b[:20], nil) })
	panics(t, "long destination", func() { _ = k.Open(s, b[:21], b[:11], b[40:76], nil) })
	if text := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(text, "0x") {
		t.Errorf("a key prints as %s", text)
	}
}

func panics(t *testing.T, what string, run func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	run()
}

func TestAllocatesNothing(t *testing.T) {
	k, s, b := mustKey(t, make([]byte, 16), 11, 16), new(Scratch), make([]byte, 1416)
	nonce, aad := make([]byte, 11), make([]byte, 12)
	if n := testing.AllocsPerRun(100, func() {
		k.Seal(s, b, nonce, b[:1400], aad)
		if err := k.Open(s, b[:1400], nonce, b, aad); err != nil {
			panic(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAEAD(t *testing.T) {
	k := mustKey(t, make([]byte, 16), 11, 12)
	a, nonce := k.AEAD(), make([]byte, 11)
	if a.NonceSize() != 11 || a.Overhead() != 12 {
		t.Errorf("sizes %d and %d", a.NonceSize(), a.Overhead())
	}
	sealed := a.Seal([]byte("before"), nonce, []byte("plaintext"), []byte("aad"))
	want := composed(t, make([]byte, 16), nonce, []byte("plaintext"), []byte("aad"), 12)
	if !bytes.Equal(sealed, append([]byte("before"), want...)) {
		t.Errorf("sealed as %x", sealed)
	}
	if got, err := a.Open([]byte("x"), nonce, want, []byte("aad")); err != nil || string(got) != "xplaintext" {
		t.Errorf("opened as %q, %v", got, err)
	}
	if got, err := a.Open(nil, nonce, want, nil); err != ErrOpen || got != nil {
		t.Errorf("other additional data: %q, %v", got, err)
	}
	if _, err := a.Open(nil, nonce, want[:11], nil); err != ErrOpen {
		t.Errorf("shorter than a tag: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	key := bytes.Repeat([]byte{0xe5}, 16)
	for _, n := range []int{0, 1, 16, 40} {
		f.Add(composed(f, key, make([]byte, 11), make([]byte, n), []byte("aad"), 12), make([]byte, 11), []byte("aad"))
	}
	f.Add([]byte{}, make([]byte, 13), []byte{})
	f.Fuzz(func(t *testing.T, sealed, nonce, aad []byte) {
		k, err := NewKey(key, len(nonce), 12)
		if err != nil {
			return
		}
		dst := make([]byte, max(0, len(sealed)-12))
		if err := k.Open(new(Scratch), dst, nonce, sealed, aad); err == nil {
			if again := composed(t, key, nonce, dst, aad, 12); !bytes.Equal(again, sealed) {
				t.Fatalf("%x opens as %x, which seals as %x", sealed, dst, again)
			}
			return
		}
		if !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Fatalf("refused, but left %x", dst)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{64, 1400} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			k, s, text := mustKey(b, make([]byte, 16), 11, 16), new(Scratch), make([]byte, size+16)
			nonce, aad := make([]byte, 11), make([]byte, 8)
			b.SetBytes(int64(size))
			for b.Loop() {
				k.Seal(s, text, nonce, text[:size], aad)
			}
		})
	}
}

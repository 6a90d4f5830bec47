package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
	"unsafe"
)

const (
	margin   = 64 // on either side of what may be written
	longest  = 9000
	roomSize = margin + 64 + longest + TagSize + margin
)

var (
	canaries = bytes.Repeat([]byte{0xa5}, roomSize)
	zeros    = make([]byte, longest)
)

// bench holds one key in the form under test and in crypto/cipher's, and
// buffers to put messages at any alignment in.
type bench struct {
	t        testing.TB
	k        *Key
	tag      int
	standard cipher.AEAD
	random   *rand.Rand
	nonce    *[NonceSize]byte
	a, b     []byte
	want     []byte
}

func newBench(t testing.TB, f form, key []byte, tag int) *bench {
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	standard, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, k: mustKey(t, key, tag, f), tag: tag, standard: standard, nonce: new([NonceSize]byte),
		random: rand.New(rand.NewPCG(1, uint64(len(key)))), a: aligned(), b: aligned()}
}

// aligned returns a room whose first byte is on a cache line.
func aligned() []byte {
	b := make([]byte, roomSize+64)
	for i := range b {
		if uintptr(unsafe.Pointer(&b[i]))%64 == 0 {
			return b[i:][:roomSize]
		}
	}
	return nil
}

// place returns n bytes of room at an alignment, between canaries.
func place(room []byte, n, align int) []byte {
	copy(room[:align+n+2*margin], canaries)
	at := margin + align
	return room[at : at+n : at+n]
}

// intact reports whether the margins of what place returned are untouched.
func intact(room []byte, n, align int) bool {
	at := margin + align
	return bytes.Equal(room[at-margin:at], canaries[:margin]) && bytes.Equal(room[at+n:at+n+margin], canaries[:margin])
}

// message is one case: lengths, and alignments of the two buffers.
type message struct {
	plaintext, aad []byte
	from, to       int
	split          int // payload of SealAfter
}

// check holds every way to seal and open a message to crypto/cipher.
func (b *bench) check(m message) {
	b.nonce[b.random.IntN(NonceSize)]++
	b.want = b.standard.Seal(b.want[:0], b.nonce[:], m.plaintext, m.aad)
	b.want = b.want[:len(m.plaintext)+b.tag]
	b.checkSeal(m)
	b.checkOpen(m)
	b.checkForged(m)
}

func (b *bench) fail(m message, what string) {
	b.t.Helper()
	b.t.Fatalf("%s: plaintext %d, aad %d, key %v, tag %d, from %d to %d, split %d",
		what, len(m.plaintext), len(m.aad), b.k, b.tag, m.from, m.to, m.split)
}

func (b *bench) checkSeal(m message) {
	n := len(m.plaintext)
	src := place(b.a, n, m.from)
	copy(src, m.plaintext)
	dst := place(b.b, n+b.tag, m.to)
	b.k.Seal(dst, b.nonce, src, m.aad)
	if !bytes.Equal(dst, b.want) || !intact(b.b, n+b.tag, m.to) {
		b.fail(m, "sealing")
	}
	if !bytes.Equal(src, m.plaintext) || !intact(b.a, n, m.from) {
		b.fail(m, "sealing changed its source")
	}

	dst = place(b.b, n+b.tag, m.to)
	copy(dst[m.split:], m.plaintext[m.split:])
	src = place(b.a, m.split, m.from) // what follows it is not the rest
	copy(src, m.plaintext)
	b.k.SealAfter(dst, b.nonce, src, m.aad)
	if !bytes.Equal(dst, b.want) || !intact(b.b, n+b.tag, m.to) {
		b.fail(m, "sealing after a payload")
	}

	dst = place(b.b, n+b.tag, m.to)
	copy(dst, m.plaintext)
	b.k.Seal(dst, b.nonce, dst[:n], m.aad)
	if !bytes.Equal(dst, b.want) || !intact(b.b, n+b.tag, m.to) {
		b.fail(m, "sealing in place")
	}
}

func (b *bench) checkOpen(m message) {
	n := len(m.plaintext)
	src := place(b.a, n+b.tag, m.from)
	copy(src, b.want)
	dst := place(b.b, n, m.to)
	if err := b.k.Open(dst, b.nonce, src, m.aad); err != nil || !bytes.Equal(dst, m.plaintext) || !intact(b.b, n, m.to) {
		b.fail(m, "opening")
	}
	if !bytes.Equal(src, b.want) {
		b.fail(m, "opening changed its source")
	}
	if err := b.k.Open(src[:n], b.nonce, src, m.aad); err != nil || !bytes.Equal(src[:n], m.plaintext) ||
		!bytes.Equal(src[n:], b.want[n:]) || !intact(b.a, n+b.tag, m.from) {
		b.fail(m, "opening in place")
	}
}

// checkForged flips one bit of the ciphertext, the tag, the nonce or the
// additional data.
func (b *bench) checkForged(m message) {
	n := len(m.plaintext)
	src := place(b.a, n+b.tag, m.from)
	copy(src, b.want)
	places := len(src) + NonceSize + len(m.aad)
	at := b.random.IntN(places)
	var flipped *byte
	switch {
	case at < len(src):
		flipped = &src[at]
	case at < len(src)+NonceSize:
		flipped = &b.nonce[at-len(src)]
	default:
		flipped = &m.aad[at-len(src)-NonceSize]
	}
	bit := byte(1) << b.random.IntN(8)
	*flipped ^= bit
	dst := place(b.b, n, m.to)
	err := b.k.Open(dst, b.nonce, src, m.aad)
	if err != ErrOpen || !zero(dst) || !intact(b.b, n, m.to) {
		b.fail(m, "opening a forgery")
	}
	tag := bytes.Clone(src[n:])
	err = b.k.Open(src[:n], b.nonce, src, m.aad)
	if err != ErrOpen || !zero(src[:n]) || !bytes.Equal(src[n:], tag) || !intact(b.a, n+b.tag, m.from) {
		b.fail(m, "opening a forgery in place")
	}
	if at >= len(src) {
		*flipped ^= bit
	}
}

func zero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// TestEveryLength: 0 to 9,000 bytes with 0 to 64 of additional data, each key
// and tag size, the alignments changing from one length to the next.
func TestEveryLength(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		t.Parallel()
		benches := everyKey(t, f)
		data, aad := counting(longest), counting(64)
		for n := range longest + 1 {
			b := benches[n%len(benches)]
			b.check(message{plaintext: data[longest-n:], aad: aad[:n*7%65], from: n * 11 % 64, to: n * 29 % 64,
				split: b.random.IntN(n + 1)})
		}
	})
}

func everyKey(t *testing.T, f form) []*bench {
	var benches []*bench
	for _, tag := range []int{16, 16, 12, 16, 8} {
		for _, key := range []int{16, 24, 32} {
			benches = append(benches, newBench(t, f, counting(key), tag))
		}
	}
	return benches
}

// TestEveryAlignment: every alignment of source and destination for lengths up
// to beyond two rounds of the main loop, and every pair of alignments for some.
func TestEveryAlignment(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		t.Parallel()
		b := newBench(t, f, counting(32), TagSize)
		data, aad := counting(600), counting(12)
		for n := range len(data) + 1 {
			for align := range 64 {
				b.check(message{plaintext: data[:n], aad: aad, from: align, to: align * 37 % 64, split: align % (n + 1)})
			}
		}
		for _, n := range []int{15, 68, 258, 553} {
			for pair := range 64 * 64 {
				b.check(message{plaintext: data[:n], aad: aad, from: pair / 64, to: pair % 64, split: n - n%64})
			}
		}
	})
}

// TestEverySplit changes from the payload to the rest at every place.
func TestEverySplit(t *testing.T) {
	eachForm(t, func(t *testing.T, f form) {
		t.Parallel()
		b := newBench(t, f, counting(16), TagSize)
		data := counting(1300)
		for split := range len(data) + 1 {
			for _, rest := range []int{0, 2, 5, 17, 300} {
				if split+rest <= len(data) {
					b.check(message{plaintext: data[:split+rest], split: split})
				}
			}
		}
	})
}

// FuzzForms holds every form to crypto/cipher on whatever the fuzzer makes up.
func FuzzForms(f *testing.F) {
	f.Add(counting(16), counting(12), counting(64), counting(8), uint16(60))
	f.Add(counting(24), counting(12), counting(258), []byte{}, uint16(256))
	f.Add(counting(32), counting(12), counting(1408), counting(12), uint16(1400))
	f.Add(counting(32), counting(12), []byte{}, counting(65), uint16(0))
	f.Fuzz(func(t *testing.T, key, nonce, plaintext, aad []byte, at uint16) {
		if n := len(key); n != 16 && n != 24 && n != 32 || len(nonce) != NonceSize || len(plaintext) > longest {
			return
		}
		for _, form := range supported() {
			for _, tag := range []int{8, 12, 16} {
				b := newBench(t, form, key, tag)
				*b.nonce = [NonceSize]byte(nonce)
				b.check(message{plaintext: plaintext, aad: bytes.Clone(aad), from: int(at % 64), to: int(at / 64 % 64),
					split: int(at) % (len(plaintext) + 1)})
			}
		}
	})
}

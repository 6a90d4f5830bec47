//go:build linux

package gcm

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// guarded is a page between two that cannot be touched: a byte read or written
// beyond it kills the test.
type guarded []byte

func newGuarded(t *testing.T) guarded {
	t.Helper()
	page := unix.Getpagesize()
	memory, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	for _, outer := range [][]byte{memory[:page], memory[2*page:]} {
		if err := unix.Mprotect(outer, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return guarded(memory[page : 2*page])
}

// at returns n bytes at the beginning or at the end of the page.
func (g guarded) at(end bool, n int) []byte {
	if end {
		return g[len(g)-n:]
	}
	return g[:n:n]
}

// TestGuardPages: nothing beyond source, destination, nonce and additional data
// is read or written, whichever end of a page they are at.
func TestGuardPages(t *testing.T) {
	src, dst, other, small := newGuarded(t), newGuarded(t), newGuarded(t), newGuarded(t)
	eachForm(t, func(t *testing.T, f form) {
		keys := []*Key{
			mustKey(t, counting(16), 16, f), mustKey(t, counting(24), 12, f),
			mustKey(t, counting(32), 16, f), mustKey(t, counting(32), 8, f),
		}
		for n := range 601 {
			k := keys[n%len(keys)]
			for ends := range 8 {
				atEnd := func(bit int) bool { return ends>>bit&1 == 1 }
				aad := other.at(atEnd(2), n%65)
				nonce := (*[NonceSize]byte)(small.at(atEnd(2), NonceSize))
				plaintext := src.at(atEnd(0), n)
				copy(plaintext, counting(n))
				sealed := dst.at(atEnd(1), n+k.Overhead())
				k.Seal(sealed, nonce, plaintext, aad)
				clear(plaintext)
				if err := k.Open(plaintext, nonce, sealed, aad); err != nil || !bytes.Equal(plaintext, counting(n)) {
					t.Fatalf("length %d, ends %03b: %v", n, ends, err)
				}
				want := append(counting(n)[:n/2], sealed[n/2:n]...)
				k.SealAfter(sealed, nonce, plaintext[:n/2], aad)
				if err := k.Open(sealed[:n], nonce, sealed, aad); err != nil || !bytes.Equal(sealed[:n], want) {
					t.Fatalf("length %d, ends %03b, in place: %v", n, ends, err)
				}
			}
		}
	})
}

//go:build !purego

package gcm

import (
	"crypto/aes"
	"testing"
	"unsafe"
)

// TestLayout holds the key context to the offsets that the assembly has in it.
func TestLayout(t *testing.T) {
	var s schedule
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"rounds", unsafe.Offsetof(s.rounds), 0},
		{"H^16", unsafe.Offsetof(s.powers) + 2*16, 64},
		{"H^1", unsafe.Offsetof(s.powers) + 17*16, 304},
		{"keys", unsafe.Offsetof(s.keys), 368},
		{"size", unsafe.Sizeof(s), 640},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, want %d", f.name, f.got, f.want)
		}
	}
	for range 100 {
		if p := uintptr(unsafe.Pointer(newSchedule(make([]byte, 16)))); p%64 != 0 {
			t.Fatalf("key context at %#x is not on a cache line", p)
		}
	}
}

// TestExpand compares the key expansion by what it encrypts to.
func TestExpand(t *testing.T) {
	for _, n := range []int{16, 24, 32} {
		block, err := aes.NewCipher(counting(n))
		if err != nil {
			t.Fatal(err)
		}
		var got, want [16]byte
		encryptZero(newSchedule(counting(n)), &got)
		block.Encrypt(want[:], make([]byte, 16))
		if got != want {
			t.Errorf("AES-%d of zeros is %x, want %x", n*8, got, want)
		}
	}
}

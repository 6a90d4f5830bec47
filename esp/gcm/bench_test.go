package gcm

import (
	"fmt"
	"testing"
)

// forEach runs a benchmark for each form, key and size side by side; the names
// are ready for benchstat -col /form.
func forEach(b *testing.B, run func(b *testing.B, k *Key, size int)) {
	for _, bits := range []int{128, 256} {
		for _, size := range []int{64, 576, 1400, 8900} {
			for _, f := range supported() {
				b.Run(fmt.Sprintf("key=%d/size=%d/form=%v", bits, size, f), func(b *testing.B) {
					k, err := newKey(make([]byte, bits/8), TagSize, f)
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(size))
					run(b, k, size)
				})
			}
		}
	}
}

// ESP's additional data with extended sequence numbers has twelve bytes.
func BenchmarkSeal(b *testing.B) {
	forEach(b, func(b *testing.B, k *Key, size int) {
		nonce, aad := new([NonceSize]byte), make([]byte, 12)
		src, dst := make([]byte, size), make([]byte, size+TagSize)
		for b.Loop() {
			k.Seal(dst, nonce, src, aad)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	forEach(b, func(b *testing.B, k *Key, size int) {
		nonce, aad := new([NonceSize]byte), make([]byte, 12)
		sealed, dst := make([]byte, size+TagSize), make([]byte, size)
		k.Seal(sealed, nonce, dst, aad)
		for b.Loop() {
			if err := k.Open(dst, nonce, sealed, aad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

//go:build !purego

package gcm

//go:generate go run ./internal/asm .

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:noescape
func sealAVX512(s *schedule, dst, src *byte, more, n int, nonce *[12]byte, aad *byte, aadLen int, tag *byte, tagLen int)

//go:noescape
func openAVX512(s *schedule, dst, src, tag *byte, n int, nonce *[12]byte, aad *byte, aadLen int, tagLen int) bool

//go:noescape
func sealAVX2(s *schedule, dst, src *byte, more, n int, nonce *[12]byte, aad *byte, aadLen int, tag *byte, tagLen int)

//go:noescape
func openAVX2(s *schedule, dst, src, tag *byte, n int, nonce *[12]byte, aad *byte, aadLen int, tagLen int) bool

func subWord(w uint32) uint32

//go:noescape
func encryptZero(s *schedule, dst *[16]byte)

//go:noescape
func multiply(dst, a, b *[16]byte)

func cpuid7() (ecx uint32)

// supported lists the forms that work here, the fastest first.
func supported() []form {
	x := &cpu.X86
	var forms []form
	// HasAVX512 says too that the operating system keeps ZMM and mask registers.
	if x.HasAVX512 && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasBMI2 &&
		x.HasAVX512VAES && x.HasAVX512VPCLMULQDQ {
		forms = append(forms, avx512)
	}
	// x/sys/cpu knows VAES together with AVX-512 only.
	const vaes, vpclmulqdq = 1 << 9, 1 << 10
	if x.HasAVX2 && cpuid7()&(vaes|vpclmulqdq) == vaes|vpclmulqdq {
		forms = append(forms, avx2)
	}
	return append(forms, portable)
}

// sealNative encrypts src and, if it is shorter than the plaintext, what dst has
// after it. The assembly changes from one to the other between two rounds of its
// main loop only, so what src has beyond its last whole round is copied.
func (k *Key) sealNative(dst []byte, nonce *[NonceSize]byte, src, aad []byte) {
	n, more := len(dst)-k.tag, 0
	if n != len(src) {
		whole := len(src) &^ (k.form.round() - 1)
		copy(dst[whole:], src[whole:])
		if whole == 0 {
			src = dst
		} else {
			more = n - whole
		}
	}
	out, in, additional, tag := unsafe.SliceData(dst), unsafe.SliceData(src), unsafe.SliceData(aad), &dst[n]
	if k.form == avx512 {
		sealAVX512(k.schedule, out, in, more, n, nonce, additional, len(aad), tag, k.tag)
	} else {
		sealAVX2(k.schedule, out, in, more, n, nonce, additional, len(aad), tag, k.tag)
	}
	runtime.KeepAlive(k) // the schedule is erased with it
}

func (k *Key) openNative(dst []byte, nonce *[NonceSize]byte, ciphertext, aad []byte) (ok bool) {
	n := len(dst)
	out, in, additional, tag := unsafe.SliceData(dst), unsafe.SliceData(ciphertext), unsafe.SliceData(aad), &ciphertext[n]
	if k.form == avx512 {
		ok = openAVX512(k.schedule, out, in, tag, n, nonce, additional, len(aad), k.tag)
	} else {
		ok = openAVX2(k.schedule, out, in, tag, n, nonce, additional, len(aad), k.tag)
	}
	runtime.KeepAlive(k)
	return ok
}

// round is the number of bytes that the main loop takes at once.
func (f form) round() int {
	if f == avx512 {
		return 256
	}
	return 128
}

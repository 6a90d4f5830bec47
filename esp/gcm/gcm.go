// Package gcm is AES-GCM (FIPS 197, NIST SP 800-38D) as ESP uses it (RFC 4106):
// keys of 16, 24 and 32 bytes, nonces of 12, tags of 16, 12 and 8.
//
// On amd64 processors with VAES and VPCLMULQDQ it runs in assembly, four blocks
// (AVX-512) or two (AVX2) to an instruction, written by the generator in
// internal/asm; elsewhere, with the build tag purego, or after
// Use("crypto/cipher"), it is the standard library's. All forms give the same
// bytes. Their time depends on lengths alone.
//
// A Key is safe for concurrent use; nothing allocates per message, but for tags
// shorter than 16 bytes by crypto/cipher. The package does not choose nonces: a pair of key
// and nonce that is used twice for sealing breaks both messages.
package gcm

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"causeway/esp/prefetch"
)

const (
	// NonceSize is the length of a nonce.
	NonceSize = 12
	// TagSize is the length of a tag, where none is named.
	TagSize = 16

	// maxPlaintext is SP 800-38D §5.2.1.1's 2^39-256 bits: a longer message
	// would use a counter twice.
	maxPlaintext = 1<<36 - 32
)

// ErrOpen says that a ciphertext or its additional data are not authentic.
var ErrOpen = errors.New("gcm: message is not authentic")

// Key seals and opens under one AES key. It must not be copied: the expanded key
// is erased with the original.
type Key struct {
	_        noCopy
	form     form
	tag      int
	schedule *schedule   // of the assembly forms
	standard cipher.AEAD // of the portable one
}

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// NewKey expands a key of 16, 24 or 32 bytes, for tags of TagSize. The form is
// the one in use at this moment and stays. The bytes of key are not kept.
func NewKey(key []byte) (*Key, error) { return NewKeyWithTagSize(key, TagSize) }

// NewKeyWithTagSize is NewKey for tags of 16, 12 or 8 bytes (RFC 4106 §6).
func NewKeyWithTagSize(key []byte, size int) (*Key, error) {
	return newKey(key, size, form(inUse.Load()))
}

func newKey(key []byte, size int, f form) (*Key, error) {
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("gcm: an AES key has 16, 24 or 32 bytes, not %d", n)
	}
	if size != 16 && size != 12 && size != 8 {
		return nil, fmt.Errorf("gcm: a tag has 16, 12 or 8 bytes, not %d", size)
	}
	k := &Key{form: f, tag: size}
	if f == portable {
		var err error
		k.standard, err = newStandard(key)
		return k, err
	}
	k.schedule = newSchedule(key)
	// Whoever lets go of the last reference has erased the key.
	runtime.AddCleanup(k, (*schedule).erase, k.schedule)
	return k, nil
}

// Erase overwrites the key, which must not be in use, nor be used afterwards. A
// key to which no reference is left is erased without it. What crypto/cipher
// keeps is dropped, not overwritten.
func (k *Key) Erase() {
	if k.schedule != nil {
		k.schedule.erase()
	}
	k.form, k.schedule, k.standard = erased, nil, nil
}

// Prefetch adds what sealing and opening read of the key.
func (k *Key) Prefetch(l *prefetch.Lines) {
	prefetch.Add(l, k)
	prefetch.Add(l, k.schedule)
}

// Overhead is the length of a tag.
func (k *Key) Overhead() int { return k.tag }

// Implementation names the form of this key.
func (k *Key) Implementation() string { return k.form.String() }

// String keeps the key out of logs.
func (k *Key) String() string { return "gcm.Key(" + k.form.String() + ")" }

// GoString keeps the key out of %#v.
func (k *Key) GoString() string { return k.String() }

// Seal encrypts plaintext into dst and appends the tag: dst is Overhead longer
// than plaintext. The two are at the same place or apart. Nothing else is
// written.
func (k *Key) Seal(dst []byte, nonce *[NonceSize]byte, plaintext, aad []byte) {
	if len(dst) != len(plaintext)+k.tag {
		panic("gcm: destination of Seal is not as long as plaintext and tag")
	}
	k.seal(dst, nonce, plaintext, aad)
}

// SealAfter encrypts payload and what dst holds beyond the length of payload,
// up to the room for the tag, as one plaintext. ESP seals so from one buffer
// into another: the payload comes from the device, the trailer is in the packet.
// The two slices do not overlap.
func (k *Key) SealAfter(dst []byte, nonce *[NonceSize]byte, payload, aad []byte) {
	if len(dst) < len(payload)+k.tag {
		panic("gcm: destination of SealAfter is shorter than payload and tag")
	}
	k.seal(dst, nonce, payload, aad)
}

// seal encrypts len(dst)-tag bytes: src, then what dst has after it.
func (k *Key) seal(dst []byte, nonce *[NonceSize]byte, src, aad []byte) {
	n := len(dst) - k.tag
	if uint64(n) > maxPlaintext {
		panic("gcm: plaintext is too long")
	}
	if misplaced(dst, src) || n != len(src) && overlap(dst, src) {
		panic("gcm: buffers of Seal overlap")
	}
	switch k.form {
	case avx512, avx2:
		k.sealNative(dst, nonce, src, aad)
	case portable:
		k.sealStandard(dst, nonce, src, aad)
	default:
		panic("gcm: key was erased")
	}
}

// Open authenticates ciphertext, which ends with the tag, and decrypts it into
// dst, which is Overhead shorter. The two begin at the same place or are apart.
// When it fails dst holds zeros: both are done in one pass, so that the
// plaintext is in dst, unverified, while Open runs.
func (k *Key) Open(dst []byte, nonce *[NonceSize]byte, ciphertext, aad []byte) error {
	n := len(ciphertext) - k.tag
	if n < 0 {
		return ErrOpen
	}
	if len(dst) != n {
		panic("gcm: destination of Open is not as long as the plaintext")
	}
	if uint64(n) > maxPlaintext {
		return ErrOpen
	}
	if misplaced(dst, ciphertext) {
		panic("gcm: buffers of Open overlap")
	}
	var ok bool
	switch k.form {
	case avx512, avx2:
		ok = k.openNative(dst, nonce, ciphertext, aad)
	case portable:
		ok = k.openStandard(dst, nonce, ciphertext, aad)
	default:
		panic("gcm: key was erased")
	}
	if !ok {
		clear(dst)
		return ErrOpen
	}
	return nil
}

// misplaced reports whether the slices overlap but do not begin together.
func misplaced(a, b []byte) bool {
	return overlap(a, b) && unsafe.SliceData(a) != unsafe.SliceData(b)
}

func overlap(a, b []byte) bool {
	p, q := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return p < q+uintptr(len(b)) && q < p+uintptr(len(a))
}

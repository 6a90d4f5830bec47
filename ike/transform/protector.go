package transform

import (
	"errors"
	"fmt"
	"io"
)

// What Protector.Open reports. None says more than its name: the input is a
// stranger's until it is authenticated.
var (
	// ErrAuthentication is a wrong integrity checksum.
	ErrAuthentication = errors.New("transform: integrity check failed")
	// ErrLength is a message too short or of no whole number of blocks.
	ErrLength = errors.New("transform: encrypted payload of impossible length")
	// ErrPadding is a pad length beyond the plaintext, in a message that is
	// authentic: the peer is broken.
	ErrPadding = errors.New("transform: bad padding in an authentic message")
)

// Protector encrypts and authenticates the Encrypted payload in one direction
// of an IKE SA (RFC 7296 §3.14, RFC 5282, RFC 7634 §3), or its fragments (RFC 7383 §2.5). It
// owns the copy of its keys and belongs to one goroutine at a time.
type Protector struct {
	mode protection
}

// protection is the part that depends on the kind of cipher. body is
// everything behind the payload's generic header: IV, ciphertext, ICV.
type protection interface {
	overhead(plainLen int) int
	seal(dst, prefix, plaintext []byte, random io.Reader) ([]byte, error)
	open(prefix, body []byte) ([]byte, error)
	erase()
}

// NewProtector takes the keys of one direction: SK_ei and SK_ai, or SK_er and
// SK_ar. integKey is empty for an AEAD, whose salt ends encKey.
func NewProtector(s Suite, encKey, integKey []byte) (*Protector, error) {
	if s.Protocol != IKE {
		return nil, fmt.Errorf("transform: a protector needs an IKE suite, not %s", s.Protocol)
	}
	if len(encKey) != s.EncryptionKeyLen() || len(integKey) != s.IntegrityKeyLen() {
		return nil, fmt.Errorf("transform: suite %s takes keys of %d and %d octets, not %d and %d",
			s, s.EncryptionKeyLen(), s.IntegrityKeyLen(), len(encKey), len(integKey))
	}
	var mode protection
	var err error
	switch s.Encryption.ID {
	case AESCBC, TripleDES:
		mode, err = newCBCProtection(s.Encryption, s.Integrity.ID, encKey, integKey)
	default:
		mode, err = newAEADProtection(s.Encryption, encKey)
	}
	if err != nil {
		return nil, fmt.Errorf("transform: suite %s: %w", s, err)
	}
	return &Protector{mode}, nil
}

// Overhead is how many octets Seal adds to a plaintext of plainLen octets: IV,
// padding, pad length and ICV. Payload headers are the caller's. It is needed
// before sealing, because the lengths in the prefix are authenticated.
func (p *Protector) Overhead(plainLen int) int { return p.mode.overhead(plainLen) }

// Seal appends IV, ciphertext and ICV to dst. prefix is the message from the
// first octet of the IKE header to the end of the Encrypted payload's generic
// header, with the final lengths in it. dst may be prefix itself; plaintext
// must not overlap the room that dst grows into. IVs come from random: the
// whole IV for CBC, the start of a counter for an AEAD.
func (p *Protector) Seal(dst, prefix, plaintext []byte, random io.Reader) ([]byte, error) {
	return p.mode.seal(dst, prefix, plaintext, random)
}

// Open authenticates all of message and then decrypts message[bodyOffset:],
// the Encrypted payload behind its generic header. The plaintext is new memory;
// message stays as it was.
func (p *Protector) Open(message []byte, bodyOffset int) (plaintext []byte, err error) {
	if bodyOffset < 0 || bodyOffset > len(message) {
		return nil, ErrLength
	}
	return p.mode.open(message[:bodyOffset], message[bodyOffset:])
}

// Erase overwrites the keys where their memory can be reached. The protector
// is not usable afterwards.
func (p *Protector) Erase() {
	p.mode.erase()
	p.mode = erased{}
}

// erased stands in for keys that are gone.
type erased struct{}

var errProtectorErased = errors.New("transform: the keys of the IKE SA are erased")

func (erased) overhead(int) int { return 0 }
func (erased) seal(dst, _, _ []byte, _ io.Reader) ([]byte, error) {
	return dst, errProtectorErased
}
func (erased) open(_, _ []byte) ([]byte, error) { return nil, errProtectorErased }
func (erased) erase()                           {}

// unpad cuts the padding and the pad length octet off (RFC 7296 §3.14). The
// content of the padding is the sender's choice.
func unpad(plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, ErrPadding
	}
	keep := len(plain) - 1 - int(plain[len(plain)-1])
	if keep < 0 {
		return nil, ErrPadding
	}
	return plain[:keep], nil
}

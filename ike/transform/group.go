package transform

import (
	"errors"
	"fmt"
	"io"
)

// ErrPublicValue marks a public value of a peer that is refused (RFC 6989 §2).
var ErrPublicValue = errors.New("bad public value")

// Group is a key exchange method: a Diffie-Hellman group, or a key encapsulation
// mechanism, whose two sides do not do the same.
type Group interface {
	// ID is the transform ID.
	ID() uint16
	// PublicLen is the length of the initiator's public value in a KE payload,
	// AnswerLen of the responder's.
	PublicLen() int
	AnswerLen() int
	// SharedLen is the length of the shared secret.
	SharedLen() int
	// Generate draws a private key from random.
	Generate(random io.Reader) (PrivateKey, error)
	// Answer is Generate for the responder to the public value peer. What is
	// checked of it here, and what by Shared, depends on the method.
	Answer(random io.Reader, peer []byte) (PrivateKey, error)
}

// PrivateKey is one side's ephemeral key. It is used for one agreement and
// then erased: a fresh key for each IKE SA and each rekey is what lets the
// group checks stop at RFC 6989 §2.1.
type PrivateKey interface {
	// Group is the group of the key.
	Group() Group
	// Public is the value for the KE payload. The caller owns the slice.
	Public() []byte
	// Shared is the secret shared with the owner of the public value peer, of
	// SharedLen octets. A peer value that RFC 6989 forbids is an error that
	// wraps ErrPublicValue.
	Shared(peer []byte) ([]byte, error)
	// Erase overwrites the private value where the memory can be reached. The
	// key is not usable afterwards.
	Erase()
}

// NewGroup is the group with the transform ID id.
func NewGroup(id uint16) (Group, error) {
	if g, ok := modpGroups[id]; ok {
		return g, nil
	}
	if g, ok := curveGroups[id]; ok {
		return g, nil
	}
	if g, ok := kems[id]; ok {
		return g, nil
	}
	if id == X448 {
		return x448Group{}, nil
	}
	return nil, fmt.Errorf("transform: group %d is not supported", id)
}

// answer is Answer of a Diffie-Hellman group, where both sides do the same.
func answer(g Group, random io.Reader, peer []byte) (PrivateKey, error) {
	if err := checkLen(g, peer); err != nil {
		return nil, err
	}
	return g.Generate(random)
}

// checkLen refuses a public value of the wrong length (RFC 7296 §3.4).
func checkLen(g Group, peer []byte) error {
	if len(peer) != g.PublicLen() {
		return fmt.Errorf("transform: group %d: %w of %d octets, %d are needed", g.ID(), ErrPublicValue, len(peer), g.PublicLen())
	}
	return nil
}

package transform

import (
	"bytes"
	"crypto/mlkem"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
)

// kemGroup is ML-KEM (FIPS 203): the initiator's public value is an encapsulation
// key, the responder's the ciphertext that it makes with that key.
//
// The standard library has ML-KEM-768 and 1024. It draws the randomness of an
// encapsulation itself, though, so that no run could be repeated; encapsulation,
// and all of ML-KEM-512, is circl's.
type kemGroup struct {
	id     uint16
	scheme kem.Scheme
	// own makes the initiator's key of its seed (d and z of FIPS 203 §7.1).
	own func(seed []byte) (decapsulator, error)
}

// decapsulator is the initiator's key.
type decapsulator interface {
	public() []byte
	decapsulate(ciphertext []byte) ([]byte, error)
}

const kemSeedLen = 64

var kems = map[uint16]*kemGroup{
	MLKEM512: {MLKEM512, mlkem512.Scheme(), ownMLKEM512},
	MLKEM768: {MLKEM768, mlkem768.Scheme(), func(seed []byte) (decapsulator, error) {
		k, err := mlkem.NewDecapsulationKey768(seed)
		return standard768{k}, err
	}},
	MLKEM1024: {MLKEM1024, mlkem1024.Scheme(), func(seed []byte) (decapsulator, error) {
		k, err := mlkem.NewDecapsulationKey1024(seed)
		return standard1024{k}, err
	}},
}

type standard768 struct{ key *mlkem.DecapsulationKey768 }

func (k standard768) public() []byte                       { return k.key.EncapsulationKey().Bytes() }
func (k standard768) decapsulate(c []byte) ([]byte, error) { return k.key.Decapsulate(c) }

type standard1024 struct{ key *mlkem.DecapsulationKey1024 }

func (k standard1024) public() []byte                       { return k.key.EncapsulationKey().Bytes() }
func (k standard1024) decapsulate(c []byte) ([]byte, error) { return k.key.Decapsulate(c) }

// circl512 is a key of ML-KEM-512.
type circl512 struct {
	key     kem.PrivateKey
	encoded []byte
}

func ownMLKEM512(seed []byte) (decapsulator, error) {
	public, private := mlkem512.Scheme().DeriveKeyPair(seed)
	encoded, err := public.MarshalBinary()
	return circl512{private, encoded}, err
}

func (k circl512) public() []byte { return bytes.Clone(k.encoded) }
func (k circl512) decapsulate(c []byte) ([]byte, error) {
	return mlkem512.Scheme().Decapsulate(k.key, c)
}

func (g *kemGroup) ID() uint16     { return g.id }
func (g *kemGroup) PublicLen() int { return g.scheme.PublicKeySize() }
func (g *kemGroup) AnswerLen() int { return g.scheme.CiphertextSize() }
func (g *kemGroup) SharedLen() int { return g.scheme.SharedKeySize() }

// Generate makes the initiator's key.
func (g *kemGroup) Generate(random io.Reader) (PrivateKey, error) {
	seed := make([]byte, kemSeedLen)
	defer clear(seed)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("transform: group %d: drawing a private key: %w", g.id, err)
	}
	key, err := g.own(seed)
	if err != nil {
		return nil, fmt.Errorf("transform: group %d: %w", g.id, err)
	}
	return &kemKey{g, key}, nil
}

// Answer encapsulates a secret for the initiator's key, once that passed the
// checks of FIPS 203 §7.2: its length, and that its numbers are below q.
func (g *kemGroup) Answer(random io.Reader, peer []byte) (PrivateKey, error) {
	if err := checkLen(g, peer); err != nil {
		return nil, err
	}
	key, err := g.scheme.UnmarshalBinaryPublicKey(peer)
	if err != nil {
		return nil, fmt.Errorf("transform: group %d: %w: not an encapsulation key", g.id, ErrPublicValue)
	}
	seed := make([]byte, g.scheme.EncapsulationSeedSize())
	defer clear(seed)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("transform: group %d: drawing a secret: %w", g.id, err)
	}
	ciphertext, shared, err := g.scheme.EncapsulateDeterministically(key, seed)
	if err != nil {
		return nil, fmt.Errorf("transform: group %d: %w", g.id, err)
	}
	return &kemAnswer{g, bytes.Clone(peer), ciphertext, shared}, nil
}

// kemKey is the initiator's side.
type kemKey struct {
	group *kemGroup
	key   decapsulator
}

func (k *kemKey) Group() Group { return k.group }

// Public is the encapsulation key.
func (k *kemKey) Public() []byte {
	if k.key == nil {
		return nil
	}
	return k.key.public()
}

// Shared decapsulates the responder's ciphertext. One that was not made for this
// key gives a secret that nobody knows, and no error (FIPS 203 §6.3).
func (k *kemKey) Shared(peer []byte) ([]byte, error) {
	if k.key == nil {
		return nil, errErased
	}
	if len(peer) != k.group.AnswerLen() {
		return nil, fmt.Errorf("transform: group %d: %w of %d octets, %d are needed", k.group.id, ErrPublicValue, len(peer), k.group.AnswerLen())
	}
	return k.key.decapsulate(peer)
}

// Erase drops the key; the libraries give no access to its memory.
func (k *kemKey) Erase() { k.key = nil }

// kemAnswer is the responder's side.
type kemAnswer struct {
	group                    *kemGroup
	peer, ciphertext, shared []byte
}

func (k *kemAnswer) Group() Group { return k.group }

// Public is the ciphertext.
func (k *kemAnswer) Public() []byte { return bytes.Clone(k.ciphertext) }

// Shared is the secret that was encapsulated for peer.
func (k *kemAnswer) Shared(peer []byte) ([]byte, error) {
	switch {
	case k.shared == nil:
		return nil, errErased
	case !bytes.Equal(peer, k.peer):
		return nil, fmt.Errorf("transform: group %d: %w: not the key that was answered", k.group.id, ErrPublicValue)
	}
	return bytes.Clone(k.shared), nil
}

// Erase overwrites the secret.
func (k *kemAnswer) Erase() {
	clear(k.shared)
	k.shared = nil
}

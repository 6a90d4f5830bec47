package ticket

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A ticket is
//
//	format (1) | key (8) | nonce (12) | AES-256-GCM(state) | tag (16)
//
// where the first two are authenticated, too. The nonce is a counter, which no key
// sees twice.

const (
	format    = 1
	keyIDLen  = 8
	nonceLen  = 12
	tagLen    = 16
	headerLen = 1 + keyIDLen + nonceLen

	// MaxLen bounds a ticket, so that the message that shows it fits every path:
	// IKE_SESSION_RESUME cannot be cut (RFC 7383 §2.5).
	MaxLen = 1024

	// Lifetime is how long a ticket counts at most. The key that it is sealed with is
	// replaced as often, and kept for one lifetime more.
	Lifetime = time.Hour

	// maxSpent bounds the tickets that were used and did not expire yet. Only
	// authenticated peers use any; where there are more, no ticket counts until
	// some expire, and peers make whole exchanges.
	maxSpent = 1 << 16
)

var (
	errMalformed = errors.New("ticket: malformed")
	errKey       = errors.New("ticket: sealed with a key that is not here (any more)")
	errForged    = errors.New("ticket: not made here, or changed")
	errExpired   = errors.New("ticket: expired")
	errSpent     = errors.New("ticket: used already")
	errFull      = errors.New("ticket: too many were used of late")
)

// ID names one ticket for ever.
type ID [keyIDLen + nonceLen]byte

// Mint seals and opens tickets.
type Mint struct {
	random io.Reader

	mu      sync.Mutex
	keys    []*key // the newest first
	binding []byte
	spent   map[ID]time.Time // when it expires
	cleared time.Time        // when spent was last gone through
}

// key is one sealing key.
type key struct {
	id    [keyIDLen]byte
	aead  cipher.AEAD
	since time.Time
	made  uint64 // tickets so far
}

// NewMint makes a Mint that draws its keys from random, when they are needed.
func NewMint(random io.Reader) *Mint {
	return &Mint{random: random, spent: map[ID]time.Time{}}
}

// Bind is a digest of what a ticket depends on. It is keyed, so that a ticket whose
// key became known does not help to guess a secret that is part of it.
func (m *Mint) Bind(parts ...[]byte) ([BindingLen]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out [BindingLen]byte
	if m.binding == nil {
		b := make([]byte, sha256.Size)
		if _, err := io.ReadFull(m.random, b); err != nil {
			return out, fmt.Errorf("ticket: %w", err)
		}
		m.binding = b
	}
	h := hmac.New(sha256.New, m.binding)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	h.Sum(out[:0])
	return out, nil
}

// Seal makes a ticket that counts until s.Expires.
func (m *Mint) Seal(now time.Time, s *State) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, err := m.key(now)
	if err != nil {
		return nil, err
	}
	plain, err := s.append(make([]byte, 0, MaxLen))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if headerLen+len(plain)+tagLen > MaxLen {
		return nil, errTooLong
	}
	out := append(append(make([]byte, 0, headerLen+len(plain)+tagLen), format), k.id[:]...)
	out = append(out, make([]byte, nonceLen)...)
	k.made++
	nonce := out[1+keyIDLen:]
	binary.BigEndian.PutUint64(nonce[nonceLen-8:], k.made)
	return k.aead.Seal(out, nonce, plain, out[:1+keyIDLen]), nil
}

// key is the key to seal with. Those that no living ticket can be sealed with are
// forgotten.
func (m *Mint) key(now time.Time) (*key, error) {
	m.forget(now)
	if len(m.keys) > 0 && now.Sub(m.keys[0].since) < Lifetime {
		return m.keys[0], nil
	}
	secret := make([]byte, 32)
	defer clear(secret)
	k := &key{since: now}
	for _, b := range [][]byte{k.id[:], secret} {
		if _, err := io.ReadFull(m.random, b); err != nil {
			return nil, fmt.Errorf("ticket: %w", err)
		}
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	m.keys = append([]*key{k}, m.keys...)
	return k, nil
}

func (m *Mint) forget(now time.Time) {
	for n := len(m.keys); n > 0 && now.Sub(m.keys[n-1].since) >= 2*Lifetime; n-- {
		m.keys = m.keys[:n-1]
	}
}

// Open reads a ticket that anybody may have sent, unless it was not made here, was
// used, or expired. What it gives is a copy, which the caller erases.
func (m *Mint) Open(now time.Time, raw []byte) (*State, ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var id ID
	if len(raw) < headerLen+tagLen || len(raw) > MaxLen || raw[0] != format {
		return nil, id, errMalformed
	}
	copy(id[:], raw[1:headerLen])
	m.forget(now)
	k := m.find(id)
	if k == nil {
		return nil, id, errKey
	}
	plain, err := k.aead.Open(nil, raw[1+keyIDLen:headerLen], raw[headerLen:], raw[:1+keyIDLen])
	if err != nil {
		return nil, id, errForged
	}
	s, err := parse(plain)
	switch {
	case err != nil:
		return nil, id, err
	case !now.Before(s.Expires):
		s.Erase()
		return nil, id, errExpired
	}
	if err := m.unspent(now, id); err != nil {
		s.Erase()
		return nil, id, err
	}
	return s, id, nil
}

func (m *Mint) find(id ID) *key {
	for _, k := range m.keys {
		if k.id == [keyIDLen]byte(id[:]) {
			return k
		}
	}
	return nil
}

// unspent tells whether a ticket was not used yet, and whether that can be noted.
func (m *Mint) unspent(now time.Time, id ID) error {
	if _, used := m.spent[id]; used {
		return errSpent
	}
	if len(m.spent) < maxSpent {
		return nil
	}
	if now.Sub(m.cleared) >= time.Minute {
		m.cleared = now
		for id, expires := range m.spent {
			if !now.Before(expires) {
				delete(m.spent, id)
			}
		}
	}
	if len(m.spent) >= maxSpent {
		return errFull
	}
	return nil
}

// Spend marks a ticket as used, which it is once an IKE SA was established with it
// (RFC 5723 §4.3.1). It fails if it was before.
func (m *Mint) Spend(now time.Time, id ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.unspent(now, id); err != nil {
		return err
	}
	// No ticket lives longer than this, whatever it says.
	m.spent[id] = now.Add(2 * Lifetime)
	return nil
}

package sansio

import (
	"errors"
	"sync"

	"causeway/ike/transform"
)

// private is a private key that its owner may erase while a job elsewhere computes with
// it: the exchange that it is for ended. The owner does not wait for that, and the key
// goes when the job is done.
type private struct {
	key transform.PrivateKey

	mu     sync.Mutex // of what follows
	uses   int
	erased bool
}

var errErased = errors.New("sansio: the private key is erased")

func (p *private) Group() transform.Group { return p.key.Group() }

// Public is nil of a key that is erased.
func (p *private) Public() []byte {
	if !p.begin() {
		return nil
	}
	defer p.end()
	return p.key.Public()
}

func (p *private) Shared(peer []byte) ([]byte, error) {
	if !p.begin() {
		return nil, errErased
	}
	defer p.end()
	return p.key.Shared(peer)
}

func (p *private) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.erased {
		p.uses++
	}
	return !p.erased
}

func (p *private) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.uses--; p.erased && p.uses == 0 {
		p.key.Erase()
	}
}

// Erase erases the key now, or as soon as nothing computes with it.
func (p *private) Erase() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.erased = true; p.uses == 0 {
		p.key.Erase()
	}
}

package sansio

import (
	"testing"

	"causeway/ike/transform"
)

// slow is a key whose secret takes its time.
type slow struct {
	transform.PrivateKey
	begun, goOn chan struct{}
	erased      bool
}

func (s *slow) Shared([]byte) ([]byte, error) {
	close(s.begun)
	<-s.goOn
	if s.erased {
		return nil, errErased
	}
	return []byte{1}, nil
}

func (s *slow) Erase() { s.erased = true }

// An exchange that ends while a job computes with its key erases the key: not under the
// job's hands, and at once when that is done.
func TestErasedWhileAJobRuns(t *testing.T) {
	key := &slow{begun: make(chan struct{}), goOn: make(chan struct{})}
	p := &private{key: key}
	done := make(chan error)
	go func() {
		_, err := p.Shared(nil)
		done <- err
	}()
	<-key.begun
	p.Erase()
	if _, err := p.Shared(nil); err == nil {
		t.Error("an erased key gives a secret")
	}
	close(key.goOn)
	if err := <-done; err != nil {
		t.Errorf("it was erased under the job's hands: %v", err)
	}
	if !key.erased {
		t.Error("it is not erased after the job")
	}
}

// The keys that jobs make are such keys.
func TestKeysOfJobs(t *testing.T) {
	r := (&KeyExchange{Group: transform.X25519, Seed: make([]byte, 64)}).Run().(KeyExchanged)
	if r.Err != nil || len(r.Public) != 32 {
		t.Fatal(r.Err)
	}
	r.Private.Erase()
	if again := (&KeyExchange{Group: transform.X25519, Private: r.Private, Peer: r.Public}).Run().(KeyExchanged); again.Err == nil {
		t.Error("an erased key gives a secret")
	}
	if _, ok := r.Private.(*private); !ok {
		t.Errorf("the key is a %T", r.Private)
	}
}

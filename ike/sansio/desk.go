package sansio

import (
	"crypto/sha3"
	"fmt"
	"io"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// Desk is where work that runs elsewhere waits for its result.
type Desk struct {
	last sa.Ticket
	open map[sa.Ticket]pending
}

// pending is what a result leads to. A ticket whose owner is gone is dropped,
// and its result ignored.
type pending struct {
	owner     any
	then      func(any)
	cancelled chan struct{}
}

// Start gives the job a ticket. then is called with the result, unless the
// owner's tickets are cancelled before.
func (d *Desk) Start(owner any, job sa.Job, then func(result any)) sa.StartWork {
	if d.open == nil {
		d.open = map[sa.Ticket]pending{}
	}
	d.last++
	cancelled := make(chan struct{})
	d.open[d.last] = pending{owner, then, cancelled}
	return sa.StartWork{Ticket: d.last, Job: job, Cancelled: cancelled}
}

// Finish leads a result to whom it is for; of one that nobody wants any more it erases
// the secrets.
func (d *Desk) Finish(ev sa.WorkDone) {
	p, ok := d.open[ev.Ticket]
	if !ok {
		if r, secret := ev.Result.(KeyExchanged); secret {
			r.Erase()
		}
		return
	}
	delete(d.open, ev.Ticket)
	p.then(ev.Result)
}

// Cancel makes the tickets of owner stale, and has their jobs not begun.
func (d *Desk) Cancel(owner any) {
	for t, p := range d.open {
		if p.owner == owner {
			delete(d.open, t)
			close(p.cancelled)
		}
	}
}

// KeyExchange is the Diffie-Hellman work of one side of one exchange: make a
// private key where there is none yet, and the shared secret where the peer's
// share is known. It implements sa.Job.
type KeyExchange struct {
	Group   uint16
	Seed    []byte               // for the private key
	Private transform.PrivateKey // made by an earlier job
	Peer    []byte               // the peer's share, nil while unknown
	// Offer is the peer's share where ours answers it and the secret is not
	// needed yet.
	Offer []byte
}

// KeyExchanged is the result of KeyExchange.
type KeyExchanged struct {
	Private transform.PrivateKey
	Public  []byte
	Shared  []byte // nil without the peer's share
	Err     error
}

// Erase overwrites the secrets of a result that nobody wants.
func (r KeyExchanged) Erase() {
	if r.Private != nil {
		r.Private.Erase()
	}
	keymat.Erase(r.Shared)
}

// Exchanged reads the result of a KeyExchange; of work that ended without one
// it makes an error.
func Exchanged(result any) KeyExchanged {
	r, ok := result.(KeyExchanged)
	if !ok {
		r = KeyExchanged{Err: fmt.Errorf("the work ended without a result: %v", result)}
	}
	return r
}

// offered is the initiator's share, where we are the responder.
func (j *KeyExchange) offered() []byte {
	if j.Offer != nil {
		return j.Offer
	}
	return j.Peer
}

// Run implements sa.Job.
func (j *KeyExchange) Run() any {
	r := KeyExchanged{Private: j.Private}
	if r.Private == nil {
		key, err := j.generate()
		if err != nil {
			return KeyExchanged{Err: err}
		}
		r.Private = &private{key: key}
	}
	r.Public = r.Private.Public()
	if j.Peer != nil {
		if r.Shared, r.Err = r.Private.Shared(j.Peer); r.Err != nil {
			r.Err = fmt.Errorf("the peer's key share: %w", r.Err)
		}
	}
	return r
}

// generate makes the private key, and erases what it is made of.
func (j *KeyExchange) generate() (transform.PrivateKey, error) {
	group, err := transform.NewGroup(j.Group)
	if err != nil {
		return nil, err
	}
	var key transform.PrivateKey
	if offer := j.offered(); offer != nil {
		key, err = group.Answer(Expand(j.Seed), offer)
	} else {
		key, err = group.Generate(Expand(j.Seed))
	}
	if err != nil {
		return nil, fmt.Errorf("making a key share: %w", err)
	}
	keymat.Erase(j.Seed)
	return key, nil
}

// Expand makes of a seed as many octets as a key generation wants, so that the
// generation may run elsewhere and still be determined by the source.
func Expand(seed []byte) io.Reader {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	return h
}

package ikev2

import (
	"fmt"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

// keyExchange is the Diffie-Hellman work of one side of one exchange: make a
// private key where there is none yet, and the shared secret where the peer's
// share is known. It implements sa.Job.
type keyExchange struct {
	group   uint16
	seed    []byte               // for the private key
	private transform.PrivateKey // made by an earlier job
	peer    []byte               // the peer's share, nil while unknown
	// offer is the peer's share where ours answers it and the secret is not
	// needed yet.
	offer []byte
}

// keyExchanged is the result of keyExchange.
type keyExchanged struct {
	private transform.PrivateKey
	public  []byte
	shared  []byte // nil without the peer's share
	err     error
}

// offered is the initiator's share, where we are the responder.
func (j *keyExchange) offered() []byte {
	if j.offer != nil {
		return j.offer
	}
	return j.peer
}

// Run implements sa.Job.
func (j *keyExchange) Run() any {
	r := keyExchanged{private: j.private}
	if r.private == nil {
		group, err := transform.NewGroup(j.group)
		if err != nil {
			return keyExchanged{err: err}
		}
		if offer := j.offered(); offer != nil {
			r.private, r.err = group.Answer(expand(j.seed), offer)
		} else {
			r.private, r.err = group.Generate(expand(j.seed))
		}
		if r.err != nil {
			return keyExchanged{err: fmt.Errorf("making a key share: %w", r.err)}
		}
		keymat.Erase(j.seed)
	}
	r.public = r.private.Public()
	if j.peer != nil {
		if r.shared, r.err = r.private.Shared(j.peer); r.err != nil {
			r.err = fmt.Errorf("the peer's key share: %w", r.err)
		}
	}
	return r
}

// exchanged makes a continuation of a desk of one that takes a key exchange.
func exchanged(then func(keyExchanged)) func(any) {
	return func(result any) {
		r, ok := result.(keyExchanged)
		if !ok {
			r = keyExchanged{err: fmt.Errorf("the work ended without a result: %v", result)}
		}
		then(r)
	}
}

// desk is where work that runs elsewhere waits for its result.
type desk struct {
	last sa.Ticket
	open map[sa.Ticket]pending
}

// pending is what a result leads to. A ticket whose owner is gone is dropped,
// and its result ignored.
type pending struct {
	owner any
	then  func(any)
}

// start gives the job a ticket.
func (d *desk) start(owner any, job sa.Job, then func(any)) sa.StartWork {
	if d.open == nil {
		d.open = map[sa.Ticket]pending{}
	}
	d.last++
	d.open[d.last] = pending{owner, then}
	return sa.StartWork{Ticket: d.last, Job: job}
}

// finish leads a result to whom it is for; it ignores stale tickets.
func (d *desk) finish(ev sa.WorkDone) {
	p, ok := d.open[ev.Ticket]
	if !ok {
		return
	}
	delete(d.open, ev.Ticket)
	p.then(ev.Result)
}

// cancel makes the tickets of owner stale.
func (d *desk) cancel(owner any) {
	for t, p := range d.open {
		if p.owner == owner {
			delete(d.open, t)
		}
	}
}

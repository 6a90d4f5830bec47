package ike

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
)

// Keeps tells whether Set would leave the connection's SAs alone.
func (e *Engine) Keeps(c *Connection) bool {
	o := e.owner(c.Settings.Name)
	return o != nil && o.takes(c)
}

// same tells whether nothing is to be done for the connection.
func (o *owner) same(c *Connection) bool { return reflect.DeepEqual(o.conn(), c) }

// takes tells whether the connection can be changed to c with its SAs as they
// are: the peer, and how it is reached, stay. What else changes counts from the
// next negotiation on.
func (o *owner) takes(c *Connection) bool {
	before, after := lasting(o.conn()), lasting(c)
	return reflect.DeepEqual(before, after) && o.stillThere(c)
}

// stillThere tells whether the peer of every IKE SA was found at an address that c
// names, if it names any. Where it is by now is its own affair.
func (o *owner) stillThere(c *Connection) bool {
	if len(c.Settings.RemoteAddresses) == 0 {
		return true
	}
	for _, i := range o.statusNow().IKE {
		if !slices.Contains(c.Settings.RemoteAddresses, foundAt(i)) {
			return false
		}
	}
	return true
}

// foundAt is the address that the peer was found at, wherever it is by now.
func foundAt(i sa.IKEInfo) netip.Addr {
	at := i.Configured
	if !at.IsValid() {
		at = i.Remote.Addr()
	}
	return at.Unmap()
}

// lasting is what of a connection no SA survives a change of. A setting that
// is not named here is one of it.
func lasting(c *Connection) Connection {
	out := *c
	s := *c.Settings
	out.Settings = &s
	out.Start, out.Idle, out.Remotes = 0, 0, nil
	s.RemoteAddresses = nil
	s.PSK, s.Credentials, s.Trust, s.PPK, s.XAUTH = auth.Secret{}, nil, nil, nil, nil
	s.IKEProposals, s.ESPProposals, s.Children = nil, nil, nil
	s.IKELifetime, s.Reauthentication, s.DPD, s.ChildLifetime = 0, 0, 0, sa.Lifetime{}
	s.MessageIDSync, s.SessionResumption, s.ForbidNAT = false, false, false
	s.Childless, s.CrashDetection, s.FollowRedirects, s.RedirectTo = "", false, false, ""
	s.Aggressive, s.FragmentSize, s.RespondOnly, s.InitiateOnly = false, 0, false, false
	return out
}

// change makes the running connection c, on the owner's goroutine, and waits
// until it is done.
func (o *owner) change(ctx context.Context, c *Connection) {
	done := make(chan struct{})
	go o.inbox.post(func() {
		defer close(done)
		o.reconfigure(c, time.Now())
	})
	select {
	case <-done:
	case <-o.inbox.done:
	case <-ctx.Done(): // a busy owner does it a little later
	}
}

func (o *owner) reconfigure(c *Connection, now time.Time) {
	before := o.current.Swap(c)
	o.machine.Reconfigure(c.Settings)
	if !slices.Equal(before.Remotes, c.Remotes) {
		o.keep.addresses, o.keep.turn = []netip.Addr(nil), 0
	}
	wanted := c.Start == StartAlways && o.initiates()
	switch {
	case before.Start == c.Start && before.Settings.RespondOnly == c.Settings.RespondOnly:
	case wanted && !o.resting.Load() && !o.keep.wanted:
		o.keep.want(now, true)
	case !wanted && o.keep.wanted:
		o.keep.rest() // what is up stays up
	}
	o.step(sa.TimerDue{}) // the machine draws its conclusions
}

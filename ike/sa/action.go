package sa

import (
	"net/netip"
	"slices"
)

// Action is what a machine wants done. The set is sealed.
type Action interface{ isAction() }

// Send transmits one IKE message; the sender adds the non-ESP marker where
// Local's port is the NAT port. Bytes must not be changed: they are also the
// retransmission and response cache.
type Send struct {
	Local, Remote netip.AddrPort
	Bytes         []byte
	// Whole forbids the network to fragment it: it is to find out whether the
	// path carries it. One that cannot be sent so is lost.
	Whole bool
}

// Ticket names one piece of work of one machine.
type Ticket uint64

// Job is work too slow for the owner goroutine (Diffie-Hellman, signatures).
// Run is pure but for its result, may run on any goroutine and is bounded in
// time; secrets it returns stay inside the process.
type Job interface{ Run() any }

// StartWork runs Job elsewhere; its result comes back as WorkDone. A job that
// Waits, for seconds perhaps, for the network is to keep none that computes from
// being run, and one that a Stranger makes, who is not authenticated, none of those
// who are.
type StartWork struct {
	Ticket   Ticket
	Job      Job
	Waits    bool
	Stranger bool
	// Cancelled is closed once nobody wants the result: the job need not be begun.
	Cancelled <-chan struct{}
}

// RegisterSPI routes datagrams for the local IKE SPI to this machine;
// ReleaseSPI ends that.
type RegisterSPI struct{ SPI uint64 }

// ReleaseSPI ends what RegisterSPI began.
type ReleaseSPI struct{ SPI uint64 }

// InstallInbound lets the data path receive on Child.SPIIn.
type InstallInbound struct{ Child *Child }

// ActivateOutbound makes the data path send on Child.SPIOut, before any older
// child whose selectors match too.
type ActivateOutbound struct{ Child *Child }

// StopOutbound has the data path send no more on the Child SA with that inbound SPI;
// another carries. It is received on as before.
type StopOutbound struct{ SPIIn uint32 }

// RemoveChild takes the Child SA with that inbound SPI, both directions, out
// of the data path. Removing an unknown SPI is harmless.
type RemoveChild struct{ SPIIn uint32 }

// WithoutChild leaves out of the actions of a Step those that put to use the Child SA
// with that inbound SPI, which the same Step ends: its keys are overwritten before
// anyone does them.
func WithoutChild(actions []Action, spiIn uint32) []Action {
	return slices.DeleteFunc(actions, func(a Action) bool {
		switch a := a.(type) {
		case InstallInbound:
			return a.Child.SPIIn == spiIn
		case ActivateOutbound:
			return a.Child.SPIIn == spiIn
		}
		return false
	})
}

// SkipAhead leaves out sequence numbers of what is sent on a Child SA, whose peer lost
// its replay window (RFC 6311 §5.2).
type SkipAhead struct {
	SPIIn uint32
	By    uint64
}

// MoveChildren gives the Child SAs of a peer a new outer address pair (a NAT mapping
// changed, or traffic moved to the NAT port): another peer of the connection stays.
type MoveChildren struct {
	SPIsIn        []uint32
	Local, Remote netip.AddrPort
}

// Emit tells the world what happened.
type Emit struct{ Report Report }

// HalfOpen is an IKE SA which a peer started, between the code that answered
// it and the machine that adopts it. Its content is the IKE version's own.
// Whoever does not pass it on erases its keys.
type HalfOpen interface {
	HalfOpen()
	Erase()
}

// Doubt says that somebody at Remote claims not to know SPI, on which a Child SA
// of ours sends: whoever has that asks its peer.
type Doubt struct {
	Remote netip.AddrPort
	SPI    uint32
}

// FindPaths asks on which pairs of addresses the peer of the IKE SA with that local
// SPI might be reached, if it has these addresses. The answer is a PathsFound.
type FindPaths struct {
	SPI     uint64
	Remotes []netip.Addr
}

// Redirect asks where the gateway To is, an address or a name, that the peer
// sends us to (RFC 5685). The answer is a Redirected.
type Redirect struct{ To string }

// Handover gives Half to the machine of Connection, as an Adopt event. From
// then on that machine owns the local IKE SPI, which is registered already: the
// machine registers it again, and the later registration holds.
type Handover struct {
	Connection string
	SPI        uint64
	Half       HalfOpen
}

func (Doubt) isAction()            {}
func (Redirect) isAction()         {}
func (FindPaths) isAction()        {}
func (Handover) isAction()         {}
func (Send) isAction()             {}
func (StartWork) isAction()        {}
func (RegisterSPI) isAction()      {}
func (ReleaseSPI) isAction()       {}
func (InstallInbound) isAction()   {}
func (ActivateOutbound) isAction() {}
func (StopOutbound) isAction()     {}
func (RemoveChild) isAction()      {}
func (SkipAhead) isAction()        {}
func (MoveChildren) isAction()     {}
func (Emit) isAction()             {}

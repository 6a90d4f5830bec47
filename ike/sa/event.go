package sa

import (
	"net/netip"

	"causeway/esp/selector"
)

// Event is what a machine is told. The set is sealed.
type Event interface{ isEvent() }

// Datagram is one IKE message as it arrived, without the non-ESP marker.
// Raw is owned by the receiver of the event.
type Datagram struct {
	Raw           []byte
	Local, Remote netip.AddrPort
}

// TimerDue says that Deadline has passed.
type TimerDue struct{}

// WorkDone carries the result of a StartWork with the same ticket.
type WorkDone struct {
	Ticket Ticket
	Result any
}

// TrafficNeeded says that a packet waits for a Child SA which is not there, or, with
// a Resource, that a worker sends on one that is for all and could use its own.
type TrafficNeeded struct {
	Flow     selector.Flow
	Resource int // the worker, counted from 1
}

// LifetimeHit says that the data path reached a limit of the Child SA whose
// inbound SPI is SPI.
type LifetimeHit struct {
	SPI  uint32
	Hard bool
}

// EndpointSeen says that authentic, fresh ESP of the Child SA with the inbound
// SPI came from another outer address than the SA's: a NAT gave the peer a new
// one (RFC 7296 §2.23).
type EndpointSeen struct {
	SPI           uint32
	Local, Remote netip.AddrPort
}

// MoveTo makes an IKE SA with another address of the peer, and lets it take over
// once it is up; if it does not come up nothing changes.
type MoveTo struct{ Local, Remote netip.AddrPort }

// UnknownSPI says that ESP came from a peer, at Remote, on an inbound SPI that the data
// path does not know. To an acceptor, Local and Remote are where a message about it goes; a
// Remote with the port 0 is that of ESP without UDP.
type UnknownSPI struct {
	SPI           uint32
	Local, Remote netip.AddrPort
}

// Redirected answers a Redirect: the gateway's address, and ours towards it, or
// why there is none.
type Redirected struct {
	Local, Remote netip.AddrPort
	Failure       *Failure
}

// Doubted says that somebody claims, without proof, that the peer does not know
// the outbound SPI.
type Doubted struct{ SPI uint32 }

// ProbePath asks for a message in an IP packet of Size octets that may not be
// fragmented; the answer is a PathProbed. Most is the size of the largest packet
// that can leave at all.
type ProbePath struct{ Size, Most int }

// LocalAddress says at which address of this host the way to the peer begins now,
// and which others it can be reached at.
type LocalAddress struct {
	Addr   netip.Addr
	Others []netip.Addr
}

// Path is a pair of outer addresses.
type Path struct{ Local, Remote netip.Addr }

// Synchronize says that the machine took over from another, which for the IKE SA
// with that local SPI had got at least as far as these message IDs: of its next
// request, and of the next that it expects (RFC 6311). No gateway of ours says so: it
// would take another machine that has the same keys, and sequence numbers of ESP that
// are never used twice. Tests play the cluster by it whose peer a gateway is.
type Synchronize struct {
	SPI           uint64
	Send, Receive uint32
	// Replay is how many ESP packets of the peer the replay windows may be behind by; the
	// peer leaves out as many numbers. 0: none.
	Replay uint64
}

// PathsFound answers a FindPaths.
type PathsFound struct {
	SPI   uint64
	Paths []Path
}

// Up asks for an IKE SA with the first child, from Local to Remote.
// It is a no-op when one is there or being made.
type Up struct {
	Local, Remote netip.AddrPort
	// Tries is how often the first message is sent to a peer that does not answer; 0:
	// as often as any.
	Tries int
}

// Down deletes every SA of the machine at the peer.
type Down struct{}

// Rekey replaces SAs at once. Reauthenticate makes an IKE SA from scratch, with
// Child SAs of its own, before the old one goes.
type Rekey struct{ IKE, Children, Reauthenticate bool }

// Adopt gives the machine a half-open IKE SA which a peer started: the Half of
// a Handover for this machine's connection.
type Adopt struct{ Half HalfOpen }

func (Adopt) isEvent()         {}
func (Datagram) isEvent()      {}
func (TimerDue) isEvent()      {}
func (WorkDone) isEvent()      {}
func (TrafficNeeded) isEvent() {}
func (LifetimeHit) isEvent()   {}
func (EndpointSeen) isEvent()  {}
func (MoveTo) isEvent()        {}
func (LocalAddress) isEvent()  {}
func (PathsFound) isEvent()    {}
func (Synchronize) isEvent()   {}
func (UnknownSPI) isEvent()    {}
func (Doubted) isEvent()       {}
func (Redirected) isEvent()    {}
func (ProbePath) isEvent()     {}
func (Up) isEvent()            {}
func (Down) isEvent()          {}
func (Rekey) isEvent()         {}

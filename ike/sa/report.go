package sa

import (
	"net/netip"
	"time"
)

// Report is one thing that happened, in the core's own words. Logs, metrics,
// the API's event stream and transcripts are made of reports and nothing else.
// The set is sealed.
type Report interface{ isReport() }

// IKEInfo describes an IKE SA.
type IKEInfo struct {
	Version       int
	Initiator     bool
	SPIi, SPIr    uint64
	Local, Remote netip.AddrPort
	// Configured is where the peer was when the first of the IKE SAs that replaced one
	// another began: a redirect, MOBIKE or a NAT may have led elsewhere. Not valid:
	// it is there still.
	Configured     netip.Addr
	LocalIdentity  string
	RemoteIdentity string
	NAT            string // none, local, remote, both
	Suite          string // keywords
	Resumed        bool   // with a ticket (RFC 5723)
	EstablishedAt  time.Time
	RekeyAt        time.Time // zero: never
}

// Connecting: an IKE SA is being made.
type Connecting struct {
	Connection    string
	Initiator     bool
	Local, Remote netip.AddrPort
}

// IKEEstablished: an IKE SA is authenticated. Rekeys names the local SPI of
// the one that it replaces, 0 for none.
type IKEEstablished struct {
	Connection string
	IKE        IKEInfo
	Rekeys     uint64
}

// IKEClosed: an IKE SA is gone. Failure is nil when it was asked for or was
// replaced by another.
type IKEClosed struct {
	Connection string
	SPIi, SPIr uint64
	Replaced   bool
	Remote     bool // the peer asked for it
	Failure    *Failure
}

// ChildEstablished: a Child SA pair carries traffic. Child.Rekeys tells
// whether it replaces another.
type ChildEstablished struct {
	Connection string
	Child      *Child
}

// ChildClosed: a Child SA pair is gone.
type ChildClosed struct {
	Connection    string
	SPIIn, SPIOut uint32
	Replaced      bool
	Remote        bool
	Failure       *Failure
}

// Failed: an attempt failed; SAs that exist stay as they are. An IKE SA that
// fails before it is established is a Failed and no IKEClosed.
type Failed struct {
	Connection string
	Remote     netip.AddrPort
	Failure    *Failure
	// Stranger says that it was the attempt of a peer that did not prove who it is.
	Stranger bool
}

// EndpointChanged: the peer's outer address is another one now, or ours, or there
// is a NAT that was not there, or none any more.
type EndpointChanged struct {
	Connection string
	SPIi, SPIr uint64         // of the IKE SA
	Local      netip.AddrPort // ours now
	Old, New   netip.AddrPort // the peer's
	NAT        string         // as in IKEInfo; empty: as it was
}

// RedirectedTo: the peer sends us to another gateway (RFC 5685).
type RedirectedTo struct {
	Connection string
	From       netip.AddrPort
	To         string // an address or a name
}

// TicketRefused: the peer does not resume the session whose ticket we showed; a
// whole exchange follows (RFC 5723).
type TicketRefused struct {
	Connection string
	Remote     netip.AddrPort
	Why        string
}

// PPKUnused: a post-quantum key is configured, and the peer was authenticated without
// it, which is allowed (RFC 8784 §6).
type PPKUnused struct {
	Connection string
	Remote     netip.AddrPort
	ID         string // of the key
}

// MessageTrace is one message sent or received, for level debug.
type MessageTrace struct {
	Connection    string
	Sent          bool
	Local, Remote netip.AddrPort
	SPIi, SPIr    uint64
	Exchange      string
	Response      bool
	MessageID     uint32
	Bytes         int    // of all its datagrams
	Fragments     int    // how many datagrams it was cut into (RFC 7383); 0: it was not
	Summary       string // payloads, without secrets
	Retransmit    int    // 0: the first time
}

// MessageDropped: a received message was ignored.
type MessageDropped struct {
	Connection string // empty: not known yet
	Remote     netip.AddrPort
	Reason     Reason
	Detail     string
}

// PathProbed is what became of a ProbePath: the peer answered, or the peer is
// there and the packet was lost.
type PathProbed struct {
	Connection string
	Size       int
	Answered   bool
}

// WentIdle: the connection carried nothing for so long that it is taken down.
type WentIdle struct {
	Connection string
	After      time.Duration
}

// AddressAssigned: one end gave the other an address inside of the tunnel.
type AddressAssigned struct {
	Connection string
	Address    netip.Addr
	ToPeer     bool // this end gave it
}

func (AddressAssigned) isReport()  {}
func (WentIdle) isReport()         {}
func (PathProbed) isReport()       {}
func (Connecting) isReport()       {}
func (IKEEstablished) isReport()   {}
func (IKEClosed) isReport()        {}
func (ChildEstablished) isReport() {}
func (ChildClosed) isReport()      {}
func (Failed) isReport()           {}
func (EndpointChanged) isReport()  {}
func (RedirectedTo) isReport()     {}
func (TicketRefused) isReport()    {}
func (PPKUnused) isReport()        {}
func (MessageTrace) isReport()     {}
func (MessageDropped) isReport()   {}

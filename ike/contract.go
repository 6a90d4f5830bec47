package ike

import (
	"net/netip"
	"time"

	"causeway/ike/sa"
)

// DataPath is what the control plane needs of ESP. Its methods may be called
// from any goroutine and must not block on the network.
type DataPath interface {
	// AllocateSPI reserves an inbound SPI for the connection, of a Child SA for the
	// worker with the number resource, counted from 1, or for all if it is 0.
	AllocateSPI(connection string, resource int) (uint32, error)
	// Accepts tells whether it can carry a Child SA of the connection, before the peer
	// is told of it, and changes nothing.
	Accepts(connection string, c *sa.Child) error
	// InstallInbound makes the data path receive on c.SPIIn.
	InstallInbound(connection string, c *sa.Child) error
	// ActivateOutbound makes it send on c.SPIOut, in preference to older
	// children, of which a worker prefers those for itself. The child is installed
	// already.
	ActivateOutbound(connection string, c *sa.Child) error
	// StopOutbound sends no more on a Child SA, by its inbound SPI.
	StopOutbound(connection string, spiIn uint32)
	// RemoveChild takes both directions away, or gives back an SPI that was
	// only allocated.
	RemoveChild(connection string, spiIn uint32)
	// SkipAhead leaves out that many sequence numbers of what is sent on a Child SA.
	SkipAhead(connection string, spiIn uint32, by uint64)
	// MoveChildren gives Child SAs of the connection, by their inbound SPIs, new outer
	// addresses.
	MoveChildren(connection string, spisIn []uint32, local, remote netip.AddrPort)
	// Carried is how many packets a Child SA carried, by its inbound SPI.
	Carried(spiIn uint32) (in, out uint64)
	// LastInbound is when authentic ESP last arrived on a Child SA, by its inbound SPI;
	// zero: never.
	LastInbound(spiIn uint32) time.Time
}

// Transport is what the control plane needs of the sockets.
type Transport interface {
	// SendIKE sends one IKE message from local to remote. It adds the non-ESP
	// marker where local's port is the NAT port, and keeps no reference to b.
	SendIKE(b []byte, local, remote netip.AddrPort) error
	// SendProbe is SendIKE of a message that must not be fragmented.
	SendProbe(b []byte, local, remote netip.AddrPort) error
	// LocalAddr is the source address the kernel uses towards remote.
	LocalAddr(remote netip.Addr) (netip.Addr, error)
	// HasAddr tells whether this host has the address now.
	HasAddr(netip.Addr) bool
}

// StartPolicy says who brings a connection up.
type StartPolicy uint8

const (
	// StartAlways keeps the connection up.
	StartAlways StartPolicy = iota
	// StartOnTraffic brings it up when a packet wants it.
	StartOnTraffic
	// StartOnDemand leaves it to a command or the peer.
	StartOnDemand
)

// Connection is one connection that the engine is to run.
type Connection struct {
	Settings *sa.Settings
	// Remotes are the peer's addresses and DNS names, tried in order; empty:
	// respond only.
	Remotes []string
	// RemotePort is the peer's IKE port; 0 means 500.
	RemotePort uint16
	Start      StartPolicy
	// Idle takes the connection down when it carried nothing for so long, unless
	// it is to be up all the time. 0: never.
	Idle time.Duration
}

// ConnectionStatus is what a connection wants and has, at one moment.
// Immutable.
type ConnectionStatus struct {
	Name   string
	Wanted bool // to be up all the time
	// WaitsForTraffic: a packet brings it up.
	WaitsForTraffic bool
	State           State
	IKE             []sa.IKEInfo // the one in use, or else the newest, first
	Children        []*sa.Child  // the newest first
	LastFailure     *sa.Failure
	LastFailed      time.Time
	Attempt         int       // failed attempts since the last success
	NextAttempt     time.Time // zero: none planned
	// Dropped counts datagrams that found the inbox full.
	Dropped uint64
}

// State of a connection, as users see it.
type State string

// The states of a connection.
const (
	StateDown       State = "down"
	StateConnecting State = "connecting"
	StateUp         State = "up"
	StateRekeying   State = "rekeying"
	StateFailed     State = "failed" // down, wanted, and the last attempt failed
)

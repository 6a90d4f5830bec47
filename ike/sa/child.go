package sa

import (
	"net/netip"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/transform"
)

// Child is one Child SA pair as the data path needs it. Immutable.
type Child struct {
	Name          string // of its ChildSettings
	SPIIn, SPIOut uint32
	Suite         transform.Suite
	// Keys as RFC 7296 §2.17 takes them from KEYMAT; an AEAD key carries its
	// salt at the end. In is what the peer sends with.
	EncryptionIn, IntegrityIn   auth.Secret
	EncryptionOut, IntegrityOut auth.Secret
	LocalSelectors              selector.List
	RemoteSelectors             selector.List
	Local, Remote               netip.AddrPort // outer addresses
	// Bare says that we send ESP without UDP; the ports are IKE's then.
	Bare bool
	// Transport is nil in tunnel mode.
	Transport *Transport
	// NoTFC says that the peer takes no traffic flow confidentiality padding.
	NoTFC bool
	// Lifetime's soft and hard limits in bytes and packets are the data
	// path's to watch; time is the machine's.
	Soft, Hard    Lifetime
	EstablishedAt time.Time
	RekeyAt       time.Time // zero: never
	// Rekeys is the inbound SPI of the Child SA that this one replaces, or 0.
	Rekeys uint32
	// Resource is the worker, counted from 1, that it is for (RFC 9611); 0: all.
	Resource int
}

package ikev2

import (
	"io"
	"time"

	"causeway/ike/sa"
)

// SPIAllocator reserves an inbound ESP SPI in the data path. The machine gives
// it back with sa.RemoveChild, whether or not it was ever installed.
type SPIAllocator func() (uint32, error)

// Config is what a Machine is made of.
type Config struct {
	// Settings is the connection.
	Settings *sa.Settings
	// Random is the only source of entropy. A machine panics when it fails.
	Random io.Reader
	// AllocateSPI reserves inbound ESP SPIs.
	AllocateSPI SPIAllocator
	// Retransmit is the schedule of repeated requests; its zero value is
	// DefaultRetransmit.
	Retransmit RetransmitPolicy
	// NATPort is the local and PeerNATPort the peer's port for IKE with the
	// non-ESP marker and for ESP in UDP. Zero is 4500.
	NATPort, PeerNATPort uint16
	// Strict makes an illegal state transition panic, for tests. Otherwise it
	// closes the IKE SA with sa.ReasonInternal.
	Strict bool
}

// Machine is one peer of one connection: all its IKE SAs, old and new during a
// rekey. It is owned by one goroutine.
type Machine struct {
	cfg Config
}

// New makes a machine that has no IKE SA and does nothing until it is told to.
func New(cfg Config) *Machine { return &Machine{cfg: cfg} }

// Step tells the machine what happened at now and appends to dst what is to be
// done, in order. It is the only way in.
func (m *Machine) Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action { return dst }

// Deadline is when the machine wants sa.TimerDue next; the zero time is never.
func (m *Machine) Deadline() time.Time { return time.Time{} }

// Reconfigure replaces the settings, as of the next Step. Child SAs whose
// selectors are no longer wanted are deleted and new ones made; identities,
// key, proposals and lifetimes count from the next negotiation on.
func (m *Machine) Reconfigure(settings *sa.Settings) { m.cfg.Settings = settings }

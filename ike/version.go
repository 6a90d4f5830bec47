package ike

import (
	"time"

	"causeway/ike/ikev1"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/ticket"
)

// machine is one peer of one connection in some version of IKE. The owner's
// goroutine is the only one that touches it.
type machine interface {
	// Step tells it what happened, and appends to dst what is to be done.
	Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action
	// Deadline is when it wants sa.TimerDue next; zero: never.
	Deadline() time.Time
	// Snapshot copies what it has, for status.
	Snapshot() sa.Snapshot
	// Reconfigure replaces its settings, as of the next Step.
	Reconfigure(settings *sa.Settings)
}

// stranger is what answers peers whose connection is not known yet, in one
// version of IKE. The acceptor's goroutine is the only one that touches it.
type stranger interface {
	Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action
	Deadline() time.Time
}

// version is one major version of IKE: how its machines are made, who answers
// strangers, and who owns a local SPI. Versions share none of it, so no message
// of one is ever parsed as the other's.
type version struct {
	machine  func(*sa.Settings, ikev2.SPIAllocator, func(*sa.Child) error) machine
	stranger func() stranger
	// ours are the SPIs of a header that may be local ones, the likeliest first.
	ours     func(h header) [2]uint64
	spis     spiTable
	acceptor *acceptor
}

func (e *Engine) newIKEv1() *version {
	v := &version{ours: localSPIv1, spis: spiTable{m: map[uint64]*inbox{}}}
	v.machine = func(s *sa.Settings, allocate ikev2.SPIAllocator, accepts func(*sa.Child) error) machine {
		return ikev1.New(ikev1.Config{
			Settings:    s,
			Random:      e.cfg.Random,
			AllocateSPI: func() (uint32, error) { return allocate(0) },
			Accepts:     accepts,
			LastInbound: e.cfg.DataPath.LastInbound,
			Retransmit:  e.cfg.Retransmit,
			NATPort:     e.cfg.NATPort,
		})
	}
	v.stranger = func() stranger {
		return ikev1.NewAcceptor(ikev1.AcceptorConfig{
			Candidates: e.candidatesOf(1), Others: e.candidatesOf(2), Random: e.cfg.Random, Gate: e.gatev1})
	}
	v.acceptor = newAcceptor(e, v)
	return v
}

func (e *Engine) newIKEv2() *version {
	v := &version{ours: localSPIv2, spis: spiTable{m: map[uint64]*inbox{}}}
	tickets := ticket.NewMint(e.cfg.Random)
	v.machine = func(s *sa.Settings, allocate ikev2.SPIAllocator, accepts func(*sa.Child) error) machine {
		return ikev2.New(ikev2.Config{
			Settings:    s,
			Random:      e.cfg.Random,
			AllocateSPI: allocate,
			Accepts:     accepts,
			Carried:     e.cfg.DataPath.Carried,
			LastInbound: e.cfg.DataPath.LastInbound,
			Retransmit:  e.cfg.Retransmit,
			NATPort:     e.cfg.NATPort,
			KeyLog:      e.cfg.KeyLog,
			CrashSecret: e.cfg.CrashSecret,
			Tickets:     tickets,
		})
	}
	v.stranger = func() stranger {
		return ikev2.NewAcceptor(ikev2.AcceptorConfig{
			Candidates: e.candidatesOf(2), Others: e.candidatesOf(1), Random: e.cfg.Random, Gate: e.gate, KeyLog: e.cfg.KeyLog,
			CrashSecret: e.cfg.CrashSecret, Tickets: tickets, Registered: func(spi uint64) bool { return v.spis.lookup(spi) != nil }, Traced: e.cfg.Traced})
	}
	v.acceptor = newAcceptor(e, v)
	return v
}

// receive leads a datagram to the goroutine that owns one of its SPIs, and one
// that nobody owns to the acceptor.
func (v *version) receive(h header, d sa.Datagram) {
	for _, spi := range v.ours(h) {
		switch owner := v.spis.lookup(spi); {
		case spi == 0 || owner == nil:
		case owner == v.acceptor.inbox:
			v.acceptor.offer(h, true, d)
			return
		default:
			owner.offer(d)
			return
		}
	}
	v.acceptor.offer(h, false, d)
}

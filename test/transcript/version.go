package transcript

import (
	"encoding/binary"
	"net/netip"
	"time"

	"causeway/ike/cookie"
	"causeway/ike/ikev1"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/ticket"
	"causeway/ike/transform"
)

// speaker is the machine of a host, and listener its acceptor, of either version.
type speaker interface {
	listener
	Snapshot() sa.Snapshot
	Reconfigure(s *sa.Settings)
}

type listener interface {
	Step(dst []sa.Action, now time.Time, ev sa.Event) []sa.Action
	Deadline() time.Time
}

// Snapshot is that of the host's machine.
func (h *Host) Snapshot() sa.Snapshot { return h.machine.Snapshot() }

// speak makes the machine and the acceptor of the host's version, and the
// acceptor of the other version, for which it has no connection.
func (h *Host) speak(g *cookie.Gate) {
	none := func(_, _ netip.Addr) []*sa.Settings { return nil }
	own := func(_, _ netip.Addr) []*sa.Settings { return append([]*sa.Settings{h.Settings}, h.Besides...) }
	v1 := ikev1.AcceptorConfig{Gate: g, Random: h.random, Candidates: none, Others: own}
	if h.tickets == nil {
		h.tickets = ticket.NewMint(h.random)
	}
	v2 := ikev2.AcceptorConfig{Alter: h.altered, Held: h.hold,
		Tickets: h.tickets,
		Gate:    g, Random: h.random, CrashSecret: []byte("what outlives a crash of " + h.Name),
		Registered: func(spi uint64) bool { _, known := h.spis[spi]; return known },
		Candidates: none, Others: own,
	}
	if h.Settings.Version == 1 {
		v1.Candidates, v1.Others = own, nil
		h.machine = ikev1.New(ikev1.Config{
			Settings: h.Settings, Random: h.random, Retransmit: h.Retransmit, Strict: true,
			LastInbound: h.lastInbound,
			AllocateSPI: func() (uint32, error) { return h.allocate(0) },
			Accepts:     h.accepts,
		})
		h.acceptor, h.foreign = ikev1.NewAcceptor(v1), ikev2.NewAcceptor(v2)
		return
	}
	v2.Candidates, v2.Others = own, nil
	h.Machine = ikev2.New(ikev2.Config{
		Settings: h.Settings, Random: h.random, Retransmit: h.Retransmit, Strict: true, Alter: h.altered, Held: h.hold,
		CrashSecret: v2.CrashSecret, Tickets: h.tickets,
		Carried:     func(spi uint32) (in, out uint64) { return h.carried[spi][0], h.carried[spi][1] },
		LastInbound: h.lastInbound,
		AllocateSPI: h.allocate,
		Accepts:     h.accepts,
	})
	h.Acceptor = ikev2.NewAcceptor(v2)
	h.machine, h.acceptor, h.foreign = h.Machine, h.Acceptor, ikev1.NewAcceptor(v1)
}

func (h *Host) lastInbound(spi uint32) time.Time { return h.heard[spi] }

func (h *Host) allocate(int) (uint32, error) {
	spi := h.world.allocate()
	h.reserved[spi] = true
	return spi, nil
}

// isForeign tells that a datagram is of the version that the host does not speak.
func (h *Host) isForeign(raw []byte) bool {
	return len(raw) >= 28 && (raw[17]>>4 == 1) != (h.Settings.Version == 1)
}

// listens tells whether a datagram is the acceptor's: what nobody knows is. In
// IKEv1 no flag says which of the cookies is ours.
func (h *Host) listens(raw []byte) bool {
	if h.Settings.Version != 1 {
		acceptor, known := h.spis[localSPI(raw)]
		return acceptor || !known
	}
	if len(raw) < 28 {
		return true
	}
	for _, at := range []int{8, 0} {
		if acceptor, known := h.spis[binary.BigEndian.Uint64(raw[at:])]; known {
			return acceptor
		}
	}
	return true
}

// PairV1 is Pair for IKEv1.
func PairV1() (a, b *sa.Settings) {
	a, b = Pair()
	for _, s := range []*sa.Settings{a, b} {
		s.Version = 1
		s.IKEProposals = ProposalsV1(transform.IKE, "aes256-sha256-ecp256")
		s.ESPProposals = ProposalsV1(transform.ESP, "aes256gcm16")
	}
	return a, b
}

// ProposalsV1 is Proposals for IKEv1.
func ProposalsV1(proto transform.Protocol, keywords ...string) []transform.Proposal {
	var out []transform.Proposal
	for _, k := range keywords {
		p, err := transform.ParseIKEv1Proposal(proto, k)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

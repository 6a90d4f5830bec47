package transcript

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// Attack opens half-open IKE SAs at the host from addresses that nobody has,
// enough for its gate to ask for cookies.
func (h *Host) Attack() {
	log := h.world.log
	h.world.log = nil
	defer func() { h.world.log = log }()
	for i := range 2 {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 500)
		h.step(true, sa.Datagram{Raw: initRequest(uint64(i+1), h.Settings.IKEProposals[0]), Local: netip.AddrPortFrom(h.Addr, 500), Remote: source})
	}
	h.world.Network = slices.DeleteFunc(h.world.Network, func(p *Packet) bool { return p.From == h })
}

// InitRequest is an IKE_SA_INIT request that the hosts of Pair would answer.
func InitRequest(spi uint64) []byte {
	a, _ := Pair()
	return initRequest(spi, a.IKEProposals[0])
}

// initRequest is one that a host with that proposal would answer.
func initRequest(spi uint64, p transform.Proposal) []byte {
	var ts []wire.Transform
	for _, t := range p.Transforms {
		w := wire.Transform{Type: wire.TransformType(t.Type), ID: t.ID}
		if t.KeyBits != 0 {
			w.Attributes = []wire.Attribute{wire.KeyLengthAttribute(t.KeyBits)}
		}
		ts = append(ts, w)
	}
	group, err := transform.NewGroup(transform.Groups([]transform.Proposal{p})[0])
	if err != nil {
		panic(err)
	}
	share := make([]byte, group.PublicLen())
	binary.BigEndian.PutUint64(share, spi)
	share[0] |= 2
	m := wire.Message{
		Header: wire.Header{InitiatorSPI: spi, Exchange: wire.ExchangeIKESAInit, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{
			&wire.SecurityAssociation{Proposals: []wire.Proposal{{Number: 1, Protocol: wire.ProtocolIKE, Transforms: ts}}},
			&wire.KeyExchange{Group: group.ID(), Data: share},
			&wire.Nonce{Data: make([]byte, 32)},
		},
	}
	raw, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	return raw
}

// Forget makes the host lose its Child SAs without a word to the peer, as a
// machine with a fault would: its IKE SA stays.
func (h *Host) Forget() {
	for _, c := range h.Snapshot().Children {
		h.Step(sa.LifetimeHit{SPI: c.Child.SPIIn, Hard: true})
	}
	h.world.Network = slices.DeleteFunc(h.world.Network, func(p *Packet) bool { return p.From == h })
}

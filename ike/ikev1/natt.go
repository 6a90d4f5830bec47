package ikev1

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/transform"
)

// NAT traversal (RFC 3947). Where a NAT is seen, or claimed so that the peer
// uses UDP, IKE moves to the NAT port with the message that identifies, and ESP
// goes in UDP.

const (
	defaultNATPort = 4500
	ikePort        = 500
)

// natState is which sides are behind a NAT, and whether ESP goes in UDP, which a
// claim of a NAT is enough for.
type natState struct{ local, remote, encapsulate bool }

// String is the value in sa.IKEInfo.
func (n natState) String() string {
	switch {
	case n.local && n.remote:
		return "both"
	case n.local:
		return "local"
	case n.remote:
		return "remote"
	}
	return "none"
}

// natHash is the data of a NAT-D payload: with the negotiated hash over cookies,
// address and port (RFC 3947 §3.2).
func natHash(prf *transform.PRF, cookieI, cookieR uint64, at netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(nil, cookieI)
	b = binary.BigEndian.AppendUint64(b, cookieR)
	b = append(b, at.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, at.Port())
	return prf.Hash(nil, b)
}

// claimed is the hash that claims a NAT: the true one with every bit turned.
// Nobody's address has it, and who knows of it still sees whether there is one.
func claimed(hash []byte) []byte {
	out := make([]byte, len(hash))
	for i, b := range hash {
		out[i] = ^b
	}
	return out
}

// natPayloads are our NAT-D payloads: first the peer's address, then ours. claim
// makes the peer believe that we are behind a NAT.
func (a *association) natPayloads(claim bool) []isakmp.Payload {
	if a.peer.natt == nattNone {
		return nil
	}
	draft := a.peer.natt == nattDraft
	own := natHash(a.prf, a.cookieI, a.cookieR, a.local)
	if claim {
		own = claimed(own)
		a.nat.encapsulate = true
	}
	return []isakmp.Payload{
		&isakmp.NATDiscovery{Draft: draft, Hash: natHash(a.prf, a.cookieI, a.cookieR, a.remote)},
		&isakmp.NATDiscovery{Draft: draft, Hash: own},
	}
}

// detectNAT compares the peer's hashes with the addresses seen: the first is of
// our address, the others are the peer's (RFC 3947 §3.2).
func (a *association) detectNAT(ps []isakmp.Payload) {
	list := isakmp.All[*isakmp.NATDiscovery](ps)
	if a.peer.natt == nattNone || len(list) < 2 {
		a.peer.natt = nattNone
		return
	}
	ours := natHash(a.prf, a.cookieI, a.cookieR, a.local)
	seen := natHash(a.prf, a.cookieI, a.cookieR, a.remote)
	a.nat.local = !bytes.Equal(list[0].Hash, ours)
	a.nat.remote = true
	claim := false
	for _, p := range list[1:] {
		switch {
		case bytes.Equal(p.Hash, seen):
			a.nat.remote = false
		case bytes.Equal(p.Hash, claimed(seen)):
			a.nat.remote, claim = false, true
		}
	}
	a.nat.encapsulate = a.nat.encapsulate || a.nat.local || a.nat.remote || claim
}

// mode is the encapsulation mode attribute of our offers.
func (a *association) mode() uint16 {
	switch {
	case !a.nat.encapsulate:
		return isakmp.ModeTunnel
	case a.peer.natt == nattDraft:
		return isakmp.ModeUDPTunnelDraft
	}
	return isakmp.ModeUDPTunnel
}

// takesMode reports whether an encapsulation mode fits. Numbers of the RFC and
// the drafts mean the same.
func (a *association) takesMode(mode uint16) bool {
	switch mode {
	case isakmp.ModeTunnel:
		return !a.nat.encapsulate
	case isakmp.ModeUDPTunnel, isakmp.ModeUDPTunnelDraft:
		return a.peer.natt != nattNone
	}
	return false
}

// toNATPort moves to the NAT port, from the standard IKE port only: another one
// was configured, or made by a NAT.
func (m *Machine) toNATPort(local, remote netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
	if remote.Port() == ikePort {
		remote = netip.AddrPortFrom(remote.Addr(), orPort(m.cfg.PeerNATPort))
	}
	return netip.AddrPortFrom(local.Addr(), orPort(m.cfg.NATPort)), remote
}

func orPort(p uint16) uint16 {
	if p == 0 {
		return defaultNATPort
	}
	return p
}

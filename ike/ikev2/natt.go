package ikev2

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"causeway/ike/wire"
)

// NAT detection and the NAT port (RFC 7296 §2.23). ESP is in UDP here unless the
// settings say otherwise, so an IKE SA moves to the NAT port after IKE_SA_INIT
// whether or not there is a NAT, which the RFC allows.

const (
	defaultNATPort = 4500
	ikePort        = 500
)

// natState is which sides are behind a NAT, as far as hashes tell.
type natState struct{ local, remote bool }

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

// claimed is the hash that claims a NAT: the true one with every bit turned.
// Nobody's address has it, and who knows of it still sees whether there is one.
func claimed(hash []byte) []byte {
	out := make([]byte, len(hash))
	for i, b := range hash {
		out[i] = ^b
	}
	return out
}

// bare reports whether ESP is sent without UDP: where it was asked for and there is no
// NAT, which passes nothing else, and where it cannot be in UDP, since the peer does not
// know that or stays on the IKE port, where it must not be.
func (s *ikeSA) bare() bool {
	return s.natless || s.local.Port() != orPort(s.m.cfg.NATPort) || s.m.settings.BareESP && s.nat == natState{}
}

// detectsNAT reports whether the first message of a peer has NAT detection: without
// it there is no NAT traversal, and its ESP does not go in UDP.
func detectsNAT(msg *message) bool { return msg.notify(wire.NotifyNATDetectionSourceIP) != nil }

// natHash is the data of a NAT_DETECTION notify.
func natHash(spiI, spiR uint64, at netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(nil, spiI)
	b = binary.BigEndian.AppendUint64(b, spiR)
	b = append(b, at.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, at.Port())
	sum := sha1.Sum(b)
	return sum[:]
}

// natNotifies are the two notifies of an IKE_SA_INIT message. To claim a NAT
// the hash of the source is one that no address has: peers that would otherwise
// send plain ESP then use UDP.
func natNotifies(spiI, spiR uint64, local, remote netip.AddrPort, claim bool) []wire.Payload {
	source := natHash(spiI, spiR, local)
	if claim {
		source = claimed(source)
	}
	return []wire.Payload{
		notify(wire.NotifyNATDetectionSourceIP, source),
		notify(wire.NotifyNATDetectionDestinationIP, natHash(spiI, spiR, remote)),
	}
}

// detectNAT compares the peer's hashes with the addresses seen. Several source
// hashes are the peer's several addresses; the claim of a NAT, as we make it, is
// none. Without a hash there is nothing to tell.
func detectNAT(msg *message, spiI, spiR uint64) natState {
	var n natState
	sources, match := 0, false
	for _, p := range msg.Payloads {
		v, ok := p.(*wire.Notify)
		if !ok {
			continue
		}
		switch v.NotifyType {
		case wire.NotifyNATDetectionSourceIP:
			sources++
			seen := natHash(spiI, spiR, msg.remote)
			match = match || bytes.Equal(v.Data, seen) || bytes.Equal(v.Data, claimed(seen))
		case wire.NotifyNATDetectionDestinationIP:
			n.local = !bytes.Equal(v.Data, natHash(spiI, spiR, msg.local))
		}
	}
	n.remote = sources > 0 && !match
	return n
}

// toNATPort is where IKE_AUTH and everything after it is sent. Only the
// standard IKE port is exchanged for the peer's NAT port: another one was
// configured, or made by a NAT, and already speaks with the non-ESP marker.
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

package translate

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// serialized is a packet with right lengths and checksums.
func serialized(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), buffer.Bytes()...)
}

func networkLayer(src, dst netip.Addr, protocol layers.IPProtocol) gopacket.NetworkLayer {
	if src.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, Id: 77, Protocol: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

type checksummed interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

// datagram is TCP, UDP or ICMP, by protocol, with a payload.
func datagram(t testing.TB, protocol layers.IPProtocol, src, dst netip.Addr, payload []byte) []byte {
	t.Helper()
	ip := networkLayer(src, dst, protocol)
	var upper gopacket.SerializableLayer
	switch protocol {
	case layers.IPProtocolTCP:
		upper = &layers.TCP{SrcPort: 1000, DstPort: 80, Seq: 7, ACK: true, Window: 512}
	case layers.IPProtocolUDP:
		upper = &layers.UDP{SrcPort: 1000, DstPort: 53}
	case layers.IPProtocolICMPv4:
		upper = &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 2}
	case layers.IPProtocolICMPv6:
		upper = &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
		payload = append([]byte{0, 1, 0, 2}, payload...)
	}
	if c, ok := upper.(checksummed); ok {
		if err := c.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
	}
	return serialized(t, ip.(gopacket.SerializableLayer), upper, gopacket.Payload(payload))
}

// icmpError is time exceeded from a router about a packet.
func icmpError(t testing.TB, from, to netip.Addr, quoted []byte) []byte {
	t.Helper()
	if from.Is4() {
		return serialized(t, networkLayer(from, to, layers.IPProtocolICMPv4).(gopacket.SerializableLayer),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(11, 0)}, gopacket.Payload(quoted))
	}
	ip := networkLayer(from, to, layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(3, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialized(t, ip.(gopacket.SerializableLayer), icmp, gopacket.Payload(append(make([]byte, 4), quoted...)))
}

func folded(acc uint64) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}

func summed(b []byte) (acc uint64) {
	for ; len(b) >= 2; b = b[2:] {
		acc += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// sums are what must be 0xffff in a whole packet: over the IPv4 header, and
// over the upper layer with its pseudo-header. A sum that the packet does not
// have is 0xffff, too.
func sums(b []byte) (ip, upper uint16) {
	var l layout
	ip, upper = 0xffff, 0xffff
	if !l.read(b, false) {
		return
	}
	addresses := b[12:20]
	if l.v4 {
		ip = folded(summed(b[:l.upper]))
	} else {
		addresses = b[8:40]
	}
	body := b[l.upper:l.end]
	if l.v4 && l.protocol == protoICMP {
		return ip, folded(summed(body))
	}
	if at := l.checksum(); at >= 0 && len(body) >= at+2 && (l.protocol != protoUDP || binary.BigEndian.Uint16(body[6:]) != 0) {
		upper = folded(summed(body) + summed(addresses) + uint64(l.protocol) + uint64(len(body)))
	}
	return ip, upper
}

func wantRight(t testing.TB, what string, b []byte) {
	t.Helper()
	if ip, upper := sums(b); ip != 0xffff || upper != 0xffff {
		t.Errorf("%s: the sums are %04x and %04x: % x", what, ip, upper, b)
	}
}

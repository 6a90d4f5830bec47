package tunnel

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Inner packets for tests, built by gopacket so that lengths and checksums are
// somebody else's opinion.

func serialize(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, all...); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

type ipOptions struct {
	tos    uint8
	df     bool
	id     uint16
	option []layers.IPv4Option
}

func ipHeader(src, dst string, protocol layers.IPProtocol, o ipOptions) gopacket.NetworkLayer {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is6() {
		return &layers.IPv6{
			Version: 6, TrafficClass: o.tos, NextHeader: protocol, HopLimit: 63,
			SrcIP: s.AsSlice(), DstIP: d.AsSlice(),
		}
	}
	ip := &layers.IPv4{
		Version: 4, TOS: o.tos, Id: o.id, TTL: 63, Protocol: protocol,
		SrcIP: s.AsSlice(), DstIP: d.AsSlice(), Options: o.option,
	}
	if o.df {
		ip.Flags = layers.IPv4DontFragment
	}
	return ip
}

func udpPacket(t testing.TB, src, dst string, size int, o ipOptions) []byte {
	t.Helper()
	ip := ipHeader(src, dst, layers.IPProtocolUDP, o)
	udp := &layers.UDP{SrcPort: 1111, DstPort: 2222}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	return serialize(t, ip.(gopacket.SerializableLayer), udp, gopacket.Payload(payload))
}

func tcpPacket(t testing.TB, src, dst string, tcp layers.TCP, payload []byte, o ipOptions) []byte {
	t.Helper()
	ip := ipHeader(src, dst, layers.IPProtocolTCP, o)
	if tcp.SrcPort == 0 {
		tcp.SrcPort, tcp.DstPort = 1111, 80
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, ip.(gopacket.SerializableLayer), &tcp, gopacket.Payload(payload))
}

func pingPacket(t testing.TB, src, dst string, payload []byte) []byte {
	t.Helper()
	if netip.MustParseAddr(src).Is6() {
		ip := ipHeader(src, dst, layers.IPProtocolICMPv6, ipOptions{})
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
		if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		echo := &layers.ICMPv6Echo{Identifier: 7, SeqNumber: 1}
		return serialize(t, ip.(gopacket.SerializableLayer), icmp, echo, gopacket.Payload(payload))
	}
	ip := ipHeader(src, dst, layers.IPProtocolICMPv4, ipOptions{})
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 1}
	return serialize(t, ip.(gopacket.SerializableLayer), icmp, gopacket.Payload(payload))
}

// reserialized is b decoded and built anew with fresh lengths and checksums:
// equal to b exactly if those of b were right.
func reserialized(t testing.TB, b []byte) []byte {
	t.Helper()
	first := gopacket.Decoder(layers.LayerTypeIPv4)
	if b[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	decoded := gopacket.NewPacket(b, first, gopacket.NoCopy)
	if fail := decoded.ErrorLayer(); fail != nil {
		t.Fatalf("gopacket refuses the packet: %v\n% x", fail.Error(), b)
	}
	var all []gopacket.SerializableLayer
	network := decoded.NetworkLayer()
	for _, l := range decoded.Layers() {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(network); err != nil {
				t.Fatal(err)
			}
		}
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			s = gopacket.Payload(l.LayerContents())
		}
		all = append(all, s)
	}
	return serialize(t, all...)
}

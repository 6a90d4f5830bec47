package spoof

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Link is where frames leave: a device of this thread's network, its address, and
// that of the device at the other end.
type Link struct {
	Device   *net.Interface
	Neighbor net.HardwareAddr
}

const (
	ikePort = 500
	ttl     = 64

	// Where things are in a frame: Ethernet, IPv4 without options, UDP, IKE.
	ipAt     = 14
	ipSumAt  = ipAt + 10
	sourceAt = ipAt + 12
	udpSumAt = ipAt + 20 + 6
	spiAt    = ipAt + 20 + 8 // the initiator's
)

// frame is one request as it is on the wire.
type frame struct {
	bytes []byte
	// The sums of everything but source and SPI, folded and not complemented.
	ip, udp uint32
}

// newFrame is a frame with the message, to the gateway's IKE port.
func newFrame(l Link, gateway netip.Addr, message []byte) (*frame, error) {
	ether := &layers.Ethernet{SrcMAC: l.Device.HardwareAddr, DstMAC: l.Neighbor, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: ttl, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4zero, DstIP: gateway.AsSlice()}
	udp := &layers.UDP{SrcPort: ikePort, DstPort: ikePort}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	message = append([]byte(nil), message...)
	clear(message[:8]) // the SPI
	packet := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(packet, options, ether, ip, udp, gopacket.Payload(message)); err != nil {
		return nil, fmt.Errorf("spoof: lay out a request: %w", err)
	}
	b := packet.Bytes()
	return &frame{bytes: b, ip: sumWithout(b[ipSumAt:]), udp: sumWithout(b[udpSumAt:])}, nil
}

// sumWithout is what a checksum adds up to before its complement.
func sumWithout(b []byte) uint32 { return uint32(^binary.BigEndian.Uint16(b)) }

// set gives the frame a source and an SPI, and the checksums that go with them.
func (f *frame) set(source uint32, spi uint64) {
	b := f.bytes
	binary.BigEndian.PutUint32(b[sourceAt:], source)
	binary.BigEndian.PutUint64(b[spiAt:], spi)
	from := source>>16 + source&0xffff
	binary.BigEndian.PutUint16(b[ipSumAt:], checksum(f.ip+from))
	words := uint32(spi>>48) + uint32(spi>>32&0xffff) + uint32(spi>>16&0xffff) + uint32(spi&0xffff)
	sum := checksum(f.udp + from + words)
	if sum == 0 {
		sum = 0xffff // 0 says that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[udpSumAt:], sum)
}

// checksum folds a sum of 16-bit words and complements it (RFC 1071).
func checksum(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum)
}

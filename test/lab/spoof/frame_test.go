package spoof

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
)

// TestFrames: whatever source and SPI a frame is given, they are in it, its
// checksums are right, and the rest of it is as it was.
func TestFrames(t *testing.T) {
	message := bytes.Repeat([]byte{0x81, 0x5a, 0xff}, 57) // an odd length
	link := Link{Device: &net.Interface{HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}, Neighbor: net.HardwareAddr{2, 0, 0, 0, 0, 2}}
	f, err := newFrame(link, netip.MustParseAddr("198.51.100.2"), message)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(1 << 18) {
		spi := n*0x9e3779b97f4a7c15 + 1
		source := uint32(spi >> 13)
		f.set(source, spi)
		ip, udp := f.bytes[ipAt:ipAt+20], f.bytes[ipAt+20:]
		if binary.BigEndian.Uint32(f.bytes[sourceAt:]) != source || binary.BigEndian.Uint64(f.bytes[spiAt:]) != spi || !bytes.Equal(f.bytes[spiAt+8:], message[8:]) {
			t.Fatalf("frame %d is\n%x", n, f.bytes)
		}
		pseudo := binary.BigEndian.AppendUint32(bytes.Clone(ip[12:20]), 17<<16|uint32(len(udp)))
		if checksum(sum(ip)) != 0 || checksum(sum(pseudo)+sum(udp)) != 0 || binary.BigEndian.Uint16(f.bytes[udpSumAt:]) == 0 {
			t.Fatalf("frame %d has checksums %x and %x", n, f.bytes[ipSumAt:ipSumAt+2], f.bytes[udpSumAt:udpSumAt+2])
		}
	}
}

// sum adds the 16-bit words of b.
func sum(b []byte) (s uint32) {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	return s
}

package tun

import (
	"encoding/binary"
	"net"
	"os"
	"testing"

	"causeway/test/netdev"
)

// benchDevice is a device in a namespace of its own, and a socket whose datagrams go
// to it.
func benchDevice(b *testing.B) (d SuperDevice, socket *net.UDPConn) {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("making network namespaces needs root")
	}
	err := inNamespace(func() error {
		device, err := Open(Config{Name: "ctun-bench", MTU: 1400, Backend: Native})
		if err != nil {
			return err
		}
		d = device.(SuperDevice)
		b.Cleanup(func() { d.Close() })
		if err := netdev.Up("ctun-bench", "10.77.0.1/24"); err != nil {
			return err
		}
		socket, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 77, 0, 2), Port: 9})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { socket.Close() })
	return d, socket
}

// BenchmarkRead reads one packet of 1,400 bytes that a socket sent just before, whose
// system call is in it.
func BenchmarkRead(b *testing.B) {
	d, socket := benchDevice(b)
	r, buffer, payload := d.NewReader(0), make([]byte, MaxPacket), make([]byte, 1372)
	b.SetBytes(1400)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := socket.Write(payload); err != nil {
			b.Fatal(err)
		}
		for {
			n, _, err := r.Read(buffer, true)
			if err != nil {
				b.Fatal(err)
			}
			if n == 1400 {
				break
			}
		}
	}
}

// BenchmarkWrite writes a packet of 1,400 bytes, and 44 of them as a superpacket in as
// many pieces, to a kernel that has no use for them.
func BenchmarkWrite(b *testing.B) {
	d, _ := benchDevice(b)
	w := d.NewWriter(0)
	const size, header = 1372, 28
	for name, packets := range map[string]int{"single": 1, "superpacket": 44} {
		b.Run(name, func(b *testing.B) {
			first := make([]byte, header+size)
			first[0], first[8], first[9] = 0x45, 64, 17
			binary.BigEndian.PutUint16(first[2:], uint16(header+packets*size))
			copy(first[12:], []byte{10, 77, 0, 2, 10, 78, 0, 1}) // to nobody
			binary.BigEndian.PutUint16(first[24:], uint16(8+packets*size))
			pieces, o := [][]byte{first}, Offload{}
			if packets > 1 {
				o = Offload{Kind: UDP, Partial: true, HeaderLen: header, SegmentSize: size, ChecksumStart: 20, ChecksumOffset: 6}
			}
			for len(pieces) < packets {
				pieces = append(pieces, first[header:])
			}
			b.SetBytes(int64(packets * size))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(o, pieces); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"causeway/test/lab/world"
)

// wire counts what passes one interface. Its fields may be read after close.
type wire struct {
	first []string // the first datagrams in words
	esp   int      // datagrams of ESP in UDP (RFC 3948 §2.1)
	plain int      // frames that show the pings' pattern

	socket int
	ending atomic.Bool
	done   chan struct{} // closed when nothing is read any more
}

// shown is how many datagrams are put into words.
const shown = 4

// In front of a frame is a struct virtio_net_hdr, with gso_size in it.
const (
	vnetHeader = 10
	vnetSize   = 4
)

// poll is how often the reader looks whether it is to end.
const poll = 100 * time.Millisecond

// watch begins to read the frames of an interface in a namespace.
func watch(space *world.Namespace, device string) (*wire, error) {
	w := &wire{done: make(chan struct{})}
	return w, space.Do(func() error {
		index, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
		w.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		// Datagrams that leave together are one frame to the kernel; this tells of how
		// many bytes each is.
		if err := unix.SetsockoptInt(w.socket, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		timeout := unix.NsecToTimeval(poll.Nanoseconds())
		if err := unix.SetsockoptTimeval(w.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		if err := unix.Bind(w.socket, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: index.Index}); err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		go w.read()
		return nil
	})
}

// read runs until close; what is in the socket by then is still counted.
func (w *wire) read() {
	defer close(w.done)
	frame := make([]byte, 1<<17)
	for {
		n, _, err := unix.Recvfrom(w.socket, frame, 0)
		switch {
		case err == unix.EINTR:
		case err != nil && w.ending.Load():
			return
		case err == nil && n >= vnetHeader:
			w.count(frame[vnetHeader:n], int(binary.NativeEndian.Uint16(frame[vnetSize:])))
		}
	}
}

// close ends the reading.
func (w *wire) close() error {
	w.ending.Store(true)
	<-w.done
	return unix.Close(w.socket)
}

// count counts a frame, which is several datagrams of size, the last one shorter, if
// size is not 0.
func (w *wire) count(frame []byte, size int) {
	if bytes.Contains(frame, []byte(pattern)) {
		w.plain++
	}
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	ip, _ := packet.NetworkLayer().(*layers.IPv4)
	udp, _ := packet.TransportLayer().(*layers.UDP)
	if ip == nil || udp == nil || udp.DstPort != 4500 || len(udp.Payload) < 8 || binary.BigEndian.Uint32(udp.Payload) == 0 {
		return // not NAT traversal, or its keepalive, or IKE behind its marker (RFC 3948 §2)
	}
	datagrams := 1
	if size > 0 {
		datagrams = (len(udp.Payload) + size - 1) / size
	}
	w.esp += datagrams
	if len(w.first) < shown {
		w.first = append(w.first, fmt.Sprintf("%s > %s  UDP 4500  ESP SPI %x, sequence %d, %d bytes",
			ip.SrcIP, ip.DstIP, udp.Payload[:4], binary.BigEndian.Uint32(udp.Payload[4:]), len(udp.Payload)/datagrams))
	}
}

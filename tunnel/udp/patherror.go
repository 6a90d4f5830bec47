package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// PathError is an ICMP message that says that a router could not pass on a packet
// of ours (RFC 792 fragmentation needed, RFC 4443 packet too big). Anybody can
// have sent it: what it quotes is to be compared with what was sent (RFC 4301
// §8.2).
type PathError struct {
	// MTU is what the router offers; 0 if it is too old to say (RFC 1191 §5).
	MTU int
	// Length is that of the quoted packet, with its IP header.
	Length int
	// Local and Remote are its source and destination; port 0 where it was ESP
	// without UDP.
	Local, Remote netip.AddrPort
	// SPI and Sequence are the first eight bytes of its ESP header.
	SPI, Sequence uint32
}

const (
	icmpHeaderLen  = 8
	ipv4HeaderLen  = 20
	ipv6HeaderLen  = 40
	udpHeaderLen   = 8
	espStart       = 8 // SPI and sequence number
	icmpBufferSize = 64 << 10

	// From linux/icmp.h: the option that names the types not to deliver.
	icmpFilter = 1
)

// PathErrorReader reads the ICMP messages of one address family. It belongs to one
// goroutine.
type PathErrorReader struct {
	socket *os.File
	v6     bool
	nat    uint16
	buffer [2048]byte
}

// openPathErrors opens the sockets that hear of packets too big. Without the right
// to (CAP_NET_RAW) there are none: then nothing from outside is believed.
func (c *Conns) openPathErrors() error {
	for _, v6 := range []bool{false, true} {
		fd, err := icmpSocket(v6)
		switch {
		case errors.Is(err, unix.EPERM), familyMissing(err):
			continue
		case err != nil:
			return fmt.Errorf("udp: cannot listen to ICMP: %w", err)
		}
		c.icmp = append(c.icmp, &PathErrorReader{socket: os.NewFile(uintptr(fd), "icmp"), v6: v6, nat: c.natPort})
	}
	return nil
}

// icmpSocket makes a raw socket to which nothing but packet too big comes.
func icmpSocket(v6 bool) (fd int, err error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if v6 {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, tooBigFilter(v6))
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, icmpBufferSize)
	}
	if err == nil && !v6 {
		const unreachable = 3
		err = unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, ^(1 << unreachable))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// tooBigFilter passes ICMP type 3 code 4 about UDP and ESP, or ICMPv6 type 2.
func tooBigFilter(v6 bool) *unix.SockFprog {
	var code []unix.SockFilter
	if v6 {
		code = []unix.SockFilter{
			statement(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, 0),
			jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 2, 0, 3),
			statement(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, icmpHeaderLen+6),
		}
	} else {
		code = []unix.SockFilter{
			statement(unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH, 0),
			statement(unix.BPF_LD|unix.BPF_H|unix.BPF_IND, 0),
			jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 3<<8|4, 0, 3),
			statement(unix.BPF_LD|unix.BPF_B|unix.BPF_IND, icmpHeaderLen+9),
		}
	}
	code = append(code,
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, unix.IPPROTO_UDP, 2, 0),
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, unix.IPPROTO_ESP, 1, 0),
		statement(unix.BPF_RET|unix.BPF_K, 0),
		statement(unix.BPF_RET|unix.BPF_K, 1<<16),
	)
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// PathErrors returns the readers of ICMP. Every one of them wants a goroutine that
// reads it.
func (c *Conns) PathErrors() []*PathErrorReader { return c.icmp }

// Read waits for the next message about ESP of ours. After Close the error is
// net.ErrClosed.
func (r *PathErrorReader) Read() (PathError, error) {
	for {
		n, err := r.socket.Read(r.buffer[:])
		switch {
		case errors.Is(err, os.ErrClosed):
			return PathError{}, net.ErrClosed
		case err != nil:
			return PathError{}, fmt.Errorf("udp: cannot receive ICMP: %w", err)
		}
		if e, ok := parsePathError(r.buffer[:n], r.v6); ok && (e.Local.Port() == 0 || e.Local.Port() == r.nat) {
			return e, nil
		}
	}
}

// parsePathError reads an ICMP message, for IPv4 with its own IP header. ok is
// false for what is not about ESP, or quotes too little to be checked.
func parsePathError(b []byte, v6 bool) (e PathError, ok bool) {
	if v6 {
		if len(b) < icmpHeaderLen || b[0] != 2 {
			return e, false
		}
		e.MTU = int(min(binary.BigEndian.Uint32(b[4:]), 1<<16))
		return e, e.quoted6(b[icmpHeaderLen:])
	}
	b = cutIPHeader(b)
	if len(b) < icmpHeaderLen || b[0] != 3 || b[1] != 4 {
		return e, false
	}
	e.MTU = int(binary.BigEndian.Uint16(b[6:]))
	return e, e.quoted4(b[icmpHeaderLen:])
}

func (e *PathError) quoted4(b []byte) bool {
	if len(b) < ipv4HeaderLen || b[0]>>4 != 4 {
		return false
	}
	n := int(b[0]&15) * 4
	if n < ipv4HeaderLen || n > len(b) || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return false
	}
	e.Length = int(binary.BigEndian.Uint16(b[2:]))
	src, dst := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	return e.payload(b[n:], b[9], src, dst)
}

func (e *PathError) quoted6(b []byte) bool {
	if len(b) < ipv6HeaderLen || b[0]>>4 != 6 {
		return false
	}
	e.Length = ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	src, dst := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	return e.payload(b[ipv6HeaderLen:], b[6], src, dst)
}

// payload reads the quoted ESP header, behind UDP or not. RFC 792 has routers
// quote eight bytes only, which are all of UDP's header: then there is nothing to
// check, and the message is worth nothing.
func (e *PathError) payload(b []byte, protocol uint8, src, dst netip.Addr) bool {
	var from, to uint16
	switch {
	case protocol == unix.IPPROTO_UDP && len(b) >= udpHeaderLen+espStart:
		from, to = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		b = b[udpHeaderLen:]
	case protocol == unix.IPPROTO_ESP && len(b) >= espStart:
	default:
		return false
	}
	e.Local, e.Remote = netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)
	e.SPI, e.Sequence = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return e.SPI != 0
}

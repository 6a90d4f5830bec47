package udp

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ESP without UDP is IP protocol 50 (RFC 4303 §2), which has no ports: an
// address with port 0 stands for it, as the Local of a socket, a Message or a
// Run. There is no segmentation or merging by the kernel for it, so every packet
// is a message of its own.

const (
	// leastESP is the shortest ESP packet that any algorithm makes: header,
	// trailer and an ICV of 12 bytes.
	leastESP = 8 + 4 + 12
	// leastSPI is the lowest that is not reserved (RFC 4303 §2.1).
	leastSPI = 256
)

// openRaw opens the socket for ESP without UDP on one address.
func openRaw(a netip.Addr, cfg *Config) (*socket, error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	local := netip.AddrPortFrom(a, 0)
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ESP)
	if err != nil {
		return nil, fmt.Errorf("udp: cannot make a socket for ESP without UDP on %v: %w (it needs root or CAP_NET_RAW)", a, err)
	}
	s := &socket{fd: fd, local: local, wildcard: a.IsUnspecified(), raw: true}
	if err := s.configureRaw(cfg); err != nil {
		unix.Close(fd)
		return nil, err
	}
	var name unix.RawSockaddrInet6
	n := putSockaddr(&name, local)
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(n))
	if errno != 0 {
		unix.Close(fd)
		return nil, fmt.Errorf("udp: cannot receive ESP without UDP on %v: %w", a, errno)
	}
	return s, nil
}

// configureRaw sets the options of the socket. The filter comes first: until
// there is one, all ESP of the host queues up.
func (s *socket) configureRaw(cfg *Config) error {
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, espFilter(s.local.Addr().Is6())); err != nil {
		return fmt.Errorf("udp: cannot filter ESP on %v: %w", s.local.Addr(), err)
	}
	options := options4
	if s.local.Addr().Is6() {
		options = rawOptions6
	}
	return s.configureCommon(options, cfg)
}

// rawOptions6 lack IPV6_V6ONLY, which a raw socket always is.
var rawOptions6 = []option{
	{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, "IPV6_RECVTCLASS"},
	{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"},
}

// espFilter passes what may be ESP of somebody: long enough, and with an SPI
// that is not reserved. An IPv4 raw socket sees the IP header, too; an IPv6 one
// does not.
func espFilter(v6 bool) *unix.SockFprog {
	const accept = 1 << 18 // more than a packet can have
	var code []unix.SockFilter
	if v6 {
		code = append(code, statement(unix.BPF_LDX|unix.BPF_W|unix.BPF_IMM, 0))
	} else {
		code = append(code, statement(unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH, 0)) // X = length of the IP header
	}
	code = append(code,
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_LEN, 0),
		statement(unix.BPF_ALU|unix.BPF_SUB|unix.BPF_X, 0),
		jump(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, leastESP, 0, 3),
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_IND, 0), // the SPI
		jump(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, leastSPI, 0, 1),
		statement(unix.BPF_RET|unix.BPF_K, accept),
		statement(unix.BPF_RET|unix.BPF_K, 0),
	)
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(code uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k}
}

// cutIPHeader is what follows the IPv4 header that a raw socket delivers; nil
// if that is not all there.
func cutIPHeader(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	n := int(b[0]&15) * 4
	if n >= len(b) {
		return nil
	}
	return b[n:]
}

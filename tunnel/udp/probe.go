package udp

import (
	"fmt"

	"golang.org/x/sys/unix"

	"causeway/tunnel/linux"
)

// Probe tells what the sockets of a gateway on this machine would use, as far as a
// socket that is not bound can tell.
func Probe() (Features, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return Features{}, fmt.Errorf("udp: cannot make a socket: %w", err)
	}
	defer unix.Close(fd)
	s := &socket{fd: fd}
	s.probe(&Config{})
	return Features{GSO: s.gso.Load(), GRO: s.gro, Steering: s.canSteer()}, nil
}

// canSteer tells whether the kernel steers by SPI.
func (s *socket) canSteer() bool {
	return s.share() == nil && unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, steering(1)) == nil
}

// probe finds out which offloads the kernel has.
func (s *socket) probe(cfg *Config) {
	if !cfg.NoGSO {
		s.gso.Store(unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0) == nil)
	}
	if major, minor, _ := linux.Version(); !cfg.NoGRO && mergesRight(major, minor) {
		s.gro = unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	}
}

// mergesRight tells the kernels whose trains can be trusted: UDP_GRO before Linux
// 5.12 could hand over some of odd segment sizes with bad checksums.
func mergesRight(major, minor int) bool { return major > 5 || major == 5 && minor >= 12 }

package udp

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// A NAT port is shared by a group of sockets (SO_REUSEPORT), where the kernel
// can steer: the first takes IKE and keepalives, so that a flood of data does not
// fill the buffer in which they wait; each of the others is a worker's. A classic
// BPF program sees the UDP payload and chooses by the SPI. It does not decide
// anything but who works: the kernel steers trains by their first datagram, and
// any socket may bring anything.

// homeMask is the part of an SPI that says where it is at home. No more workers
// than it has values are told apart.
const homeMask = 0xff

// Home is which of so many workers an SPI is steered to.
func Home(spi uint32, workers int) int { return int(spi&homeMask) % workers }

// steering returns the index of a socket in its group: 0 for what is no ESP or
// too short to load, 1 + Home for ESP.
func steering(workers int) *unix.SockFprog {
	code := []unix.SockFilter{
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0), // the SPI, or the non-ESP marker
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, 3, 0),
		statement(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, homeMask),
		statement(unix.BPF_ALU|unix.BPF_MOD|unix.BPF_K, uint32(workers)),
		statement(unix.BPF_ALU|unix.BPF_ADD|unix.BPF_K, 1),
		statement(unix.BPF_RET|unix.BPF_A, 0),
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// openNAT opens the sockets of one address on the NAT port.
func (c *Conns) openNAT(a netip.Addr, cfg *Config) error {
	local := netip.AddrPortFrom(a, cfg.NATPort)
	first, err := openSocket(local, true, cfg)
	if err != nil {
		return err
	}
	c.sockets = append(c.sockets, first)
	if cfg.Workers == 0 || cfg.NoSteering {
		return nil
	}
	group, err := first.gather(cfg)
	if err != nil {
		// The kernel cannot: the first worker takes everything.
		for _, s := range group {
			s.close()
		}
		return nil
	}
	first.worker = noWorker
	c.sockets = append(c.sockets, group...)
	c.steering = cfg.Workers
	return nil
}

// gather opens the sockets of the workers beside s, which was bound without
// SO_REUSEPORT: nobody else has the port. The kernel numbers them in the order in
// which they are bound. Another program of the same user could still join, but
// would fail at the IKE port, which is not shared.
func (s *socket) gather(cfg *Config) (group []*socket, err error) {
	if err := s.share(); err != nil {
		return nil, err
	}
	for worker := range cfg.Workers {
		next, err := openSocket(s.local, true, cfg, (*socket).share)
		if err != nil {
			return group, err
		}
		next.worker = worker
		group = append(group, next)
	}
	program := steering(cfg.Workers)
	return group, unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, program)
}

// share lets other sockets of this user have the same address and port.
func (s *socket) share() error {
	return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

package lab

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"causeway/test/lab/world"
)

const (
	firstPort = 33434 // where traceroute begins, and nobody listens
	mostHops  = 8
	hopTime   = 3 * time.Second
	// hopTries is how often each hop is asked: the kernel sends so many ICMP errors a
	// second (icmp(7)), in some versions over all namespaces together.
	hopTries = 3
)

// traceroute sends UDP with a growing TTL and gives who answered by ICMP, each hop
// once, up to the host whose port is unreachable; "" for a hop that says nothing.
// An answer counts if what it quotes is what was sent.
func (s *scene) traceroute(from *world.Namespace, to netip.Addr) (hops []string) {
	s.t.Helper()
	var heard net.PacketConn
	var sender *net.UDPConn
	s.must(from.Do(func() (err error) {
		if heard, err = net.ListenPacket("ip4:icmp", "0.0.0.0"); err != nil {
			return err
		}
		sender, err = net.ListenUDP("udp4", nil)
		return err
	}))
	defer heard.Close()
	defer sender.Close()
	for ttl := 1; ttl <= mostHops; ttl++ {
		port := netip.AddrPortFrom(to, uint16(firstPort+ttl))
		s.must(setTTL(sender, ttl))
		var hop string
		var last bool
		for try := 0; try < hopTries && hop == ""; try++ {
			_, err := sender.WriteTo([]byte("trace"), net.UDPAddrFromAddrPort(port))
			s.must(err)
			s.must(heard.SetReadDeadline(time.Now().Add(hopTime)))
			hop, last = quoted(heard, port)
		}
		hops = append(hops, hop)
		if last {
			break
		}
	}
	return hops
}

func setTTL(c *net.UDPConn, ttl int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl) })
	return errors.Join(err, failed)
}

// quoted waits for an ICMP error about UDP to that address: who sent it, and
// whether the packet had arrived there.
func quoted(heard net.PacketConn, to netip.AddrPort) (hop string, arrived bool) {
	const unreachable, exceeded, headers = 3, 11, 8 + 20 + 8 // RFC 792
	for buffer := make([]byte, 1500); ; {
		n, by, err := heard.ReadFrom(buffer)
		if err != nil {
			return "", errors.Is(err, net.ErrClosed)
		}
		b := buffer[:n]
		if n < headers || b[0] != unreachable && b[0] != exceeded || b[8] != 0x45 {
			continue
		}
		if quote := b[8:]; [4]byte(quote[16:20]) == to.Addr().As4() && binary.BigEndian.Uint16(quote[22:]) == to.Port() {
			return by.String(), b[0] == unreachable
		}
	}
}

package kernel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// TestPathMTU: the interface's, or what a route says; not what the kernel was told
// by ICMP.
func TestPathMTU(t *testing.T) {
	inLab(t, func(l *lab) {
		l.must(l.h.LinkSetMTU(l.link("eth0"), 1492))
		l.routeMTU("203.0.113.0/24", 1400)
		l.must(l.h.LinkSetUp(l.link("lo")))
		l.toldTooBig("192.0.2.1", 1300)
		for _, c := range []struct {
			local, remote string
			want          int
		}{
			{"", "192.0.2.1", 1492},
			{"198.51.100.2", "192.0.2.1", 1492},
			{"198.51.100.2", "203.0.113.9", 1400},
			{"", "10.1.0.77", 1500},
		} {
			local, _ := netip.ParseAddr(c.local)
			if got, err := PathMTU(local, netip.MustParseAddr(c.remote)); err != nil || got != c.want {
				l.Errorf("from %q to %s: %d, %v; want %d", c.local, c.remote, got, err, c.want)
			}
		}
		if got, err := PathMTU(netip.Addr{}, netip.MustParseAddr("2001:db8:ffff::1")); err == nil {
			l.Errorf("a path without a route: %d", got)
		}
	})
}

// routeMTU adds a route of the user's with an MTU.
func (l *lab) routeMTU(dst string, mtu int) {
	l.Helper()
	l.must(l.h.RouteAdd(&netlink.Route{
		Dst: netipx.PrefixIPNet(netip.MustParsePrefix(dst)), Gw: netip.MustParseAddr("198.51.100.1").AsSlice(), MTU: mtu,
	}))
}

// toldTooBig makes the kernel believe ICMP that a packet to the peer was too big.
func (l *lab) toldTooBig(peer string, mtu int) {
	l.Helper()
	to := netip.MustParseAddr(peer).As4()
	own, router := [4]byte{198, 51, 100, 2}, [4]byte{198, 51, 100, 1}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	l.must(err)
	defer unix.Close(fd)
	l.must(unix.Connect(fd, &unix.SockaddrInet4{Port: 4500, Addr: to}))
	name, err := unix.Getsockname(fd)
	l.must(err)
	udp := binary.BigEndian.AppendUint16(nil, uint16(name.(*unix.SockaddrInet4).Port))
	udp = append(udp, 4500>>8, 4500&0xff, 0, 8, 0, 0)
	icmp := append([]byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, l.ip(unix.IPPROTO_UDP, own, to, udp)...)
	sum := uint32(0)
	for i := 0; i < len(icmp); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(icmp[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(icmp[2:], ^uint16(sum+sum>>16))
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	l.must(err)
	defer unix.Close(raw)
	l.must(unix.Sendto(raw, l.ip(unix.IPPROTO_ICMP, router, own, icmp), 0, &unix.SockaddrInet4{Addr: own}))
	again, err := net.Dial("udp", peer+":4500")
	l.must(err)
	defer again.Close()
	control, err := again.(*net.UDPConn).SyscallConn()
	l.must(err)
	l.must(control.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU); err != nil || got != mtu {
			l.Fatalf("the kernel believes in %d, %v; it was told %d", got, err, mtu)
		}
	}))
}

// ip is an IPv4 packet; the kernel completes a header that is given to it.
func (l *lab) ip(protocol byte, from, to [4]byte, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	return append(b, payload...)
}

package kernel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wayOf is where the kernel leads what this host sends to an address, of a protocol
// and from ports as `ip route get` has them: "DEVICE from SOURCE", or why nowhere.
func (l *lab) wayOf(to string, what ...string) string {
	l.Helper()
	if len(what) == 2 && what[0] == "ipproto" {
		if protocol, err := strconv.Atoi(what[1]); err == nil {
			return l.wayOfProtocol(netip.MustParseAddr(to), protocol)
		}
	}
	out, err := exec.Command("ip", append([]string{"route", "get", to}, what...)...).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out))
	}
	words := strings.Fields(string(out))
	found := map[string]string{}
	for i := 0; i+1 < len(words); i++ {
		found[words[i]] = words[i+1]
	}
	return found["dev"] + " from " + found["src"]
}

// wayOfProtocol asks the kernel by a socket: `ip route get` knows few protocols.
func (l *lab) wayOfProtocol(to netip.Addr, protocol int) string {
	l.Helper()
	family, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU
	var name unix.Sockaddr
	if to.Is4() {
		name = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		family, level, option, name = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU, &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW, protocol)
	l.must(err)
	defer unix.Close(fd)
	if err := unix.Connect(fd, name); err != nil {
		return err.Error()
	}
	own, err := unix.Getsockname(fd)
	l.must(err)
	mtu, err := unix.GetsockoptInt(fd, level, option)
	l.must(err)
	source := ""
	switch own := own.(type) {
	case *unix.SockaddrInet4:
		source = netip.AddrFrom4(own.Addr).String()
	case *unix.SockaddrInet6:
		source = netip.AddrFrom16(own.Addr).String()
	}
	return map[int]string{1500: "eth0", 1490: "lan0", desired().MTU: tunName}[mtu] + " from " + source
}

// TestHosts: of what this host sends to the peer, the protocols wanted go inside, with
// the source address that the peer knows, and the gateway's own packets go outside
// whatever is wanted.
func TestHosts(t *testing.T) {
	const inside, outside = tunName + " from 198.51.100.2", "eth0 from 198.51.100.2"
	own := Own{Ports: []uint16{500, 4500}}
	everything := Host{Peer: netip.MustParseAddr("198.51.100.9")}
	gre := everything
	gre.Protocols = []uint8{47}
	inLab(t, func(l *lab) {
		before := l.others()
		l.run("sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")
		for _, c := range []struct {
			host Host
			want map[string]string // by what is sent
		}{
			{everything, map[string]string{
				"": inside, "ipproto 47": inside, "ipproto icmp": inside, "ipproto tcp sport 4500 dport 80": inside,
				"ipproto udp sport 1000 dport 4500": inside,
				"ipproto udp sport 4500 dport 4500": outside, "ipproto udp sport 500 dport 500": outside, "ipproto 50": outside, "mark 0x43000000": outside,
			}},
			{gre, map[string]string{
				"": outside, "ipproto 47": inside, "ipproto icmp": outside, "ipproto udp sport 4500 dport 4500": outside, "ipproto 50": outside,
			}},
		} {
			d := desired()
			d.Hosts, d.Own, d.FailClosed = []Host{c.host}, own, true
			l.must(l.k.Set(d))
			for what, want := range c.want {
				if got := l.wayOf("198.51.100.9", strings.Fields(what)...); got != want {
					l.Errorf("protocols %v: %q goes to %s, want %s", c.host.Protocols, what, got, want)
				}
				if got := l.wayOf("198.51.100.10", strings.Fields(what)...); got != outside {
					l.Errorf("%q to another host goes to %s", what, got)
				}
			}
			if got := l.wayOf("198.51.100.9", "from", "10.1.0.7", "iif", "lan0"); !strings.HasPrefix(got, "eth0 ") {
				l.Errorf("what is forwarded goes to %s", got)
			}
			count := l.k.changes
			l.must(l.k.Set(d))
			if n := l.k.changes - count; n != 0 {
				l.Errorf("setting the same again made %d changes", n)
			}
		}
		l.must(l.k.Set(desired()))
		if rules := l.ruled(); len(rules) != 0 {
			l.Errorf("rules without hosts: %v", rules)
		}
		l.must(l.k.Clear())
		l.same("routes of others after Clear", before, l.others())
	})
}

// TestHostsIPv6 is the same of IPv6, and of a source address that is wanted.
func TestHostsIPv6(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Hosts = []Host{{Peer: netip.MustParseAddr("2001:db8:0:1::9"), Source: netip.MustParseAddr("fd00:1::1"), Protocols: []uint8{47, 58}}}
		d.Own = Own{Ports: []uint16{500, 4500}}
		l.must(l.k.Set(d))
		for what, want := range map[string]string{
			"ipproto 47": tunName + " from fd00:1::1", "ipproto 58": tunName + " from fd00:1::1", "ipproto tcp": "eth0 from 2001:db8:0:1::2",
			"ipproto 50": "eth0 from 2001:db8:0:1::2", "ipproto udp sport 4500 dport 4500": "eth0 from 2001:db8:0:1::2",
		} {
			if got := l.wayOf("2001:db8:0:1::9", strings.Fields(what)...); got != want {
				l.Errorf("%q goes to %s, want %s", what, got, want)
			}
		}
	})
}

// TestHostsFailClosed: with the interface gone, as after a crash, nothing that is to
// be protected leaves, and IKE does.
func TestHostsFailClosed(t *testing.T) {
	inLab(t, func(l *lab) {
		d := desired()
		d.Hosts, d.Own, d.FailClosed = []Host{{Peer: netip.MustParseAddr("198.51.100.9"), Protocols: []uint8{47}}}, Own{Ports: []uint16{500}}, true
		l.must(l.k.Set(d))
		l.must(l.h.LinkDel(l.link(tunName)))
		if got := l.wayOf("198.51.100.9", "ipproto", "47"); !strings.Contains(got, unix.EHOSTUNREACH.Error()) && !strings.Contains(got, "No route to host") {
			l.Errorf("GRE goes to %s", got)
		}
		if got := l.wayOf("198.51.100.9", "ipproto", "udp", "sport", "500", "dport", "500"); got != "eth0 from 198.51.100.2" {
			l.Errorf("IKE goes to %s", got)
		}
		l.must(l.k.RemoveLeftovers(tunName))
		if got := l.wayOf("198.51.100.9", "ipproto", "47"); got != "eth0 from 198.51.100.2" {
			l.Errorf("after the clean-up GRE goes to %s", got)
		}
	})
}

// TestHostsAndUsersRules: rules of the user's stay in force for our own packets.
func TestHostsAndUsersRules(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("ip", "link", "set", "lan0", "mtu", "1490")
		l.run("ip", "rule", "add", "priority", "31000", "to", "198.51.100.9", "lookup", "77")
		l.run("ip", "route", "add", "198.51.100.9", "dev", "lan0", "table", "77")
		d := desired()
		d.Hosts, d.Own = []Host{{Peer: netip.MustParseAddr("198.51.100.9")}}, Own{Ports: []uint16{500}}
		l.must(l.k.Set(d))
		if got := l.wayOf("198.51.100.9", "ipproto", "50"); !strings.HasPrefix(got, "lan0 ") {
			l.Errorf("ESP goes to %s", got)
		}
		if got := l.wayOf("198.51.100.9", "ipproto", "icmp"); !strings.HasPrefix(got, tunName+" from 10.1.0.1") {
			l.Errorf("a ping goes to %s", got)
		}
		if mtu, err := PathMTU(netip.Addr{}, netip.MustParseAddr("198.51.100.9")); err != nil || mtu != l.link("lan0").Attrs().MTU {
			l.Errorf("the path MTU is %d, %v", mtu, err)
		}
	})
}

func (l *lab) run(name string, args ...string) {
	l.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		l.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// TestHostsReverse: with strict reverse path filtering, ESP that comes from the peer
// is taken, and what it should have protected is not.
func TestHostsReverse(t *testing.T) {
	inLab(t, func(l *lab) {
		l.strict()
		d := desired()
		d.Hosts, d.Own, d.FailClosed = []Host{{Peer: netip.MustParseAddr("198.51.100.9")}}, Own{Ports: []uint16{4500}}, true
		l.must(l.k.Set(d))
		if !l.arrives("198.51.100.9", 4500) {
			l.Error("ESP in UDP from the peer does not arrive")
		}
		if l.arrives("198.51.100.9", 4501) {
			l.Error("what is to be protected arrives in the clear")
		}
	})
}

// strict makes the kernel filter by reverse paths, strictly.
func (l *lab) strict() {
	l.Helper()
	l.run("ip", "link", "set", "lo", "up")
	l.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:02")
	for _, of := range []string{"all", "eth0"} {
		l.run("sysctl", "-qw", "net.ipv4.conf."+of+".rp_filter=1")
	}
}

// arrives tells whether a datagram from the port 4500 of a host outside is taken.
func (l *lab) arrives(from string, port int) bool {
	l.Helper()
	listener, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(198, 51, 100, 2), Port: port})
	l.must(err)
	defer listener.Close()
	l.deliver(from, "198.51.100.2", uint16(port))
	fd, err := listener.SyscallConn()
	l.must(err)
	n := 0
	l.must(fd.Control(func(fd uintptr) { n, _, _ = unix.Recvfrom(int(fd), make([]byte, 100), unix.MSG_DONTWAIT) }))
	return n > 0
}

// deliver lets a UDP datagram arrive at eth0, from the other end of its cable.
func (l *lab) deliver(from, to string, port uint16) {
	l.Helper()
	l.cable("eth0")(l.frame("eth0", from, to, port))
}

// cable sends frames that arrive at a device.
func (l *lab) cable(device string) (send func(frame []byte)) {
	l.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	l.must(err)
	l.Cleanup(func() { unix.Close(fd) })
	to := &unix.SockaddrLinklayer{Ifindex: l.link(device + "p").Attrs().Index}
	return func(frame []byte) { l.must(unix.Sendto(fd, frame, 0, to)) }
}

// frame is a UDP datagram on its way to a device.
func (l *lab) frame(device, from, to string, port uint16) []byte {
	l.Helper()
	u := binary.BigEndian.AppendUint16(nil, 4500)
	u = binary.BigEndian.AppendUint16(u, port)
	u = append(u, 0, 16, 0, 0)
	u = append(u, "datagram"...)
	packet := l.ip(unix.IPPROTO_UDP, netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4(), u)
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	binary.BigEndian.PutUint16(packet[10:], ^uint16(sum+sum>>16))
	frame := append(append([]byte{}, l.link(device).Attrs().HardwareAddr...), 2, 0, 0, 0, 0, 9, 8, 0)
	return append(frame, packet...)
}

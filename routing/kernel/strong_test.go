package kernel

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// CVE-2019-14899: who is on a network of this host asks after the tunnel's addresses,
// past the tunnel. That the kernel lets him, unless it is told, is shown as well.
func TestCVE_2019_14899_TunnelsAddressFromOutside(t *testing.T) {
	inLab(t, func(l *lab) {
		l.run("ip", "link", "set", "lo", "up")
		l.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:02")
		d := desired()
		d.Addresses = nets("169.254.21.2/30", "fd00:9::1/64")
		rules := l.rules()
		for _, strong := range []bool{false, true, true, false} {
			d.Strong = strong
			l.must(l.k.Set(d))
			for _, from := range []string{"198.51.100.77", "10.2.0.5"} { // a neighbour, and one with a peer's address
				if got := l.arrivesAt("169.254.21.2", from); got == strong {
					l.Errorf("strong %v: a datagram of %s by eth0 arrives: %v", strong, from, got)
				}
			}
			for to, from := range map[string]string{"169.254.21.2": "10.2.0.5", "fd00:9::1": "fd00:2::5"} {
				if got := l.lookup(to, "from", from, "iif", tunName); !strings.HasPrefix(got, "local ") {
					l.Errorf("strong %v: %s by the tunnel: %s", strong, to, got)
				}
				if got := l.lookup(to); !strings.HasPrefix(got, "local ") {
					l.Errorf("strong %v: %s from this host: %s", strong, to, got)
				}
				if got := l.lookup(to, "from", from, "iif", "lan0"); strings.HasPrefix(got, "local ") == strong {
					l.Errorf("strong %v: %s by lan0: %s", strong, to, got)
				}
			}
			if !l.arrivesAt("198.51.100.2", "198.51.100.77") {
				l.Errorf("strong %v: nothing arrives at the host's own address", strong)
			}
		}
		if after := l.rules(); after != rules {
			l.Errorf("rules before:\n%s\nand after:\n%s", rules, after)
		}
		d.Strong = true
		l.must(l.k.Set(d))
		count := l.k.changes
		l.must(l.k.Set(d))
		if n := l.k.changes - count; n != 0 {
			l.Errorf("setting the same again made %d changes", n)
		}
		l.must(l.k.Clear())
		if after := l.rules(); after != rules {
			l.Errorf("rules before:\n%s\nand after Clear:\n%s", rules, after)
		}
	})
}

// TestStrongLeftovers: after a crash the host's addresses work, and the next run puts
// everything back, but for what another gateway needs.
func TestStrongLeftovers(t *testing.T) {
	inLab(t, func(l *lab) {
		rules := l.rules()
		other, err := Open(Options{Protocol: 198})
		l.must(err)
		defer other.Close()
		d := desired()
		d.Addresses, d.Strong = nets("169.254.21.2/30"), true
		l.must(l.k.Set(d))
		l.must(l.h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "ckern1"}, PeerName: "ckern1p"}))
		l.must(other.Set(Desired{Interface: "ckern1", Up: true, Addresses: nets("169.254.22.2/30"), Strong: true}))
		l.must(l.h.LinkDel(l.link(tunName)))
		if got := l.lookup("198.51.100.2", "from", "198.51.100.77", "iif", "eth0"); !strings.HasPrefix(got, "local ") {
			l.Errorf("the host's own address: %s", got)
		}
		l.must(l.k.RemoveLeftovers(tunName))
		if got := l.lookup("169.254.22.2", "from", "198.51.100.77", "iif", "eth0"); strings.HasPrefix(got, "local ") {
			l.Errorf("the other gateway's address is reached: %s", got)
		}
		l.must(other.Clear())
		if after := l.rules(); after != rules {
			l.Errorf("rules before:\n%s\nand after:\n%s", rules, after)
		}
	})
}

// rules are the policy rules of both families, as text.
func (l *lab) rules() string {
	l.Helper()
	four, err := exec.Command("ip", "-4", "rule").CombinedOutput()
	l.must(err)
	six, err := exec.Command("ip", "-6", "rule").CombinedOutput()
	l.must(err)
	return string(four) + string(six)
}

// lookup is the kernel's route to an address, or its refusal.
func (l *lab) lookup(to string, what ...string) string {
	l.Helper()
	out, _ := exec.Command("ip", append([]string{"route", "get", to}, what...)...).CombinedOutput() // a refusal is an answer
	return string(out)
}

// arrivesAt tells whether a datagram that comes by eth0 is taken for the address.
func (l *lab) arrivesAt(to, from string) bool {
	l.Helper()
	listener, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(to), Port: 4501})
	l.must(err)
	defer listener.Close()
	l.deliver(from, to, 4501)
	fd, err := listener.SyscallConn()
	l.must(err)
	n := 0
	l.must(fd.Control(func(fd uintptr) { n, _, _ = unix.Recvfrom(int(fd), make([]byte, 100), unix.MSG_DONTWAIT) }))
	return n > 0
}

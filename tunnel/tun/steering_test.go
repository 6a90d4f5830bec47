package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// steeredFlows is how many flows TestSpread sends.
const steeredFlows = 32

// TestSpread has the kernel gather all flows in one queue, by what is written to
// it, spreads them, and gathers them again.
func TestSpread(t *testing.T) {
	needRoot(t)
	if err := ProbeSteering(); err != nil {
		t.Skipf("spreading flows needs CAP_BPF: %v", err)
	}
	err := inNamespace(func() error {
		opened, err := Open(Config{Name: "cwt-spread", MTU: 1400, Backend: Native, Queues: 4})
		if err != nil {
			return err
		}
		defer opened.Close()
		d := opened.(*native)
		if !d.Offloads().Steering {
			t.Error("the device does not say that it can spread flows")
		}
		if err := up(d.Name(), "10.9.0.1/24", "fd09::1/64"); err != nil {
			return err
		}
		return spreads(t, d)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func up(name string, addresses ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

func spreads(t *testing.T, d *native) error {
	for _, ends := range [][2]string{{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}} {
		var flows []*net.UDPConn
		for port := range steeredFlows {
			c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ends[0]), uint16(4000+port))),
				net.UDPAddrFromAddrPort(netip.MustParseAddrPort(net.JoinHostPort(ends[1], "5000"))))
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				return err
			}
			flows = append(flows, c)
		}
		for _, on := range []bool{false, true, false} {
			if err := d.Spread(on); err != nil {
				return err
			}
			used, err := queuesOf(t, d, flows)
			if err != nil {
				return err
			}
			if on && used < 3 || !on && used != 1 {
				t.Errorf("%s: %d flows took %d of 4 queues; spread: %v", ends[1], steeredFlows, used, on)
			}
		}
	}
	return nil
}

// queuesOf answers each flow by the first queue, sends packets of all, and counts
// the queues they take: each flow one.
func queuesOf(t *testing.T, d *native, flows []*net.UDPConn) (int, error) {
	w := d.NewWriter(0)
	for _, c := range flows {
		if err := w.Write(Offload{}, [][]byte{answer(c)}); err != nil {
			return 0, err
		}
		if _, err := c.Read(make([]byte, 16)); err != nil {
			return 0, err
		}
	}
	for range 3 {
		for _, c := range flows {
			if _, err := c.Write([]byte("ping")); err != nil {
				return 0, err
			}
		}
	}
	queueOf := map[string]int{}
	used := map[int]bool{}
	b := make([]byte, MaxPacket)
	for at := range d.queues {
		r := d.NewReader(at)
		for {
			n, _, err := r.Read(b, false)
			if err != nil {
				return 0, err
			}
			if n == 0 {
				break
			}
			flow, ours := portsOf(b[:n])
			if !ours {
				continue // what the kernel says of itself
			}
			if before, ok := queueOf[flow]; ok && before != at {
				t.Errorf("flow %s in queues %d and %d", flow, before, at)
			}
			queueOf[flow], used[at] = at, true
		}
	}
	if len(queueOf) != len(flows) {
		return 0, fmt.Errorf("packets of %d flows of %d came", len(queueOf), len(flows))
	}
	return len(used), nil
}

// portsOf names a UDP packet by its ports.
func portsOf(b []byte) (string, bool) {
	at, protocol := 20, b[9]
	if b[0]>>4 == 6 {
		at, protocol = 40, b[6]
	}
	return string(b[at : at+4]), protocol == unix.IPPROTO_UDP
}

// answer is a packet that comes back to a flow.
func answer(c *net.UDPConn) []byte {
	to, from := c.LocalAddr().(*net.UDPAddr).AddrPort(), c.RemoteAddr().(*net.UDPAddr).AddrPort()
	const length = 8 + 4
	var b []byte
	if to.Addr().Is4() {
		b = binary.BigEndian.AppendUint16([]byte{0x45, 0}, 20+length)
		b = append(b, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0)
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], onesComplement(b))
	} else {
		b = append([]byte{0x60, 0, 0, 0, 0, length, unix.IPPROTO_UDP, 64}, from.Addr().AsSlice()...)
		b = append(b, to.Addr().AsSlice()...)
	}
	pseudo := append(append([]byte{0, unix.IPPROTO_UDP, 0, length}, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	upper := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
	upper = append(upper, 0, length, 0, 0, 'p', 'o', 'n', 'g')
	binary.BigEndian.PutUint16(upper[6:], onesComplement(append(pseudo, upper...)))
	return append(b, upper...)
}

func onesComplement(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// TestFragmentsStayTogether: only the first fragment of a packet has ports, and
// all take one queue nevertheless.
func TestFragmentsStayTogether(t *testing.T) {
	needRoot(t)
	if err := ProbeSteering(); err != nil {
		t.Skipf("spreading flows needs CAP_BPF: %v", err)
	}
	err := inNamespace(func() error {
		opened, err := Open(Config{Name: "cwt-spread", MTU: 1400, Backend: Native, Queues: 4})
		if err != nil {
			return err
		}
		defer opened.Close()
		d := opened.(*native)
		if err := errors.Join(up(d.Name(), "10.9.0.1/24"), d.Spread(true)); err != nil {
			return err
		}
		for port := range 8 {
			c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2), Port: 6000 + port})
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				return err
			}
			if _, err := c.Write(make([]byte, 4000)); err != nil {
				return err
			}
		}
		used := map[int]int{}
		b := make([]byte, MaxPacket)
		for at := range d.queues {
			for r := d.NewReader(at); ; {
				n, _, err := r.Read(b, false)
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
				if b[0] == 0x45 && b[9] == unix.IPPROTO_UDP {
					used[at]++
				}
			}
		}
		if len(used) != 1 {
			t.Errorf("fragments between two hosts are in %d queues: %v", len(used), used)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

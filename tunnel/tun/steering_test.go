package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"causeway/test/netdev"
)

// steeredFlows is how many flows TestSpread sends.
const steeredFlows = 32

// spreading runs f with a device of four queues, which can spread flows, in a
// namespace of its own.
func spreading(t *testing.T, f func(d *native) error) {
	t.Helper()
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
		if !opened.Offloads().Steering {
			t.Error("the device does not say that it can spread flows")
		}
		if err := netdev.Up(opened.Name(), "10.9.0.1/24", "fd09::1/64"); err != nil {
			return err
		}
		return f(opened.(*native))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSpread has the kernel gather all flows in one queue, by what is written to
// it, spreads them, and gathers them again.
func TestSpread(t *testing.T) {
	spreading(t, func(d *native) error { return spreads(t, d) })
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
			// The kernel forgets after three seconds where it gathered a flow, and a
			// machine may stand still for as long.
			for tries := 0; err == nil && !on && used != 1 && tries < 2; tries++ {
				used, err = queuesOf(t, d, flows)
			}
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
		b, err := answer(c)
		if err == nil {
			err = w.Write(Offload{}, [][]byte{b})
		}
		if err != nil {
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
func answer(c *net.UDPConn) ([]byte, error) {
	to, from := c.LocalAddr().(*net.UDPAddr), c.RemoteAddr().(*net.UDPAddr)
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port), DstPort: layers.UDPPort(to.Port)}
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	} = &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolUDP, HopLimit: 64, SrcIP: from.IP, DstIP: to.IP}
	if to.IP.To4() != nil {
		ip = &layers.IPv4{Version: 4, Protocol: layers.IPProtocolUDP, TTL: 64, SrcIP: from.IP, DstIP: to.IP}
	}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload("pong"))
	return b.Bytes(), err
}

// TestFragmentsStayTogether: only the first fragment of a packet has ports, and
// all take one queue nevertheless.
func TestFragmentsStayTogether(t *testing.T) {
	spreading(t, func(d *native) error {
		if err := d.Spread(true); err != nil {
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
}

// TestNoRightToSpread: without CAP_BPF the device works, and says what it lacks.
func TestNoRightToSpread(t *testing.T) {
	needRoot(t)
	if b, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled"); err != nil || strings.TrimSpace(string(b)) == "0" {
		t.Skipf("this kernel takes such programs from anybody (unprivileged_bpf_disabled): %v", err)
	}
	open := func(cfg Config) (o Offloads) {
		t.Helper()
		cfg.Name, cfg.MTU, cfg.Backend = "cwt-rights", 1400, Native
		err := inNamespace(func() error {
			if err := giveUp(unix.CAP_BPF, unix.CAP_SYS_ADMIN); err != nil {
				return err
			}
			d, err := Open(cfg)
			if err != nil {
				return err
			}
			o = d.Offloads()
			return d.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := open(Config{Queues: 2}); o.Steering || !o.TSO || !errors.Is(o.Refused, unix.EPERM) || !strings.Contains(o.Refused.Error(), "CAP_BPF") {
		t.Errorf("%+v", o)
	}
	for _, cfg := range []Config{{Queues: 1}, {Queues: 2, NoSteering: true}} {
		if o := open(cfg); o.Steering || o.Refused != nil {
			t.Errorf("%+v, which nobody asked for: %+v", cfg, o)
		}
	}
}

// giveUp takes capabilities, each numbered below 64, from this thread.
func giveUp(capabilities ...int) error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&h, &data[0]); err != nil {
		return err
	}
	for _, c := range capabilities {
		data[c/32].Effective &^= 1 << (c % 32)
	}
	return unix.Capset(&h, &data[0])
}

package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var (
	ours4, theirs4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	ours6, theirs6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// quote is the beginning of a packet of length bytes from us, as ICMP quotes it.
func quote(src, dst netip.Addr, protocol uint8, length int, payload []byte) []byte {
	if src.Is4() {
		b := make([]byte, ipv4HeaderLen)
		b[0], b[9] = 0x45, protocol
		binary.BigEndian.PutUint16(b[2:], uint16(length))
		return append(append(append(b[:12], src.AsSlice()...), dst.AsSlice()...), payload...)
	}
	b := make([]byte, ipv6HeaderLen)
	b[0], b[6] = 0x60, protocol
	binary.BigEndian.PutUint16(b[4:], uint16(length-ipv6HeaderLen))
	return append(append(append(b[:8], src.AsSlice()...), dst.AsSlice()...), payload...)
}

// tooBig is the ICMP message about a quote; for IPv4 behind an IP header, as raw
// sockets deliver it.
func tooBig(v6 bool, mtu int, quote []byte) []byte {
	if v6 {
		b := []byte{2, 0, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(b[4:], uint32(mtu))
		return append(b, quote...)
	}
	b := make([]byte, ipv4HeaderLen+icmpHeaderLen)
	b[0], b[9], b[ipv4HeaderLen], b[ipv4HeaderLen+1] = 0x45, 1, 3, 4
	binary.BigEndian.PutUint16(b[ipv4HeaderLen+6:], uint16(mtu))
	return append(b, quote...)
}

var (
	inUDP = []byte{0x11, 0x94, 0x11, 0x95, 0, 100, 0, 0, 0xc0, 0xff, 0xee, 1, 0, 0, 0, 9}
	inIP  = []byte{0xc0, 0xff, 0xee, 1, 0, 0, 0, 9}
)

func TestParsePathError(t *testing.T) {
	const spi, sequence = 0xc0ffee01, 9
	port := func(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }
	for name, c := range map[string]struct {
		b    []byte
		v6   bool
		want PathError
	}{
		"ESP in UDP": {b: tooBig(false, 1400, quote(ours4, theirs4, 17, 1500, inUDP)),
			want: PathError{1400, 1500, port(ours4, 4500), port(theirs4, 4501), spi, sequence}},
		"ESP": {b: tooBig(false, 1400, quote(ours4, theirs4, 50, 1500, inIP)),
			want: PathError{1400, 1500, port(ours4, 0), port(theirs4, 0), spi, sequence}},
		"ESP in UDP over IPv6": {b: tooBig(true, 1280, quote(ours6, theirs6, 17, 1500, inUDP)), v6: true,
			want: PathError{1280, 1500, port(ours6, 4500), port(theirs6, 4501), spi, sequence}},
		"ESP over IPv6": {b: tooBig(true, 1<<31, quote(ours6, theirs6, 50, 1500, inIP)), v6: true,
			want: PathError{1 << 16, 1500, port(ours6, 0), port(theirs6, 0), spi, sequence}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := parsePathError(c.b, c.v6)
			if d := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" || !ok {
				t.Error(ok, d)
			}
			for n := range c.b {
				if e, ok := parsePathError(c.b[:n], c.v6); ok {
					t.Errorf("cut to %d of %d bytes: %+v", n, len(c.b), e)
				}
			}
		})
	}
	later := quote(ours4, theirs4, 50, 1500, inIP)
	later[7] = 1
	for name, b := range map[string][]byte{
		"UDP header only":  tooBig(false, 1400, quote(ours4, theirs4, 17, 1500, inUDP[:8])),
		"IKE":              tooBig(false, 1400, quote(ours4, theirs4, 17, 1500, append(inUDP[:8:8], make([]byte, 28)...))),
		"TCP":              tooBig(false, 1400, quote(ours4, theirs4, 6, 1500, inUDP)),
		"a later fragment": tooBig(false, 1400, later),
	} {
		if e, ok := parsePathError(b, false); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func FuzzParsePathError(f *testing.F) {
	f.Add(tooBig(false, 1400, quote(ours4, theirs4, 17, 1500, inUDP)), false)
	f.Add(tooBig(true, 1400, quote(ours6, theirs6, 50, 1500, inIP)), true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		e, ok := parsePathError(b, v6)
		if ok && (e.SPI == 0 || e.MTU < 0 || e.MTU > 1<<16 || e.Length > 1<<17 || e.Local.Addr().Is4() == v6) {
			t.Errorf("%+v", e)
		}
	})
}

// ICMP about ESP of ours comes through the sockets; about anything else it does
// not wake anybody.
func TestPathErrors(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			p := joined(t, f[0], f[1])
			near, far := f[0].Addr(), f[1].Addr()
			v6 := near.Is6()
			ownAddress(t, near)
			send := func(b []byte) {
				t.Helper()
				if err := sendICMP(near, b); err != nil {
					t.Fatal(err)
				}
			}
			_, port := p.near.ports()
			ours := binary.BigEndian.AppendUint16(nil, port)
			ours = append(ours, inUDP[2:]...)
			send(tooBig(v6, 1300, quote(near, far, 6, 1500, inUDP)))
			send(tooBig(v6, 1300, quote(near, far, 17, 1500, inUDP))) // another port
			send(tooBig(v6, 1300, quote(near, far, 17, 1500, ours)))
			send(tooBig(v6, 1290, quote(near, far, 50, 1500, inIP)))
			var reader *PathErrorReader
			for _, r := range p.near.PathErrors() {
				if r.v6 == v6 {
					reader = r
				}
			}
			if err := reader.socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			for _, want := range []PathError{
				{1300, 1500, p.nearAddr, netip.AddrPortFrom(far, 4501), 0xc0ffee01, 9},
				{1290, 1500, netip.AddrPortFrom(near, 0), netip.AddrPortFrom(far, 0), 0xc0ffee01, 9},
			} {
				got, err := reader.Read()
				if err != nil || got != want {
					t.Errorf("%+v, %v; want %+v", got, err, want)
				}
			}
			// The kernel, which believed all of it, must not stop our sockets.
			runs := p.run(p.maxPayload, 0)
			if err := p.near.NewSender(0).Send(runs); err != nil || runs[0].Result != Sent {
				t.Errorf("result %v, error %v", runs[0].Result, err)
			}
			collect(t, receiver(t, p.far, far, true), 1)
			p.near.Close()
			if _, err := reader.Read(); err != net.ErrClosed {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// ownAddress waits until the kernel knows that the address is its own, which
// for IPv6 it finds out in the background.
func ownAddress(t *testing.T, a netip.Addr) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if routes, err := netlink.RouteGet(a.AsSlice()); err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return
		}
		<-tick.C
	}
	t.Fatalf("%v does not become an address of this namespace", a)
}

// sendICMP sends an ICMP message to our own address, the test's thread being in
// the near namespace.
func sendICMP(near netip.Addr, message []byte) error {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if near.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	} else {
		message = message[ipv4HeaderLen:]
		binary.BigEndian.PutUint16(message[2:], ^onesComplement(message))
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, message, 0, nameOf(netip.AddrPortFrom(near, 0)))
}

func onesComplement(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

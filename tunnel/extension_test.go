package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"causeway/esp/selector"
	"causeway/tunnel/tun"
)

// extension is an IPv6 extension header; the first octet of what it says is the
// next header, which behind fills in.
type extension struct {
	kind uint8
	says []byte
}

// The extension headers that a packet may have between source and destination
// (RFC 8200 §4.1).
var (
	hopByHop = extension{protoHopByHop, []byte{0, 0, 5, 2, 0, 0, 1, 0}} // a router alert, for nobody in particular
	destOpts = extension{protoDestOpts, []byte{0, 1, 0x1e, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	routing4 = extension{protoRouting, []byte{0, 2, 4, 0, 0, 0, 0, 0, 0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}
	unsplit  = extension{protoFragment, []byte{0, 0, 0, 0, 0, 0, 0, 7}}
)

// behind puts extension headers between the IPv6 header of b and what follows.
func behind(b []byte, extensions ...extension) []byte {
	out := append([]byte{}, b[:ipv6HeaderLen]...)
	upper, at := out[6], 6
	for _, e := range extensions {
		out[at] = e.kind
		at = len(out)
		out = append(out, e.says...)
	}
	out[at] = upper
	out = append(out, b[ipv6HeaderLen:]...)
	binary.BigEndian.PutUint16(out[4:], uint16(len(out)-ipv6HeaderLen))
	return out
}

// chains are a UDP packet behind every extension header and the longest chain of
// them, and both fragments of one that is cut behind a chain.
func chains(t testing.TB) map[string][]byte {
	b := udpPacket(t, "fd01::1", "fd02::1", 400, ipOptions{})
	return map[string][]byte{
		"hop-by-hop options":  behind(b, hopByHop),
		"destination options": behind(b, destOpts),
		"a routing header":    behind(b, routing4),
		"an atomic fragment":  behind(b, unsplit),
		"all":                 behind(b, hopByHop, destOpts, routing4, unsplit, destOpts),
		"the first fragment":  behind(cut6(behind(b, destOpts), 0, 200, true), hopByHop, destOpts, routing4),
		"the second fragment": behind(cut6(behind(b, destOpts), 200, 224, false), hopByHop, destOpts, routing4),
	}
}

// TestExtensionHeaders: a chain of extension headers passes unchanged, and ports
// are those of what is behind it. Where the SA names ports, what shows none does
// not pass (RFC 4301 §7).
func TestExtensionHeaders(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		for _, b := range chains(t) {
			p.a.device.Inject(b)
			wantPacket(t, p.b.next(t), b)
		}
	})
	to := func(port uint16) selector.List {
		s := selector.FromPrefix(netip.MustParsePrefix("fd02::/16"))
		s.Protocol, s.StartPort, s.EndPort = protoUDP, port, port
		return selector.List{s}
	}
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		p.child(t, selector.Any(), to(2222), nil)
		for name, b := range chains(t) {
			p.a.device.Inject(b)
			if name == "the second fragment" {
				p.b.nothing(t)
			} else {
				wantPacket(t, p.b.next(t), b)
			}
		}
		p.a.dropped(t, DropNoSA, 1)
	})
	// Who sends what was not negotiated is found out behind the chain, too.
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		any := selector.Compile(selector.Any(), selector.Any())
		at, errA := p.a.AllocateSPI("peer", 0)
		from, errB := p.b.AllocateSPI("peer", 0)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		p.install(t, p.a, p.b, at, from, any, nil)
		p.install(t, p.b, p.a, from, at, selector.Compile(to(2223), selector.Any()), nil)
		p.activate(t, p.a, p.b, at, from, any, nil)
		for _, b := range chains(t) {
			p.a.device.Inject(b)
		}
		p.b.nothing(t)
		p.b.dropped(t, DropSelector, uint64(len(chains(t))))
	})
}

// TestExtensionHeadersOfKernels is the same from one kernel to another, by each
// data path.
func TestExtensionHeadersOfKernels(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	for _, backend := range []tun.Backend{tun.Native, tun.Portable} {
		a, b := joined(t, offloadCase{backend: backend})
		arrivals := b.listenInside(t)
		for name, packet := range chains(t) {
			a.do(t, func() error { return sendRaw(packet) })
			if got := arrival(t, arrivals, packet[8:ipv6HeaderLen]); !bytes.Equal(got, packet) {
				t.Errorf("%v, %s: arrived\n% x\nwant\n% x", backend, name, got, packet)
			}
		}
	}
}

// sendRaw sends an IPv6 packet as it is.
func sendRaw(packet []byte) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, packet, 0, &unix.SockaddrInet6{Addr: [16]byte(packet[24:ipv6HeaderLen])})
}

// listenInside gives a socket for the IPv6 packets of the host's device.
func (h *host) listenInside(t *testing.T) (fd int) {
	t.Helper()
	h.do(t, func() error {
		link, err := netlink.LinkByName("cwt-inner")
		if err != nil {
			return err
		}
		const bigEndianIPv6 = unix.ETH_P_IPV6>>8 | unix.ETH_P_IPV6&0xff<<8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, bigEndianIPv6); err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndianIPv6, Ifindex: link.Attrs().Index})
	})
	return fd
}

// arrival is the next packet between these two addresses.
func arrival(t *testing.T, fd int, addresses []byte) []byte {
	t.Helper()
	for b := make([]byte, 2000); ; {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			t.Fatalf("nothing arrives: %v", err)
		}
		if n >= ipv6HeaderLen && bytes.Equal(b[8:ipv6HeaderLen], addresses) {
			return b[:n]
		}
	}
}

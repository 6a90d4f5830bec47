package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway/test/lab/gateway"
	"causeway/test/lab/world"
)

// bursts of so many datagrams of one size each; with train, the client's kernel
// gets them in one piece (UDP_SEGMENT) and hands them on so.
var bursts = []struct {
	size, count int
	train       bool
}{{12, 32, false}, {64, 32, false}, {1200, 32, false}, {64, 60, true}, {1200, 40, true}}

// datagramRounds is how often each burst is sent.
const datagramRounds = 20

// datagrams sends bursts from client to client: each arrives whole and in order,
// before the next is sent. Nothing is sent back, for which the kernel would move
// the flow to another queue of the device.
func (s *scene) datagrams(from, to *world.Namespace, address netip.Addr) error {
	var sink, source *net.UDPConn
	if err := to.Do(func() (err error) {
		sink, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
		return err
	}); err != nil {
		return err
	}
	defer sink.Close()
	if err := from.Do(func() (err error) {
		source, err = net.DialUDP("udp", nil, sink.LocalAddr().(*net.UDPAddr))
		return err
	}); err != nil {
		return err
	}
	defer source.Close()
	for round := range datagramRounds {
		for _, b := range bursts {
			all := make([]byte, b.size*b.count)
			for i := range b.count {
				binary.BigEndian.PutUint64(all[i*b.size:], uint64(round<<16|i))
			}
			if err := burst(source, sink, all, b.size, b.train); err != nil {
				return fmt.Errorf("to %v, round %d, %d of %d bytes, in one piece: %v: %w", address, round, b.count, b.size, b.train, err)
			}
		}
	}
	return nil
}

// burst sends datagrams of one size and receives them.
func burst(source, sink *net.UDPConn, all []byte, size int, train bool) error {
	var err error
	if train {
		_, _, err = source.WriteMsgUDP(all, segmentSize(size), nil)
	} else {
		for at := 0; at < len(all) && err == nil; at += size {
			_, err = source.Write(all[at : at+size])
		}
	}
	if err != nil {
		return err
	}
	if err := sink.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	buffer := make([]byte, 2048)
	for at := 0; at < len(all); at += size {
		n, err := sink.Read(buffer)
		if err != nil {
			return fmt.Errorf("after %d: %w", at/size, err)
		}
		if !bytes.Equal(buffer[:n], all[at:at+size]) {
			return fmt.Errorf("instead of datagram %d came % x", at/size, buffer[:min(n, 8)])
		}
	}
	return nil
}

// segmentSize is the control message that makes a datagram a train.
func segmentSize(size int) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(b[8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(b[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(b[16:], uint16(size))
	return b
}

// offloadsAre wants that a gateway uses the offloads that it was not told to do
// without, as far as `causeway version` says there are, and no others.
func (s *scene) offloadsAre(status *gateway.Status, path string, without []string) {
	s.t.Helper()
	version, err := s.GatewayA.Run(s.ctx, program, "version")
	s.must(err)
	there := map[string]bool{}
	for line := range strings.Lines(version) {
		if f := strings.Fields(line); len(f) > 1 {
			there[f[0]] = f[1] == "yes"
		}
	}
	for _, o := range []string{"tso", "uso", "udp_segment", "udp_gro", "spi_steering", "tun_steering", "vaes"} {
		want := there[o]
		for _, w := range without {
			want = want && w != o
		}
		switch o {
		case "tso", "uso":
			want = want && path == "native"
		case "tun_steering":
			want = want && path == "native" && status.Gateway.Workers > 1
		}
		if got := status.Gateway.Offloads[o]; got != map[bool]string{true: "on", false: "off"}[want] {
			s.t.Errorf("%s is %q; wanted: %v", o, got, want)
		}
	}
	if len(status.Gateway.Offloads) != 7 {
		s.t.Errorf("offloads: %v", status.Gateway.Offloads)
	}
}

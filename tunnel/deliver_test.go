package tunnel

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"causeway/esp"
	"causeway/esp/selector"
	"causeway/tunnel/tun"
	"causeway/tunnel/udp"
)

// opened is what esp leaves of a packet: the payload inside the bytes that it
// came in.
func opened(inner []byte) *esp.Packet {
	b := make([]byte, 16+len(inner)+18)
	copy(b[16:], inner)
	return &esp.Packet{Bytes: b, Payload: b[16 : 16+len(inner)], NextHeader: protoIPv4}
}

// TestHeadsHaveRoom: the device coalesces a train into its first packet, so
// that one needs room, and the others must not have any: live data follows.
func TestHeadsHaveRoom(t *testing.T) {
	tcp := func(port layers.TCPPort, size int, psh bool) []byte {
		return tcpPacket(t, "10.1.0.1", "10.2.0.1", layers.TCP{SrcPort: port, DstPort: 80, ACK: true, PSH: psh}, make([]byte, size), ipOptions{})
	}
	udp := func(size int) []byte { return udpPacket(t, "10.1.0.1", "10.2.0.1", size, ipOptions{}) }
	steps := []struct {
		packet []byte
		head   bool
	}{
		{tcp(1, 1000, false), true},
		{tcp(1, 1000, false), false},
		{tcp(1, 900, false), false}, // shorter: the last of its train
		{tcp(1, 1000, false), true}, // so this is the next one's first
		{tcp(1, 1000, true), false}, // PSH ends a train too
		{tcp(1, 1000, false), true},
		{tcp(2, 1000, false), true}, // another flow
		{udp(500), true},
		{udp(500), false},
		{udp(501), true}, // longer than the train's
		{pingPacket(t, "10.1.0.1", "10.2.0.1", nil), true},
		{pingPacket(t, "10.1.0.1", "10.2.0.1", nil), true},
	}
	s := newStage(t, nil)
	q := s.in.out.(*deviceQueue)
	for i, step := range steps {
		e := opened(step.packet)
		var p packet
		if err := p.parse(e.Payload); err != nil {
			t.Fatal(err)
		}
		q.push(e, &p)
		b := q.bufs[i]
		if !bytes.Equal(b[tun.HeaderRoom:], step.packet) {
			t.Fatalf("step %d: another packet", i)
		}
		if head := cap(b) >= tun.HeaderRoom+tun.MaxPacket; head != step.head || !head && cap(b) != len(b) {
			t.Errorf("step %d: capacity %d of %d, want a head: %v", i, cap(b), len(b), step.head)
		}
	}
}

// TestManyFlowsInOneWrite uses up the heads, with packets in place and not.
func TestManyFlowsInOneWrite(t *testing.T) {
	s := newStage(t, nil)
	s.sink.keep = true
	q := s.in.out.(*deviceQueue)
	var want [][]byte
	for i, b := range mixed(t, 200) {
		e := opened(b)
		if i%3 == 0 { // as if esp had less room before the payload
			e.Bytes = e.Bytes[12:]
		}
		if i%5 == 0 { // or put the payload elsewhere
			e.Payload = bytes.Clone(e.Payload)
		}
		var p packet
		if err := p.parse(e.Payload); err != nil {
			t.Fatal(err)
		}
		q.push(e, &p)
		want = append(want, b)
	}
	if err := q.flush(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.sink.packets); diff != "" {
		t.Error(diff)
	}
}

func TestDeviceRefuses(t *testing.T) {
	inBubble(t, pairConfig{}, func(t *testing.T, p *pair) {
		p.b.device.FailWrites(os.ErrInvalid)
		b := udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{})
		p.a.device.Inject(b, b, b)
		p.b.dropped(t, DropDevice, 3)
		p.b.device.FailWrites(nil)
		p.a.device.Inject(b)
		wantPacket(t, p.b.next(t), b)
	})
}

// freePorts are ports on the loopback that nobody listens on.
func freePorts(t *testing.T) (ike, nat uint16) {
	t.Helper()
	var ports [2]uint16
	for i := range ports {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ports[i] = uint16(c.LocalAddr().(*net.UDPAddr).Port)
	}
	return ports[0], ports[1]
}

// TestOverRealSockets joins two gateways over the loopback, IKE included.
func TestOverRealSockets(t *testing.T) { onBoth(t, overRealSockets) }

func overRealSockets(t *testing.T, super bool) {
	loopback := netip.MustParseAddr("127.0.0.1")
	ike := make(chan string, 2)
	p := newPair(t, pairConfig{noChild: true, super: super})
	var all [2]*udp.Conns
	for i, g := range []*gateway{p.a, p.b} {
		ikePort, natPort := freePorts(t)
		conns, err := udp.Listen(udp.Config{Addresses: []netip.Addr{loopback}, IKEPort: ikePort, NATPort: natPort})
		if err != nil {
			t.Fatal(err)
		}
		all[i] = conns
		g.outer = netip.AddrPortFrom(loopback, natPort)
		g.Tunnel.cfg.Transport = UDP(conns)
		g.Tunnel.cfg.OnIKE = func(b []byte, local, remote netip.AddrPort) { ike <- string(b) }
	}
	p.child(t, selector.Any(), selector.Any(), nil)
	p.run(t)
	received := func(g *gateway) []byte {
		select {
		case b := <-g.device.Written():
			return b
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing came; %+v", g.TotalCounters())
			return nil
		}
	}
	train := superpacket(t, 40)
	p.a.device.Inject(train...)
	for _, b := range train {
		wantPacket(t, received(p.b), b)
	}
	reply := pingPacket(t, "10.2.0.1", "10.1.0.1", []byte("over real sockets"))
	p.b.device.Inject(reply)
	wantPacket(t, received(p.a), reply)
	if err := all[0].SendIKE([]byte("an IKE message"), p.a.outer, p.b.outer); err != nil {
		t.Fatal(err)
	}
	if got := <-ike; got != "an IKE message" {
		t.Errorf("IKE arrived as %q", got)
	}
}

package lab

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// The next headers of RFC 4303 §2.6 that say what ESP carries.
const (
	nextIPv4  = 4
	nextIPv6  = 41
	nextDummy = 59
)

// TestStray has a peer that proved who it is and then sends what it should
// not: packets outside the selectors, packets that are none, repeated and
// damaged ones (RFC 4301 §5.2, RFC 4303 §3.4).
func TestStray(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.PolicyBased, b.PolicyBased = true, true
	p := s.peer(b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	p.child(s)
	client, host := world.ClientIn(world.SiteA.Networks[0]), world.ClientIn(world.SiteB.Networks[0])
	good := echoRequest(t, host, client)
	short := echoRequest(t, host, client)
	binary.BigEndian.PutUint16(short[2:], uint16(len(short)+1))
	for _, c := range []struct {
		name   string
		next   byte
		inner  []byte
		reason string // empty: it is delivered
	}{
		{"a good one", nextIPv4, good, ""},
		{"a good one with padding against traffic analysis", nextIPv4, append(good[:len(good):len(good)], make([]byte, 100)...), ""},
		{"source outside", nextIPv4, echoRequest(t, world.ClientIn(world.SiteB.Networks[1]), client), "selector"},
		{"source on our side", nextIPv4, echoRequest(t, client, client), "selector"},
		{"destination outside", nextIPv4, echoRequest(t, host, world.ClientIn(world.SiteA.Networks[1])), "selector"},
		{"both the wrong way round", nextIPv4, echoRequest(t, client, host), "selector"},
		{"IPv4 called IPv6", nextIPv6, good, "malformed"},
		{"no IP at all", nextIPv4, []byte("not a packet, whatever the next header says"), "malformed"},
		{"empty", nextIPv4, nil, "malformed"},
		{"cut off", nextIPv4, short, "malformed"},
		{"TCP without IP", 6, good, "malformed"},
		{"a dummy", nextDummy, good, "dummy"},
	} {
		packet := p.seal(s, c.next, c.inner)
		before := s.status(g, link.Name)
		p.send(s, packet)
		s.accounted(g, before, c.name, c.reason)
		if c.reason != "" {
			continue
		}
		before = s.status(g, link.Name)
		p.send(s, packet)
		s.accounted(g, before, c.name+", repeated", "replay")
	}
	damaged := p.seal(s, nextIPv4, good)
	damaged[len(damaged)-1] ^= 1
	before := s.status(g, link.Name)
	p.send(s, damaged)
	s.accounted(g, before, "a damaged one", "authentication")
	if after := s.status(g, link.Name); after.State != "up" || cmp.Diff(before.IKE, after.IKE) != "" {
		t.Errorf("afterwards the connection is %s with %+v", after.State, after.IKE)
	}
}

// echoRequest is an IPv4 packet with an ICMP echo request.
func echoRequest(t *testing.T, from, to netip.Addr) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 1, Seq: 1}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, ip, icmp, gopacket.Payload("to be answered")); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"causeway/ike/wire"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

const (
	floodRate  = 100_000 // requests a second, as far as the machine makes them
	floodBurst = floodRate / 1000
	// floodGrowth bounds what a gateway's memory grows by: the room for garbage of
	// 32 MiB beside any heap is filled, and no more than that.
	floodGrowth = 56 << 20
	// floodNames are the addresses that the requests come from in turn, and that
	// nobody has.
	floodNames = 1 << 22
)

// floodTime is for how long the requests come.
func floodTime() time.Duration {
	if long {
		return 30 * time.Second
	}
	return 4 * time.Second
}

// TestFlood has strangers without number ask a gateway for IKE SAs, each in an
// address that it has not, while a peer connects to that gateway: the peer comes
// through, and the strangers cost bounded memory.
func TestFlood(t *testing.T) {
	require(t)
	s := makeUnseen(t)
	s.must(s.Router.Shell(s.ctx, "ip route add blackhole 100.64.0.0/10"))
	a, b := link.Pair()
	for _, end := range []*link.End{&a, &b} {
		end.IKE, end.Quiet = []string{floodSuite}, true
	}
	b.Remote = netip.Addr{}
	far := s.causeway(s.GatewayB, b)
	before := s.resident(far)

	var sent atomic.Uint64
	stop, ended := make(chan struct{}), make(chan error, 1)
	request := floodRequest(t)
	go func() {
		ended <- s.Router.Do(func() error { return flood(request, &sent, stop) })
	}()
	began := time.Now()
	s.eventually("the flood", func() error { return atLeast(&sent, floodRate/2) })
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	t.Logf("the peer was up %v after it began, %d requests into the flood", time.Since(began).Round(time.Millisecond), sent.Load())
	s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 10, "-i", "0.2")
	s.eventually("the flood to have lasted", func() error {
		return atLeast(&sent, uint64(floodTime()/time.Second)*floodRate)
	})
	took := time.Since(began)
	during := s.resident(far)
	close(stop)
	s.must(<-ended)
	t.Logf("%d requests in %v, %.0f a second; memory grew from %d to %d MiB", sent.Load(), took.Round(time.Millisecond),
		float64(sent.Load())/took.Seconds(), before>>20, during>>20)
	if during-before > floodGrowth {
		t.Errorf("memory grew by %d MiB", (during-before)>>20)
	}
	status := s.statusOf(far)
	t.Logf("the gateway's sockets received %d and dropped %v, it %v", status.Gateway.Sockets.MessagesIn, status.Gateway.Sockets.Drops, status.Gateway.Drops)
	s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 10, "-i", "0.2")
}

func atLeast(sent *atomic.Uint64, want uint64) error {
	if n := sent.Load(); n < want {
		return fmt.Errorf("%d of %d requests are sent", n, want)
	}
	return nil
}

const floodSuite = "aes256gcm16-prfsha256-x25519"

// floodRequest is a datagram with an IKE_SA_INIT request that the gateway would
// answer, but for its source and SPI.
func floodRequest(t *testing.T) []byte {
	t.Helper()
	proposal := wire.Proposal{Number: 1, Protocol: wire.ProtocolIKE, Transforms: []wire.Transform{ // floodSuite
		{Type: wire.TransformEncryption, ID: 20, Attributes: []wire.Attribute{wire.KeyLengthAttribute(256)}},
		{Type: wire.TransformPRF, ID: 5},
		{Type: wire.TransformKeyExchange, ID: 31},
	}}
	share := make([]byte, 32)
	share[0] = 9
	message, err := (&wire.Message{
		Header: wire.Header{InitiatorSPI: 1, Exchange: wire.ExchangeIKESAInit, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{
			&wire.SecurityAssociation{Proposals: []wire.Proposal{proposal}}, &wire.KeyExchange{Group: 31, Data: share}, &wire.Nonce{Data: make([]byte, 32)},
		},
	}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{100, 64, 0, 0}, DstIP: world.SiteB.Outer4.AsSlice()}
	udp := &layers.UDP{SrcPort: 500, DstPort: 500} // without a checksum: IPv4 need not have one
	packet := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(packet, gopacket.SerializeOptions{FixLengths: true}, ip, udp, gopacket.Payload(message)); err != nil {
		t.Fatal(err)
	}
	return packet.Bytes()
}

// flood sends the request from one address after the other.
func flood(request []byte, sent *atomic.Uint64, stop <-chan struct{}) error {
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(raw)
	to := &unix.SockaddrInet4{Addr: world.SiteB.Outer4.As4()}
	source, spi := request[12:16], request[28:36]
	tick := time.NewTicker(time.Second / (floodRate / floodBurst))
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		binary.BigEndian.PutUint32(source, 100<<24|64<<16+uint32(n%floodNames))
		binary.BigEndian.PutUint64(spi, n+1)
		if err := unix.Sendto(raw, request, 0, to); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		if n%floodBurst != 0 {
			continue
		}
		sent.Store(n)
		select {
		case <-tick.C:
		case <-stop:
			return nil
		}
	}
}

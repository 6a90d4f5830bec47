package lab

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/wire"
	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/spoof"
	"causeway/test/lab/world"
)

const (
	// floodRate is how many requests a second are to reach the gateway, where the
	// test has the processors for itself.
	floodRate = 100_000
	// floodOffered is a little more, for the moments at both ends.
	floodOffered = floodRate + floodRate/50
	// floodGrowth bounds what a gateway's memory grows by: the room for garbage of
	// 32 MiB beside any heap is filled, and no more than that.
	floodGrowth = 56 << 20
	floodSuite  = "aes256gcm16-prfsha256-x25519"
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
	// What is answered ends with the gateway's link: what lies behind that is not ours.
	s.must(s.Router.Shell(s.ctx, fmt.Sprintf(`nft 'table netdev flood {
  chain in { type filter hook ingress device b priority filter; ip daddr %v drop; }
}'`, spoof.Sources)))
	a, b := link.Pair()
	for _, end := range []*link.End{&a, &b} {
		end.IKE, end.Quiet = []string{floodSuite}, true
	}
	b.Remote = netip.Addr{}
	far := s.causeway(s.GatewayB, b)
	before := s.resident(far)

	f := s.flood(far)
	began := time.Now()
	near := s.causeway(s.GatewayA, a)
	s.up(near)
	t.Logf("the peer was up %v after it began, %d requests into the flood", time.Since(began).Round(time.Millisecond), f.Sent())
	s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 10, "-i", "0.2")
	s.eventually("the flood to have lasted", func() error {
		if rest := floodTime() - time.Since(f.began); rest > 0 {
			return fmt.Errorf("%v are left", rest)
		}
		return nil
	})
	during := s.resident(far)
	f.end()
	t.Logf("memory grew from %d to %d MiB", before>>20, during>>20)
	if during-before > floodGrowth {
		t.Errorf("memory grew by %d MiB", (during-before)>>20)
	}
	s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 10, "-i", "0.2")
}

// flooding is a flood on its way to a gateway.
type flooding struct {
	*spoof.Flood
	s      *scene
	at     *gateway.Gateway
	began  time.Time
	before processors
	used   float64 // processor seconds of the gateway, before
	stop   chan struct{}
	ended  chan error
}

// flood begins one from the router to gateway B.
func (s *scene) flood(at *gateway.Gateway) *flooding {
	s.t.Helper()
	var l spoof.Link
	s.must(s.GatewayB.Do(func() error {
		wan, err := net.InterfaceByName("wan")
		if err == nil {
			l.Neighbor = wan.HardwareAddr
		}
		return err
	}))
	s.must(s.Router.Do(func() (err error) {
		l.Device, err = net.InterfaceByName(world.SiteB.Name)
		return err
	}))
	requests, err := spoof.New(l, world.SiteB.Outer4, floodRequest(s.t), floodOffered)
	s.must(err)
	f := &flooding{Flood: requests, s: s, at: at, stop: make(chan struct{}), ended: make(chan error, 1)}
	f.before, f.used, f.began = usedProcessors(s.t), familyTime(at.PID()), time.Now()
	go func() { f.ended <- s.Router.Do(func() error { return f.Run(f.stop) }) }()
	s.t.Cleanup(f.cease) // what is still in a namespace at its end, even a thread of ours, is killed
	s.eventually("the flood", func() error {
		if n := f.Sent(); n < floodRate/2 {
			return fmt.Errorf("%d requests are sent", n)
		}
		return nil
	})
	return f
}

// cease stops it, once.
func (f *flooding) cease() {
	if f.stop == nil {
		return
	}
	close(f.stop)
	f.stop = nil
	if err := <-f.ended; err != nil {
		f.s.t.Error(err)
	}
}

// end stops the flood and judges how much of it there was: what the gateway's
// sockets received, and what they had no room for.
func (f *flooding) end() {
	t, status := f.s.t, f.s.statusOf(f.at)
	t.Helper()
	took := time.Since(f.began).Seconds()
	used, others := familyTime(f.at.PID())-f.used, usedProcessors(t).others(f.before)
	f.cease()
	sockets := status.Gateway.Sockets
	received, overflow := sockets.DatagramsIn, sockets.Drops["overflow"]
	each := func(n uint64) float64 { return float64(n) / took }
	t.Logf("in %.1f s %.0f requests a second were sent, of which the gateway's sockets received %.0f and had no room for %.0f; %.0f were answered, and %.0f found its inbox full",
		took, each(f.Sent()), each(received), each(overflow), each(sockets.DatagramsOut), each(status.Gateway.Drops["ike_inbox"]))
	t.Logf("each took %.1f us of the gateway's processor time; others used %.0f %% of a processor", 1e6*used/float64(received), 100*others)
	switch {
	case each(received+overflow) >= floodRate || !long:
	case others > quietPart:
		t.Logf("fewer than %d a second are not judged, for others want the processors", floodRate)
	default:
		t.Errorf("%.0f requests a second reached the gateway, where %d were to", each(received+overflow), floodRate)
	}
}

// floodRequest is an IKE_SA_INIT request that the gateway would answer.
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
	return message
}

package lab

import (
	"fmt"
	"net/netip"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestStrongHost asks after the address of gateway A's device, from the network behind
// it and through the tunnel. With strong_host the first gets no answer, and when the
// gateway ends, after a crash, too, the rules are as they were.
func TestStrongHost(t *testing.T) {
	s := newScene(t)
	inside := netip.MustParseAddr("169.254.21.1")
	a, _ := link.Pair()
	a.LocalNetworks = append(a.LocalNetworks, netip.PrefixFrom(inside, 32))
	right := s.causeway(s.GatewayB, a.Peer())
	rules := func() string {
		out, err := s.GatewayA.Run(s.ctx, "ip", "rule")
		s.must(err)
		return out
	}
	before := rules()
	for _, strong := range []bool{false, true} {
		a.InterfaceKeys = fmt.Sprintf("addresses: [%v/30]\nstrong_host: %v", inside, strong)
		left := s.causeway(s.GatewayA, a)
		s.up(right)
		s.up(left)
		s.ping(s.ClientB, inside, 10)
		s.ping(s.ClientA, world.ClientIn(world.SiteB.Networks[0]), 10)
		if _, err := s.ClientA.Run(s.ctx, "ping", "-c", "2", "-i", "0.2", "-W", "1", inside.String()); (err != nil) != strong {
			t.Errorf("strong_host %v: client A asks after %v: %v", strong, inside, err)
		}
		if strong {
			left.Kill()
			s.must(s.bounded(left.Start))
			s.up(left)
			s.ping(s.ClientB, inside, 10)
		}
		s.must(s.bounded(left.Stop))
		if after := rules(); after != before {
			t.Errorf("strong_host %v: the rules were\n%s\nand are\n%s", strong, before, after)
		}
	}
}

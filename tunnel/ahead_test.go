package tunnel

import (
	"net/netip"
	"testing"

	"causeway/esp"
	"causeway/esp/prefetch"
	"causeway/esp/selector"
)

// TestAhead finds among what is fetched before a packet is sealed or opened all
// that its SA has, also after a rekey and after the peer moved.
func TestAhead(t *testing.T) {
	s := newStage(t, nil)
	c := s.forwarding.Load().connections["peer"]
	check := func(when string) {
		t.Helper()
		list := c.outbound.Load()
		sa := list.children[0]
		in := s.children[sa.spiIn].in
		covers := map[string]bool{
			"the list": prefetch.Covers(&c.ahead, list), "the SA": prefetch.Covers(&c.ahead, sa),
			"sequence numbers": prefetch.Covers(&c.ahead, sa.out), "the policy": prefetch.Covers(&c.ahead, sa.policy),
			"the turns": prefetch.Covers(&c.ahead, sa.turns), "the share": prefetch.Covers(&c.ahead, c.up),
			"the counters": prefetch.Covers(&c.ahead, &c.counters.sent), "the configuration": prefetch.Covers(&c.ahead, c.config.Load()),
			"inbound, the SA": prefetch.Covers(&in.lines, in), "inbound, the window": prefetch.Covers(&in.lines, in.in),
			"inbound, the policy": prefetch.Covers(&in.lines, in.policy), "inbound, the share": prefetch.Covers(&in.lines, c.down),
			"inbound, the counters": prefetch.Covers(&in.lines, &c.counters.received),
		}
		for what, ok := range covers {
			if !ok {
				t.Errorf("%s: %s is not fetched", when, what)
			}
		}
	}
	check("at first")
	spi, err := s.AllocateSPI("peer", 0)
	if err != nil {
		t.Fatal(err)
	}
	in, errIn := esp.NewInbound(parameters(spi, nil))
	out, errOut := esp.NewOutbound(parameters(spi, nil))
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	policy := selector.Compile(selector.Any(), selector.Any())
	if err := s.InstallInbound("peer", in, policy, s.anywhere(), s.anywhere()); err != nil {
		t.Fatal(err)
	}
	if err := s.ActivateOutbound("peer", out, policy, spi, s.anywhere(), s.anywhere()); err != nil {
		t.Fatal(err)
	}
	check("after a rekey")
	elsewhere := netip.MustParseAddrPort("192.0.2.9:4500")
	s.MoveChildren([]uint32{spi}, elsewhere, elsewhere)
	check("after a move")
	s.AddConnection("peer", ConnectionConfig{Hold: true})
	check("after a change")
	s.RemoveChild(spi)
	check("after the new one went")
}

package tunnel

import (
	"testing"
	"testing/synctest"

	"causeway/esp/selector"
)

// What a peer that lost its replay window asks to be left out is left out of what is sent
// on that Child SA, and of no other; the peer takes what follows (RFC 6311 §5.2).
func TestSkipAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig{noChild: true})
		spiA, spiB := p.child(t, selector.Any(), selector.Any(), nil)
		p.run(t)
		used := func() uint64 {
			t.Helper()
			first, _, err := p.a.children[spiA].out.out.Reserve(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			return first
		}
		first := used()
		p.a.SkipAhead(spiB, 1<<20) // b's inbound SPI, which a has not
		if got := used(); got != first+1 {
			t.Errorf("the number after %d is %d", first, got)
		}
		p.a.SkipAhead(spiA, 1000)
		if got := used(); got != first+1002 {
			t.Errorf("after 1000 were left out the number is %d, and was %d at first", got, first)
		}
		if got, _ := p.a.ChildCounters(spiA); got.PacketsOut != 3 {
			t.Errorf("what was left out counts as sent: %+v", got)
		}
		p.a.device.Inject(udpPacket(t, "10.1.0.1", "10.2.0.1", 10, ipOptions{}))
		p.b.next(t)
	})
}

package tunnel

import (
	"net/netip"
	"testing"

	"causeway/esp"
	"causeway/esp/selector"
)

// TestReactivationNeverRestartsTheSequence activates a pair again, as a machine
// does that returns to an older Child SA: it becomes the preferred one and goes
// on where it was, whatever SA it is given. A second start of the sequence
// under one key would use AES-GCM's nonces twice.
func TestReactivationNeverRestartsTheSequence(t *testing.T) {
	p := newPair(t, pairConfig{noChild: true})
	oldA, _ := p.child(t, selector.Any(), selector.Any(), nil)
	newA, _ := p.child(t, selector.Any(), selector.Any(), nil)
	first := func() uint32 { return p.a.forwarding.Load().connections["peer"].outbound.Load().children[0].spiIn }
	if first() != newA {
		t.Fatalf("%08x is preferred, want the newer %08x", first(), newA)
	}
	before := p.a.children[oldA].out.out
	fresh, err := esp.NewOutbound(esp.Parameters{SPI: before.SPI(), Cipher: esp.AESGCM16, EncryptionKey: make([]byte, 20)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.ActivateOutbound("peer", fresh, selector.Compile(selector.Any(), selector.Any()), oldA, p.a.outer, p.b.outer); err != nil {
		t.Fatal(err)
	}
	if first() != oldA {
		t.Errorf("%08x is preferred, want the reactivated %08x", first(), oldA)
	}
	if p.a.children[oldA].out.out != before {
		t.Error("the pair sends with another SA: its sequence starts again")
	}
	if n := len(p.a.forwarding.Load().connections["peer"].outbound.Load().children); n != 2 {
		t.Errorf("%d outbound SAs, want 2", n)
	}
}

// TestReactivationAfterAMove: a Child SA that was stopped while its peer moved is
// sent on to where the peer is, once it is again.
func TestReactivationAfterAMove(t *testing.T) {
	p := newPair(t, pairConfig{noChild: true})
	old, _ := p.child(t, selector.Any(), selector.Any(), nil)
	p.child(t, selector.Any(), selector.Any(), nil)
	elsewhere := netip.MustParseAddrPort("[2001:db8::9]:61000")
	here := netip.MustParseAddrPort("[2001:db8::1]:4500")
	before := p.a.children[old].out
	p.a.StopOutbound(old)
	p.a.MoveChildren(p.a.all(), here, elsewhere)
	if err := p.a.ActivateOutbound("peer", before.out, before.policy, old, here, elsewhere); err != nil {
		t.Fatal(err)
	}
	list := p.a.forwarding.Load().connections["peer"].outbound.Load().children
	if len(list) != 2 || list[0].spiIn != old {
		t.Fatalf("%d Child SAs are sent on", len(list))
	}
	for _, sa := range list {
		if sa.local != here || sa.remote != elsewhere || sa.mtu >= before.mtu {
			t.Errorf("SPI %08x goes from %v to %v with %d bytes", sa.spiIn, sa.local, sa.remote, sa.mtu)
		}
	}
	if list[0].out != before.out || list[0].turns != before.turns {
		t.Error("its sequence numbers start again")
	}
}

package tunnel

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"

	"causeway/esp/selector"
	"causeway/routing/translate"
	"causeway/tunnel/tun/tuntest"
)

func translation(t testing.TB, rules ...translate.Rule) *translate.Table {
	t.Helper()
	table, err := translate.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// overlap makes a's side and b's side both 10.1.0.0/16, and fd01::/16: a is
// 10.5.0.0/16 on the wire, b is 10.2.0.0/16 to a.
func (p *pair) overlap(t testing.TB) {
	rule := func(in, out string, d translate.Direction) translate.Rule {
		return translate.Rule{Inside: netip.MustParsePrefix(in), Outside: netip.MustParsePrefix(out), Direction: d}
	}
	p.a.AddConnection("peer", ConnectionConfig{Translate: translation(t,
		rule("10.1.0.0/16", "10.5.0.0/16", translate.Egress), rule("10.1.0.0/16", "10.2.0.0/16", translate.Ingress),
		rule("fd01::/16", "fd05::/16", translate.Egress), rule("fd01::/16", "fd02::/16", translate.Ingress))})
	p.b.SetRoutes(routesTo(t, "peer", "10.5.0.0/16", "fd05::/16"))
	wire := func(texts ...string) (l selector.List) {
		for _, s := range texts {
			l = append(l, selector.FromPrefix(netip.MustParsePrefix(s)))
		}
		return l
	}
	p.child(t, wire("10.5.0.0/16", "fd05::/16"), wire("10.1.0.0/16", "fd01::/16"), nil)
}

// TestTranslation carries packets between two sites with the same networks,
// under selectors that are about the translated ones.
func TestTranslation(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		p.overlap(t)
		p.a.device.Inject(udpPacket(t, "10.1.0.7", "10.2.0.9", 100, ipOptions{}))
		wantPacket(t, p.b.next(t), udpPacket(t, "10.5.0.7", "10.1.0.9", 100, ipOptions{}))
		p.b.device.Inject(udpPacket(t, "10.1.0.9", "10.5.0.7", 99, ipOptions{}))
		wantPacket(t, p.a.next(t), udpPacket(t, "10.2.0.9", "10.1.0.7", 99, ipOptions{}))
		// Larger than fits: the fragments are those of the translated packet.
		p.a.device.Inject(udpPacket(t, "10.1.0.7", "10.2.0.9", 2000, ipOptions{}))
		want := udpPacket(t, "10.5.0.7", "10.1.0.9", 2000, ipOptions{})
		var got []byte
		for len(got) < len(want)-20 {
			got = append(got, p.b.next(t)[20:]...)
		}
		if !bytes.Equal(got, want[20:]) {
			t.Error("the fragments are not those of the translated packet")
		}
		// An address that is another's translation is nobody's.
		p.a.device.Inject(udpPacket(t, "10.5.0.7", "10.2.0.9", 100, ipOptions{}))
		p.b.nothing(t)
		p.a.dropped(t, DropNoSA, 1)
		// A reload that takes the rules away is in force at once.
		p.a.AddConnection("peer", ConnectionConfig{})
		p.a.device.Inject(udpPacket(t, "10.1.0.7", "10.2.0.9", 100, ipOptions{}))
		p.b.nothing(t)
		p.a.dropped(t, DropNoSA, 2)
	})
}

// TestUntranslatableSuperpacket: rules that change after its flow was found count it
// as the packets that it stands for.
func TestUntranslatableSuperpacket(t *testing.T) {
	synctest.Test(t, untranslatableSuperpacket)
}

func untranslatableSuperpacket(t *testing.T) {
	p := newPair(t, pairConfig{super: true, noChild: true})
	p.overlap(t)
	w := newOutboundWorker(p.a.Tunnel, 0)
	w.begin()
	o, super := superOf(t, bulk(t, 20_000)["TCP4"], 1000)
	w.super(bytes.Clone(super), &o)
	elsewhere := translate.Rule{Inside: netip.MustParsePrefix("10.8.0.0/16"), Outside: netip.MustParsePrefix("10.1.0.0/16"), Direction: translate.Egress}
	p.a.AddConnection("peer", ConnectionConfig{Translate: translation(t, elsewhere)})
	w.super(super, &o)
	p.a.dropped(t, DropMalformed, 20)
}

// TestTranslatedSuperpackets: their segments are those of what was translated.
func TestTranslatedSuperpackets(t *testing.T) {
	for name, b := range bulk(t, 20_000) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig{super: true, noChild: true}).run(t)
				p.overlap(t)
				o, super := superOf(t, b, 1000)
				want, err := tuntest.Segments(o, super)
				if err != nil {
					t.Fatal(err)
				}
				table := p.a.forwarding.Load().connections["peer"].config.Load().Translate
				p.a.device.(*tuntest.Super).InjectSuper(o, super)
				for _, w := range want {
					if err := table.RewriteOutbound(w); err != nil {
						t.Fatal(err)
					}
					wantPacket(t, p.b.later(t), w)
				}
				p.b.nothing(t)
			})
		})
	}
}

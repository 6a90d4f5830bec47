package ikev1

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

var clientPool = netip.MustParsePrefix("10.1.9.0/29")

// concentrator has b give a an address of a pool, and have two networks, one Child SA
// each. The client asks for everything, as vpnc does.
func concentrator(a, b *sa.Settings) {
	a.Aggressive, b.Aggressive = true, true
	a.ModeConfig = sa.ModeConfig{Request: true}
	a.Children[0].Remote = anywhere
	b.ModeConfig = sa.ModeConfig{Assign: clientPool, Client: sa.Client{
		DNS: []netip.Addr{netip.MustParseAddr("10.2.0.53"), netip.MustParseAddr("10.2.0.54")}, WINS: []netip.Addr{netip.MustParseAddr("10.2.0.55")},
		Domain: "corp.example", SplitDNS: []string{"corp.example", "lab.example"}, Banner: "For employees only.",
	}}
	pool := selector.List{selector.FromPrefix(clientPool)}
	b.Children = []sa.ChildSettings{
		{Name: "one", Local: b.Children[0].Local, Remote: pool},
		{Name: "two", Local: selector.List{selector.FromPrefix(netip.MustParsePrefix("10.22.0.0/16"))}, Remote: pool},
	}
}

// connect brings a up, which shows b the vendor ID of Unity if it is a client of
// Cisco's kind.
func (d *duo) connect(unity bool) {
	d.a.up()
	d.cisco(unity)
	d.settle()
}

// cisco delivers the first message, and what its vendor IDs would tell.
func (d *duo) cisco(unity bool) {
	p := d.wire[0]
	d.wire = d.wire[1:]
	p.to.receive(p)
	for _, h := range d.b.acceptor.halves {
		h.peer.unity = unity
	}
}

func TestClientOfCiscosKind(t *testing.T) {
	d := newDuo(t, concentrator)
	d.connect(true)
	check := func(when string) {
		t.Helper()
		d.wantUpOnce(when)
		c := d.b.m.Snapshot().Children[0].Child
		if host := (selector.List{selector.FromPrefix(netip.MustParsePrefix("10.1.9.1/32"))}); len(c.LocalSelectors) != 2 || !c.RemoteSelectors.Equal(host) {
			t.Errorf("%s: the Child SA is for %v === %v", when, c.LocalSelectors, c.RemoteSelectors)
		}
	}
	check("connected")
	d.advance(time.Minute)
	d.b.step(false, sa.Rekey{Children: true})
	q := d.b.m.quicks[len(d.b.m.quicks)-1]
	if len(q.nonceI) != clientNonceLen || len(q.suites) != 1 || !q.catchAll {
		t.Errorf("our Quick Mode has a nonce of %d octets, and %d transforms", len(q.nonceI), len(q.suites))
	}
	d.settle()
	if last := d.b.outbound[len(d.b.outbound)-1]; last.SPIIn != q.spiIn {
		t.Error("we do not send at once on what the client has alone")
	}
	d.advance(time.Minute)
	check("rekeyed by us")
	d.advance(5 * time.Hour)
	check("rekeyed by time")
}

// wantUpOnce checks that both ends have one Child SA, the same.
func (d *duo) wantUpOnce(when string) {
	d.t.Helper()
	x, y := d.a.m.Snapshot(), d.b.m.Snapshot()
	if len(x.Children) != 1 || len(y.Children) != 1 || x.Children[0].Child.SPIIn != y.Children[0].Child.SPIOut {
		d.t.Fatalf("%s: a has %d Child SAs and b %d\n%s", when, len(x.Children), len(y.Children), d.failures())
	}
}

// TestOthersGetWhatFits: who does not show that it is such a client is refused all
// traffic, since the answer cannot narrow.
func TestOthersGetWhatFits(t *testing.T) {
	d := newDuo(t, concentrator)
	d.connect(false)
	if r := d.b.reason(); r != sa.ReasonSelectorMismatch || len(d.b.m.children) != 0 {
		t.Errorf("b says %q and has %d Child SAs\n%s", r, len(d.b.m.children), d.failures())
	}
}

func TestClientIsTold(t *testing.T) {
	ask := func(types ...uint16) (out []isakmp.Attribute) {
		for _, t := range types {
			out = append(out, isakmp.Attribute{Type: t})
		}
		return out
	}
	d := newDuo(t, concentrator)
	m := d.b.m
	m.out, m.now = nil, d.now
	got := map[uint16][]string{}
	all := ask(isakmp.ConfigIPv4Address, isakmp.ConfigIPv4Netmask, isakmp.ConfigIPv4DNS, isakmp.ConfigIPv4NBNS, isakmp.ConfigVersion, isakmp.ConfigIPv4DNS,
		isakmp.UnityBanner, isakmp.UnitySavePassword, isakmp.UnityDomain, isakmp.UnitySplitDNS, isakmp.UnitySplitInclude, isakmp.UnityPFS)
	for _, a := range m.tellClient(all) {
		got[a.Type] = append(got[a.Type], fmt.Sprintf("%x", a.Value))
	}
	text := func(s string) string { return fmt.Sprintf("%x", s) }
	for kind, want := range map[uint16][]string{
		isakmp.ConfigIPv4Address: {"0a010901"}, isakmp.ConfigIPv4Netmask: {"fffffff8"},
		isakmp.ConfigIPv4DNS: {"0a020035", "0a020036"}, isakmp.ConfigIPv4NBNS: {"0a020037"}, isakmp.ConfigVersion: nil, isakmp.UnitySavePassword: nil,
		isakmp.UnityBanner: {text("For employees only.")}, isakmp.UnityDomain: {text("corp.example")}, isakmp.UnitySplitDNS: {text("corp.example,lab.example")},
		isakmp.UnitySplitInclude: {"0a020000ffff0000000000000000" + "0a160000ffff0000000000000000"},
	} {
		if !slices.Equal(got[kind], want) {
			t.Errorf("attribute %d is %v, want %v", kind, got[kind], want)
		}
	}
	m.settings.Children[0].Local = anywhere
	m.settings.ESPProposals = slices.DeleteFunc(slices.Clone(m.settings.ESPProposals), func(p transform.Proposal) bool { _, has := groupOf(p); return !has })
	m.settings.ModeConfig.Client = sa.Client{}
	if list := m.tellClient(all); slices.ContainsFunc(list, func(a isakmp.Attribute) bool { return a.Type >= isakmp.UnityBanner && a.Type != isakmp.UnityPFS }) {
		t.Errorf("with nothing to tell, and all traffic for us, a client is told %v", list)
	}
}

// TestAddressOfThePool: the client may choose, within what is there to give.
func TestAddressOfThePool(t *testing.T) {
	for _, c := range []struct{ pool, asked, want string }{
		{"10.1.9.0/29", "", "10.1.9.1"}, {"10.1.9.0/29", "10.1.9.5", "10.1.9.5"}, {"10.1.9.0/29", "10.1.9.8", "10.1.9.1"},
		{"10.1.9.0/29", "10.1.9.0", "10.1.9.1"}, {"10.1.9.0/29", "10.1.9.7", "10.1.9.1"}, {"10.1.9.0/29", "0.0.0.0", "10.1.9.1"},
		{"10.1.9.0/29", "fd00::1", "10.1.9.1"}, {"10.1.9.7/32", "", "10.1.9.7"}, {"10.1.9.7/32", "10.1.9.6", "10.1.9.7"}, {"10.1.9.6/31", "", "10.1.9.6"},
	} {
		d := newDuo(t, concentrator, func(_, b *sa.Settings) { b.ModeConfig.Assign = netip.MustParsePrefix(c.pool) })
		m := d.b.m
		m.now = d.now
		var asked []byte
		if c.asked != "" {
			asked = netip.MustParseAddr(c.asked).AsSlice()
		}
		if got := m.assign(asked).String(); got != c.want {
			t.Errorf("of %s, asked for %q: %s, want %s", c.pool, c.asked, got, c.want)
		}
		if again := m.assign(nil).String(); again != c.want {
			t.Errorf("of %s, asked again: %s, want %s", c.pool, again, c.want)
		}
	}
}

// TestClientForgetsTheOld: vpnc deletes its one Child SA, and what that replaced is
// gone as well; and the old ISAKMP SA it deletes by the name of the new.
func TestClientForgetsTheOld(t *testing.T) {
	deleting := func(d *duo, p isakmp.Protocol, spi []byte) {
		right := func(h []byte) []byte { return h }
		d.b.receive(d.a.forge(isakmp.ExchangeInformational, 77, right, &isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: p, SPIs: [][]byte{spi}}))
	}
	t.Run("Child SA", func(t *testing.T) {
		d := newDuo(t, concentrator)
		d.connect(true)
		d.advance(time.Minute)
		d.b.step(false, sa.Rekey{Children: true})
		d.settle()
		newest := d.b.m.children[len(d.b.m.children)-1]
		if len(d.b.m.children) != 2 {
			t.Fatalf("b has %d Child SAs", len(d.b.m.children))
		}
		deleting(d, isakmp.ProtocolESP, binary.BigEndian.AppendUint32(nil, newest.SPIOut))
		if len(d.b.m.children) != 0 {
			t.Errorf("b has %d Child SAs still", len(d.b.m.children))
		}
	})
	t.Run("ISAKMP SA", func(t *testing.T) {
		d := newDuo(t, concentrator)
		d.connect(true)
		d.advance(time.Minute)
		old := d.b.m.current()
		d.a.step(false, sa.Rekey{IKE: true})
		d.cisco(true)
		d.settle()
		replaced := d.b.m.current()
		if replaced == old {
			t.Fatal("the ISAKMP SA is the old one")
		}
		deleting(d, isakmp.ProtocolISAKMP, replaced.cookies())
		if d.b.m.current() != replaced || old.state == superseded {
			t.Errorf("the new one is %v, the old %v", replaced.state, old.state)
		}
		d.advance(meantTime)
		deleting(d, isakmp.ProtocolISAKMP, replaced.cookies()) // the same message ID: not again
		if d.b.m.current() != replaced {
			t.Error("a message counts twice")
		}
	})
}

// TestLateLifetime: RESPONDER-LIFETIME that comes after the exchange shortens what it
// names (RFC 2407 §4.6.3.1), and nothing else.
func TestLateLifetime(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	right := func(h []byte) []byte { return h }
	say := func(id uint32, spi uint32, seconds uint32) {
		data, err := isakmp.AppendAttributes(nil, []isakmp.Attribute{isakmp.Short(isakmp.AttrIPsecLifeType, isakmp.LifeSeconds), isakmp.Long(isakmp.AttrIPsecLifeDuration, seconds)})
		if err != nil {
			t.Fatal(err)
		}
		d.a.receive(d.b.forge(isakmp.ExchangeInformational, id, right, &isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP,
			SPI: binary.BigEndian.AppendUint32(nil, spi), NotifyType: isakmp.ResponderLifetime, Data: data}))
	}
	c := d.a.m.children[0]
	before := c.expireAt
	say(1, c.SPIOut+1, 600)
	say(2, c.SPIOut, 0)
	say(3, c.SPIOut, 86400)
	if !c.expireAt.Equal(before) {
		t.Errorf("the Child SA ends at %v, was %v", c.expireAt, before)
	}
	say(4, c.SPIOut, 600)
	if left := c.expireAt.Sub(d.now); left != 10*time.Minute || c.RekeyAt.Sub(d.now) > 9*time.Minute {
		t.Errorf("the Child SA ends in %v, and is replaced in %v", left, c.RekeyAt.Sub(d.now))
	}
	first := c.SPIIn
	d.advance(11 * time.Minute)
	if d.wantUp(); d.a.m.children[0].SPIIn == first {
		t.Error("the Child SA is not replaced")
	}
}

// TestLifetimeOfAggressiveMode: the responder says under protection that its ISAKMP SA
// ends earlier.
func TestLifetimeOfAggressiveMode(t *testing.T) {
	d := newDuo(t, aggressive, func(_, b *sa.Settings) { b.IKELifetime = time.Hour })
	d.a.up()
	d.settle()
	if at := d.a.m.current().expireAt.Sub(d.now); at > time.Hour {
		t.Errorf("the initiator's ISAKMP SA ends in %v", at)
	}
}

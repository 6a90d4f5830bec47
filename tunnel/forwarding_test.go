package tunnel

import (
	"net/netip"
	"testing"

	"causeway/esp"
	"causeway/routing"
)

// sharedRoutes has 10.2.0.0/16 behind primary and standby, and 10.1.0.0/16
// behind other.
func sharedRoutes(t testing.TB) *routing.Table {
	t.Helper()
	table, err := routing.Build([]routing.Site{
		{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Connection: "primary", Metric: 100},
		{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Connection: "standby", Metric: 200},
		{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Connection: "other"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// towards is a Tunnel that knows the connections and forwards to them.
func towards(t testing.TB, routes *routing.Table, names ...string) *Tunnel {
	t.Helper()
	a, _ := newWires()
	tunnel, err := New(Config{Device: newDevice("a", true), Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		tunnel.AddConnection(name, ConnectionConfig{})
	}
	tunnel.SetRoutes(routes)
	return tunnel
}

// serve makes a connection one with an SA to send on, or without.
func (t *Tunnel) serve(name string, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.forwarding.Load().connections[name]
	next := newOutboundList()
	if up {
		next = newOutboundList(&outboundSA{conn: c, out: new(esp.Outbound)})
	}
	t.setOutbound(c, next)
}

func (t *Tunnel) chosen(dst string) string {
	key := flowKey{dstLow: 7}
	if c := t.forwarding.Load().toward(netip.MustParseAddr(dst), &key); c != nil {
		return c.name
	}
	return ""
}

func TestStandby(t *testing.T) {
	tunnel := towards(t, sharedRoutes(t), "primary", "standby", "other")
	before := tunnel.forwarding.Load()
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "primary"}, // which asks for its SA
		{func() { tunnel.serve("standby", true) }, "standby"},
		{func() { tunnel.serve("primary", true) }, "primary"},
		{func() { tunnel.SetAvoided("primary", true) }, "standby"},
		{func() { tunnel.serve("standby", false) }, "primary"}, // avoided and yet all there is
		{func() { tunnel.serve("standby", true) }, "standby"},
		{func() { tunnel.SetAvoided("primary", false) }, "primary"},
		{func() { tunnel.serve("primary", false) }, "standby"},
		{func() { tunnel.RemoveConnection("standby") }, "primary"},
	} {
		step.do()
		if got := tunnel.chosen("10.2.0.1"); got != step.want {
			t.Errorf("%s carries, want %s", got, step.want)
		}
	}
	if tunnel.forwarding.Load() == before {
		t.Error("workers would go on by what they remember")
	}
	if tunnel.chosen("10.9.0.1") != "" {
		t.Error("an address without a route has a connection")
	}
}

// TestRenewedOnlyByChoices: SAs that come and go during a rekey leave the
// workers' caches alone.
func TestRenewedOnlyByChoices(t *testing.T) {
	tunnel := towards(t, sharedRoutes(t), "primary")
	tunnel.serve("primary", true)
	before := tunnel.forwarding.Load()
	tunnel.serve("primary", true)
	tunnel.SetAvoided("primary", false)
	tunnel.SetAvoided("unknown", true)
	tunnel.AddConnection("primary", ConnectionConfig{})
	if tunnel.forwarding.Load() != before {
		t.Error("the forwarding was renewed for nothing")
	}
}

func TestBehind(t *testing.T) {
	tunnel := towards(t, sharedRoutes(t), "primary", "standby", "other")
	f := tunnel.forwarding.Load()
	for _, name := range []string{"primary", "standby", "other"} {
		if got := f.behind(netip.MustParseAddr("10.2.0.1"), f.connections[name]); got != (name != "other") {
			t.Errorf("10.2.0.1 is behind %s: %v", name, got)
		}
	}
	if f.behind(netip.MustParseAddr("10.9.0.1"), f.connections["other"]) {
		t.Error("an unknown address is behind a connection")
	}
}

func TestTransit(t *testing.T) {
	for _, both := range []bool{false, true} {
		inBubble(t, pairConfig{connection: ConnectionConfig{Transit: true}}, func(t *testing.T, p *pair) {
			p.a.AddConnection("other", ConnectionConfig{Transit: both})
			table, err := routing.Build([]routing.Site{
				{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Connection: "peer"},
				{Prefix: netip.MustParsePrefix("10.1.7.0/24"), Connection: "other"},
			})
			if err != nil {
				t.Fatal(err)
			}
			p.a.SetRoutes(table)
			own := udpPacket(t, "10.1.0.1", "10.2.0.1", 50, ipOptions{})
			p.a.device.Inject(own)
			wantPacket(t, p.b.next(t), own)
			passing := udpPacket(t, "10.1.7.1", "10.2.0.1", 50, ipOptions{})
			p.a.device.Inject(passing)
			if both {
				wantPacket(t, p.b.next(t), passing)
				return
			}
			wantICMP(t, p.a.next(t), passing, "10.2.0.1", icmpWant{v4: [2]uint8{3, 13}})
			p.a.dropped(t, DropTransit, 1)
			p.b.nothing(t)
		})
	}
}

// TestInject: a packet goes to the connection that it is meant for, not where
// routes lead.
func TestInject(t *testing.T) {
	inBubble(t, pairConfig{noChild: true}, func(t *testing.T, p *pair) {
		p.a.SetRoutes(routesTo(t, "elsewhere", "10.2.0.0/16"))
		probe := pingPacket(t, "10.1.0.1", "10.2.0.1", []byte("abcdefgh"))
		if err := p.a.Inject("peer", probe); err != ErrNoSA {
			t.Errorf("without an SA: %v", err)
		}
		p.child(t, list(t, "10.1.0.0/16"), list(t, "10.2.0.0/16"), nil)
		if err := p.a.Inject("peer", probe); err != nil {
			t.Fatal(err)
		}
		wantPacket(t, p.b.next(t), probe)
		if err := p.a.Inject("peer", pingPacket(t, "10.9.0.1", "10.2.0.1", nil)); err != ErrNoSA {
			t.Errorf("outside the selectors: %v", err)
		}
		if err := p.a.Inject("unknown", probe); err == nil {
			t.Error("an unknown connection took a packet")
		}
		if err := p.a.Inject("peer", probe[:20]); err == nil {
			t.Error("a truncated packet was sent")
		}
	})
}

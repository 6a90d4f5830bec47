package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// roaming is a tunnel whose ends agreed on MOBIKE.
func roaming(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE = true, true
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	return w
}

// An answer without our COOKIE2, or with another, ends the IKE SA (RFC 4555 §3.7).
func TestWrongCookie2(t *testing.T) {
	for name, data := range map[string][]byte{"another": make([]byte, 16), "short": make([]byte, 15), "none": nil} {
		w := roaming(t)
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			var out []wire.Payload
			for _, p := range ps {
				if n, ok := p.(*wire.Notify); ok && n.NotifyType == wire.NotifyCookie2 && h.Flags.Response() {
					if data == nil {
						continue
					}
					p = &wire.Notify{NotifyType: wire.NotifyCookie2, Data: data}
				}
				out = append(out, p)
			}
			return out
		}
		w.A.Addr = netip.MustParseAddr("192.0.2.77")
		w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
		w.DeliverAll()
		if up(w.A) {
			t.Errorf("%s: a goes on", name)
		}
	}
}

// A peer that allows no NATs and is behind one stays where it was (RFC 4555 §3.9).
func TestUnexpectedNAT(t *testing.T) {
	w := roaming(t)
	before := w.B.Machine.Snapshot().IKE[0].Remote
	update := []wire.Payload{
		notify(wire.NotifyUpdateSAAddresses, 0, nil),
		&wire.Notify{NotifyType: wire.NotifyNoNATsAllowed, Data: make([]byte, 12)},
	}
	if got := forge(w, wire.ExchangeInformational, update...); got != "N(UNEXPECTED_NAT_DETECTED)" {
		t.Errorf("b answers %s", got)
	}
	if after := w.B.Machine.Snapshot().IKE[0].Remote; after != before || !up(w.B) {
		t.Errorf("b follows to %v", after)
	}
}

// A message by another path, of a peer behind a NAT too, moves nothing but the answer to
// it, unless it has UPDATE_SA_ADDRESSES: that tests a path (RFC 4555 §3.8, §3.10).
func TestMessageByAnotherPath(t *testing.T) {
	for _, mobike := range []bool{true, false} {
		a, b := transcript.Pair()
		a.MOBIKE, b.MOBIKE = mobike, mobike
		w := transcript.New(a, b, func(line string) { t.Log(line) })
		w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 1000
		w.A.Up()
		w.DeliverAll()
		before := w.B.Machine.Snapshot().IKE[0].Remote
		other := netip.MustParseAddrPort("198.51.100.9:7777")
		for _, act := range w.A.Machine.Forge(w.Now, wire.ExchangeInformational) {
			if s, ok := act.(sa.Send); ok {
				w.B.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: other})
			}
		}
		var to netip.AddrPort
		for _, act := range w.B.Actions {
			if s, ok := act.(sa.Send); ok {
				to = s.Remote
			}
		}
		if to != other {
			t.Errorf("MOBIKE %v: the answer goes to %v", mobike, to)
		}
		if after := w.B.Machine.Snapshot().IKE[0].Remote; (after == before) != mobike {
			t.Errorf("MOBIKE %v: b has a at %v, which was at %v", mobike, after, before)
		}
	}
}

// Without MOBIKE UPDATE_SA_ADDRESSES moves nothing, wherever it comes from.
func TestUpdateWithoutMOBIKE(t *testing.T) {
	w := tunnel(t)
	for _, act := range w.A.Machine.Forge(w.Now, wire.ExchangeInformational, notify(wire.NotifyUpdateSAAddresses, 0, nil)) {
		if s, ok := act.(sa.Send); ok {
			w.B.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: netip.MustParseAddrPort("203.0.113.9:4500")})
		}
	}
	if at := w.B.Machine.Snapshot().IKE[0].Remote; at.Addr() != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("b follows to %v", at)
	}
}

// An answer that comes by a path on which nothing was sent moves nothing: somebody
// on the way may have taken it there.
func TestAnswerByAStrangePath(t *testing.T) {
	w := roaming(t)
	w.A.Step(sa.Rekey{Children: true})
	w.Deliver(0)
	p := w.Drop(0)
	w.A.Receive(sa.Datagram{Raw: p.Bytes, Local: p.Destination, Remote: netip.MustParseAddrPort("203.0.113.66:4500")})
	if got := w.A.Machine.Snapshot().IKE[0].Remote; got != atB {
		t.Errorf("a sends to %v now", got)
	}
}

// An end that moves since its address is gone says so of its further addresses,
// too: the one that it moves to is none any more (RFC 4555 §3.6).
func TestAddressesOfWhoMoves(t *testing.T) {
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.7")
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE, a.LocalAddresses = true, true, []netip.Addr{one, other}
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	w.DeliverAll()
	if got := w.B.Machine.PeerAddresses(); !slices.Equal(got, []netip.Addr{other}) {
		t.Fatalf("b keeps %v", got)
	}
	w.A.Addr = other
	w.A.Step(sa.LocalAddress{Addr: other})
	w.DeliverAll()
	if got := w.B.Machine.PeerAddresses(); len(got) != 0 {
		t.Errorf("a moved to %v, and b keeps %v", other, got)
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// What a peer says of its addresses is bounded, and makes nobody send to himself or
// to all.
func TestHostileAddresses(t *testing.T) {
	w := roaming(t)
	var ps []wire.Payload
	for _, text := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.1.1", "::", "::1", "ff02::1", "fe80::1", "::ffff:192.0.2.9", "198.51.100.7", "198.51.100.7"} {
		a := netip.MustParseAddr(text)
		kind := wire.NotifyAdditionalIP6Address
		if a.Is4() {
			kind = wire.NotifyAdditionalIP4Address
		}
		ps = append(ps, &wire.Notify{NotifyType: kind, Data: a.AsSlice()})
	}
	for n := range 6 {
		ps = append(ps, &wire.Notify{NotifyType: wire.NotifyAdditionalIP4Address, Data: make([]byte, n)})
	}
	if got := forge(w, wire.ExchangeInformational, ps...); got != "" {
		t.Errorf("b answers %s", got)
	}
	w.B.Machine.Snapshot()
	if got := w.B.Machine.PeerAddresses(); len(got) != 1 || got[0] != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("b keeps %v", got)
	}
	w.DeliverAll()
	ps = nil
	for n := range 30 {
		ps = append(ps, &wire.Notify{NotifyType: wire.NotifyAdditionalIP4Address, Data: []byte{198, 51, 100, byte(n + 1)}})
	}
	forge(w, wire.ExchangeInformational, ps...)
	if got := w.B.Machine.PeerAddresses(); len(got) != 8 {
		t.Errorf("b keeps %d addresses", len(got))
	}
}

package ikev2_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

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
	w.DeliverAll()
	// COOKIE2 comes back with whatever is answered (RFC 4555 §4.2.5).
	update = append(update, &wire.Notify{NotifyType: wire.NotifyCookie2, Data: make([]byte, 8)})
	if got := forge(w, wire.ExchangeInformational, update...); got != "N(UNEXPECTED_NAT_DETECTED) N(COOKIE2)" {
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

// two is a tunnel whose ends agreed on MOBIKE and have two addresses each.
func two(t *testing.T) (w *transcript.World, addresses [4]netip.Addr) {
	t.Helper()
	for i, text := range []string{"192.0.2.1", "192.0.2.101", "192.0.2.2", "192.0.2.102"} {
		addresses[i] = netip.MustParseAddr(text)
	}
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE, a.LocalAddresses, b.LocalAddresses = true, true, addresses[:2:2], addresses[2:]
	w = transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Also, w.B.Also = addresses[1:2:2], addresses[3:]
	w.A.Up()
	w.DeliverAll()
	w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	return w, addresses
}

// A peer's address that is left for another one is one of its further addresses, and
// found again when the other one is silent (RFC 4555 §3.10).
func TestFormerAddressIsKept(t *testing.T) {
	w, at := two(t)
	for round, lost := range []netip.Addr{at[2], at[3], at[2]} {
		w.B.Unreachable = []netip.Addr{lost}
		w.A.Step(sa.Rekey{Children: true})
		w.Advance(40*time.Second, true)
		if err := transcript.Agree(w); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := w.A.Machine.Snapshot().IKE[0].Remote.Addr(); got == lost {
			t.Fatalf("round %d: a sends to %v", round, got)
		}
	}
	if got := w.B.Machine.PeerAddresses(); !slices.Equal(got, at[1:2]) {
		t.Errorf("b keeps %v of a", got)
	}
}

// Who moves between addresses that it has tells the peer which are the further ones
// now (RFC 4555 §3.6).
func TestAddressesAfterAMove(t *testing.T) {
	w, at := two(t)
	w.A.Addr, w.A.Also = at[1], at[:1:1]
	w.A.Step(sa.LocalAddress{Addr: at[1], Others: at[:1]})
	w.DeliverAll()
	if got := w.B.Machine.PeerAddresses(); !slices.Equal(got, at[:1]) {
		t.Errorf("b keeps %v of a, which is at %v now", got, at[1])
	}
}

// Addresses that were told from two addresses are told once more: the peer cannot know
// which of the two counts (RFC 4555 §3.6).
func TestAddressesToldOnTheMove(t *testing.T) {
	w, at := two(t)
	third := netip.MustParseAddr("192.0.2.202")
	w.B.Settings.LocalAddresses = append(w.B.Settings.LocalAddresses, third)
	w.B.Also = []netip.Addr{at[3], third}
	w.B.Step(sa.LocalAddress{Addr: at[2], Others: w.B.Also})
	w.Drop(0) // its request that tells of the third one
	w.B.Addr, w.B.Also = third, []netip.Addr{at[3]}
	w.B.Step(sa.LocalAddress{Addr: third, Others: w.B.Also}) // while it waits for the answer
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	if got := w.A.Machine.Snapshot().IKE[0].Remote.Addr(); got != third {
		t.Errorf("a sends to %v", got)
	}
	if got := w.A.Machine.PeerAddresses(); !slices.Equal(got, []netip.Addr{at[3]}) {
		t.Errorf("a keeps %v of b, which is at %v", got, third)
	}
}

// Where a list of addresses comes from is one of them (RFC 4555 §3.6).
func TestAddressOfTheHeaderIsKept(t *testing.T) {
	w, at := two(t)
	list := []wire.Payload{&wire.Notify{NotifyType: wire.NotifyAdditionalIP4Address, Data: at[2].AsSlice()}}
	for _, act := range w.B.Machine.Forge(w.Now, wire.ExchangeInformational, list...) {
		if s, ok := act.(sa.Send); ok {
			w.A.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: netip.AddrPortFrom(at[3], 4500)})
		}
	}
	if got := w.A.Machine.PeerAddresses(); !slices.Equal(got, []netip.Addr{at[2], at[3]}) {
		t.Errorf("a keeps %v", got)
	}
}

// The answer to an update says nothing of where we are if we moved meanwhile (RFC 4555
// §3.5).
func TestAnswerToAFormerUpdate(t *testing.T) {
	w := roaming(t)
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Flags.Response() && wire.FindNotify(ps, wire.NotifyCookie2) != nil {
			return []wire.Payload{notify(wire.NotifyUnacceptableAddresses, 0, nil)}
		}
		return ps
	}
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	w.Deliver(0)
	w.A.Addr = netip.MustParseAddr("192.0.2.78")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	answer := w.Drop(0)
	w.A.Receive(sa.Datagram{Raw: answer.Bytes, Local: answer.Destination, Remote: atB})
	w.B.Faulty = nil
	w.DeliverAll()
	if f := w.A.Snapshot().LastFailure; f != nil {
		t.Errorf("a took the answer for one about its new address: %v", f)
	}
	if got := w.B.Machine.Snapshot().IKE[0].Remote.Addr(); got != w.A.Addr {
		t.Errorf("b has a at %v", got)
	}
}

// The end that did not begin leaves the other time to find a path: its liveness check
// is sent as often as any request (RFC 4555 §3.11).
func TestResponderIsPatient(t *testing.T) {
	was := transcript.Retransmit
	transcript.Retransmit.Tries = 8
	t.Cleanup(func() { transcript.Retransmit = was })
	for mobike, want := range map[bool]int{true: 8, false: 5} {
		a, b := transcript.Pair()
		a.MOBIKE, b.MOBIKE, a.DPD = mobike, mobike, 0
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.DeliverAll()
		w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
		w.Advance(10*time.Second, true)
		sent := 0
		for range 600 {
			sent += len(w.Network)
			w.Network = nil
			w.Advance(time.Second, false)
		}
		if sent != want || up(w.B) {
			t.Errorf("MOBIKE %v: b asked %d times", mobike, sent)
		}
	}
}

// That the peer is to be asked whether it is where it says outlives a rekey (RFC 4555
// §3.7).
func TestRoutabilityIsAskedAfterARekey(t *testing.T) {
	w := roaming(t)
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	w.HoldWork = true
	w.B.Step(sa.Rekey{IKE: true}) // b makes its key share, and asks nothing meanwhile
	w.DeliverAll()
	w.HoldWork = false
	asked := false
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		asked = asked || !h.Flags.Response() && wire.FindNotify(ps, wire.NotifyCookie2) != nil
		return ps
	}
	w.Work()
	w.DeliverAll()
	if !asked {
		t.Error("b does not ask")
	}
}

// ESP that goes without UDP goes in UDP once there is a NAT, and without again when
// it is gone (RFC 4555 §3.5).
func TestEncapsulationFollowsTheNAT(t *testing.T) {
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE, a.BareESP, b.BareESP = true, true, true, true
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	for _, c := range []struct {
		nat  netip.Addr
		bare bool
	}{{netip.Addr{}, true}, {netip.MustParseAddr("198.51.100.9"), false}, {netip.Addr{}, true}} {
		w.NAT = c.nat
		w.Advance(time.Minute, true)
		if err := transcript.Agree(w); err != nil {
			t.Fatal(err)
		}
		for _, h := range []*transcript.Host{w.A, w.B} {
			if got := h.Snapshot().Children[0].Child.Bare; got != c.bare {
				t.Errorf("%s: NAT %v: ESP without UDP is %v", h.Name, c.nat, got)
			}
		}
	}
}

// A Child SA whose ESP goes without UDP, and which the peer is not known to receive on
// yet, is sent on without UDP when that is known, from where we are then.
func TestRegisteredWithoutUDPMoves(t *testing.T) {
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE, a.BareESP, b.BareESP = true, true, true, true
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.A.Up()
	w.DeliverAll()
	w.A.Step(sa.Rekey{Children: true}) // so b knows that a has its answer
	w.Advance(10*time.Second, true)
	old := w.A.Sends("net")
	w.B.Step(sa.Rekey{Children: true})
	w.Deliver(0)
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	if w.A.Sends("net") != old || len(w.A.Snapshot().Children) != 2 {
		t.Fatal("a sends on the new Child SA already")
	}
	w.Advance(10*time.Second, true)
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	if c := w.A.Sends("net"); c == nil || c.SPIIn == old.SPIIn || !c.Bare || c.Local.Addr() != w.A.Addr {
		t.Errorf("a sends with %+v", c)
	}
}

// ESP from where the peer should not be does not show that it knows where we are: it is
// asked, once in a while (RFC 4555 §3.12). Without MOBIKE there is nothing to know.
func TestESPFromElsewhere(t *testing.T) {
	for _, mobike := range []bool{true, false} {
		a, b := transcript.Pair()
		a.MOBIKE, b.MOBIKE = mobike, mobike
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.Advance(10*time.Second, true)
		asked := 0
		w.A.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if !h.Flags.Response() {
				asked++
			}
			return ps
		}
		spi := w.A.Snapshot().Children[0].Child.SPIIn
		for range 10 {
			w.A.Step(sa.EndpointSeen{SPI: spi, Local: atA, Remote: atB})
			w.DeliverAll()
		}
		if asked != 0 {
			t.Errorf("MOBIKE %v: a asks about ESP from where b is", mobike)
		}
		for range 10 {
			w.A.Step(sa.EndpointSeen{SPI: spi, Local: atA, Remote: netip.MustParseAddrPort("203.0.113.9:4500")})
			w.DeliverAll()
		}
		if (asked == 1) != mobike {
			t.Errorf("MOBIKE %v: a asks %d times", mobike, asked)
		}
	}
}

// Whose new address the peer does not accept gives the IKE SA up: the peer goes on to send
// to the old one (RFC 4555 §3.5).
func TestAddressThatIsNotAccepted(t *testing.T) {
	w := roaming(t)
	w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
		if h.Flags.Response() && wire.FindNotify(ps, wire.NotifyCookie2) != nil {
			return append([]wire.Payload{notify(wire.NotifyUnacceptableAddresses, 0, nil)}, ps...)
		}
		return ps
	}
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	w.DeliverAll()
	if f := w.A.Snapshot().LastFailure; f == nil || up(w.A) || up(w.B) || len(w.A.Inbound) != 0 {
		t.Errorf("a goes on, and says %v", f)
	}
}

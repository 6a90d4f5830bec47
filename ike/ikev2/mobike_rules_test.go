package ikev2_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// cookies2 are the COOKIE2 that a sends.
func cookies2(w *transcript.World) *[][]byte {
	var out [][]byte
	w.A.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		if n := wire.FindNotify(ps, wire.NotifyCookie2); n != nil {
			out = append(out, n.Data)
		}
		return ps
	}
	return &out
}

// COOKIE2 has 16 octets that nobody can foretell (RFC 4555 §3.7, §4.2.5), and one of up to
// 64 is given back as it came.
func TestCookie2(t *testing.T) {
	w := roaming(t)
	seen := cookies2(w)
	for _, addr := range []string{"192.0.2.77", "192.0.2.78"} {
		w.A.Addr = netip.MustParseAddr(addr)
		w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
		w.DeliverAll()
	}
	if len(*seen) < 2 || len((*seen)[0]) != 16 || bytes.Equal((*seen)[0], (*seen)[1]) || bytes.Equal((*seen)[0], bytes.Repeat((*seen)[0][:1], 16)) {
		t.Errorf("a sends %x", *seen)
	}
	for n, given := range map[int]bool{8: true, 64: true, 65: false} {
		w := roaming(t)
		sent := bytes.Repeat([]byte{7}, n)
		var back []byte
		w.B.Faulty = func(_ wire.Header, ps []wire.Payload) []wire.Payload {
			if n := wire.FindNotify(ps, wire.NotifyCookie2); n != nil {
				back = n.Data
			}
			return ps
		}
		forge(w, wire.ExchangeInformational, &wire.Notify{NotifyType: wire.NotifyCookie2, Data: sent})
		if bytes.Equal(back, sent) != given {
			t.Errorf("a COOKIE2 of %d octets is given back as %x", n, back)
		}
	}
}

// COOKIE2 of the responder's check after a move is random, too.
func TestCookie2OfTheResponder(t *testing.T) {
	var seen [][]byte
	for i := range 2 {
		w := roaming(t)
		w.B.Reseed(uint64(i))
		w.B.Faulty = func(h wire.Header, ps []wire.Payload) []wire.Payload {
			if n := wire.FindNotify(ps, wire.NotifyCookie2); n != nil && !h.Flags.Response() {
				seen = append(seen, n.Data)
			}
			return ps
		}
		w.A.Addr = netip.MustParseAddr("192.0.2.77")
		w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
		w.DeliverAll()
	}
	if len(seen) != 2 || len(seen[0]) != 16 || bytes.Equal(seen[0], seen[1]) {
		t.Errorf("b sends %x", seen)
	}
}

// Only who began the first IKE SA moves it: UPDATE_SA_ADDRESSES of the other end, and
// addresses that it tells from elsewhere, move nothing of the responder's (RFC 4555 §3.5,
// §3.6).
func TestWhoMayMove(t *testing.T) {
	elsewhere := netip.MustParseAddrPort("203.0.113.9:4500")
	send := func(from, to *transcript.Host, w *transcript.World, ps ...wire.Payload) {
		for _, act := range from.Machine.Forge(w.Now, wire.ExchangeInformational, ps...) {
			if s, ok := act.(sa.Send); ok {
				to.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: elsewhere})
			}
		}
	}
	w := roaming(t)
	send(w.B, w.A, w, notify(wire.NotifyUpdateSAAddresses, 0, nil))
	if i := w.A.Machine.Snapshot().IKE[0]; i.Remote == elsewhere {
		t.Error("b, which did not begin, moved the IKE SA")
	}
	w = roaming(t)
	send(w.A, w.B, w, &wire.Notify{NotifyType: wire.NotifyAdditionalIP4Address, Data: []byte{192, 0, 2, 55}})
	if i := w.B.Machine.Snapshot().IKE[0]; i.Remote == elsewhere {
		t.Error("b follows addresses that a told, without an update")
	}
}

// An update moves the Child SAs, as those who ask for their addresses see (RFC 4555 §3.5).
func TestChildSAsMove(t *testing.T) {
	w := roaming(t)
	w.A.Addr = netip.MustParseAddr("192.0.2.77")
	w.A.Step(sa.LocalAddress{Addr: w.A.Addr})
	w.DeliverAll()
	a, b := w.A.Snapshot().Children[0].Child, w.B.Snapshot().Children[0].Child
	if a.Local.Addr() != w.A.Addr || b.Remote.Addr() != w.A.Addr {
		t.Errorf("the Child SA is between %v and %v at a, %v and %v at b", a.Local, a.Remote, b.Local, b.Remote)
	}
}

// ESP of a peer behind a NAT moves it with MOBIKE, too (RFC 4555 §3.10, RFC 7296 §2.23).
func TestESPMovesWhoIsBehindANAT(t *testing.T) {
	a, b := transcript.Pair()
	a.MOBIKE, b.MOBIKE = true, true
	w := transcript.New(a, b, nil)
	w.NAT, w.NATShift = netip.MustParseAddr("198.51.100.9"), 20000
	w.Stand()
	at := netip.MustParseAddrPort("198.51.100.9:40001")
	w.B.Step(sa.EndpointSeen{SPI: w.B.Sends("net").SPIIn, Local: atB, Remote: at})
	if i := w.B.Machine.Snapshot().IKE[0]; i.Remote != at {
		t.Errorf("b still sends to %v", i.Remote)
	}
}

// NO_NATS_ALLOWED has both addresses and both ports: a change of a port alone is seen (RFC
// 4555 §3.9, §4.2.6).
func TestPortThatANATChanged(t *testing.T) {
	for _, from := range []string{"192.0.2.1:4500", "192.0.2.1:4501"} {
		w := roaming(t)
		data := slices.Concat([]byte{192, 0, 2, 1, 192, 0, 2, 2}, []byte{4500 >> 8, 4500 & 0xff, 4500 >> 8, 4500 & 0xff})
		w.B.Actions = nil
		for _, act := range w.A.Machine.Forge(w.Now, wire.ExchangeInformational, &wire.Notify{NotifyType: wire.NotifyNoNATsAllowed, Data: data}) {
			if s, ok := act.(sa.Send); ok {
				w.B.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: netip.MustParseAddrPort(from)})
			}
		}
		want := ""
		if from != "192.0.2.1:4500" {
			want = "N(UNEXPECTED_NAT_DETECTED)"
		}
		if got := answer(w.B); got != want {
			t.Errorf("from %s: b answers %q", from, got)
		}
	}
}

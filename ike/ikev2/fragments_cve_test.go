package ikev2_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev2"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// cutting is two hosts that cut messages, of which a has a long identity.
func cutting(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	long := auth.Identity{Type: wire.IDKeyID, Data: strings.Repeat("x", 2000)}
	a.LocalIdentity, b.RemoteIdentity = long, long
	a.FragmentSize, b.FragmentSize = ikev2.DefaultFragmentSize, ikev2.DefaultFragmentSize
	return transcript.New(a, b, func(line string) { t.Log(line[:min(len(line), 200)]) })
}

// ipLen is how long the IP datagram of a packet is.
func ipLen(p *transcript.Packet) int { return 20 + 8 + 4 + len(p.Bytes) }

// A path that loses everything longer than 600 octets: the request is cut anew,
// and the answer then comes in pieces of the same size (RFC 7383 §2.5.2).
func TestNarrowPathIsFound(t *testing.T) {
	w := cutting(t)
	w.B.Settings.LocalIdentity, w.A.Settings.RemoteIdentity = w.A.Settings.LocalIdentity, w.A.Settings.LocalIdentity
	narrow := func() {
		w.Network = slices.DeleteFunc(w.Network, func(p *transcript.Packet) bool { return ipLen(p) > 600 })
		w.DeliverAll()
	}
	w.A.Up()
	for range 40 {
		for len(w.Network) > 0 {
			narrow()
		}
		w.Advance(250*time.Millisecond, false)
	}
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
}

// What is cut anew has all its tries before it, from the shortest wait on, and goes on
// until they are used up (RFC 7383 §2.5.2).
func TestCutAnewBeginsTheScheduleAnew(t *testing.T) {
	w := cutting(t)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	var sent []time.Duration // of the first datagram of each try
	begin, last := w.Now, time.Time{}
	for ; w.Now.Sub(begin) < 5*time.Minute; w.Advance(50*time.Millisecond, false) {
		if len(w.Network) > 0 && w.Now != last {
			sent, last = append(sent, w.Now.Sub(begin)), w.Now
		}
		w.Network = nil
	}
	tries := transcript.Retransmit.Tries
	if len(sent) != 2+tries {
		t.Fatalf("sent at %v: 2 sends before it was cut anew and %d from then on are due", sent, tries)
	}
	if before, after := sent[1]-sent[0], sent[3]-sent[2]; after > before+200*time.Millisecond {
		t.Errorf("the first wait is %v, and %v after it was cut anew", before, after)
	}
}

// CVE-2016-1287 (Cisco ASA): the lengths of fragments were added up wrongly.
func TestCVE_2016_1287_FragmentsOfMoreThanAMessage(t *testing.T) {
	w := cutting(t)
	w.A.Up()
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	for n := uint16(1); n <= 66; n++ {
		w.B.Receive(sa.Datagram{Raw: w.A.Machine.ForgeFragment(wire.ExchangeInformational, n, 100, make([]byte, 1000)),
			Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
	}
	// The peer is authentic and breaks the protocol: that ends the IKE SA, and
	// nothing else.
	if up(w.B) {
		t.Error("66,000 octets in fragments of one message were taken")
	}
}

// CVE-2026-12413 (libreswan): a fragment with many payloads outside of it.
func TestCVE_2026_12413_PayloadsBesideAFragment(t *testing.T) {
	w := cutting(t)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	fragment := w.Network[0].Bytes
	outer, err := wire.ParseMessage(fragment)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 20, wire.MaxPayloads - 1, wire.MaxPayloads, 500} {
		raw := append([]byte(nil), fragment[:wire.HeaderLen]...)
		raw[16] = 200 // the type of an unknown payload
		for i := range n {
			next := byte(200)
			if i == n-1 {
				next = byte(wire.PayloadSKF)
			}
			raw = append(raw, next, 0, 0, 4)
		}
		raw = append(raw, fragment[wire.HeaderLen:]...)
		raw[24], raw[25], raw[26], raw[27] = 0, 0, byte(len(raw)>>8), byte(len(raw))
		w.B.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Errorf("after strange copies of %v: %v", outer.Header, err)
	}
}

// What the integrity of a message holds for is still none of it if there are payloads
// outside of the encryption: the true one is waited for.
func TestPayloadsBesideTheEncryption(t *testing.T) {
	for _, cut := range []bool{false, true} {
		w := cutting(t)
		w.A.Up()
		w.DeliverAll()
		w.B.Actions = nil
		w.B.Receive(sa.Datagram{Raw: w.A.Machine.ForgeBeside(wire.ExchangeInformational, cut),
			Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
		if got := answer(w.B); got != "nothing" {
			t.Errorf("cut %v: b answers %q", cut, got)
		}
		if got := forge(w, wire.ExchangeInformational); got != "" {
			t.Errorf("cut %v: b answers %q to the true request", cut, got)
		}
	}
}

// Fragments of a message that never becomes complete are forgotten after a
// while, and the message can still come.
func TestPartialMessagesAreForgotten(t *testing.T) {
	w := cutting(t)
	w.A.Up()
	w.DeliverAll()
	d := sa.Datagram{Raw: w.A.Machine.ForgeFragment(wire.ExchangeInformational, 2, 3, make([]byte, 100)),
		Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")}
	w.B.Receive(d)
	if n := w.B.Machine.HeldFragments(); n != 1 {
		t.Fatalf("b holds %d fragments", n)
	}
	w.Advance(2*time.Minute, true)
	if n := w.B.Machine.HeldFragments(); n != 0 {
		t.Errorf("b holds %d fragments after two minutes", n)
	}
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

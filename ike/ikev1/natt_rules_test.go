package ikev1

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/transform"
)

// NAT-D is the negotiated hash of cookies, address and port: the peer's first, then ours,
// with every bit turned to claim a NAT (RFC 3947 §3.2). What the peer sends is of our
// address first.
func TestHashesOfNATDiscovery(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA256)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("192.0.2.2:500")
	hash := func(at netip.AddrPort) []byte {
		b := binary.BigEndian.AppendUint64(nil, 1)
		b = append(binary.BigEndian.AppendUint64(b, 2), at.Addr().AsSlice()...)
		sum := sha256.Sum256(binary.BigEndian.AppendUint16(b, at.Port()))
		return sum[:]
	}
	for _, claim := range []bool{false, true} {
		a := &association{cookieI: 1, cookieR: 2, prf: prf, local: ours, remote: theirs, peer: abilities{natt: nattRFC}}
		own := hash(ours)
		if claim {
			for i := range own {
				own[i] ^= 0xff
			}
		}
		ps := a.natPayloads(claim)
		first, second := ps[0].(*isakmp.NATDiscovery), ps[1].(*isakmp.NATDiscovery)
		if !bytes.Equal(first.Hash, hash(theirs)) || !bytes.Equal(second.Hash, own) || a.nat.encapsulate != claim {
			t.Errorf("claimed %v: %x and %x", claim, first.Hash, second.Hash)
		}
	}
	elsewhere := hash(netip.MustParseAddrPort("198.51.100.9:40000"))
	for _, c := range []struct {
		first, second []byte
		want          string
	}{{hash(ours), hash(theirs), "none"}, {elsewhere, hash(theirs), "local"}, {hash(ours), elsewhere, "remote"}, {elsewhere, elsewhere, "both"}} {
		a := &association{cookieI: 1, cookieR: 2, prf: prf, local: ours, remote: theirs, peer: abilities{natt: nattRFC}}
		a.detectNAT([]isakmp.Payload{&isakmp.NATDiscovery{Hash: c.first}, &isakmp.NATDiscovery{Hash: c.second}})
		if a.nat.String() != c.want {
			t.Errorf("a NAT is seen at %v, want %s", a.nat, c.want)
		}
	}
}

// The mode of encapsulation says UDP where there is a NAT, with the numbers of the form that
// was agreed on, and both are understood (RFC 3947 §5.1).
func TestModesOfEncapsulation(t *testing.T) {
	for _, c := range []struct {
		form        nattForm
		encapsulate bool
		ours        uint16
		taken       []uint16
	}{
		{nattNone, false, isakmp.ModeTunnel, []uint16{isakmp.ModeTunnel}},
		{nattRFC, false, isakmp.ModeTunnel, []uint16{isakmp.ModeTunnel, isakmp.ModeUDPTunnel, isakmp.ModeUDPTunnelDraft}},
		{nattRFC, true, isakmp.ModeUDPTunnel, []uint16{isakmp.ModeUDPTunnel, isakmp.ModeUDPTunnelDraft}},
		{nattDraft, true, isakmp.ModeUDPTunnelDraft, []uint16{isakmp.ModeUDPTunnel, isakmp.ModeUDPTunnelDraft}},
	} {
		a := &association{peer: abilities{natt: c.form}, nat: natState{encapsulate: c.encapsulate}}
		var taken []uint16
		for _, m := range []uint16{isakmp.ModeTunnel, isakmp.ModeUDPTunnel, isakmp.ModeUDPTunnelDraft} {
			if a.takesMode(m) {
				taken = append(taken, m)
			}
		}
		if a.mode() != c.ours || len(taken) != len(c.taken) || taken[0] != c.taken[0] {
			t.Errorf("%+v: we say %d, and take %v", c, a.mode(), taken)
		}
	}
}

// R-U-THERE goes to peers that know it; its answer has its number, and one with another
// number answers nothing (RFC 3706 §5.1 to §5.4).
func TestNumbersOfLivenessChecks(t *testing.T) {
	d := joined(t)
	s := d.b.m.current()
	if s.livenessAt().IsZero() {
		t.Error("a peer that knows R-U-THERE is not asked")
	}
	s.peer.dpd = false
	if !s.livenessAt().IsZero() {
		t.Error("a peer that does not know R-U-THERE is asked")
	}
	s.peer.dpd = true
	open := check{number: 7, tries: 1, dueAt: time.Unix(1, 0)}
	for number, ends := range map[byte]bool{6: false, 7: true} {
		c := open
		if c.acknowledge(&isakmp.Notification{Data: []byte{0, 0, 0, number}}); (c.tries == 0) != ends {
			t.Errorf("an answer with number %d ends the question %v", number, c.tries == 0)
		}
	}
	d.wire = nil
	d.b.receive(d.a.forge(isakmp.ExchangeInformational, 77, same, d.a.m.current().notification(isakmp.RUThere, []byte{1, 2, 3, 4})))
	if len(d.wire) != 1 {
		t.Fatalf("%d answers", len(d.wire))
	}
	m, err := isakmp.ParseMessage(d.wire[0].raw)
	if err != nil {
		t.Fatal(err)
	}
	mine := d.a.m.current()
	o, err := mine.open(m, phaseTwoIV(mine, m.MessageID))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := isakmp.Find[*isakmp.Notification](o.payloads); !ok || n.NotifyType != isakmp.RUThereAck || !bytes.Equal(n.Data, []byte{1, 2, 3, 4}) {
		t.Errorf("b answers with %+v", n)
	}
}

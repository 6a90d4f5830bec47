package ikev1

import (
	"encoding/binary"
	"testing"
	"time"

	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
)

// TestCommitBit: nobody waits for a CONNECTED because of the commit bit, whoever
// sets it (RFC 2409 §5.5 leaves it open; no device needs it), and one that comes
// changes nothing.
func TestCommitBit(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	for len(d.wire) > 0 {
		d.wire[0].raw[19] |= byte(isakmp.FlagCommit)
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	d.wantUp()
	spi := binary.BigEndian.AppendUint32(nil, d.b.m.children[0].SPIIn)
	d.a.receive(d.b.forge(isakmp.ExchangeInformational, 77, same,
		&isakmp.Notification{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtocolESP, SPI: spi, NotifyType: isakmp.Connected}))
	d.advance(time.Minute)
	d.wantUp()
}

// TestAuthenticationOnly: what is authenticated and not encrypted, which the bit
// announces (RFC 2408 §3.1), is not acted on: phase 2 is encrypted.
func TestAuthenticationOnly(t *testing.T) {
	d := joined(t)
	s := d.b.m.current()
	all, err := s.hashed(99, nil, deletion(s, d.b.m.children[0].Child))
	if err != nil {
		t.Fatal(err)
	}
	h := s.header(isakmp.ExchangeInformational, 99)
	h.Flags = isakmp.FlagAuthentication
	raw, err := clearMessage(h, all)
	if err != nil {
		t.Fatal(err)
	}
	d.a.receive(packet{d.a, s.remote, s.local, raw})
	d.settle()
	d.wantUp()
}

// TestRelics: exchanges, protocols and modes that nobody should ask for are
// refused, and the SAs that are there stay.
func TestRelics(t *testing.T) {
	for _, exchange := range []isakmp.ExchangeType{1, 3, 33, 240} { // Base, Authentication Only, New Group, private
		d := joined(t)
		d.a.receive(d.b.forge(exchange, 5, same, deletion(d.b.m.current(), d.b.m.children[0].Child)...))
		d.settle()
		d.wantUp()
	}
	tunnel := func(p isakmp.Protocol, id uint8, mode uint16) isakmp.Proposal {
		return isakmp.Proposal{Number: 1, Protocol: p, SPI: []byte{1, 2, 3, 4}, Transforms: []isakmp.Transform{{Number: 1, ID: id, Attributes: []isakmp.Attribute{
			isakmp.Short(isakmp.AttrIPsecMode, mode), isakmp.Short(isakmp.AttrIPsecKeyLength, 256), isakmp.Short(isakmp.AttrIPsecAuth, isakmp.IPsecHMACSHA256)}}}}
	}
	for name, offer := range map[string][]isakmp.Proposal{
		"AH":             {tunnel(isakmp.ProtocolAH, 5, isakmp.ModeUDPTunnel)},
		"transport mode": {tunnel(isakmp.ProtocolESP, isakmp.ESPAESCBC, isakmp.ModeUDPTransport)},
		"IPCOMP beside":  {tunnel(isakmp.ProtocolESP, isakmp.ESPAESCBC, isakmp.ModeUDPTunnel), tunnel(isakmp.ProtocolIPCOMP, 2, isakmp.ModeUDPTunnel)},
		"DES":            {tunnel(isakmp.ProtocolESP, isakmp.ESPDES, isakmp.ModeUDPTunnel)},
	} {
		t.Run(name, func(t *testing.T) {
			d := joined(t)
			w := d.b.settings.Children[0]
			d.a.receive(d.b.forge(isakmp.ExchangeQuick, 6, same, &isakmp.SecurityAssociation{Proposals: offer},
				&isakmp.Nonce{Data: make([]byte, 32)}, idOf(w.Local[0]), idOf(w.Remote[0])))
			want := sa.ReasonProposalMismatch
			if name == "transport mode" { // which is not wanted here
				want = sa.ReasonModeMismatch
			}
			if r := d.a.reason(); r != want {
				t.Errorf("the reason is %q", r)
			}
			d.settle()
			d.wantUp()
		})
	}
}

// TestKilobytes: a lifetime in kilobytes that a peer names in either form counts
// if it is lower, and one of its answer alone (RESPONDER-LIFETIME) as well.
func TestKilobytes(t *testing.T) {
	for _, c := range []struct{ a, b, want uint64 }{
		{100 << 30, 10 << 30, 10 << 30}, {10 << 30, 100 << 30, 10 << 30}, {0, 10 << 30, 10 << 30}, {10 << 30, 0, 10 << 30}, {0, 0, 0},
		{60000 << 10, 0, 60000 << 10}, // as two octets
	} {
		d := newDuo(t, func(a, b *sa.Settings) { a.ChildLifetime.Bytes, b.ChildLifetime.Bytes = c.a, c.b })
		d.a.up()
		d.settle()
		d.wantUp()
		for _, e := range []*end{d.a, d.b} {
			if child := e.m.Snapshot().Children[0].Child; child.Hard.Bytes != c.want || c.want > 0 && child.Soft.Bytes >= c.want {
				t.Errorf("%d and %d: %s has %d, soft %d", c.a, c.b, e.name, child.Hard.Bytes, child.Soft.Bytes)
			}
		}
	}
}

package ikev1

import (
	"crypto/rsa"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/pki"
)

// What broke other implementations before the peer was known: further CVEs.

// CVE-2026-50721: libreswan did not check how long the hash in an RSA signature is,
// so that with a small exponent anybody could make one.
func TestCVE_2026_50721_SignatureOfAnotherLength(t *testing.T) {
	key := pki.RSA(2048, 0)
	hash := make([]byte, 32)
	hash[31] = 1
	good, err := auth.SignHash(nil, key, hash)
	if err != nil || auth.VerifyHash(key.Public(), hash, good) != nil {
		t.Fatalf("a true signature: %v, %v", err, auth.VerifyHash(key.Public(), hash, good))
	}
	for _, other := range [][]byte{{}, hash[:16], hash[:31], append(slices.Clone(hash), 0), make([]byte, 32)} {
		if sig, err := auth.SignHash(nil, key, other); err == nil && auth.VerifyHash(key.Public(), hash, sig) == nil {
			t.Errorf("a signature of %d other octets is taken for one of the hash", len(other))
		}
	}
	for _, sig := range [][]byte{nil, {0}, make([]byte, 256), good[:255], append([]byte{0}, good...)} {
		if auth.VerifyHash(key.Public(), hash, sig) == nil {
			t.Errorf("%d octets are taken for a signature", len(sig))
		}
	}

	// The cube root of padding, hash and whatever comes behind it.
	small := &rsa.PublicKey{N: key.Public().(*rsa.PublicKey).N, E: 3}
	begins := append([]byte{0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 0}, hash...)
	if auth.VerifyHash(small, hash, pki.Forgery(begins, 256)) == nil {
		t.Error("a forged signature of exponent 3 is taken")
	}
}

// exchanges are every kind of exchange, known or not.
var exchanges = []isakmp.ExchangeType{0, 1, isakmp.ExchangeMain, 3, isakmp.ExchangeAggressive, isakmp.ExchangeInformational,
	isakmp.ExchangeTransaction, isakmp.ExchangeQuick, 33, 34, 255}

// strange sends one message of each kind to b, with these cookies, in the clear and
// as if encrypted.
func (d *duo) strange(cookieI, cookieR uint64, ps ...isakmp.Payload) {
	d.t.Helper()
	for _, ex := range exchanges {
		for _, id := range []uint32{0, 77} {
			for _, flags := range []isakmp.Flags{0, isakmp.FlagEncryption, isakmp.FlagCommit, isakmp.FlagAuthentication, 0xff} {
				h := isakmp.Header{InitiatorCookie: cookieI, ResponderCookie: cookieR, Exchange: ex, MessageID: id, Flags: flags}
				m := isakmp.Message{Header: h, Payloads: ps}
				if flags.Encrypted() {
					m.Payloads, m.Body = nil, make([]byte, 64)
					m.NextPayload = isakmp.PayloadHASH
				}
				raw, err := m.Append(nil)
				if err != nil {
					d.t.Fatal(err)
				}
				d.b.receive(packet{d.b, netip.AddrPortFrom(d.b.addr, 500), netip.AddrPortFrom(d.a.addr, 500), raw})
			}
		}
	}
	d.wire = nil
}

// CVE-2020-1763 and CVE-2022-23094: a message for which there is no state made
// libreswan log what was not there.
func TestCVE_2020_1763_MessageWithoutState(t *testing.T) {
	d := newDuo(t)
	ps := []isakmp.Payload{&isakmp.Notification{DOI: 1, Protocol: isakmp.ProtocolISAKMP, NotifyType: isakmp.NoProposalChosen},
		&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}}}}
	before := len(d.b.out)
	d.strange(0x1111, 0x2222, ps...)
	d.strange(0x1111, 0, ps...)
	if n := len(d.b.out) - before; n > 2*len(exchanges) {
		t.Errorf("%d messages without state get %d answers", 2*2*5*len(exchanges), n)
	}
	d.a.up()
	d.advance(10 * time.Second)
	d.wantUp()
}

// CVE-2022-23094: the same for what names one cookie of an SA that is there.
func TestCVE_2022_23094_MessageWithHalfACookie(t *testing.T) {
	d := joined(t)
	s := d.a.m.current()
	for _, pair := range [][2]uint64{{s.cookieI, 0}, {s.cookieI, 1}, {1, s.cookieR}, {s.cookieR, s.cookieI}, {s.cookieI, s.cookieI}} {
		d.strange(pair[0], pair[1], &isakmp.Notification{DOI: 1, Protocol: isakmp.ProtocolISAKMP, NotifyType: isakmp.InitialContact})
	}
	d.advance(time.Minute)
	d.wantUp()
}

// CVE-2023-30570: a message that names the responder's cookie of an SA whose
// proposal was refused.
func TestCVE_2023_30570_CookieOfARefusedOffer(t *testing.T) {
	d := newDuo(t, func(_, b *sa.Settings) { b.IKEProposals = proposals(t, transform.IKE, "aes192-sha512-modp3072") })
	d.a.up()
	first := d.wire[0]
	d.settle()
	m, err := isakmp.ParseMessage(first.raw)
	if err != nil || d.b.reason() != sa.ReasonProposalMismatch {
		t.Fatalf("%v, b says %q", err, d.b.reason())
	}
	cookieR := uint64(1)
	for _, raw := range d.b.out { // what b said of itself
		if h, err := isakmp.ParseHeader(raw); err == nil && h.ResponderCookie != 0 {
			cookieR = h.ResponderCookie
		}
	}
	d.strange(m.InitiatorCookie, cookieR, m.Payloads...)
	d.strange(m.InitiatorCookie, 0, m.Payloads...)
	if len(d.b.m.sas) != 0 || len(d.b.inbound) != 0 {
		t.Errorf("b has %d ISAKMP SAs", len(d.b.m.sas))
	}
}

// CVE-2015-3204: bits of the IPsec DOI that are not assigned, and payload types
// that only appear inside others.
func TestCVE_2015_3204_UnassignedSituation(t *testing.T) {
	for i, change := range []func(body []byte) []byte{
		func(b []byte) []byte { return b },                          // as it is
		func(b []byte) []byte { b[7] = 0xff; return b },             // the situation
		func(b []byte) []byte { b[4], b[7] = 0xff, 0x00; return b }, // none of it known
		func(b []byte) []byte { b[3] = 9; return b },                // another DOI
		func(b []byte) []byte { b[8] = 11; return b },               // behind the proposal
		func(b []byte) []byte { return b[:8] },                      // nothing behind it
	} {
		d := newDuo(t)
		d.a.up()
		p := d.wire[0]
		m, err := isakmp.ParseMessage(p.raw)
		if err != nil {
			t.Fatal(err)
		}
		offer, _ := isakmp.Find[*isakmp.SecurityAssociation](m.Payloads)
		body := change(slices.Clone(isakmp.Body(offer)))
		m.InitiatorCookie++
		m.Payloads = slices.Clone(m.Payloads)
		at := slices.Index(m.Payloads, isakmp.Payload(offer))
		m.Payloads[at] = &isakmp.Unknown{PayloadType: isakmp.PayloadSA, Data: body}
		raw, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		d.b.receive(packet{p.to, p.local, p.remote, raw})
		if answered := d.b.acceptor.HalfOpen() == 1; answered != (i == 0) {
			t.Errorf("change %d: b answers: %v", i, answered)
		}
		for _, typ := range []isakmp.PayloadType{2, 3, 14, 15, 16, 127} {
			m.Payloads[at] = &isakmp.Unknown{PayloadType: typ, Data: body}
			if raw, err := m.Append(nil); err == nil {
				d.b.receive(packet{p.to, p.local, p.remote, raw})
			}
		}
		d.advance(time.Minute)
		d.wantUp()
	}
}

// CVE-2024-2357: there is no pre-shared key, and the peer repeats itself.
func TestCVE_2024_2357_NoKeyAndRetransmission(t *testing.T) {
	d := newDuo(t, func(_, b *sa.Settings) { b.PSK = auth.Secret{} })
	d.a.up()
	for i := 0; len(d.wire) > 0 && i < 100; i++ {
		p := d.wire[0]
		d.wire = d.wire[1:]
		for range 3 {
			p.to.receive(packet{p.to, p.local, p.remote, slices.Clone(p.raw)})
		}
	}
	d.advance(2 * time.Minute)
	for _, e := range []*end{d.a, d.b} {
		if len(e.inbound) != 0 || len(e.m.sas) != 0 {
			t.Errorf("%s has %d Child SAs and %d ISAKMP SAs", e.name, len(e.inbound), len(e.m.sas))
		}
	}
	if d.b.reason() == "" {
		t.Error("b does not say why")
	}
}

// CVE-2022-34721 of Windows: the length of something in IKEv1 was not checked before
// the peer is known; the advisory does not say of what. Here are lengths of payloads
// that are skipped, with Windows' own vendor ID, true and false.
func TestCVE_2022_34721_LengthsOfWhatIsSkipped(t *testing.T) {
	realm := []byte{0x68, 0x6a, 0x8c, 0xbd, 0xfe, 0x63, 0x4b, 0x40, 0x51, 0x46, 0xfb, 0x2b, 0xaf, 0x33, 0xe9, 0xe8}
	for _, mode := range []func(a, b *sa.Settings){func(_, _ *sa.Settings) {}, aggressive} {
		for n := range len(realm) + 1 {
			d := newDuo(t, mode)
			changed := d.tampered(func(m *isakmp.Message) bool {
				m.Payloads = append(m.Payloads, &isakmp.VendorID{Data: realm[:n]})
				return true
			})
			d.advance(10 * time.Second)
			if changed == 0 {
				t.Fatal("nothing was changed: the test proves nothing")
			}
			d.wantUp()
		}
		for _, length := range []uint16{0, 1, 3, 5, 19, 21, 0x7fff, 0xffff} {
			d := newDuo(t, mode)
			d.a.up()
			first := d.wire[0]
			m, err := isakmp.ParseMessage(first.raw)
			if err != nil {
				t.Fatal(err)
			}
			m.Payloads = append(m.Payloads, &isakmp.VendorID{Data: realm})
			raw, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			binary.BigEndian.PutUint16(raw[len(raw)-len(realm)-2:], length)
			d.b.receive(packet{first.to, first.local, first.remote, raw})
			if len(d.wire) > 1 {
				t.Errorf("a payload of 20 octets that says %d is answered", length)
			}
			d.advance(10 * time.Second)
			d.wantUp()
		}
	}
}

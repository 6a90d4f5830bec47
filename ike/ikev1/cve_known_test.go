package ikev1

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/pki"
)

// Further kinds of what broke other implementations, and IKEv1 itself.

// tampered brings a up, with each message in the clear changed on its way. It tells
// how many were.
func (d *duo) tampered(change func(*isakmp.Message) bool) (changed int) {
	d.t.Helper()
	d.a.up()
	for i := 0; len(d.wire) > 0 && i < 50; i++ {
		p := d.wire[0]
		d.wire = d.wire[1:]
		if m, err := isakmp.ParseMessage(p.raw); err == nil && !m.Flags.Encrypted() && change(m) {
			changed++
			if p.raw, err = m.Append(nil); err != nil {
				d.t.Fatal(err)
			}
		}
		p.to.receive(p)
	}
	return changed
}

func group(id uint16) func(a, b *sa.Settings) {
	return func(a, b *sa.Settings) {
		suites := transform.DefaultIKEv1Proposals()[:1]
		p := transform.Proposal{Protocol: suites[0].Protocol, Transforms: slices.DeleteFunc(slices.Clone(suites[0].Transforms),
			func(t transform.Transform) bool { return t.Type == transform.KeyExchange })}
		p.Transforms = append(p.Transforms, transform.Transform{Type: transform.KeyExchange, ID: id})
		a.IKEProposals, b.IKEProposals = []transform.Proposal{p}, []transform.Proposal{p}
	}
}

var groups = []uint16{transform.MODP1024, transform.MODP1536, transform.MODP2048, transform.MODP3072, transform.MODP4096, transform.ECP256, transform.ECP384, transform.ECP521}

// CVE-2023-41913 of strongSwan: a public value longer than its group has room for.
func TestCVE_2023_41913_KeyShareOfAnyLength(t *testing.T) {
	for _, id := range groups {
		for _, mode := range []func(a, b *sa.Settings){func(_, _ *sa.Settings) {}, aggressive} {
			for _, length := range []int{0, 1, -1, +1, 4096, 60000} {
				d := newDuo(t, group(id), mode)
				changed := d.tampered(func(m *isakmp.Message) bool {
					ke, ok := isakmp.Find[*isakmp.KeyExchange](m.Payloads)
					if !ok {
						return false
					}
					if length == -1 || length == 1 {
						ke.Data = append(ke.Data, 0)[:len(ke.Data)+length]
					} else {
						ke.Data = bytes.Repeat([]byte{7}, length)
					}
					return true
				})
				if changed == 0 || len(d.a.inbound)+len(d.b.inbound) != 0 || d.b.m.current() != nil {
					t.Errorf("group %d, %d octets: %d changed, and there are SAs", id, length, changed)
				}
			}
		}
	}
}

// CVE-2026-35332 of strongSwan, and invalid curves: points that are on no curve.
func TestCVE_2026_35332_PointsOnNoCurve(t *testing.T) {
	for _, id := range []uint16{transform.ECP256, transform.ECP384, transform.ECP521} {
		for name, point := range map[string]func([]byte){
			"zero": func(b []byte) { clear(b) }, "too large": func(b []byte) { copy(b, bytes.Repeat([]byte{255}, len(b))) },
			"off the curve": func(b []byte) { b[len(b)-1] ^= 1 },
		} {
			d := newDuo(t, group(id))
			d.tampered(func(m *isakmp.Message) bool {
				ke, ok := isakmp.Find[*isakmp.KeyExchange](m.Payloads)
				if ok {
					point(ke.Data)
				}
				return ok
			})
			if a, b := d.a.reason(), d.b.reason(); len(d.b.inbound) != 0 || a != sa.ReasonInvalidKE && b != sa.ReasonInvalidKE {
				t.Errorf("group %d, a point that is %s: a says %q and b %q", id, name, a, b)
			}
		}
	}
}

// offering brings a up with another offer in its first message, and tells whether b
// refused it.
func offering(t *testing.T, change func(*isakmp.Transform)) bool {
	d := newDuo(t)
	d.tampered(func(m *isakmp.Message) bool {
		offer, ok := isakmp.Find[*isakmp.SecurityAssociation](m.Payloads)
		if !ok || m.ResponderCookie != 0 {
			return false
		}
		for i := range offer.Proposals[0].Transforms {
			change(&offer.Proposals[0].Transforms[i])
		}
		return true
	})
	return len(d.b.acceptor.halves) == 0 && (d.b.reason() == sa.ReasonProposalMismatch || d.b.reason() == sa.ReasonAuthenticationFailed)
}

func attribute(kind, value uint16) func(*isakmp.Transform) {
	return func(t *isakmp.Transform) {
		t.Attributes = slices.DeleteFunc(slices.Clone(t.Attributes), func(a isakmp.Attribute) bool { return a.Type == kind })
		if value != 0 {
			t.Attributes = append(t.Attributes, isakmp.Short(kind, value))
		}
	}
}

// CVE-2016-5391 of libreswan: an offer without a group.
func TestCVE_2016_5391_OfferWithoutGroup(t *testing.T) {
	if offering(t, func(*isakmp.Transform) {}) {
		t.Fatal("an offer that is whole is refused: the test proves nothing")
	}
	for _, kind := range []uint16{isakmp.AttrGroup, isakmp.AttrEncryption, isakmp.AttrHash, isakmp.AttrAuth} {
		if !offering(t, attribute(kind, 0)) {
			t.Errorf("an offer without attribute %d is taken", kind)
		}
	}
}

// CVE-2016-3071 of libreswan: algorithms that have a number and that nothing here
// implements.
func TestCVE_2016_3071_AlgorithmsThatAreMissing(t *testing.T) {
	for hash := uint16(1); hash < 16; hash++ {
		if hash != isakmp.HashSHA1 && (hash < isakmp.HashSHA256 || hash > isakmp.HashSHA512) && !offering(t, attribute(isakmp.AttrHash, hash)) {
			t.Errorf("hash %d is taken", hash)
		}
	}
	for cipher := uint16(1); cipher < 16; cipher++ {
		if cipher != 7 && !offering(t, attribute(isakmp.AttrEncryption, cipher)) { // 7 is AES
			t.Errorf("cipher %d is taken", cipher)
		}
	}
}

// CVE-2018-10811 of strongSwan: a PRF, which in IKEv1 is the HMAC of the hash or an
// attribute of its own, that was negotiated though nothing makes it.
func TestCVE_2018_10811_PRFThatIsMissing(t *testing.T) {
	for _, hash := range []uint16{isakmp.HashMD5, 3, 65000} { // 3 is Tiger
		if !offering(t, attribute(isakmp.AttrHash, hash)) {
			t.Errorf("the HMAC of hash %d is taken", hash)
		}
	}
	const prf = 13 // RFC 2409 appendix A: no value is assigned
	for _, value := range []uint16{0, 1, 65000} {
		whole := func(tr *isakmp.Transform) { tr.Attributes = append(tr.Attributes, isakmp.Short(prf, value)) }
		if !offering(t, whole) {
			t.Errorf("PRF %d is taken", value)
		}
	}
}

// CVE-2015-7575 (SLOTH): nothing is proven with MD5, whatever the peer offers.
func TestCVE_2015_7575_NoMD5(t *testing.T) {
	if !offering(t, attribute(isakmp.AttrHash, isakmp.HashMD5)) {
		t.Error("MD5 is taken")
	}
	if _, err := transform.ParseIKEv1Proposal(transform.IKE, "aes256-md5-modp2048"); err == nil {
		t.Error("MD5 can be configured")
	}
}

// CVE-2015-4000 (Logjam): groups of 768 bits, and those with subgroups that are not
// checked, are not there; 1024 and 1536 bits only where the connection names them.
func TestCVE_2015_4000_WeakGroups(t *testing.T) {
	for _, id := range []uint16{1, 2, 3, 4, 5, 22, 23, 24, 999} {
		if !offering(t, attribute(isakmp.AttrGroup, id)) {
			t.Errorf("group %d is taken by the defaults", id)
		}
	}
	for _, word := range []string{"modp768", "modp1024s160", "modp2048s224", "modp2048s256"} {
		if _, err := transform.ParseIKEv1Proposal(transform.IKE, "aes256-sha256-"+word); err == nil {
			t.Errorf("%s can be configured", word)
		}
	}
	d := newDuo(t, group(transform.MODP1024))
	d.a.up()
	d.settle()
	d.wantUp()
}

// CVE-2013-4564 of libreswan: messages shorter than their header.
func TestCVE_2013_4564_ShortMessages(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	first := d.wire[0]
	for n := range first.raw {
		d.b.receive(packet{d.b, first.local, first.remote, first.raw[:n]})
	}
	if len(d.b.out) != 0 || len(d.b.acceptor.halves) != 0 {
		t.Errorf("%d answers, %d half-open SAs", len(d.b.out), len(d.b.acceptor.halves))
	}
	d.settle()
	d.wantUp()
	for _, raw := range d.a.out {
		for n := range raw {
			d.b.receive(packet{d.b, first.local, first.remote, raw[:n]})
		}
	}
	d.wantUp()
}

// CVE-2015-4171 of strongSwan: the credentials go out before the peer has proven
// itself. A password is for whoever has the key, in a message that is protected, and
// asked for after phase 1.
func TestCVE_2015_4171_PasswordAfterProof(t *testing.T) {
	for _, mode := range []func(a, b *sa.Settings){func(_, _ *sa.Settings) {}, aggressive} {
		d := newDuo(t, login, mode, func(_, b *sa.Settings) { b.PSK = auth.NewSecret([]byte("another key")) })
		d.a.up()
		d.advance(time.Minute)
		if slices.Contains(d.a.kinds(), isakmp.ExchangeTransaction) {
			t.Error("the client answers a server that has not proven itself")
		}
	}
	d := newDuo(t, login)
	d.a.up()
	s := d.a.m.sas[0]
	for range 5 { // at each stage of phase 1
		s.receive(&isakmp.Message{Header: isakmp.Header{InitiatorCookie: s.cookieI, ResponderCookie: 1, Exchange: isakmp.ExchangeTransaction, MessageID: 9},
			Payloads: []isakmp.Payload{&isakmp.Hash{Data: make([]byte, 32)}, &isakmp.Configuration{ConfigType: isakmp.ConfigRequest,
				Attributes: []isakmp.Attribute{{Type: isakmp.XAUTHUser}, {Type: isakmp.XAUTHPassword}}}}}, sa.Datagram{Local: s.local, Remote: s.remote})
		if slices.Contains(d.a.kinds(), isakmp.ExchangeTransaction) {
			t.Fatal("the client answers what nothing protects")
		}
		if len(d.wire) > 0 {
			p := d.wire[0]
			d.wire = d.wire[1:]
			p.to.receive(p)
		}
		if s.proven {
			break
		}
	}
}

// CVE-2021-45079 of strongSwan: word of success in place of the proof. A client that
// says itself that it is logged in gets nothing.
func TestCVE_2021_45079_SuccessInsteadOfLogin(t *testing.T) {
	d := newDuo(t, login, func(a, _ *sa.Settings) { a.XAUTH.Password = auth.NewSecret([]byte("wrong")) })
	d.a.up()
	for !d.b.sasProven() || !d.a.sasProven() {
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	question := d.wire
	d.wire = nil
	s := d.a.m.sas[0]
	for i, p := range []*isakmp.Configuration{
		{ConfigType: isakmp.ConfigSet, Attributes: []isakmp.Attribute{isakmp.Short(isakmp.XAUTHStatus, statusOK)}},
		{ConfigType: isakmp.ConfigAck, Attributes: []isakmp.Attribute{isakmp.Short(isakmp.XAUTHStatus, statusOK)}},
		{ConfigType: isakmp.ConfigReply, Attributes: []isakmp.Attribute{isakmp.Short(isakmp.XAUTHStatus, statusOK)}},
	} {
		for _, id := range []uint32{uint32(20 + i), d.b.m.sas[0].asked.id} {
			all, err := s.hashed(id, nil, []isakmp.Payload{p})
			if err != nil {
				t.Fatal(err)
			}
			raw, _, err := s.seal(s.header(isakmp.ExchangeTransaction, id), all, phaseTwoIV(s, id))
			if err != nil {
				t.Fatal(err)
			}
			d.b.receive(packet{d.b, s.remote, s.local, raw})
			if len(d.b.m.sas) > 0 && d.b.m.sas[0].completed {
				t.Fatalf("%v with success logs the client in", p.ConfigType)
			}
			if len(d.b.m.sas) == 0 || d.b.m.sas[0].asked == nil {
				return // what stood in place of the password counted as a wrong one
			}
		}
	}
	d.wire = question
	d.settle()
	if d.b.m.current() != nil {
		t.Error("a wrong password logs in")
	}
}

func (e *end) sasProven() bool { return len(e.m.sas) > 0 && e.m.sas[0].proven }

// CVE-2002-1623: Aggressive Mode gives whoever asks a hash to guess the key from. It
// is not given where the connection does not allow that by name; and Main Mode's
// responder proves nothing to who has not proven that it has the key.
func TestCVE_2002_1623_HashForStrangers(t *testing.T) {
	d := newDuo(t, func(a, b *sa.Settings) { a.Aggressive = true })
	d.a.up()
	d.settle()
	if len(d.b.out) == 0 {
		t.Error("nothing is said: the test proves nothing")
	}
	for _, raw := range d.b.out {
		if m, err := isakmp.ParseMessage(raw); err != nil || m.Exchange != isakmp.ExchangeInformational {
			t.Errorf("Aggressive Mode is answered with %v", m)
		}
	}
}

// CVE-2018-5389: who is on the path guesses keys of Main Mode offline. The responder
// shows nothing that depends on the key before its peer has proven that it has it.
func TestCVE_2018_5389_ResponderProvesLast(t *testing.T) {
	d := newDuo(t, func(a, _ *sa.Settings) { a.PSK = auth.NewSecret([]byte("a guess")) })
	d.a.up()
	d.advance(time.Minute)
	for _, raw := range d.b.out {
		m, err := isakmp.ParseMessage(raw)
		if err != nil || m.Flags.Encrypted() {
			t.Errorf("who does not have the key gets what is made with it: %v, %v", m, err)
		}
	}
	if d.b.reason() != sa.ReasonAuthenticationFailed {
		t.Errorf("b says %q", d.b.reason())
	}
}

// CVE-2016-1287 of Cisco: lengths of fragments that add up wrongly.
func TestCVE_2016_1287_FragmentReassembly(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	s := d.b.m.sas[0]
	for _, sizes := range [][]int{{0, 0}, {1, 0, 1}, {40000}, {30000, 30000, 30000}, {8, 8, 8}, {28}, {27, 1}} {
		for first := range 3 {
			for i, n := range sizes {
				f := &isakmp.Fragment{ID: uint16(len(sizes)), Number: uint8(i + first), Last: i == len(sizes)-1, Data: bytes.Repeat([]byte{0xff}, n)}
				m := &isakmp.Message{Header: isakmp.Header{InitiatorCookie: s.cookieI, ResponderCookie: s.cookieR, Exchange: isakmp.ExchangeMain}, Payloads: []isakmp.Payload{f}}
				raw, err := m.Append(nil)
				if err != nil {
					continue // it cannot be said
				}
				d.b.receive(packet{d.b, s.local, s.remote, raw})
				for length := range 12 { // the payload's own length, which lies
					lie := slices.Clone(raw)
					lie[isakmp.HeaderLen+2], lie[isakmp.HeaderLen+3] = 0, byte(length)
					d.b.receive(packet{d.b, s.local, s.remote, lie})
				}
				if kept := s.incoming.size; kept > maxAssembledLen {
					t.Fatalf("%d octets are kept", kept)
				}
			}
		}
	}
	d.wire = nil
	d.advance(time.Minute)
	d.wantUp()
}

// CVE-2025-9242 of WatchGuard: an identity longer than its place.
func TestCVE_2025_9242_HugeIdentity(t *testing.T) {
	huge := &isakmp.Identification{IDType: isakmp.IDKeyID, Data: bytes.Repeat([]byte("x"), 60000)}
	d := newDuo(t, aggressive)
	d.tampered(func(m *isakmp.Message) bool {
		i := slices.IndexFunc(m.Payloads, func(p isakmp.Payload) bool { return p.Type() == isakmp.PayloadID })
		if i >= 0 {
			m.Payloads[i] = huge
		}
		return i >= 0
	})
	if d.b.m.current() != nil || len(d.b.acceptor.halves) != 0 {
		t.Error("a huge identity is taken")
	}
	for _, r := range d.b.reports {
		if text := fmt.Sprintf("%+v", r); len(text) > 4096 {
			t.Errorf("a report has %d octets", len(text))
		}
	}
	d = newDuo(t)
	d.a.up()
	for d.a.m.sas[0].state != identified {
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	s := d.a.m.sas[0]
	raw, _, err := s.seal(s.header(isakmp.ExchangeMain, 0), []isakmp.Payload{huge, &isakmp.Hash{Data: make([]byte, 32)}}, s.iv)
	if err != nil {
		t.Fatal(err)
	}
	d.b.receive(packet{d.b, netip.AddrPortFrom(d.b.addr, 500), netip.AddrPortFrom(d.a.addr, 500), raw})
	if d.b.m.current() != nil {
		t.Error("a huge identity is taken in Main Mode")
	}
}

// CVE-2026-14957 of libreswan: a certificate whose RSA key has the exponent 0, and
// CVE-2017-9022 of strongSwan: an even modulus.
func TestCVE_2026_14957_KeysThatAreNone(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	holder := root.Issue("a", pki.RSA(2048, 1), pki.Names("a.example"))
	trust, err := auth.NewTrust(nil, nil, nil)
	if err != nil {
		if trust, err = auth.NewTrust(holder.Chain()[len(holder.Chain())-1:], nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	id, err := auth.ParseIdentity("a.example")
	if err != nil {
		t.Fatal(err)
	}
	exponent := []byte{2, 3, 1, 0, 1}
	for name, change := range map[string]func([]byte){
		"exponent 0":   func(b []byte) { clear(b[bytes.Index(b, exponent)+2:][:3]) },
		"exponent 1":   func(b []byte) { copy(b[bytes.Index(b, exponent)+2:], []byte{0, 0, 1}) },
		"exponent -1":  func(b []byte) { copy(b[bytes.Index(b, exponent)+2:], []byte{255, 255, 255}) },
		"even modulus": func(b []byte) { b[bytes.Index(b, exponent)-1] &^= 1 },
	} {
		der := slices.Clone(holder.Certificate.Raw)
		if !bytes.Contains(der, exponent) {
			t.Fatal("the certificate has no exponent")
		}
		change(der)
		job := &checking{trust: trust, now: time.Now(), id: id, shown: []*wire.Certificate{{Encoding: wire.CertX509Signature, Data: der}},
			hash: make([]byte, 32), signature: make([]byte, 256)}
		if r, _ := job.Run().(proven); r.authentic {
			t.Errorf("%s: the signature holds", name)
		}
	}
}

// withoutGroup are the suites of a Child SA that need no key exchange.
func withoutGroup(d *duo) []transform.Suite {
	return slices.DeleteFunc(combinations(transform.ESP, d.a.settings.ESPProposals), func(s transform.Suite) bool { return s.Group.ID != 0 })
}

// strongSwan #2778, without a number of CVE: two Child SAs that the peer receives on
// with one SPI.
func TestStrongSwan_2778_DuplicatePeerSPI(t *testing.T) {
	d := joined(t)
	w, c := d.a.settings.Children[0], d.a.m.children[0]
	suites := withoutGroup(d)
	d.b.receive(d.a.forge(isakmp.ExchangeQuick, 500, same, offerPhaseTwo(suites, c.SPIIn, sa.Lifetime{}, []uint16{d.a.m.current().mode()}),
		&isakmp.Nonce{Data: make([]byte, 32)}, idOf(w.Local[0]), idOf(w.Remote[0])))
	if n := len(d.b.m.children); n != 1 {
		t.Errorf("b has %d Child SAs with one SPI of the peer", n)
	}
	if r := d.b.reason(); r != sa.ReasonInvalidSyntax {
		t.Errorf("b says %q", r)
	}
}

// What one peer may have at once is bounded: Quick Modes that it begins and does not
// end, and Child SAs.
func TestChildrenAreBounded(t *testing.T) {
	d := joined(t)
	w, suites := d.a.settings.Children[0], withoutGroup(d)
	for i := range uint32(3 * maxChildren) {
		d.b.receive(d.a.forge(isakmp.ExchangeQuick, 1000+i, same, offerPhaseTwo(suites[:1], 0x70000000+i, sa.Lifetime{}, []uint16{d.a.m.current().mode()}),
			&isakmp.Nonce{Data: make([]byte, 32)}, idOf(w.Local[0]), idOf(w.Remote[0])))
		d.wire = nil
	}
	if q, c := len(d.b.m.quicks), len(d.b.m.children); q > maxQuicks+1 || c > maxQuicks+1 || q < maxQuicks {
		t.Errorf("%d Quick Modes and %d Child SAs", q, c)
	}
	if r := d.b.reason(); r != sa.ReasonLocalRefused {
		t.Errorf("b says %q", r)
	}
	d.advance(2 * time.Minute) // what was not confirmed goes
	if n := len(d.b.m.children); n > 2 {
		t.Errorf("%d Child SAs are left", n)
	}
}

// A peer that makes one ISAKMP SA after another keeps a few.
func TestISAKMPSAsAreBounded(t *testing.T) {
	d := joined(t)
	at := path{d.a.m.current().local, d.a.m.current().remote}
	for range 3 * maxEstablished {
		d.a.m.startPhaseOne(at)
		actions := d.a.m.out
		d.a.m.out = nil
		for _, act := range actions {
			d.a.perform(false, act)
		}
		d.settle()
	}
	if n := len(d.b.m.sas); n > maxEstablished+1 || n < maxEstablished {
		t.Errorf("b has %d ISAKMP SAs", n)
	}
	d.advance(2 * time.Minute)
	d.wantUp()
}

// A request is answered at most once for each time that it comes, to a limit, and not
// with more than it has itself but for a nonce, until its sender is authenticated.
func TestNoAmplificationAtAnyStage(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, change := range map[string]func(a, b *sa.Settings){
		"pre-shared key": func(_, _ *sa.Settings) {}, "wrong key": func(a, _ *sa.Settings) { a.PSK = auth.NewSecret([]byte("a guess")) },
		"certificates": func(a, b *sa.Settings) {
			certify(t, a, root.Issue("a", pki.RSA(2048, 1), pki.Names("a.example"), now), "a.example", "b.example", root.Certificate)
			certify(t, b, root.Issue("b", pki.RSA(2048, 2), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuo(t, change)
			d.a.up()
			for stage := 1; len(d.wire) > 0 && stage < 20 && !d.b.sasProven(); stage++ {
				p := d.wire[0]
				d.wire = d.wire[1:]
				if p.to == d.a {
					p.to.receive(p)
					continue
				}
				answers := 0
				for range 50 {
					before := len(d.b.out)
					d.b.receive(p)
					got := d.b.out[before:]
					if answers += len(got); len(got) > 1 {
						t.Errorf("stage %d: one message is answered with %d", stage, len(got))
					}
					for _, raw := range got {
						if len(raw) > len(p.raw)+32 && !d.b.sasProven() {
							t.Errorf("stage %d: %d octets are answered with %d", stage, len(p.raw), len(raw))
						}
					}
				}
				if answers > 1+maxAnswers {
					t.Errorf("stage %d: 50 times the same is answered %d times", stage, answers)
				}
				for i := 1; i < len(d.wire); { // the answer once, as if the rest was lost
					d.wire = slices.Delete(d.wire, i, i+1)
				}
			}
		})
	}
}

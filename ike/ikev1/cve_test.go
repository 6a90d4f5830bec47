package ikev1

import (
	"crypto/elliptic"
	"encoding/binary"
	"math/rand/v2"
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

// What broke other implementations of IKEv1, one test for each kind. The numbers
// are of CVE.

func same(b []byte) []byte { return b }

func wrong(b []byte) []byte {
	b = slices.Clone(b)
	b[0] ^= 1
	return b
}

func deletion(s *ikeSA, c *sa.Child) []isakmp.Payload {
	return []isakmp.Payload{
		&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolESP, SPIs: [][]byte{binary.BigEndian.AppendUint32(nil, c.SPIIn)}},
		&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolISAKMP, SPIs: [][]byte{s.cookies()}},
	}
}

// joined is a duo with everything up.
func joined(t *testing.T) *duo {
	d := newDuo(t)
	d.a.up()
	d.settle()
	d.advance(time.Second)
	d.wantUp()
	return d
}

// CVE-2019-10155: libreswan acted on an Informational whose HASH it did not
// check.
func TestCVE_2019_10155_HashIsChecked(t *testing.T) {
	d := joined(t)
	ps := deletion(d.a.m.current(), d.a.m.Snapshot().Children[0].Child)
	for _, ex := range []isakmp.ExchangeType{isakmp.ExchangeInformational, isakmp.ExchangeQuick} {
		d.b.receive(d.a.forge(ex, 77, wrong, ps...))
	}
	d.settle()
	d.wantUp()
	d.b.receive(d.a.forge(isakmp.ExchangeInformational, 77, same, ps...))
	if s := d.b.m.Snapshot(); len(s.Children) != 0 || len(s.IKE) != 0 {
		t.Errorf("with the right HASH %d Child SAs and %d ISAKMP SAs are left: the test proves nothing", len(s.Children), len(s.IKE))
	}
}

// CVE-2019-12312: an Informational before the peer is authenticated. One in the
// clear at any time changes nothing that is established.
func TestCVE_2019_12312_InformationalOutOfOrder(t *testing.T) {
	early := newDuo(t)
	early.a.up()
	for i := 0; len(early.wire) > 0; i++ {
		p := early.wire[0]
		early.wire = early.wire[1:]
		if m, err := isakmp.ParseMessage(p.raw); err == nil && m.ResponderCookie != 0 {
			for _, flags := range []isakmp.Flags{0, isakmp.FlagEncryption} {
				h := isakmp.Header{InitiatorCookie: m.InitiatorCookie, ResponderCookie: m.ResponderCookie,
					Exchange: isakmp.ExchangeInformational, Flags: flags, MessageID: 5, NextPayload: isakmp.PayloadHASH}
				x := isakmp.Message{Header: h, Body: make([]byte, 32), Payloads: []isakmp.Payload{
					&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolISAKMP, SPIs: [][]byte{make([]byte, 16)}}}}
				raw, err := x.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				p.to.receive(packet{p.to, p.local, p.remote, raw})
			}
		}
		p.to.receive(p)
	}
	early.wantUp()

	d := joined(t)
	s := d.a.m.current()
	h := s.header(isakmp.ExchangeInformational, 9)
	raw, err := clearMessage(h, deletion(s, d.a.m.Snapshot().Children[0].Child))
	if err != nil {
		t.Fatal(err)
	}
	d.b.receive(packet{d.b, s.remote, s.local, raw})
	d.wantUp()
}

// CVE-2023-38712: a Delete of the ISAKMP SA with more payloads behind it.
func TestCVE_2023_38712_DeleteThenMore(t *testing.T) {
	d := joined(t)
	s := d.a.m.current()
	ps := []isakmp.Payload{
		&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolISAKMP, SPIs: [][]byte{s.cookies(), s.cookies()}},
		&isakmp.Notification{DOI: 1, Protocol: isakmp.ProtocolISAKMP, SPI: s.cookies(), NotifyType: isakmp.RUThere, Data: []byte{0, 0, 0, 1}},
		&isakmp.Notification{DOI: 1, Protocol: isakmp.ProtocolESP, SPI: []byte{1, 2, 3, 4}, NotifyType: isakmp.InvalidSPI},
		&isakmp.Delete{DOI: 1, Protocol: isakmp.ProtocolISAKMP, SPIs: [][]byte{s.cookies()}},
	}
	d.b.receive(d.a.forge(isakmp.ExchangeInformational, 3, same, ps...))
	if n := len(d.b.m.Snapshot().Children); n != 1 {
		t.Errorf("%d Child SAs are left, want the one that was not deleted", n)
	}
}

// CVE-2023-38711: an ID of Quick Mode that names no address.
func TestCVE_2023_38711_QuickModeWithName(t *testing.T) {
	d := joined(t)
	s := d.a.m.current()
	offer := offerPhaseTwo(d.a.m.quickSuitesForTest(), 0x1234, sa.Lifetime{Time: time.Hour}, []uint16{s.mode()})
	for i, ids := range [][]isakmp.Payload{
		{&isakmp.Identification{IDType: isakmp.IDFQDN, Data: []byte("x")}, &isakmp.Identification{IDType: isakmp.IDFQDN, Data: []byte("y")}},
		{&isakmp.Identification{IDType: isakmp.IDIPv4Addr, Data: []byte{10, 1, 0, 1}}},
		{&isakmp.Identification{IDType: isakmp.IDKeyID}, &isakmp.Identification{IDType: 0}},
	} {
		ps := append([]isakmp.Payload{offer, &isakmp.Nonce{Data: make([]byte, 16)}}, ids...)
		d.b.receive(d.a.forge(isakmp.ExchangeQuick, uint32(100+i), same, ps...))
	}
	d.settle()
	d.wantUp()
	if d.b.reason() != sa.ReasonSelectorMismatch {
		t.Errorf("b says %q", d.b.reason())
	}
}

// quickSuitesForTest are the suites of an offer without a group.
func (m *Machine) quickSuitesForTest() []transform.Suite {
	all := combinations(transform.ESP, m.settings.ESPProposals)
	return slices.DeleteFunc(all, func(s transform.Suite) bool { return s.Group.ID != 0 })
}

// CVE-2024-3652: a proposal that has no usable key length.
func TestCVE_2024_3652_ProposalWithoutKeys(t *testing.T) {
	d := joined(t)
	for i, id := range []uint8{0, 1, isakmp.ESPDES, 11, isakmp.ESPAESCBC, isakmp.ESPAESGCM16, 23, 255} {
		for j, bits := range []uint16{0, 1, 7, 128, 65535} {
			offer := &isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{{Number: 1, Protocol: isakmp.ProtocolESP, SPI: []byte{1, 2, 3, byte(i)},
				Transforms: []isakmp.Transform{{Number: 1, ID: id, Attributes: []isakmp.Attribute{
					isakmp.Short(isakmp.AttrIPsecMode, isakmp.ModeUDPTunnel), isakmp.Short(isakmp.AttrIPsecKeyLength, bits), {Type: 999}}}}}}}
			d.b.receive(d.a.forge(isakmp.ExchangeQuick, uint32(200+10*i+j), same, offer, &isakmp.Nonce{Data: make([]byte, 16)},
				idOf(d.a.settings.Children[0].Local[0]), idOf(d.a.settings.Children[0].Remote[0])))
		}
	}
	d.wire = nil
	if n := len(d.b.m.Snapshot().Children); n != 1 {
		t.Errorf("%d Child SAs were made of nonsense", n-1)
	}
}

// CVE-2016-5361: a stranger makes IKEv1 send many answers. Each message is
// answered at most once, and each repeat of it, to a limit, and no answer is
// longer than what it answers by more than a nonce.
func TestCVE_2016_5361_NoAmplification(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.lose = func(int) bool { return false }
	first := d.wire[0]
	sent, answers := 0, 0
	for range 100 {
		before := len(d.b.out)
		d.b.receive(first)
		sent += len(first.raw)
		for _, raw := range d.b.out[before:] {
			answers++
			if len(raw) > len(first.raw) {
				t.Fatalf("%d octets are answered with %d", len(first.raw), len(raw))
			}
		}
	}
	if answers > 1+maxAnswers {
		t.Errorf("100 repeats get %d answers", answers)
	}
	before := len(d.b.out)
	d.advance(29 * time.Second) // nothing comes of its own accord
	for _, raw := range d.b.out[before:] {
		if m, err := isakmp.ParseMessage(raw); err == nil && m.Exchange == isakmp.ExchangeMain && !m.Flags.Encrypted() && len(m.Payloads) > 0 && m.Payloads[0].Type() == isakmp.PayloadSA {
			t.Error("the responder repeats its answer by time")
		}
	}
}

// CVE-2015-3240: a public value that leaves no secret.
func TestCVE_2015_3240_ZeroKeyShare(t *testing.T) {
	for _, value := range []byte{0, 1} {
		d := newDuo(t)
		d.a.up()
		for i := 0; len(d.wire) > 0 && i < 100; i++ {
			p := d.wire[0]
			d.wire = d.wire[1:]
			if m, err := isakmp.ParseMessage(p.raw); err == nil && p.to == d.b && len(m.Payloads) > 0 {
				if ke, ok := m.Payloads[0].(*isakmp.KeyExchange); ok {
					clear(ke.Data)
					ke.Data[len(ke.Data)-1] = value
					if p.raw, err = m.Append(nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.to.receive(p)
		}
		if len(d.b.inbound) != 0 || d.b.reason() != sa.ReasonInvalidKE {
			t.Errorf("g^x = %d: b has %d Child SAs and says %q", value, len(d.b.inbound), d.b.reason())
		}
	}
}

// CVE-2013-6467: messages without the payloads that they need, at every step.
func TestCVE_2013_6467_MissingPayloads(t *testing.T) {
	for drop := range 12 {
		d := newDuo(t)
		d.a.up()
		for i := 0; len(d.wire) > 0 && i < 200; i++ {
			p := d.wire[0]
			d.wire = d.wire[1:]
			if m, err := isakmp.ParseMessage(p.raw); err == nil && drop < len(m.Payloads) {
				m.Payloads = slices.Delete(m.Payloads, drop, drop+1)
				if raw, err := m.Append(nil); err == nil {
					p.to.receive(packet{p.to, p.local, p.remote, raw})
				}
			}
			p.to.receive(p)
		}
	}
}

// CVE-2015-3991 of strongSwan: payload types of the other version of IKE. As
// IKEv1 they are unknown, and change nothing.
func TestCVE_2015_3991_PayloadsOfIKEv2(t *testing.T) {
	d := joined(t)
	var ps []isakmp.Payload
	for typ := isakmp.PayloadType(33); typ <= 54; typ++ {
		ps = append(ps, &isakmp.Unknown{PayloadType: typ, Data: []byte{0, 1, 2, 3, 4, 5, 6, 7}})
	}
	for i, ex := range []isakmp.ExchangeType{isakmp.ExchangeInformational, isakmp.ExchangeQuick, isakmp.ExchangeTransaction, 34, 35, 36, 37} {
		d.b.receive(d.a.forge(ex, uint32(300+i), same, ps...))
	}
	d.settle()
	d.wantUp()
}

// Whatever is old is not taken again: neither deletes nor INITIAL-CONTACT.
func TestReplayedMessages(t *testing.T) {
	d := joined(t)
	d.advance(2 * time.Minute) // liveness checks
	seen := slices.Clone(d.a.out)
	for range 2 {
		for _, raw := range seen {
			d.b.receive(packet{d.b, netip.AddrPortFrom(d.b.addr, 4500), netip.AddrPortFrom(d.a.addr, 4500), raw})
		}
	}
	d.wire = nil
	d.advance(time.Minute)
	d.wantUp()
}

// Half-open SAs are bounded in number and time, and strangers cannot keep
// others out for longer than that.
func TestHalfOpenIsBounded(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	first := d.wire[0]
	d.wire = nil
	for i := range 20000 {
		raw := slices.Clone(first.raw)
		binary.BigEndian.PutUint64(raw, uint64(i+1))
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 500)
		d.b.receive(packet{d.b, first.local, source, raw})
	}
	if n := d.b.acceptor.HalfOpen(); n > 1024 {
		t.Errorf("%d half-open SAs", n)
	}
	d.wire = nil
	d.advance(3 * time.Minute)
	cookies := 0
	for _, strange := range d.b.strange {
		if strange {
			cookies++
		}
	}
	if n := d.b.acceptor.HalfOpen(); n != 0 || cookies != 0 {
		t.Errorf("%d half-open SAs and %d cookies are left after three minutes", n, cookies)
	}
}

// A stranger whose proof of identity is being checked cannot have another check begun:
// each may cost several signatures.
func TestProofsAreBounded(t *testing.T) {
	for kind, mode := range map[isakmp.ExchangeType]func(a, b *sa.Settings){isakmp.ExchangeMain: func(_, _ *sa.Settings) {}, isakmp.ExchangeAggressive: aggressive} {
		proofsAreBounded(t, kind, mode)
	}
}

func proofsAreBounded(t *testing.T, kind isakmp.ExchangeType, mode func(a, b *sa.Settings)) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P256()))
	d := newDuo(t, mode, func(a, b *sa.Settings) {
		certify(t, a, root.Issue("a", pki.ECDSA(elliptic.P256()), pki.Names("a.example")), "a.example", "b.example", root.Certificate)
		certify(t, b, root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names("b.example")), "b.example", "a.example", root.Certificate)
	})
	d.b.busy = true
	d.a.up()
	d.settle()
	if d.b.jobs != 1 {
		t.Fatalf("%v: %d checks of the first proof were begun", kind, d.b.jobs)
	}
	proof := d.a.out[len(d.a.out)-1]
	for n, k := range d.a.kinds() {
		if k == kind {
			proof = d.a.out[n]
		}
	}
	local, remote := netip.AddrPortFrom(d.b.addr, 4500), netip.AddrPortFrom(d.a.addr, 4500)
	for i := range 128 { // the last block has the end of the signature
		raw := slices.Clone(proof)
		raw[len(raw)-1-i/8] ^= 1 << (i % 8)
		d.b.receive(packet{d.b, local, remote, raw})
	}
	if d.b.jobs != 1 {
		t.Errorf("%v: %d checks of 129 proofs were begun", kind, d.b.jobs)
	}
}

// The key exchanges of Aggressive Mode that strangers have wait are few, and who sends
// many of them does not keep others out.
func TestAggressiveStrangersAreFew(t *testing.T) {
	d := newDuo(t, aggressive, func(a, b *sa.Settings) {
		a.LocalIdentity = auth.Identity{Type: 2, Data: "a.example"}
		b.RemoteIdentity = a.LocalIdentity
	})
	d.b.stuck = true
	d.a.up()
	first := d.wire[0]
	d.wire = nil
	send := func(n int, from netip.Addr) {
		raw := slices.Clone(first.raw)
		binary.BigEndian.PutUint64(raw, uint64(n+1))
		d.b.receive(packet{d.b, first.local, netip.AddrPortFrom(from, 500), raw})
	}
	waiting := func() map[netip.Addr]int {
		of := map[netip.Addr]int{}
		for _, h := range d.b.acceptor.halves {
			if h.stage == stageSharing {
				of[h.remote.Addr()]++
			}
		}
		return of
	}
	many := netip.MustParseAddr("198.51.100.66")
	for n := range 64 {
		send(n, many)
	}
	for n := range 40 {
		send(100+n, netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}))
	}
	of := waiting()
	total := 0
	for _, n := range of {
		total += n
	}
	if total > 64 || len(of) != 41 || of[many] == 0 {
		t.Errorf("%d of %d peers wait, %d of them of the one that sends many", total, len(of), of[many])
	}
	d.now = d.now.Add(time.Minute)
	d.b.step(true, sa.TimerDue{})
	if n := len(waiting()) + d.b.acceptor.HalfOpen(); n != 0 {
		t.Errorf("%d wait a minute later", n)
	}
}

// What an offer costs does not grow with the connections that take the same.
func TestOfferToManyConnections(t *testing.T) {
	d := newDuo(t, func(a, _ *sa.Settings) { a.IKEProposals = a.IKEProposals[:1] })
	d.a.up()
	msg, err := isakmp.ParseMessage(d.wire[0].raw)
	if err != nil {
		t.Fatal(err)
	}
	offer, _ := isakmp.Find[*isakmp.SecurityAssociation](msg.Payloads)
	other := *d.b.settings
	other.IKEProposals = other.IKEProposals[1:] // nothing in common
	cost := func(n int) float64 {
		among := slices.Repeat([]*sa.Settings{&other}, n)
		return testing.AllocsPerRun(3, func() {
			if _, failure := (&half{}).accept(offer, among); failure == nil || failure.Reason != sa.ReasonProposalMismatch {
				t.Fatalf("%+v", failure)
			}
		})
	}
	if one, many := cost(1), cost(1000); many > 2*one {
		t.Errorf("%v allocations for one connection, %v for a thousand", one, many)
	}
}

// Mutations of every message, at every step, and of messages of phase 2: the
// true conversation goes on.
func TestMutations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		d := newDuo(t)
		d.a.up()
		for i := 0; len(d.wire) > 0 && i < 200; i++ {
			p := d.wire[0]
			d.wire = d.wire[1:]
			for range 8 {
				raw := slices.Clone(p.raw)
				n := len(raw)
				if isakmp.ExchangeType(raw[18]) == isakmp.ExchangeMain {
					n = min(n, isakmp.HeaderLen+16) // HASH_I and HASH_R cover no payload but the identity (RFC 2409 §5)
				}
				for range 1 + random.IntN(3) {
					raw[random.IntN(n)] ^= byte(1 << random.IntN(8))
				}
				if random.IntN(4) == 0 {
					raw = raw[:random.IntN(len(raw))]
				}
				if m, err := isakmp.ParseMessage(raw); err == nil && !m.Flags.Encrypted() {
					continue // what is not protected yet can be changed by whoever is on the path
				}
				p.to.receive(packet{p.to, p.local, p.remote, raw})
			}
			p.to.receive(p)
		}
		d.advance(10 * time.Second)
		d.wantUp()
	}
}

func FuzzDatagram(f *testing.F) {
	d := newDuo(f)
	d.a.up()
	for _, raw := range append(slices.Clone(d.a.out), d.b.out...) {
		f.Add(uint8(0), raw)
		f.Add(uint8(3), raw)
	}
	f.Fuzz(func(t *testing.T, steps uint8, raw []byte) {
		d := newDuo(t)
		d.a.up()
		for range steps % 10 {
			if len(d.wire) > 0 {
				p := d.wire[0]
				d.wire = d.wire[1:]
				p.to.receive(p)
			}
		}
		// cookies that exist, so that it gets further than the first look
		if len(raw) >= isakmp.HeaderLen && len(d.a.m.sas) > 0 {
			binary.BigEndian.PutUint64(raw, d.a.m.sas[0].cookieI)
			if steps&0x10 != 0 {
				binary.BigEndian.PutUint64(raw[8:], d.a.m.sas[0].cookieR)
			}
			raw[17] = 0x10
			binary.BigEndian.PutUint32(raw[24:], uint32(len(raw)))
		}
		local, remote := netip.AddrPortFrom(d.b.addr, 500), netip.AddrPortFrom(d.a.addr, 500)
		d.b.receive(packet{d.b, local, remote, raw})
		d.a.receive(packet{d.a, remote, local, raw})
		d.advance(time.Second)
	})
}

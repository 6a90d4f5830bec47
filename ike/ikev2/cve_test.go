package ikev2_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// The tests in this file are named after holes that other implementations had
// (their advisories), or after what a hostile peer would try.

// tunnel is two hosts with an IKE SA and a Child SA.
func tunnel(t *testing.T) *transcript.World {
	t.Helper()
	a, b := transcript.Pair()
	w := transcript.New(a, b, func(line string) { t.Log(line) })
	w.Stand()
	if err := transcript.Agree(w); err != nil {
		t.Fatal(err)
	}
	return w
}

// forge sends a request of a that b gets, and returns b's answer decoded by
// what its trace says.
func forge(w *transcript.World, ex wire.ExchangeType, payloads ...wire.Payload) string {
	for _, act := range w.A.Machine.Forge(w.Now, ex, payloads...) {
		if s, ok := act.(sa.Send); ok {
			w.B.Receive(sa.Datagram{Raw: s.Bytes, Local: s.Remote, Remote: s.Local})
		}
	}
	return answer(w.B)
}

// answer is the payloads of the last message that the host sent.
func answer(h *transcript.Host) string {
	last := "nothing"
	for _, act := range h.Actions {
		if e, ok := act.(sa.Emit); ok {
			if tr, ok := e.Report.(sa.MessageTrace); ok && tr.Sent {
				last = tr.Summary
			}
		}
	}
	return last
}

func up(h *transcript.Host) bool { return h.Machine.Snapshot().State == "up" }

func notify(t wire.NotifyType, p wire.ProtocolID, spi []byte) *wire.Notify {
	return &wire.Notify{NotifyType: t, Protocol: p, SPI: spi}
}

// childOffer is SA, Ni, TSi and TSr that b accepts.
func childOffer(spi uint32) []wire.Payload {
	ts := func(initiator bool, start, end string) *wire.TrafficSelectors {
		return &wire.TrafficSelectors{Initiator: initiator, Selectors: []wire.TrafficSelector{{
			TSType: wire.TSIPv4AddrRange, EndPort: 65535, Start: netip.MustParseAddr(start), End: netip.MustParseAddr(end),
		}}}
	}
	return []wire.Payload{
		&wire.SecurityAssociation{Proposals: []wire.Proposal{{
			Number: 1, Protocol: wire.ProtocolESP, SPI: []byte{byte(spi >> 24), byte(spi >> 16), byte(spi >> 8), byte(spi)},
			Transforms: []wire.Transform{
				{Type: wire.TransformEncryption, ID: 20, Attributes: []wire.Attribute{wire.KeyLengthAttribute(256)}},
				{Type: wire.TransformSequenceNumbers},
			},
		}}},
		&wire.Nonce{Data: make([]byte, 32)}, ts(true, "10.1.0.0", "10.1.255.255"), ts(false, "10.2.0.0", "10.2.255.255"),
	}
}

func TestCVE_2023_38710_RekeySAWithProtocolZero(t *testing.T) {
	w := tunnel(t)
	for _, n := range []*wire.Notify{
		notify(wire.NotifyRekeySA, 0, nil), notify(wire.NotifyRekeySA, 1, make([]byte, 8)), notify(wire.NotifyRekeySA, 3, nil),
		notify(wire.NotifyRekeySA, 2, make([]byte, 4)), notify(wire.NotifyRekeySA, 3, make([]byte, 200)),
	} {
		if got := forge(w, wire.ExchangeCreateChildSA, append([]wire.Payload{n}, childOffer(5)...)...); got != "N(CHILD_SA_NOT_FOUND)" {
			t.Errorf("protocol %d, SPI of %d octets: b answers %s", n.Protocol, len(n.SPI), got)
		}
		w.A.Step(sa.Datagram{Raw: w.Drop(len(w.Network) - 1).Bytes, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
	}
	if !up(w.B) {
		t.Error("b is not up any more")
	}
}

func TestCVE_2019_12312_InformationalBeforeAuth(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.Deliver(0)
	init, err := wire.ParseHeader(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, ex := range []wire.ExchangeType{wire.ExchangeInformational, wire.ExchangeCreateChildSA, wire.ExchangeIKEAuth} {
		for id := range uint32(3) {
			m := wire.Message{Header: wire.Header{
				InitiatorSPI: init.InitiatorSPI, ResponderSPI: init.ResponderSPI, Exchange: ex, Flags: wire.FlagInitiator, MessageID: id,
			}, Payloads: []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}}}
			raw, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			w.B.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
		}
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

// initRequest changes the payloads of a sound IKE_SA_INIT request.
func initRequest(t *testing.T, change func(*wire.Message)) []byte {
	t.Helper()
	m, err := wire.ParseMessage(transcript.InitRequest(99))
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHostileInitRequests(t *testing.T) {
	share := func(group uint16, data []byte) func(*wire.Message) {
		return func(m *wire.Message) { m.Payloads[1] = &wire.KeyExchange{Group: group, Data: data} }
	}
	for _, c := range []struct {
		name   string
		change func(*wire.Message)
		want   string
	}{
		{"CVE-2023-41913 key share too long", share(31, make([]byte, 6000)), "N(INVALID_SYNTAX)"},
		{"a key share of 60,000 octets", share(31, make([]byte, 60000)), "nothing"},
		{"CVE-2023-41913 key share too short", share(31, make([]byte, 31)), "N(INVALID_SYNTAX)"},
		{"key share of another group", share(14, make([]byte, 256)), "N(INVALID_KE_PAYLOAD)"},
		{"key share of no group", share(0, make([]byte, 32)), "N(INVALID_KE_PAYLOAD)"},
		{"CVE-2016-5391 proposal without a group", func(m *wire.Message) {
			p := &m.Payloads[0].(*wire.SecurityAssociation).Proposals[0]
			p.Transforms = p.Transforms[:2]
		}, "N(NO_PROPOSAL_CHOSEN)"},
		{"proposal with an SPI", func(m *wire.Message) {
			m.Payloads[0].(*wire.SecurityAssociation).Proposals[0].SPI = make([]byte, 8)
		}, "N(NO_PROPOSAL_CHOSEN)"},
		{"CVE-2013-6467 no SA", func(m *wire.Message) { m.Payloads = m.Payloads[1:] }, "nothing"},
		{"CVE-2013-6467 no KE", func(m *wire.Message) { m.Payloads = append(m.Payloads[:1:1], m.Payloads[2]) }, "nothing"},
		{"CVE-2013-6467 no nonce", func(m *wire.Message) { m.Payloads = m.Payloads[:2] }, "nothing"},
		{"two SA payloads", func(m *wire.Message) { m.Payloads = append(m.Payloads, m.Payloads[0]) }, "nothing"},
		{"unknown critical payload", func(m *wire.Message) {
			m.Payloads = append(m.Payloads, &wire.Unknown{PayloadType: 200, Critical: true})
		}, "N(UNSUPPORTED_CRITICAL_PAYLOAD)"},
		{"CVE-2015-3991 payloads of IKEv1", func(m *wire.Message) {
			for typ := wire.PayloadType(1); typ <= 13; typ++ {
				m.Payloads = append(m.Payloads, &wire.Unknown{PayloadType: typ, Data: []byte{0, 0, 0, 1}})
			}
		}, "SA KE No N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)"},
		{"a responder's SPI", func(m *wire.Message) { m.ResponderSPI = 7 }, "nothing"},
		{"another message ID", func(m *wire.Message) { m.MessageID = 1 }, "nothing"},
		{"a response", func(m *wire.Message) { m.Flags |= wire.FlagResponse }, "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := transcript.Pair()
			w := transcript.New(a, b, nil)
			w.B.Receive(sa.Datagram{Raw: initRequest(t, c.change),
				Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
			if got := answer(w.B); got != c.want {
				t.Errorf("b answers %s, want %s", got, c.want)
			}
			w.Network = nil
			w.A.Up()
			w.DeliverAll()
			if err := transcript.Agree(w); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCVE_2015_3240_ZeroKeyShare(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	raw := initRequest(t, func(m *wire.Message) { m.Payloads[1] = &wire.KeyExchange{Group: 31, Data: make([]byte, 32)} })
	at, from := netip.MustParseAddrPort("192.0.2.2:500"), netip.MustParseAddrPort("192.0.2.1:500")
	w.B.Receive(sa.Datagram{Raw: raw, Local: at, Remote: from})
	h, err := wire.ParseHeader(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	m := wire.Message{Header: wire.Header{InitiatorSPI: h.InitiatorSPI, ResponderSPI: h.ResponderSPI,
		Exchange: wire.ExchangeIKEAuth, Flags: wire.FlagInitiator, MessageID: 1},
		Payloads: []wire.Payload{&wire.Encrypted{First: wire.PayloadIDi, Body: make([]byte, 64)}}}
	auth, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.B.Receive(sa.Datagram{Raw: auth, Local: at, Remote: from})
	last := w.B.Reports[len(w.B.Reports)-1]
	if f, ok := last.(sa.Failed); !ok || f.Failure.Reason != sa.ReasonInvalidKE {
		t.Errorf("b reports %+v", last)
	}
	if n := w.B.Acceptor.HalfOpen(); n != 0 {
		t.Errorf("%d half-open IKE SAs are left", n)
	}
}

func TestCVE_2013_4564_ShortMessages(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	whole := transcript.InitRequest(3)
	for n := range whole {
		w.B.Receive(sa.Datagram{Raw: whole[:n:n], Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
	}
	if len(w.Network) != 0 || w.B.Acceptor.HalfOpen() != 0 {
		t.Error("b answers a truncated request")
	}
}

func TestCVE_2024_2357_NoKeyAndRetransmission(t *testing.T) {
	a, b := transcript.Pair()
	b.PSK = auth.Secret{}
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	w.Duplicate(0)
	w.Duplicate(0)
	w.DeliverAll()
	if up(w.A) || up(w.B) {
		t.Error("a tunnel without a key")
	}
}

// An empty key on both sides is no key.
func TestEmptyKeys(t *testing.T) {
	a, b := transcript.Pair()
	a.PSK, b.PSK = auth.Secret{}, auth.Secret{}
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.DeliverAll()
	if up(w.A) || up(w.B) {
		t.Error("a tunnel without a key")
	}
}

func TestCVE_2023_30570_SPIOfARejectedProposal(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	at, from := netip.MustParseAddrPort("192.0.2.2:500"), netip.MustParseAddrPort("192.0.2.1:500")
	bad := initRequest(t, func(m *wire.Message) {
		m.Payloads[0].(*wire.SecurityAssociation).Proposals[0].Transforms[0].ID = 3
	})
	w.B.Receive(sa.Datagram{Raw: bad, Local: at, Remote: from})
	good := initRequest(t, func(*wire.Message) {})
	w.B.Receive(sa.Datagram{Raw: good, Local: at, Remote: from})
	if got := answer(w.B); !strings.HasPrefix(got, "SA KE No") {
		t.Errorf("b answers %s to a second request with the same SPI", got)
	}
}

func TestCVE_2025_9242_HugeIdentity(t *testing.T) {
	w := tunnel(t)
	s := w.A.Settings
	long := *s
	long.LocalIdentity = auth.Identity{Type: wire.IDKeyID, Data: strings.Repeat("x", 10000)}
	w.A.Machine.Reconfigure(&long)
	w.A.Step(sa.Down{})
	w.DeliverAll()
	w.A.Up()
	w.DeliverAll()
	if up(w.A) || up(w.B) {
		t.Error("an identity of 10,000 octets was accepted")
	}
}

func TestCVE_2023_38712_DeleteFollowedByNotifies(t *testing.T) {
	w := tunnel(t)
	forge(w, wire.ExchangeInformational, &wire.Delete{Protocol: wire.ProtocolIKE},
		notify(wire.NotifyInitialContact, 0, nil), notify(wire.NotifyRekeySA, 3, make([]byte, 4)), &wire.Delete{Protocol: wire.ProtocolIKE})
	if up(w.B) || len(w.B.Inbound) != 0 {
		t.Error("the IKE SA was not deleted")
	}
}

func TestCVE_2016_5361_NoRetransmissionToStrangers(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.B.Receive(sa.Datagram{Raw: transcript.InitRequest(3), Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("203.0.113.1:500")})
	w.Advance(10*time.Minute, false)
	if n := len(w.Network); n != 1 {
		t.Errorf("b sent %d messages to a stranger", n)
	}
	if w.B.Acceptor.HalfOpen() != 0 {
		t.Error("the half-open IKE SA stays for ever")
	}
}

func TestHugeDeleteList(t *testing.T) {
	w := tunnel(t)
	d := &wire.Delete{Protocol: wire.ProtocolESP}
	for i := range wire.MaxDeleteSPIs {
		d.SPIs = append(d.SPIs, []byte{1, 2, byte(i >> 8), byte(i)})
	}
	if got := forge(w, wire.ExchangeInformational, d); got != "" {
		t.Errorf("b answers %s", got)
	}
	if !up(w.B) || len(w.B.Inbound) != 1 {
		t.Error("b lost its Child SA")
	}
}

// strongSwan 84a5208d98, without a number of CVE: the second rekey of a Child SA that
// is being rekeyed ended the program.
func TestStrongSwan_84a5208d98_ChildRekeyedTwice(t *testing.T) {
	w := tunnel(t)
	spi := w.A.Sends("net").SPIIn
	name := []byte{byte(spi >> 24), byte(spi >> 16), byte(spi >> 8), byte(spi)}
	rekey := notify(wire.NotifyRekeySA, wire.ProtocolESP, name)
	for i := range uint32(3) {
		got := forge(w, wire.ExchangeCreateChildSA, append([]wire.Payload{rekey}, childOffer(77+i)...)...)
		want := "N(TEMPORARY_FAILURE)"
		if i == 0 {
			want = "SA No TSi TSr"
		}
		if got != want {
			t.Errorf("request %d: b answers %s, want %s", i, got, want)
		}
		w.DeliverAll()
	}
}

// strongSwan #2778: two Child SAs that the peer receives on with one SPI.
func TestStrongSwan_2778_DuplicatePeerSPI(t *testing.T) {
	w := tunnel(t)
	spi := w.A.Sends("net").SPIIn
	for _, offered := range []uint32{spi, 0} {
		if got := forge(w, wire.ExchangeCreateChildSA, childOffer(offered)...); got != "N(NO_PROPOSAL_CHOSEN)" {
			t.Errorf("SPI %08x: b answers %s", offered, got)
		}
		w.DeliverAll()
	}
	if len(w.B.Inbound) != 1 {
		t.Errorf("b receives on %d SPIs", len(w.B.Inbound))
	}
}

func TestUnknownCriticalPayloadAfterAuth(t *testing.T) {
	w := tunnel(t)
	got := forge(w, wire.ExchangeInformational, &wire.Unknown{PayloadType: 211, Critical: true}, &wire.Delete{Protocol: wire.ProtocolIKE})
	if got != "N(UNSUPPORTED_CRITICAL_PAYLOAD)" || !up(w.B) {
		t.Errorf("b answers %s", got)
	}
	w.DeliverAll()
	if got := forge(w, wire.ExchangeInformational, &wire.Unknown{PayloadType: 211}); got != "" || !up(w.B) {
		t.Errorf("b answers %s to a payload that is not critical", got)
	}
}

func TestMalformedAfterAuth(t *testing.T) {
	w := tunnel(t)
	raw := w.A.Machine.ForgeRaw(wire.ExchangeInformational, wire.PayloadNotify, []byte{0, 0, 0, 200, 1})
	w.B.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.2:4500"), Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
	if got := answer(w.B); got != "N(INVALID_SYNTAX)" || up(w.B) {
		t.Errorf("b answers %s and is %v", got, w.B.Machine.Snapshot().State)
	}
}

func TestOldAndNewVersions(t *testing.T) {
	const offer = "SA KE No N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)"
	for _, c := range []struct {
		version, flags byte
		spi            byte
		want           string
	}{
		{0x00, 0x08, 3, "nothing"}, // a lower version would not understand the answer
		{0x10, 0x08, 3, "nothing"},
		{0x30, 0x08, 3, "N(INVALID_MAJOR_VERSION)"},
		{0xf0, 0x08, 3, "N(INVALID_MAJOR_VERSION)"},
		{0x30, 0x28, 3, "nothing"}, // a response
		{0x30, 0x08, 0, "nothing"}, // no SPI to answer to
		{0x2f, 0x08, 3, offer},
		{0x20, 0xcf, 3, offer}, // flags that are reserved
		{0x20, 0x18, 3, offer}, // the sender knows a higher version
	} {
		a, b := transcript.Pair()
		w := transcript.New(a, b, nil)
		raw := transcript.InitRequest(3)
		raw[17], raw[19], raw[7] = c.version, c.flags, c.spi
		for range 500 {
			w.B.Receive(sa.Datagram{Raw: bytes.Clone(raw), Local: netip.MustParseAddrPort("192.0.2.2:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")})
		}
		if got := answer(w.B); got != c.want || len(w.Network) > 100 && c.want != offer {
			t.Errorf("%+v: b answers %s, %d times", c, got, len(w.Network))
		}
	}
}

// The cleartext AUTHENTICATION_FAILED of somebody on the path ends nothing.
func TestUnprotectedErrorInAuth(t *testing.T) {
	a, b := transcript.Pair()
	w := transcript.New(a, b, nil)
	w.A.Up()
	w.Deliver(0)
	w.Deliver(0)
	h, err := wire.ParseHeader(w.Network[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h.Flags, h.Length, h.NextPayload = wire.FlagResponse, 0, 0
	for _, typ := range []wire.NotifyType{wire.NotifyAuthenticationFailed, wire.NotifyInvalidSyntax, wire.NotifyInvalidIKESPI} {
		raw, err := (&wire.Message{Header: h, Payloads: []wire.Payload{notify(typ, 0, nil)}}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.A.Receive(sa.Datagram{Raw: raw, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
	}
	w.DeliverAll()
	if err := transcript.Agree(w); err != nil {
		t.Error(err)
	}
}

func TestPeerLostTheChild(t *testing.T) {
	w := tunnel(t)
	w.B.Machine.LoseChildren()
	w.A.Step(sa.Rekey{Children: true})
	w.DeliverAll()
	a, b := w.A.Machine.Snapshot(), w.B.Machine.Snapshot()
	if len(a.Children) != 1 || len(b.Children) != 1 || a.Children[0].Child.SPIIn != b.Children[0].Child.SPIOut {
		t.Errorf("a has %v, b has %v", a.Children, b.Children)
	}
}

func TestKeysAreErased(t *testing.T) {
	w := tunnel(t)
	secrets := append(w.A.Machine.Secrets(), w.B.Machine.Secrets()...)
	for _, s := range secrets {
		if len(s) == 0 || bytes.Equal(s, make([]byte, len(s))) {
			t.Fatal("a living IKE SA has no keys")
		}
	}
	w.A.Step(sa.Down{})
	w.DeliverAll()
	w.Advance(time.Minute, true)
	for i, s := range secrets {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("secret %d of a closed IKE SA is still there", i)
		}
	}
}

// A link that nobody gave, or the right one with a share of another method, is
// refused (RFC 9370 §2.2.4), and the IKE SA stands.
func TestUnknownLink(t *testing.T) {
	w := tunnel(t)
	for _, link := range [][]byte{nil, {1}, make([]byte, 16), make([]byte, 60000)} {
		n := &wire.Notify{NotifyType: wire.NotifyAdditionalKeyExchange, Data: link}
		if got := forge(w, wire.ExchangeIKEFollowupKE, &wire.KeyExchange{Group: 36, Data: make([]byte, 1184)}, n); got != "N(STATE_NOT_FOUND)" {
			t.Errorf("a link of %d octets is answered %s", len(link), got)
		}
		w.A.Step(sa.Datagram{Raw: w.Drop(len(w.Network) - 1).Bytes, Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("192.0.2.2:4500")})
	}
	if !up(w.B) {
		t.Error("b is not up any more")
	}
}

// TestCVE_2015_4171_ProofAfterTheirs: a peer that proves nothing learns nothing of
// the responder: no identity, no certificate, no signature, whatever is wrong.
func TestCVE_2015_4171_ProofAfterTheirs(t *testing.T) {
	root := transcript.Trust(nil, transcript.Authorities().Root)
	for name, how := range map[string][]string{"untrusted": {"other"}, "expired": {"expired"}, "no intermediate": {"bare"}, "another's name": nil} {
		a, b := transcript.Pair()
		host := "a.example"
		if how == nil {
			host = "c.example"
		}
		a.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", host, how...), nil)
		b.Credentials = transcript.Credentials(transcript.Authorities().Certificate("p256", "b.example"), nil)
		a.Trust, b.Trust = root, root
		w := transcript.New(a, b, nil)
		w.A.Up()
		w.DeliverAll()
		if got := answer(w.B); got != "N(AUTHENTICATION_FAILED)" || up(w.B) {
			t.Errorf("%s: b answers %s", name, got)
		}
	}
}

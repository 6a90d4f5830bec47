package isakmp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is a payload and its body as the RFC lays it out; every shorter body
// than min is malformed, and -1 says that every prefix is.
var golden = []struct {
	name    string
	payload Payload
	body    string
	min     int
}{
	{"SA of phase 1", &SecurityAssociation{Proposals: []Proposal{{Number: 1, Protocol: ProtocolISAKMP, Transforms: []Transform{{
		Number: 1, ID: TransformKeyIKE, Attributes: []Attribute{
			Short(AttrEncryption, EncryptionAESCBC), Short(AttrKeyLength, 256), Short(AttrHash, HashSHA256),
			Short(AttrGroup, 14), Short(AttrAuth, AuthPSK), Short(AttrLifeType, LifeSeconds), Long(AttrLifeDuration, 86400),
		}}}}}},
		`00000001 00000001  00000030 01010001  00000028 01010000
		 80010007 800e0100 80020004 8004000e 80030001 800b0001 000c0004 00015180`, -1},
	{"SA of phase 2", &SecurityAssociation{Proposals: []Proposal{
		{Number: 1, Protocol: ProtocolESP, SPI: []byte{0xc0, 0xff, 0xee, 1}, Transforms: []Transform{
			{Number: 1, ID: ESPAESGCM16, Attributes: []Attribute{Short(AttrIPsecKeyLength, 256)}},
			{Number: 2, ID: ESPAESCBC, Attributes: []Attribute{Short(AttrIPsecKeyLength, 128), Short(AttrIPsecAuth, IPsecHMACSHA1)}},
		}},
		{Number: 2, Protocol: ProtocolESP, SPI: []byte{0xc0, 0xff, 0xee, 2}, Transforms: []Transform{{Number: 1, ID: ESP3DES}}},
	}},
		`00000001 00000001  02000028 01030402 c0ffee01  0300000c 01140000 80060100  00000010 020c0000 80060080 80050002
		 00000014 02030401 c0ffee02  00000008 01030000`, -1},
	{"KE", &KeyExchange{Data: []byte{1, 2, 3, 4}}, "01020304", 1},
	{"ID", &Identification{IDType: IDIPv4AddrSubnet, Protocol: 17, Port: 1701, Data: []byte{10, 1, 0, 0, 255, 255, 0, 0}},
		"041106a5 0a010000 ffff0000", -1},
	{"ID of a name", &Identification{IDType: IDFQDN, Data: []byte("vpn")}, "02000000 76706e", 4},
	{"CERT", &Certificate{Encoding: CertX509Signature, Data: []byte{0x30, 0}}, "04 3000", 1},
	{"CR", &CertificateRequest{Encoding: CertX509Signature, Authority: []byte{0x30, 0}}, "04 3000", 1},
	{"HASH", &Hash{Data: []byte{1, 2}}, "0102", 0},
	{"SIG", &Signature{Data: []byte{1, 2}}, "0102", 0},
	{"NONCE", &Nonce{Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, "0102030405060708", 8},
	{"N", &Notification{DOI: DOIIPsec, Protocol: ProtocolESP, SPI: []byte{0xc0, 0xff, 0xee, 1}, NotifyType: ResponderLifetime,
		Data: []byte{0x80, 1, 0, 1}}, "00000001 03 04 6000 c0ffee01 80010001", 12},
	{"D", &Delete{DOI: DOIIPsec, Protocol: ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8}}},
		"00000001 03 04 0002 01020304 05060708", -1},
	{"VID", &VendorID{Data: []byte{0xaf, 0xca}}, "afca", 0},
	{"ATTR", &Configuration{ConfigType: ConfigRequest, Identifier: 7, Attributes: []Attribute{
		{Type: ConfigIPv4Address}, Short(XAUTHStatus, 1)}}, "01000007 00010000 c08f0001", -1},
	{"NAT-D", &NATDiscovery{Hash: []byte{1, 2}}, "0102", 0},
	{"NAT-D of the drafts", &NATDiscovery{Draft: true, Hash: []byte{1, 2}}, "0102", 0},
	{"NAT-OA", &NATAddress{Address: netip.MustParseAddr("192.0.2.1")}, "01000000 c0000201", -1},
	{"NAT-OA of the drafts, IPv6", &NATAddress{Draft: true, Address: netip.MustParseAddr("2001:db8::1")},
		"05000000 20010db8000000000000000000000001", -1},
	{"FRAG", &Fragment{ID: 1, Number: 2, Last: true, Data: []byte{9}}, "0001 02 01 09", -1},
	{"unknown", &Unknown{PayloadType: 200, Data: []byte{1}}, "01", 0},
}

// wrap puts the generic header of an only payload before body.
func wrap(body []byte) []byte {
	n := GenericHeaderLen + len(body)
	return append([]byte{0, 0, byte(n >> 8), byte(n)}, body...)
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			body := unhex(t, c.body)
			got, err := ParsePayloads(c.payload.Type(), wrap(body))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || !reflect.DeepEqual(got[0], c.payload) {
				t.Errorf("parsed %#v, want %#v", got, c.payload)
			}
			appended, err := c.payload.AppendBody([]byte("kept"))
			if err != nil || string(appended) != "kept"+string(body) {
				t.Errorf("appended %x (%v), want %x", appended, err, body)
			}
			if !bytes.Equal(Body(c.payload), body) {
				t.Error("Body is not the body")
			}
			for n := range body {
				if c.payload.Type() == PayloadATTR && n > 0 && n%4 == 0 {
					continue // a list of fewer attributes
				}
				if _, err := ParsePayloads(c.payload.Type(), wrap(body[:n])); (err == nil) != (c.min >= 0 && n >= c.min) {
					t.Errorf("%d of %d octets of the body: %v", n, len(body), err)
				}
				if _, err := ParsePayloads(c.payload.Type(), wrap(body)[:GenericHeaderLen+n]); err == nil {
					t.Errorf("a payload cut to %d of %d octets passes for the whole", n, len(body))
				}
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		name string
		t    PayloadType
		body string
	}{
		{"SA of another DOI", PayloadSA, "00000002 00000001 00000010 01010001 00000008 01010000"},
		{"SA with a labelled situation", PayloadSA, "00000001 00000003 00000010 01010001 00000008 01010000"},
		{"SA with another count of transforms", PayloadSA, "00000001 00000001 00000010 01010002 00000008 01010000"},
		{"SA without transforms", PayloadSA, "00000001 00000001 00000008 01010000"},
		{"SA with bytes behind the last proposal", PayloadSA, "00000001 00000001 00000010 01010001 00000008 01010000 00"},
		{"SA with bytes behind the last transform", PayloadSA, "00000001 00000001 00000011 01010001 00000008 01010000 00"},
		{"SA that continues with another payload", PayloadSA, "00000001 00000001 04000010 01010001 00000008 01010000"},
		{"proposal shorter than its header", PayloadSA, "00000001 00000001 00000003"},
		{"transform with a reserved octet", PayloadSA, "00000001 00000001 00000010 01010001 00000008 01010001"},
		{"subnet of four octets", PayloadID, "04000000 0a000000"},
		{"KE without data", PayloadKE, ""},
		{"nonce of 7", PayloadNONCE, "01020304050607"},
		{"nonce of 257", PayloadNONCE, strings.Repeat("00", 257)},
		{"notification of another DOI", PayloadN, "00000002 01 00 6000"},
		{"delete with SPIs of no length", PayloadD, "00000001 03 00 0001"},
		{"delete of too many SPIs", PayloadD, "00000001 03 01 0101" + strings.Repeat("00", 257)},
		{"delete with bytes behind the SPIs", PayloadD, "00000001 03 04 0001 01020304 05"},
		{"NAT-OA of a name", PayloadNATOA, "02000000 c0000201"},
		{"NAT-OA with a port", PayloadNATOA, "01000001 c0000201"},
		{"fragment number 0", PayloadFragment, "0001 00 01 09"},
		{"mode config with a reserved octet", PayloadATTR, "01010007"},
	} {
		if ps, err := ParsePayloads(c.t, wrap(unhex(t, c.body))); err == nil {
			t.Errorf("%s: parsed as %#v", c.name, ps[0])
		}
	}
	for _, chain := range []string{"000100050a", "00000003", "0d000004", "000000040" + strings.Repeat("0", 513)} {
		if _, err := ParsePayloads(PayloadVID, unhex(t, chain)); err == nil {
			t.Errorf("the chain %.20s is parsed", chain)
		}
	}
}

// Bounds hold before anything is allocated for what is beyond them.
func TestBounds(t *testing.T) {
	for _, n := range []int{MaxPayloads, MaxPayloads + 1} {
		many := bytes.Repeat([]byte{byte(PayloadVID), 0, 0, 4}, n)
		many[len(many)-4] = byte(PayloadNone)
		if _, err := ParsePayloads(PayloadVID, many); (err == nil) != (n == MaxPayloads) {
			t.Errorf("%d payloads, and %d are allowed: %v", n, MaxPayloads, err)
		}
	}
	sa := &SecurityAssociation{}
	for range MaxTransforms/255 + 1 {
		sa.Proposals = append(sa.Proposals, Proposal{Protocol: ProtocolISAKMP, Transforms: make([]Transform, 255)})
	}
	body, err := sa.AppendBody(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePayloads(PayloadSA, wrap(body)); err == nil {
		t.Error("more transforms than allowed are taken")
	}
	attributes := bytes.Repeat([]byte{0x80, 1, 0, 1}, MaxAttributes+1)
	if _, err := ParsePayloads(PayloadATTR, wrap(append([]byte{1, 0, 0, 0}, attributes...))); err == nil {
		t.Error("more attributes than allowed are taken")
	}
}

func TestPaddingIsLeftOut(t *testing.T) {
	padded := append(wrap([]byte("vendor")), make([]byte, 14)...)
	if ps, err := ParsePayloads(PayloadVID, padded); err != nil || len(ps) != 1 {
		t.Errorf("a padded body: %v, %v", ps, err)
	}
	if _, err := ParsePayloads(PayloadVID, append(wrap([]byte("vendor")), make([]byte, 256)...)); err == nil {
		t.Error("256 octets pass for padding")
	}
	m := &Message{Header: Header{InitiatorCookie: 1, Exchange: ExchangeMain}, Payloads: []Payload{&VendorID{Data: []byte("x")}}}
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, 0)
	b[27]++
	if _, err := ParseMessage(b); err == nil {
		t.Error("a message that is not encrypted may be padded")
	}
}

func TestAttributeNumber(t *testing.T) {
	for _, c := range []struct {
		value string
		want  uint64
		ok    bool
	}{{"", 0, false}, {"01", 1, true}, {"00015180", 86400, true}, {"0000000000000000000001", 1, true}, {"010000000000000000", 0, false}} {
		if v, ok := (Attribute{Value: unhex(t, c.value)}).Number(); v != c.want || ok != c.ok {
			t.Errorf("%q is %d, %v; want %d, %v", c.value, v, ok, c.want, c.ok)
		}
	}
}

// A header counts with the length of the datagram only, and its reserved flags do not
// count (RFC 2408 §3.1).
func TestHeaderOfAMessage(t *testing.T) {
	h := Header{InitiatorCookie: 1, Exchange: ExchangeInformational, Flags: 0xf8}
	raw, err := (&Message{Header: h, Payloads: []Payload{&VendorID{Data: []byte{1}}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ParseMessage(raw); err != nil || len(m.Payloads) != 1 {
		t.Errorf("with reserved flags: %v", err)
	}
	for _, more := range []int{-1, 1} {
		bad := bytes.Clone(raw)
		bad[27] += byte(more)
		if _, err := ParseMessage(bad); err == nil {
			t.Errorf("a length field that differs by %d is taken", more)
		}
	}
}

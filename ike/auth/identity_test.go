package auth

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"

	"causeway/ike/wire"
)

func identity(t testing.TB, s string) Identity {
	t.Helper()
	id, err := ParseIdentity(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestParseIdentity(t *testing.T) {
	tests := []struct {
		text  string
		typ   wire.IDType
		data  string
		print string // empty: as text
	}{
		{"203.0.113.5", wire.IDIPv4Addr, "\xcb\x00\x71\x05", ""},
		{" 203.0.113.5 ", wire.IDIPv4Addr, "\xcb\x00\x71\x05", "203.0.113.5"},
		{"ipv4:203.0.113.5", wire.IDIPv4Addr, "\xcb\x00\x71\x05", "203.0.113.5"},
		{"::ffff:203.0.113.5", wire.IDIPv4Addr, "\xcb\x00\x71\x05", "203.0.113.5"},
		{"2001:db8::1", wire.IDIPv6Addr, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", ""},
		{"ipv6:2001:db8::1", wire.IDIPv6Addr, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "2001:db8::1"},
		{"hq.example.com", wire.IDFQDN, "hq.example.com", ""},
		{"@hq.example.com", wire.IDFQDN, "hq.example.com", "hq.example.com"},
		{"fqdn:HQ.example.com", wire.IDFQDN, "HQ.example.com", "HQ.example.com"},
		{"dns:hq", wire.IDFQDN, "hq", "hq"},
		{"moon", wire.IDFQDN, "moon", ""},
		{"vpn_gw-1.example", wire.IDFQDN, "vpn_gw-1.example", ""},
		{"fqdn:any", wire.IDFQDN, "any", ""},
		{"user@example.com", wire.IDRFC822Addr, "user@example.com", ""},
		{"email:first.last+tag@example.com", wire.IDRFC822Addr, "first.last+tag@example.com", "first.last+tag@example.com"},
		{"@@user@example.com", wire.IDRFC822Addr, "user@example.com", "user@example.com"},
		{"email:a=b@example.com", wire.IDRFC822Addr, "a=b@example.com", ""},
		{"keyid:branch 17", wire.IDKeyID, "branch 17", ""},
		{"keyid:#00ff", wire.IDKeyID, "\x00\xff", ""},
		{"@#00FF", wire.IDKeyID, "\x00\xff", "keyid:#00ff"},
		{"KeyID:#62", wire.IDKeyID, "b", "keyid:b"},
		{"any", 0, "", ""},
		{"%any", 0, "", "any"},
		{"ANY", 0, "", "any"},
	}
	for _, tt := range tests {
		id := identity(t, tt.text)
		if id != (Identity{tt.typ, tt.data}) {
			t.Errorf("%s is %d %x", tt.text, id.Type, id.Data)
		}
		print := tt.print
		if print == "" {
			print = tt.text
		}
		if id.String() != print {
			t.Errorf("%s prints as %s", tt.text, id)
		}
		if identity(t, id.String()) != id {
			t.Errorf("%s does not survive printing", tt.text)
		}
	}
}

func TestParseIdentityErrors(t *testing.T) {
	for text, why := range map[string]string{
		"":                                   "it is empty",
		"10.1.2.300":                         "does not end in a number",
		"10.0.0.0/8":                         "a network is no identity",
		"12345":                              "write keyid:",
		"*.example.com":                      "wildcards are not supported, write any",
		"hq example":                         "' ' is not allowed in a host name",
		"hq..example":                        "1 to 63 characters",
		"hq.example.com.":                    "1 to 63 characters",
		"-hq.example":                        "starts or ends with a hyphen",
		"gänse.example":                      "'ä' is not allowed",
		"a\x00b":                             "not allowed in a host name",
		strings.Repeat("a", 64):              "1 to 63 characters",
		strings.Repeat("abcdefg.", 40) + "x": "at most 253",
		"@":                                  "the name is empty",
		"fe80::1%eth0":                       "no zone",
		"ipv4:2001:db8::1":                   "no IPv4 address",
		"ipv6:10.0.0.1":                      "no IPv6 address",
		"user@":                              "the name is empty",
		"a@b@c":                              "'@' is not allowed",
		"us er@example.com":                  "' ' is not allowed in the user",
		"email:example.com":                  "user@host",
		"keyid:":                             "the key ID is empty",
		"keyid:#xyz":                         "hexadecimal",
		"keyid:#":                            "hexadecimal",
		"asn1dn:#3000ff":                     "no DER of a distinguished name",
		"CN=":                                "CN has no value",
		"C=Switzerland, CN=gw":               "no code of two letters",
		"XY=1":                               `unknown attribute "XY", known are CN`,
		"CN=gw, moon":                        `"moon" is no attribute`,
		`CN=gw\`:                             "ends in a backslash",
		`CN=g\z`:                             "unknown escape",
		`O="Example", CN=gw`:                 "quotation marks are not needed",
		`CN=\ff`:                             "not UTF-8",
		"DC=gänse":                           "ASCII only",
		"keyid:" + strings.Repeat("x", 2100): "longer than 2048",
		strings.Repeat("x", 7000):            "longer than",
	} {
		id, err := ParseIdentity(text)
		if err == nil {
			t.Errorf("%q is %v", text, id)
			continue
		}
		if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "allowed are an IP address") {
			t.Errorf("%q: %v; want %q", text, err, why)
		}
		if len(err.Error()) > 700 {
			t.Errorf("%q: an error of %d octets", text[:20], len(err.Error()))
		}
	}
}

func TestDistinguishedName(t *testing.T) {
	// An independent encoder: crypto/x509/pkix.
	seq := pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "CH"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Linux strongSwan"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "moon.strongswan.org"}},
	}
	der, err := asn1.Marshal(seq)
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t, "C=CH, O=Linux strongSwan, CN=moon.strongswan.org")
	if id.Type != wire.IDDERASN1DN || !bytes.Equal([]byte(id.Data), der) {
		t.Errorf("DER is %x, want %x", id.Data, der)
	}
	if id.String() != "C=CH, O=Linux strongSwan, CN=moon.strongswan.org" {
		t.Errorf("prints as %s", id)
	}
	for _, text := range []string{
		`CN=gw`, `DC=org, DC=example, CN=gw`, `E=a@b.example, CN=gw`, `CN=Büro Zürich`, `CN=a\, b\+c\=d\\e\"`, `O=\#1 \<x\>\;`,
		`CN=\ lead and trail\ `, `CN=a+OU=b, O=c`, `1.2.3.4=value`, `CN=line\0afeed`, `2.999.1=x`, `CN=x, CN=y`,
	} {
		id := identity(t, text)
		if id.String() != text {
			t.Errorf("%s prints as %s", text, id)
		}
		if again := identity(t, id.String()); again != id {
			t.Errorf("%s does not survive printing", text)
		}
		var seq pkix.RDNSequence
		if rest, err := asn1.Unmarshal([]byte(id.Data), &seq); err != nil || len(rest) != 0 {
			t.Errorf("%s: encoding/asn1 cannot read it: %v", text, err)
		}
	}
}

// TestHostileDistinguishedNames cuts and breaks DER; nothing may match it and
// everything must print.
func TestHostileDistinguishedNames(t *testing.T) {
	whole := identity(t, "C=CH, O=Example, CN=gw")
	for n := range whole.Data {
		cut := Identity{wire.IDDERASN1DN, whole.Data[:n]}
		if whole.Matches(cut) || cut.Matches(whole) {
			t.Errorf("%d octets match the whole", n)
		}
		if s := cut.String(); !strings.HasPrefix(s, "asn1dn:#") {
			t.Errorf("%d octets print as %s", n, s)
		}
	}
	if whole.Matches(Identity{wire.IDDERASN1DN, whole.Data + "\x00"}) {
		t.Error("trailing octets do not matter")
	}
	var many distinguishedName
	for range maxAttributes + 1 {
		many = append(many, []attribute{{oid: "2.5.4.3", value: "x", tag: 12, text: true}})
	}
	der, err := many.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeDN(der); err == nil {
		t.Error("a name of 65 attributes was read")
	}
	number := Identity{wire.IDDERASN1DN, "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x02\x01\x05"}
	if s := number.String(); s != "asn1dn:#300c310a300806035504030201"+"05" {
		t.Errorf("a value that is no text prints as %s", s)
	}
}

func TestMatches(t *testing.T) {
	utf8 := func(s string) Identity { // the same name as UTF8String
		dn, err := decodeDN([]byte(identity(t, s).Data))
		if err != nil {
			t.Fatal(err)
		}
		for _, rdn := range dn {
			for i := range rdn {
				rdn[i].tag = 12
			}
		}
		der, err := dn.encode()
		if err != nil {
			t.Fatal(err)
		}
		return Identity{wire.IDDERASN1DN, string(der)}
	}
	dn := "C=CH, O=Example, CN=gw"
	tests := []struct {
		want, got Identity
		ok        bool
	}{
		{Identity{}, identity(t, "hq.example.com"), true},
		{Identity{}, Identity{200, "x"}, true},
		{identity(t, "hq.example.com"), Identity{}, false},
		{identity(t, "hq.example.com"), identity(t, "HQ.Example.COM"), true},
		{identity(t, "hq.example.com"), identity(t, "hq.example.org"), false},
		{identity(t, "hq.example.com"), identity(t, "keyid:hq.example.com"), false},
		{identity(t, "hq.example.com"), Identity{wire.IDFQDN, "hq.example.com\x00"}, false},
		{identity(t, "a@example.com"), identity(t, "A@EXAMPLE.com"), true},
		{identity(t, "keyid:abc"), identity(t, "keyid:ABC"), false},
		{identity(t, "192.0.2.1"), FromAddr(netip.MustParseAddr("192.0.2.1")), true},
		{identity(t, "192.0.2.1"), identity(t, "192.0.2.2"), false},
		{identity(t, dn), identity(t, "c=ch, o=EXAMPLE, cn=GW"), true},
		{identity(t, dn), utf8(dn), true},
		{identity(t, dn), identity(t, "O=Example, C=CH, CN=gw"), false},
		{identity(t, dn), identity(t, "C=CH, O=Example"), false},
		{identity(t, "CN=a+OU=b"), identity(t, "OU=b+CN=a"), true},
	}
	for _, tt := range tests {
		if tt.want.Matches(tt.got) != tt.ok {
			t.Errorf("%s matches %s: not %v", tt.want, tt.got, tt.ok)
		}
	}
	if s := utf8(dn).String(); s != dn {
		t.Errorf("a name in UTF8Strings prints as %s", s)
	}
}

func TestPayload(t *testing.T) {
	for _, text := range []string{"192.0.2.1", "2001:db8::1", "hq.example.com", "a@b.example", "keyid:x", "C=CH, CN=gw"} {
		id := identity(t, text)
		p := id.Payload(true)
		back, err := FromPayload(p)
		if err != nil || back != id || !p.Initiator || id.Payload(false).Initiator {
			t.Errorf("%s: %v, %v", text, back, err)
		}
		body, err := p.AppendBody(nil)
		if err != nil || !bytes.Equal(body, id.Body()) {
			t.Errorf("%s: body %x, want %x", text, id.Body(), body)
		}
	}
	if (Identity{}).Payload(true) != nil {
		t.Error("any identity has a payload")
	}
}

func TestFromPayloadErrors(t *testing.T) {
	for _, p := range []*wire.Identification{
		{IDType: 0, Data: []byte("x")}, {IDType: wire.IDIPv4Addr, Data: make([]byte, 3)}, {IDType: wire.IDIPv4Addr, Data: make([]byte, 16)},
		{IDType: wire.IDIPv6Addr, Data: make([]byte, 4)}, {IDType: wire.IDIPv6Addr}, {IDType: wire.IDFQDN}, {IDType: wire.IDKeyID},
		{IDType: wire.IDFQDN, Data: make([]byte, maxIdentity+1)},
	} {
		if id, err := FromPayload(p); err == nil {
			t.Errorf("%v of %d octets is %v", p.IDType, len(p.Data), id)
		}
	}
	if id, err := FromPayload(&wire.Identification{IDType: wire.IDNull}); err != nil || id.String() != "null:" || id.IsZero() {
		t.Errorf("ID_NULL: %v, %v", id, err)
	}
}

// TestStrangersIdentitiesPrint: what a peer sends goes to logs and terminals.
func TestStrangersIdentitiesPrint(t *testing.T) {
	for want, id := range map[string]Identity{
		"fqdn:#1b5b324a":         {wire.IDFQDN, "\x1b[2J"},
		"fqdn:#61000a":           {wire.IDFQDN, "a\x00\n"},
		"fqdn:#2a2e6578":         {wire.IDFQDN, "*.ex"},
		"email:#78":              {wire.IDRFC822Addr, "x"},
		"keyid:#0a":              {wire.IDKeyID, "\n"},
		"keyid:#2378":            {wire.IDKeyID, "#x"},
		"keyid:#2078":            {wire.IDKeyID, " x"},
		"ipv4:#01":               {wire.IDIPv4Addr, "\x01"},
		"asn1dn:#00":             {wire.IDDERASN1DN, "\x00"},
		"type200:#ff":            {200, "\xff"},
		`CN=a\0a\1b[2J\e2\80\ae`: identity(t, `CN=a\0a\1b[2J\e2\80\ae`),
	} {
		if id.String() != want {
			t.Errorf("%x prints as %q, not %q", id.Data, id, want)
		}
	}
}

func TestFromAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::1",
	} {
		id := FromAddr(netip.MustParseAddr(addr))
		if a, ok := id.Addr(); !ok || a.String() != want || id.String() != want {
			t.Errorf("%s is %s", addr, id)
		}
	}
	if !FromAddr(netip.Addr{}).IsZero() {
		t.Error("no address is an identity")
	}
	if _, ok := identity(t, "hq").Addr(); ok {
		t.Error("a name has an address")
	}
}

func FuzzParseIdentity(f *testing.F) {
	for _, s := range []string{
		"any", "192.0.2.1", "2001:db8::1", "hq.example.com", "@moon", "a@b.example", "@@a@b", "@#00ff", "keyid:x y", "keyid:#00",
		`C=CH, O=a\, b, CN=g\c3\a4nse+OU=x`, "asn1dn:#3000", "1.2.3=x", "fqdn:any", "ipv6:::1", "*.x", "10.0.0.0/8",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseIdentity(s)
		if err != nil {
			return
		}
		again, err := ParseIdentity(id.String())
		if err != nil || !id.Matches(again) {
			t.Fatalf("%q prints as %q, which is %v, %v", s, id, again, err)
		}
		if id.IsZero() {
			return
		}
		if p, err := FromPayload(id.Payload(true)); err != nil || p != id {
			t.Fatalf("%q does not survive the payload: %v, %v", s, p, err)
		}
	})
}

// FuzzStrangersIdentity has whatever a peer may send.
func FuzzStrangersIdentity(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "2001:db8::1", "hq.example.com", "a@b.example", "keyid:x", `C=CH, O=a\, b, CN=gw`} {
		id, err := ParseIdentity(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(id.Type), []byte(id.Data))
	}
	f.Add(byte(wire.IDNull), []byte("x"))
	f.Fuzz(func(t *testing.T, typ byte, data []byte) {
		id, err := FromPayload(&wire.Identification{IDType: wire.IDType(typ), Data: data})
		if err != nil {
			return
		}
		s := id.String()
		for _, r := range s {
			if r < ' ' || r == 0x7f {
				t.Fatalf("%x prints as %q", data, s)
			}
		}
		if !id.Matches(id) || id.IsZero() {
			t.Fatalf("%q does not match itself", s)
		}
		if p, err := ParseIdentity(s); err == nil && !id.Matches(p) {
			t.Fatalf("%x prints as %q, which is another", data, s)
		}
	})
}

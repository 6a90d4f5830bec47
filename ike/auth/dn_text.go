package auth

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attributeTypes are the attribute types with a name (RFC 4514 §3, RFC 5280
// appendix A). The first name of an OID is the one that is printed. ia5 types
// hold an IA5String.
var attributeTypes = []struct {
	name, oid string
	ia5       bool
}{
	{name: "CN", oid: "2.5.4.3"}, {name: "commonName", oid: "2.5.4.3"},
	{name: "C", oid: "2.5.4.6"}, {name: "countryName", oid: "2.5.4.6"},
	{name: "L", oid: "2.5.4.7"}, {name: "localityName", oid: "2.5.4.7"},
	{name: "ST", oid: "2.5.4.8"}, {name: "stateOrProvinceName", oid: "2.5.4.8"},
	{name: "STREET", oid: "2.5.4.9"},
	{name: "O", oid: "2.5.4.10"}, {name: "organizationName", oid: "2.5.4.10"},
	{name: "OU", oid: "2.5.4.11"}, {name: "organizationalUnitName", oid: "2.5.4.11"},
	{name: "title", oid: "2.5.4.12"},
	{name: "description", oid: "2.5.4.13"},
	{name: "surname", oid: "2.5.4.4"},
	{name: "givenName", oid: "2.5.4.42"},
	{name: "serialNumber", oid: "2.5.4.5"},
	{name: "UID", oid: "0.9.2342.19200300.100.1.1"},
	{name: "DC", oid: "0.9.2342.19200300.100.1.25", ia5: true},
	{name: "E", oid: "1.2.840.113549.1.9.1", ia5: true},
	{name: "emailAddress", oid: "1.2.840.113549.1.9.1", ia5: true},
}

// parseDN reads a distinguished name, "C=CH, O=Example, CN=gw", in the order in
// which it is encoded, with the escapes of RFC 4514 §2.4 and + between the
// attributes of one RDN; or its DER as #hex. The result is DER.
func parseDN(s string) (string, error) {
	if h, ok := strings.CutPrefix(s, "#"); ok {
		der, err := parseHex(h)
		if err != nil {
			return "", err
		}
		_, err = decodeDN([]byte(der))
		return der, err
	}
	var dn distinguishedName
	count := 0
	for _, part := range splitUnescaped(s, ',') {
		var rdn []attribute
		for _, pair := range splitUnescaped(part, '+') {
			a, err := parseAttribute(pair)
			if err != nil {
				return "", err
			}
			if count++; count > maxAttributes {
				return "", fmt.Errorf("a distinguished name has at most %d attributes", maxAttributes)
			}
			rdn = append(rdn, a)
		}
		dn = append(dn, rdn)
	}
	der, err := dn.encode()
	return string(der), err
}

// splitUnescaped splits at separators without a backslash before them.
func splitUnescaped(s string, separator byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

func parseAttribute(s string) (attribute, error) {
	name, raw, ok := strings.Cut(s, "=")
	name = strings.TrimSpace(name)
	if !ok {
		return attribute{}, fmt.Errorf("%q is no attribute of a distinguished name, such as CN=gw", short(strings.TrimSpace(s)))
	}
	oid, ia5, err := attributeType(name)
	if err != nil {
		return attribute{}, err
	}
	value, err := unescape(raw)
	if err != nil {
		return attribute{}, err
	}
	if value == "" {
		return attribute{}, fmt.Errorf("%s has no value", name)
	}
	a := attribute{oid: oid, value: value, tag: cbasn1.UTF8String, text: true}
	switch {
	case oid == "2.5.4.6" && (len(value) != 2 || !isPrintableString(value)):
		return attribute{}, fmt.Errorf("country %q is no code of two letters", short(value))
	case ia5 && !isASCII([]byte(value)):
		return attribute{}, fmt.Errorf("%s holds ASCII only", name)
	case ia5:
		a.tag = cbasn1.IA5String
	case isPrintableString(value):
		a.tag = cbasn1.PrintableString
	}
	return a, nil
}

// attributeType finds the OID of a name, or takes a dotted OID as it is.
func attributeType(name string) (oid string, ia5 bool, err error) {
	for _, t := range attributeTypes {
		if strings.EqualFold(t.name, name) || t.oid == name {
			return t.oid, t.ia5, nil
		}
	}
	if parsed := parseOID(name); parsed != nil {
		return parsed.String(), false, nil
	}
	var names []string
	for _, t := range attributeTypes {
		names = append(names, t.name)
	}
	return "", false, fmt.Errorf("unknown attribute %q, known are %s and dotted OIDs", short(name), strings.Join(names, ", "))
}

// parseOID reads a dotted OID that DER can hold, or gives nil.
func parseOID(s string) asn1.ObjectIdentifier {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > 32 {
		return nil
	}
	var oid asn1.ObjectIdentifier
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return nil
		}
		oid = append(oid, int(n))
	}
	if oid[0] > 2 || oid[0] < 2 && oid[1] > 39 || oid[1] > 1<<30 {
		return nil
	}
	return oid
}

// isPrintableString tells whether the value fits ASN.1's PrintableString.
func isPrintableString(s string) bool {
	for _, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" '()+,-./:=?", r)
		if !ok {
			return false
		}
	}
	return true
}

// unescape trims a value and resolves backslashes: before a special character
// or two hexadecimal digits (RFC 4514 §2.4).
func unescape(raw string) (string, error) {
	raw = strings.TrimLeft(raw, " ")
	var b strings.Builder
	keep := 0 // trailing spaces after here are not part of the value
	for i := 0; i < len(raw); i++ {
		if raw[i] == '"' {
			return "", errors.New("quotation marks are not needed; before a comma within a value goes a backslash")
		}
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			if raw[i] != ' ' {
				keep = b.Len()
			}
			continue
		}
		if i++; i == len(raw) {
			return "", errors.New("it ends in a backslash")
		}
		if strings.IndexByte(`,+"\<>;=# `, raw[i]) >= 0 {
			b.WriteByte(raw[i])
		} else if octet, err := hex.DecodeString(raw[i:min(i+2, len(raw))]); err == nil {
			b.Write(octet)
			i++
		} else {
			return "", fmt.Errorf("unknown escape %q", raw[i-1:i+1])
		}
		keep = b.Len()
	}
	value := b.String()[:keep]
	if !utf8.ValidString(value) {
		return "", errors.New("a value is not UTF-8")
	}
	return value, nil
}

// String is the name as parseDN reads it. Values that are no text are printed
// as #hex, which parseDN does not read back.
func (dn distinguishedName) String() string {
	var parts []string
	for _, rdn := range dn {
		var pairs []string
		for _, a := range rdn {
			pairs = append(pairs, typeName(a.oid)+"="+a.escaped())
		}
		parts = append(parts, strings.Join(pairs, "+"))
	}
	return strings.Join(parts, ", ")
}

func typeName(oid string) string {
	for _, t := range attributeTypes {
		if t.oid == oid {
			return t.name
		}
	}
	return oid
}

// escaped is the value with what would be read otherwise, or would not print,
// behind backslashes.
func (a attribute) escaped() string {
	if !a.text {
		return "#" + hex.EncodeToString([]byte(a.value))
	}
	var b strings.Builder
	for i, r := range a.value {
		last := i+utf8.RuneLen(r) == len(a.value)
		switch {
		case strings.ContainsRune(`,+"\<>;=`, r), i == 0 && (r == '#' || r == ' '), last && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !unicode.IsPrint(r):
			for _, octet := range []byte(string(r)) {
				fmt.Fprintf(&b, "\\%02x", octet)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

package auth

import (
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// distinguishedName is an X.501 Name: a sequence of sets of attributes.
type distinguishedName [][]attribute

// attribute is one type and value. tag is the ASN.1 string type of the value;
// where text is false, value is the DER of something that is no string.
type attribute struct {
	oid   string // dotted
	value string // UTF-8
	tag   cbasn1.Tag
	text  bool
}

var errDN = errors.New("it is no DER of a distinguished name")

// maxAttributes bounds a name; real ones have fewer than ten.
const maxAttributes = 64

// decodeDN reads the DER of a Name (RFC 5280 §4.1.2.4).
func decodeDN(der []byte) (distinguishedName, error) {
	in := cryptobyte.String(der)
	var name cryptobyte.String
	if !in.ReadASN1(&name, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errDN
	}
	var dn distinguishedName
	count := 0
	for !name.Empty() {
		var set cryptobyte.String
		if !name.ReadASN1(&set, cbasn1.SET) || set.Empty() {
			return nil, errDN
		}
		var rdn []attribute
		for !set.Empty() {
			a, ok := readAttribute(&set)
			if count++; !ok || count > maxAttributes {
				return nil, errDN
			}
			rdn = append(rdn, a)
		}
		dn = append(dn, rdn)
	}
	return dn, nil
}

func readAttribute(set *cryptobyte.String) (attribute, bool) {
	var pair, element cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	if !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&oid) {
		return attribute{}, false
	}
	if !pair.ReadAnyASN1Element(&element, &tag) || !pair.Empty() {
		return attribute{}, false
	}
	whole := string(element)
	var content cryptobyte.String
	if !element.ReadASN1(&content, tag) {
		return attribute{}, false
	}
	if s, ok := decodeString(tag, content); ok {
		return attribute{oid.String(), s, tag, true}, true
	}
	return attribute{oid.String(), whole, tag, false}, true
}

// The string types that have no name in cryptobyte.
const (
	tagBMPString = cbasn1.Tag(30)
)

// decodeString is the text of a string type, if it is one and well-formed.
func decodeString(tag cbasn1.Tag, b []byte) (string, bool) {
	switch tag {
	case cbasn1.UTF8String:
		return string(b), utf8.Valid(b)
	case cbasn1.PrintableString, cbasn1.IA5String, cbasn1.T61String:
		// T61String is read as ASCII, the part on which all agree.
		return string(b), isASCII(b)
	case tagBMPString:
		if len(b)%2 != 0 {
			return "", false
		}
		units := make([]uint16, 0, len(b)/2)
		for i := 0; i < len(b); i += 2 {
			units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
		}
		s := string(utf16.Decode(units))
		return s, !strings.ContainsRune(s, utf8.RuneError)
	}
	return "", false
}

func isASCII(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 })
}

// encode is the DER of the name.
func (dn distinguishedName) encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range dn {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, der := range sortedSet(rdn) {
					b.AddBytes(der)
				}
			})
		}
	})
	return b.Bytes()
}

// sortedSet is the attributes of one RDN in the order that DER wants.
func sortedSet(rdn []attribute) [][]byte {
	var out [][]byte
	for _, a := range rdn {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(parseOID(a.oid))
			if !a.text {
				b.AddBytes([]byte(a.value))
				return
			}
			b.AddASN1(a.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
		})
		out = append(out, b.BytesOrPanic())
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// equal compares names attribute by attribute, texts without case and whatever
// their string type is (RFC 5280 §7.1).
func (dn distinguishedName) equal(o distinguishedName) bool {
	return slices.EqualFunc(dn, o, func(a, b []attribute) bool {
		return slices.Equal(keys(a), keys(b))
	})
}

func keys(rdn []attribute) []string {
	var out []string
	for _, a := range rdn {
		if a.text {
			out = append(out, a.oid+"=text "+strings.ToLower(a.value))
		} else {
			out = append(out, a.oid+"=der "+a.value)
		}
	}
	slices.Sort(out)
	return out
}

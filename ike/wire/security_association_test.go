package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One IKE proposal (AES-CBC-256, PRF and integrity SHA2-256, group 19), one ESP proposal (AES-GCM-16 with 256 bits,
// no ESN), RFC 7296 §3.3.1 and §3.3.2.
const goldenSA = `
	02 00 002c  01 01 00 04
		03 00 000c  01 00 000c  800e 0100
		03 00 0008  02 00 0005
		03 00 0008  03 00 000c
		00 00 0008  04 00 0013
	00 00 0020  02 03 04 02  c0ffee01
		03 00 000c  01 00 0014  800e 0100
		00 00 0008  05 00 0000`

// An unknown protocol, transform type, short and long attribute.
const goldenSAUnknown = `
	00 00 0020  07 63 01 01  aa
		00 00 0017  f1 00 beef  8123 4567  0456 0003 010203  7fff 0000`

func goldenProposals() []Proposal {
	return []Proposal{
		{
			Number:   1,
			Protocol: ProtocolIKE,
			Transforms: []Transform{
				{Type: TransformEncryption, ID: 12, Attributes: []Attribute{KeyLengthAttribute(256)}},
				{Type: TransformPRF, ID: 5},
				{Type: TransformIntegrity, ID: 12},
				{Type: TransformKeyExchange, ID: 19},
			},
		},
		{
			Number:   2,
			Protocol: ProtocolESP,
			SPI:      []byte{0xc0, 0xff, 0xee, 0x01},
			Transforms: []Transform{
				{Type: TransformEncryption, ID: 20, Attributes: []Attribute{KeyLengthAttribute(256)}},
				{Type: TransformSequenceNumbers, ID: 0},
			},
		},
	}
}

func TestSecurityAssociation(t *testing.T) {
	testGolden(t, []golden{
		{name: "IKE and ESP", payload: &SecurityAssociation{Proposals: goldenProposals()}, body: goldenSA, min: -1},
		{
			name: "all unknown",
			payload: &SecurityAssociation{Proposals: []Proposal{{
				Number:   7,
				Protocol: 99,
				SPI:      []byte{0xaa},
				Transforms: []Transform{{Type: 241, ID: 0xbeef, Attributes: []Attribute{
					{Type: 0x123, Value: 0x4567},
					{Type: 0x456, Long: true, Data: []byte{1, 2, 3}},
					{Type: 0x7fff, Long: true},
				}}},
			}}},
			body: goldenSAUnknown,
			min:  -1,
		},
		{
			name:    "no transforms",
			payload: &SecurityAssociation{Proposals: []Proposal{{Number: 1, Protocol: ProtocolESP}}},
			body:    "00 00 0008 01 03 00 00",
			min:     -1,
		},
	})
}

func TestSecurityAssociationMalformed(t *testing.T) {
	wantMalformed(t, PayloadSA, map[string]string{
		"":                                                       "proposal is cut short",
		"00 00 0000 01 03 00 00":                                 "proposal length is less",
		"00 00 0007 01 03 00 00":                                 "proposal is cut short",
		"00 00 ffff 01 03 00 00":                                 "proposal is cut short",
		"02 00 0008 01 03 00 00":                                 "proposal is cut short",
		"03 00 0008 01 03 00 00":                                 "unknown substructure",
		"00 00 0008 01 03 00 00 00":                              "after the last proposal",
		"00 00 0008 01 03 ff 00":                                 "SPI is cut short",
		"00 00 0008 01 03 00 ff":                                 "transform is cut short",
		"00 00 0009 01 03 00 00 00":                              "more transforms than counted",
		"00 00 0010 01 03 00 02 00 00 0008 05 00 0000":           "fewer transforms than counted",
		"00 00 0010 01 03 00 01 03 00 0008 05 00 0000":           "more transforms than counted",
		"00 00 0010 01 03 00 01 02 00 0008 05 00 0000":           "unknown substructure",
		"00 00 0010 01 03 00 01 00 00 0003 05 00 0000":           "transform length is less",
		"00 00 0010 01 03 00 01 00 00 0007 05 00 0000":           "transform is cut short",
		"00 00 0010 01 03 00 01 00 00 ffff 05 00 0000":           "transform is cut short",
		"00 00 0012 01 03 00 01 00 00 000a 05 00 0000 800e":      "attribute is cut short",
		"00 00 0014 01 03 00 01 00 00 000c 05 00 0000 000e 0001": "attribute value is cut short",
		"00 00 0014 01 03 00 01 00 00 000c 05 00 0000 000e ffff": "attribute value is cut short",
	})
}

func TestSecurityAssociationRefused(t *testing.T) {
	with := func(a ...Attribute) *SecurityAssociation {
		return &SecurityAssociation{Proposals: []Proposal{{Transforms: []Transform{{Attributes: a}}}}}
	}
	wantEncodeError(t, "no proposal", &SecurityAssociation{})
	wantEncodeError(t, "SPI too long", &SecurityAssociation{Proposals: []Proposal{{SPI: make([]byte, 256)}}})
	wantEncodeError(t, "16-bit attribute type", with(Attribute{Type: 0x8000}))
	wantEncodeError(t, "short attribute with data", with(Attribute{Data: []byte{1}}))
	wantEncodeError(t, "long attribute with value", with(Attribute{Long: true, Value: 1}))
	wantEncodeError(t, "attribute too long", with(Attribute{Long: true, Data: make([]byte, 1<<16)}))
	wantEncodeError(t, "transform too long", with(Attribute{Long: true, Data: make([]byte, 1<<16-12)}))
	wantEncodeError(t, "proposal too long", with(Attribute{Long: true, Data: make([]byte, 1<<16-20)}))
	wantEncodeError(t, "payload too long", with(Attribute{Long: true, Data: make([]byte, 1<<16-24)}))
	wantAppended(t, "longest payload", with(Attribute{Long: true, Data: make([]byte, 1<<16-25)}))
}

// rawProposal is a proposal of count empty transforms, and last in its Last Substruc field.
func rawProposal(last byte, count int) []byte {
	b := []byte{last, 0, 0, 0, 1, 3, 0, byte(count)}
	for i := range count {
		more := byte(moreTransforms)
		if i == count-1 {
			more = 0
		}
		b = append(b, more, 0, 0, transformHeaderLen, 5, 0, 0, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func TestMaxProposals(t *testing.T) {
	ps := make([]Proposal, MaxProposals)
	wantAppended(t, "most", &SecurityAssociation{Proposals: ps})
	wantEncodeError(t, "one more", &SecurityAssociation{Proposals: append(ps, ps[0])})
	body := append(bytes.Repeat(rawProposal(moreProposals, 0), MaxProposals), rawProposal(0, 0)...)
	wantParseError(t, PayloadSA, wrap(body))
}

func TestMaxTransforms(t *testing.T) {
	most := []Proposal{
		{Transforms: make([]Transform, 255)},
		{Transforms: make([]Transform, 255)},
		{Transforms: make([]Transform, MaxTransforms-2*255)},
	}
	wantAppended(t, "most", &SecurityAssociation{Proposals: most})
	wantEncodeError(t, "256 in one", &SecurityAssociation{Proposals: []Proposal{{Transforms: make([]Transform, 256)}}})
	most[2].Transforms = append(most[2].Transforms, Transform{})
	wantEncodeError(t, "one more", &SecurityAssociation{Proposals: most})
	body := append(bytes.Repeat(rawProposal(moreProposals, 255), 2), rawProposal(0, MaxTransforms-2*255+1)...)
	wantParseError(t, PayloadSA, wrap(body))
}

func TestMaxAttributes(t *testing.T) {
	a := make([]Attribute, MaxAttributes)
	with := func(a []Attribute) *SecurityAssociation {
		return &SecurityAssociation{Proposals: []Proposal{{Transforms: []Transform{{Attributes: a}}}}}
	}
	wantAppended(t, "most", with(a))
	wantEncodeError(t, "one more", with(append(a, a[0])))
	n := transformHeaderLen + 4*(MaxAttributes+1)
	body := append([]byte{0, 0, 0, byte(8 + n), 1, 3, 0, 1, 0, 0, 0, byte(n), 5, 0, 0, 0},
		bytes.Repeat([]byte{0x80, 0, 0, 0}, MaxAttributes+1)...)
	wantParseError(t, PayloadSA, wrap(body))
}

func TestTransformAttributes(t *testing.T) {
	type result struct {
		Bits       uint16
		OK         bool
		Understood bool
	}
	key := KeyLengthAttribute(192)
	for name, c := range map[string]struct {
		attributes []Attribute
		want       result
	}{
		"none":            {nil, result{Understood: true}},
		"key length":      {[]Attribute{key}, result{192, true, true}},
		"twice":           {[]Attribute{key, KeyLengthAttribute(128)}, result{192, true, false}},
		"unknown first":   {[]Attribute{{Type: 99}, key}, result{192, true, false}},
		"unknown":         {[]Attribute{{Type: 99}}, result{}},
		"long key length": {[]Attribute{{Type: AttributeKeyLength, Long: true, Data: []byte{0, 128}}}, result{}},
	} {
		tr := Transform{Attributes: c.attributes}
		var got result
		got.Bits, got.OK = tr.KeyLength()
		got.Understood = tr.Understood()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzSecurityAssociation(f *testing.F) {
	fuzzPayload(f, PayloadSA, goldenSA, goldenSAUnknown, "00 00 0008 01 03 00 ff", "")
}

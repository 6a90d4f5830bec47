package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnknown(t *testing.T) {
	testGolden(t, []golden{
		{name: "private use", payload: &Unknown{PayloadType: 200, Data: []byte{1, 2, 3}}, body: "010203"},
		{name: "registered, not parsed", payload: &Unknown{PayloadType: 54}, body: ""},
	})
}

func TestUnknownCritical(t *testing.T) {
	// Next Payload V, critical bit, two bytes; then a vendor ID with the critical bit, which is ignored.
	b := unhex(t, "2b 80 0006 0102 00 80 0005 aa")
	ps, err := ParsePayloads(201, b)
	if err != nil {
		t.Fatal(err)
	}
	want := []Payload{&Unknown{PayloadType: 201, Critical: true, Data: []byte{1, 2}}, &VendorID{Data: []byte{0xaa}}}
	if diff := cmp.Diff(want, ps); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	if kind, ok := UnknownCritical(ps); !ok || kind != 201 {
		t.Errorf("UnknownCritical = %v, %v", kind, ok)
	}
	if kind, ok := UnknownCritical(ps[1:]); ok {
		t.Errorf("UnknownCritical = %v for a known payload", kind)
	}
	if kind, ok := UnknownCritical([]Payload{&Unknown{PayloadType: 201}}); ok {
		t.Errorf("UnknownCritical = %v for a payload that may be ignored", kind)
	}
	got, err := AppendPayloads(nil, ps)
	if err != nil || !bytes.Equal(got, unhex(t, "2b 80 0006 0102 00 00 0005 aa")) {
		t.Errorf("appended %x, %v", got, err)
	}
}

func TestUnknownOfKnownType(t *testing.T) {
	for kind := range 256 {
		p := &Unknown{PayloadType: PayloadType(kind)}
		_, err := AppendPayloads(nil, []Payload{p})
		if refused := kind == 0 || p.PayloadType.Known(); refused != (err != nil) {
			t.Errorf("type %d: %v", kind, err)
		}
	}
}

func FuzzUnknown(f *testing.F) { fuzzPayload(f, 200, "010203", "") }

package wire

import (
	"bytes"
	"testing"
)

const (
	goldenNotify      = "00 00 4004 0102030405060708090a0b0c0d0e0f1011121314"
	goldenNotifyRekey = "03 04 4009 c0ffee01"
)

func TestNotify(t *testing.T) {
	testGolden(t, []golden{
		{
			name: "NAT detection",
			payload: &Notify{
				NotifyType: NotifyNATDetectionSourceIP,
				Data:       []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
			},
			body: goldenNotify,
			min:  4,
		},
		{
			name:    "rekey, with SPI",
			payload: &Notify{Protocol: ProtocolESP, SPI: []byte{0xc0, 0xff, 0xee, 1}, NotifyType: NotifyRekeySA},
			body:    goldenNotifyRekey,
			min:     -1,
		},
		{
			name:    "unknown type",
			payload: &Notify{Protocol: 77, SPI: []byte{1}, NotifyType: 65535, Data: []byte{2}},
			body:    "4d 01 ffff 01 02",
			min:     5,
		},
	})
}

func TestNotifySPI(t *testing.T) {
	wantAppended(t, "longest SPI", &Notify{SPI: make([]byte, 255), NotifyType: 1})
	wantEncodeError(t, "SPI too long", &Notify{SPI: make([]byte, 256), NotifyType: 1})
	wantMalformed(t, PayloadNotify, map[string]string{"03 ff 4009 c0ffee01": "SPI is cut short"})
}

func TestFindNotify(t *testing.T) {
	ps := []Payload{
		&VendorID{Data: []byte("v")},
		&Notify{NotifyType: NotifyCookie, Data: []byte("one")},
		&Notify{NotifyType: NotifyCookie, Data: []byte("two")},
	}
	if n := FindNotify(ps, NotifyCookie); n == nil || string(n.Data) != "one" {
		t.Errorf("found %+v, want the first", n)
	}
	if n := FindNotify(ps, NotifyRedirect); n != nil {
		t.Errorf("found %+v, want nil", n)
	}
}

func TestMaxNotifies(t *testing.T) {
	ps := make([]Payload, MaxNotifies)
	for i := range ps {
		ps[i] = &Notify{NotifyType: NotifyAdditionalIP4Address}
	}
	b, err := AppendPayloads(nil, ps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePayloads(PayloadNotify, b); err != nil {
		t.Error(err)
	}
	if _, err := AppendPayloads(nil, append(ps, ps[0])); err == nil {
		t.Error("appended one too many")
	}
	one := []byte{byte(PayloadNotify), 0, 0, 8, 0, 0, 0x40, 0x0d}
	wantParseError(t, PayloadNotify, append(bytes.Clone(one), b...))
}

func FuzzNotify(f *testing.F) { fuzzPayload(f, PayloadNotify, goldenNotify, goldenNotifyRekey, "") }

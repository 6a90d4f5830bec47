package wire

import (
	"strings"
	"testing"
)

const goldenCP = "01 000000 0001 0000 0003 0004 0a000035 0019 0003 6c616e"

func TestConfiguration(t *testing.T) {
	testGolden(t, []golden{
		{
			name: "request",
			payload: &Configuration{ConfigType: ConfigRequest, Attributes: []ConfigAttribute{
				{Type: ConfigInternalIP4Address},
				{Type: ConfigInternalIP4DNS, Value: []byte{10, 0, 0, 53}},
				{Type: ConfigInternalDNSDomain, Value: []byte("lan")},
			}},
			body: goldenCP,
			min:  4,
		},
		{name: "empty acknowledgement", payload: &Configuration{ConfigType: ConfigAck}, body: "04000000", min: -1},
		{
			name: "unknown type and attribute",
			payload: &Configuration{ConfigType: 9, Attributes: []ConfigAttribute{
				{Type: 0x7fff, Value: []byte{1}},
			}},
			body: "09 000000 7fff 0001 01",
			min:  4,
		},
	})
}

func TestConfigurationMalformed(t *testing.T) {
	wantMalformed(t, PayloadCP, map[string]string{
		"01 000000 00":                 "cut short",
		"01 000000 0001 00":            "cut short",
		"01 000000 0001 0001":          "cut short",
		"01 000000 0001 ffff 0a000001": "cut short",
	})
}

func TestMaxConfigAttributes(t *testing.T) {
	a := make([]ConfigAttribute, MaxConfigAttributes)
	for i := range a {
		a[i].Type = ConfigInternalIP4Subnet
	}
	wantAppended(t, "most", &Configuration{Attributes: a})
	wantEncodeError(t, "one more", &Configuration{Attributes: append(a, a[0])})
	wantMalformed(t, PayloadCP, map[string]string{
		"01000000" + strings.Repeat("000d0000", MaxConfigAttributes+1): "more configuration attributes",
	})
	wantEncodeError(t, "16-bit type", &Configuration{Attributes: []ConfigAttribute{{Type: 0x8001}}})
	wantEncodeError(t, "too long", &Configuration{Attributes: []ConfigAttribute{{Type: 1, Value: make([]byte, 1<<16)}}})
}

func FuzzConfiguration(f *testing.F) {
	fuzzPayload(f, PayloadCP, goldenCP, "04000000", "01000000 8001ffff")
}

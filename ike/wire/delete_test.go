package wire

import (
	"fmt"
	"strings"
	"testing"
)

const (
	goldenDelete    = "03 04 0002 c0000001 c0000002"
	goldenDeleteIKE = "01 00 0000"
)

func TestDelete(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "two ESP SAs",
			payload: &Delete{Protocol: ProtocolESP, SPIs: [][]byte{{0xc0, 0, 0, 1}, {0xc0, 0, 0, 2}}},
			body:    goldenDelete,
			min:     -1,
		},
		{name: "the IKE SA", payload: &Delete{Protocol: ProtocolIKE}, body: goldenDeleteIKE, min: -1},
		{name: "no ESP SA", payload: &Delete{Protocol: ProtocolESP}, body: "03 04 0000", min: -1},
		{
			name:    "unknown protocol",
			payload: &Delete{Protocol: 99, SPIs: [][]byte{{7}}},
			body:    "63 01 0001 07",
			min:     -1,
		},
	})
}

func TestDeleteMalformed(t *testing.T) {
	wantMalformed(t, PayloadDelete, map[string]string{
		"03 04 0001 c0000001 00": "differ from the bytes",
		"03 04 0003 c0000001":    "differ from the bytes",
		"03 ff 03ff":             "differ from the bytes",
		"03 00 0005":             "SPIs of no bytes",
		"03 00 ffff":             "more SPIs than allowed",
	})
	wantEncodeError(t, "two lengths", &Delete{Protocol: ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}, {1}}})
	wantEncodeError(t, "empty SPI", &Delete{Protocol: ProtocolESP, SPIs: [][]byte{{}}})
	wantEncodeError(t, "SPI too long", &Delete{Protocol: ProtocolESP, SPIs: [][]byte{make([]byte, 256)}})
}

// The IKE SA has no SPI in this payload, so that a count of them says nothing more.
func TestDeleteIKECounted(t *testing.T) {
	ps, err := chainOf(PayloadDelete, unhex(t, "01 00 0001"))
	if err != nil || len(ps[0].(*Delete).SPIs) != 0 {
		t.Errorf("parsed %v, %v", ps, err)
	}
}

func TestMaxDeleteSPIs(t *testing.T) {
	spis := make([][]byte, MaxDeleteSPIs)
	for i := range spis {
		spis[i] = []byte{0, 0, byte(i >> 8), byte(i)}
	}
	wantAppended(t, "most", &Delete{Protocol: ProtocolESP, SPIs: spis})
	wantEncodeError(t, "one more", &Delete{Protocol: ProtocolESP, SPIs: append(spis, spis[0])})
	body := fmt.Sprintf("0304%04x", MaxDeleteSPIs+1) + strings.Repeat("00000001", MaxDeleteSPIs+1)
	wantMalformed(t, PayloadDelete, map[string]string{body: "more SPIs than allowed"})
}

func FuzzDelete(f *testing.F) {
	fuzzPayload(f, PayloadDelete, goldenDelete, goldenDeleteIKE, "0304ffff", "")
}

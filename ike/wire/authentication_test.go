package wire

import "testing"

const goldenAUTH = "02 000000 deadbeef"

func TestAuthentication(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "shared key",
			payload: &Authentication{Method: AuthSharedKey, Data: []byte{0xde, 0xad, 0xbe, 0xef}},
			body:    goldenAUTH,
			min:     4,
		},
		{
			name:    "unknown method",
			payload: &Authentication{Method: 250, Data: []byte{1}},
			body:    "fa 000000 01",
			min:     4,
		},
	})
}

func FuzzAuthentication(f *testing.F) { fuzzPayload(f, PayloadAUTH, goldenAUTH, "0e000000", "") }

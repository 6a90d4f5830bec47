package wire

import "testing"

const (
	goldenEAP        = "01 2a 0005 01"
	goldenEAPSuccess = "03 2b 0004"
)

func TestEAP(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "identity request",
			payload: &EAP{Code: EAPRequest, Identifier: 42, Data: []byte{1}},
			body:    goldenEAP,
			min:     -1,
		},
		{name: "success", payload: &EAP{Code: EAPSuccess, Identifier: 43}, body: goldenEAPSuccess, min: -1},
		{name: "unknown code", payload: &EAP{Code: 9, Data: []byte{7, 7}}, body: "09 00 0006 0707", min: -1},
	})
}

func TestEAPLength(t *testing.T) {
	wantMalformed(t, PayloadEAP, map[string]string{
		"01 2a 0006 01": "EAP length differs",
		"01 2a 0004 01": "EAP length differs",
		"01 2a 0000":    "EAP length differs",
	})
	wantEncodeError(t, "too long", &EAP{Data: make([]byte, 1<<16-4)})
}

func FuzzEAP(f *testing.F) { fuzzPayload(f, PayloadEAP, goldenEAP, goldenEAPSuccess, "") }

package wire

import "testing"

const goldenCERT = "04 3082010a"

func TestCertificate(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "X.509",
			payload: &Certificate{Encoding: CertX509Signature, Data: []byte{0x30, 0x82, 0x01, 0x0a}},
			body:    goldenCERT,
			min:     1,
		},
		{name: "unknown encoding", payload: &Certificate{Encoding: 200, Data: []byte{1}}, body: "c801", min: 1},
	})
}

func FuzzCertificate(f *testing.F) { fuzzPayload(f, PayloadCERT, goldenCERT, "c8", "") }

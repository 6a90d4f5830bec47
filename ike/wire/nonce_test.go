package wire

import (
	"strings"
	"testing"
)

const goldenNonce = "000102030405060708090a0b0c0d0e0f"

func TestNonce(t *testing.T) {
	data := make([]byte, 16)
	for i := range data {
		data[i] = byte(i)
	}
	testGolden(t, []golden{{name: "shortest", payload: &Nonce{Data: data}, body: goldenNonce, min: -1}})
}

func TestNonceLength(t *testing.T) {
	wantAppended(t, "longest", &Nonce{Data: make([]byte, MaxNonceLen)})
	wantEncodeError(t, "too long", &Nonce{Data: make([]byte, MaxNonceLen+1)})
	wantEncodeError(t, "too short", &Nonce{Data: make([]byte, MinNonceLen-1)})
	wantMalformed(t, PayloadNonce, map[string]string{
		strings.Repeat("00", MaxNonceLen+1): "16 to 256",
		strings.Repeat("00", MinNonceLen-1): "16 to 256",
	})
}

func FuzzNonce(f *testing.F) {
	fuzzPayload(f, PayloadNonce, goldenNonce, strings.Repeat("ff", 256), "")
}

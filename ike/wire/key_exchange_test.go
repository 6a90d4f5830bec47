package wire

import (
	"bytes"
	"testing"
)

const goldenKE = "0013 0000 a1a2a3a4a5a6a7a8"

func TestKeyExchange(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "group 19",
			payload: &KeyExchange{Group: 19, Data: []byte{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8}},
			body:    goldenKE,
			min:     4,
		},
		{name: "no data", payload: &KeyExchange{Group: 14}, body: "000e0000", min: -1},
	})
}

func TestKeyExchangeReservedIgnored(t *testing.T) {
	ps, err := chainOf(PayloadKE, unhex(t, "0013 ffff a1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ps[0].AppendBody(nil)
	if err != nil || !bytes.Equal(b, unhex(t, "0013 0000 a1")) {
		t.Errorf("appended %x, %v: the reserved field is sent as zero", b, err)
	}
}

func TestKeyExchangeTooLong(t *testing.T) {
	wantAppended(t, "longest", &KeyExchange{Group: 14, Data: make([]byte, 1<<16-1-8)})
	wantEncodeError(t, "one more", &KeyExchange{Group: 14, Data: make([]byte, 1<<16-8)})
}

func FuzzKeyExchange(f *testing.F) { fuzzPayload(f, PayloadKE, goldenKE, "000e0000", "") }

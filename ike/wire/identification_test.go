package wire

import "testing"

const (
	goldenIDv4   = "01 000000 c0000201"
	goldenIDFQDN = "02 000000 67772e6578616d706c65"
)

func TestIdentification(t *testing.T) {
	testGolden(t, []golden{
		{
			name:    "IPv4 address, initiator",
			payload: &Identification{Initiator: true, IDType: IDIPv4Addr, Data: []byte{192, 0, 2, 1}},
			body:    goldenIDv4,
			min:     4,
		},
		{
			name:    "FQDN, responder",
			payload: &Identification{IDType: IDFQDN, Data: []byte("gw.example")},
			body:    goldenIDFQDN,
			min:     4,
		},
		{name: "null", payload: &Identification{IDType: IDNull}, body: "0d000000", min: -1},
		{
			name:    "unknown type",
			payload: &Identification{IDType: 201, Data: []byte{1, 2}},
			body:    "c9 000000 0102",
			min:     4,
		},
		{ // AUTH covers these octets as the peer sent them, RFC 7296 §2.15.
			name:    "reserved octets",
			payload: &Identification{IDType: IDKeyID, Reserved: [3]byte{1, 2, 3}, Data: []byte{9}},
			body:    "0b 010203 09",
			min:     4,
		},
	})
}

func FuzzIdentificationInitiator(f *testing.F) { fuzzPayload(f, PayloadIDi, goldenIDv4, "0d000000") }
func FuzzIdentificationResponder(f *testing.F) { fuzzPayload(f, PayloadIDr, goldenIDFQDN, "") }

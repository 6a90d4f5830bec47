package wire

import "testing"

const goldenVendorID = "4048b7d56ebce88525e7de7f00d6c2d3"

func TestVendorID(t *testing.T) {
	testGolden(t, []golden{
		{
			name: "sixteen bytes",
			payload: &VendorID{Data: []byte{
				0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3,
			}},
			body: goldenVendorID,
		},
		{name: "empty", payload: &VendorID{}, body: ""},
	})
}

func FuzzVendorID(f *testing.F) { fuzzPayload(f, PayloadVendorID, goldenVendorID, "") }

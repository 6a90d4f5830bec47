package wire

import (
	"encoding/binary"
	"testing"
)

// CVE-2026-25075 of strongSwan: from the length of an AVP its header was taken away,
// though it was shorter. Nothing with a length of its own is shorter than its header,
// or longer than what it is in, and all that is read gets on by it.
func TestCVE_2026_25075_LengthBelowItsHeader(t *testing.T) {
	const transform = "0000000c 0100000c 800e0100"
	for name, c := range map[string]struct {
		first  PayloadType
		b      string
		at     int // of the length, of two octets
		header int
	}{
		"payload":          {PayloadVendorID, "00000008 01020304", 2, 4},
		"second payload":   {PayloadVendorID, "2b000008 01020304 00000008 01020304", 10, 4},
		"empty payload":    {PayloadVendorID, "00000004", 2, 4},
		"bare transform":   {PayloadSA, "00000014 00000010 01010001 00000008 03000002", 14, 8},
		"proposal":         {PayloadSA, "00000018 00000014 01010001" + transform, 6, 8},
		"transform":        {PayloadSA, "00000018 00000014 01010001" + transform, 14, 8},
		"traffic selector": {PayloadTSi, "00000018 01000000 07000010 0000ffff 0a000000 0a0000ff", 10, 8},
		"EAP packet":       {PayloadEAP, "0000000a 02010006 0161", 6, 4},
	} {
		sound := unhex(t, c.b)
		if _, err := ParsePayloads(c.first, sound); err != nil {
			t.Fatalf("%s as it should be: %v", name, err)
		}
		right := int(binary.BigEndian.Uint16(sound[c.at:]))
		for _, length := range []int{0, 1, 2, 3, c.header - 1, right + 1, 255, 32767, 65535} {
			b := unhex(t, c.b)
			binary.BigEndian.PutUint16(b[c.at:], uint16(length))
			if _, err := ParsePayloads(c.first, b); err == nil {
				t.Errorf("a %s of length %d passes, whose header is of %d octets", name, length, c.header)
			}
		}
	}
}

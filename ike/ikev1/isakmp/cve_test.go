package isakmp

import (
	"encoding/binary"
	"testing"
)

// CVE-2026-25075 of strongSwan: from the length of an AVP its header was taken away,
// though it was shorter. As in IKEv2, nothing with a length of its own is shorter than
// its header, or longer than what it is in.
func TestCVE_2026_25075_LengthBelowItsHeader(t *testing.T) {
	const sa = "00000020 00000001 00000001 00000014 01010001 0000000c 01010000 80010007"
	for name, c := range map[string]struct {
		first  PayloadType
		b      string
		at     int // of the length, of two octets
		header int
	}{
		"payload":        {PayloadVID, "00000008 01020304", 2, 4},
		"empty payload":  {PayloadVID, "00000004", 2, 4},
		"proposal":       {PayloadSA, sa, 14, 8},
		"transform":      {PayloadSA, sa, 22, 8},
		"bare transform": {PayloadSA, "0000001c 00000001 00000001 00000010 01010001 00000008 01010000", 22, 8},
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

package wire

import (
	"bytes"
	"testing"
)

// What is reserved is sent as zero, and ignored when it is not (RFC 7296 §2.5, §3.2, §3.3,
// §3.8, §3.13).
func TestReservedFieldsAreIgnored(t *testing.T) {
	for name, c := range map[string]struct {
		payload        PayloadType
		received, sent string
	}{
		"proposal":          {PayloadSA, "00 ff 0010 01 01 00 01  00 00 0008 02 00 0005", "00 00 0010 01 01 00 01  00 00 0008 02 00 0005"},
		"transform":         {PayloadSA, "00 00 0010 01 01 00 01  00 ff 0008 02 ff 0005", "00 00 0010 01 01 00 01  00 00 0008 02 00 0005"},
		"AUTH":              {PayloadAUTH, "02 ffffff deadbeef", goldenAUTH},
		"traffic selectors": {PayloadTSi, "01 ffffff 07 06 0010 0050 01bb 0a010000 0a01ffff", "01 000000 07 06 0010 0050 01bb 0a010000 0a01ffff"},
	} {
		ps, err := chainOf(c.payload, unhex(t, c.received))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := ps[0].AppendBody(nil); err != nil || !bytes.Equal(b, unhex(t, c.sent)) {
			t.Errorf("%s: appended %x, %v", name, b, err)
		}
	}
	header := wrap(unhex(t, goldenAUTH))
	header[1] = ^byte(criticalBit)
	if _, err := ParsePayloads(PayloadAUTH, header); err != nil {
		t.Errorf("generic header: %v", err)
	}
}

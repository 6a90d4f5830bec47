package isakmp

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// goldenMain is the first message of Main Mode, with one transform and one
// vendor ID (RFC 3706).
const goldenMain = `0102030405060708 0000000000000000 01 10 02 00 00000000 00000068
	0d000038 00000001 00000001 0000002c 01010001 00000024 01010000
	80010007 800e0080 80020002 80040002 80030001 800b0001 800c7080
	00000014 afcad71368a1f1c96b8696fc77570100`

// goldenEncrypted is a message whose payloads are encrypted.
const goldenEncrypted = `0102030405060708 1112131415161718 05 10 02 01 00000000 0000002c
	00112233445566778899aabbccddeeff`

func TestMessage(t *testing.T) {
	raw := unhex(t, goldenMain)
	m, err := ParseMessage(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := Summary(m.Payloads); got != "SA VID" {
		t.Errorf("summary %q", got)
	}
	if again, err := m.Append(nil); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("appended %x (%v)", again, err)
	}
	for n := range raw {
		cut := bytes.Clone(raw[:n])
		if _, err := ParseMessage(cut); err == nil {
			t.Errorf("%d of %d octets pass for the whole", n, len(raw))
		}
		if n >= HeaderLen { // with a length that fits, too
			cut[26], cut[27] = byte(n>>8), byte(n)
			if _, err := ParseMessage(cut); err == nil {
				t.Errorf("%d of %d octets pass for the whole", n, len(raw))
			}
		}
	}
	enc, err := ParseMessage(unhex(t, goldenEncrypted))
	if err != nil || len(enc.Payloads) != 0 || len(enc.Body) != 16 || enc.NextPayload != PayloadID {
		t.Errorf("an encrypted message: %+v, %v", enc, err)
	}
}

// No payload type of IKEv2 is ever read here: another version is refused by
// the header alone.
func TestOtherVersionsAreNotParsed(t *testing.T) {
	raw := unhex(t, goldenMain)
	for major := range byte(16) {
		raw[17] = major << 4
		m, err := ParseMessage(raw)
		var version *VersionError
		if major == MajorVersion {
			if err != nil {
				t.Error(err)
			}
		} else if !errors.As(err, &version) || version.Major != major || len(m.Payloads) != 0 {
			t.Errorf("version %d: %v with %d payloads", major, err, len(m.Payloads))
		}
	}
}

func TestZeroCookie(t *testing.T) {
	raw := unhex(t, goldenMain)
	clear(raw[:8])
	if _, err := ParseMessage(raw); err == nil {
		t.Error("a zero initiator cookie is accepted")
	}
	if _, err := (Header{}).Append(nil, PayloadNone, HeaderLen); err == nil {
		t.Error("a zero initiator cookie is sent")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(unhex(f, goldenMain))
	f.Add(unhex(f, goldenEncrypted))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		first, err := m.Append(nil)
		if err != nil {
			t.Fatalf("what was parsed cannot be appended: %v", err)
		}
		again, err := ParseMessage(first)
		if err != nil {
			t.Fatalf("what was appended cannot be parsed: %v", err)
		}
		again.Minor = m.Minor // sent as 1.0
		again.Length, again.NextPayload = m.Length, m.NextPayload
		if !reflect.DeepEqual(m, again) {
			t.Fatalf("changed on the way:\n%+v\n%+v", m, again)
		}
		_ = m.Header.String() + Summary(m.Payloads)
	})
}

func FuzzPayloads(f *testing.F) {
	for _, c := range golden {
		f.Add(uint8(c.payload.Type()), wrap(unhex(f, c.body)))
	}
	f.Fuzz(func(t *testing.T, first uint8, b []byte) {
		ps, err := ParsePayloads(PayloadType(first), b)
		if err != nil {
			return
		}
		if n := Extent(PayloadType(first), b); n > len(b) || len(b)-n > maxPadding {
			t.Fatalf("%d of %d octets are payloads", n, len(b))
		}
		out, err := AppendPayloads(nil, ps)
		if err != nil {
			t.Fatalf("what was parsed cannot be appended: %v", err)
		}
		again, err := ParsePayloads(FirstType(ps), out)
		if err != nil || !reflect.DeepEqual(ps, again) {
			t.Fatalf("changed on the way (%v):\n%+v\n%+v", err, ps, again)
		}
	})
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 0x70, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseAttributes(b)
		if err != nil {
			return
		}
		if again, err := AppendAttributes(nil, list); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("changed on the way (%v):\n%x\n%x", err, b, again)
		}
		for _, a := range list {
			a.Number()
		}
	})
}

package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An INFORMATIONAL response whose SK payload holds a Delete first, and ten bytes of IV, ciphertext and ICV.
const goldenSK = "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 2e 20 25 20 00000002 0000002a 2a 00 000e 00112233445566778899"

// The same with a vendor ID outside encryption.
const goldenSKAfter = "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 2b 20 25 20 00000002 00000030 2e 00 0006 0102 2a 00 000e 00112233445566778899"

func TestEncrypted(t *testing.T) {
	for s, want := range map[string]Encrypted{
		goldenSK:      {First: PayloadDelete, Offset: 32, Body: unhex(t, "00112233445566778899")},
		goldenSKAfter: {First: PayloadDelete, Offset: 38, Body: unhex(t, "00112233445566778899")},
	} {
		b := unhex(t, s)
		m, err := ParseMessage(b)
		if err != nil {
			t.Fatal(err)
		}
		sk, ok := m.Encrypted()
		if !ok {
			t.Fatalf("no SK payload in %v", m.Summary())
		}
		if diff := cmp.Diff(want, *sk); diff != "" {
			t.Errorf("parsed (-want +got):\n%s", diff)
		}
		if again, err := m.Append(nil); err != nil || !bytes.Equal(b, again) {
			t.Errorf("appended %x, %v, want %x", again, err, b)
		}
		for n := range b {
			if _, err := ParseMessage(b[:n]); err == nil {
				t.Errorf("the first %d bytes parsed", n)
			}
		}
	}
	if _, ok := goldenInitMessage().Encrypted(); ok {
		t.Error("SK payload found in a message without one")
	}
	if _, ok := new(Message).EncryptedFragment(); ok {
		t.Error("SKF payload found in a message without payloads")
	}
}

func TestAppendEncrypted(t *testing.T) {
	want := unhex(t, goldenSK)
	h, err := ParseHeader(want)
	if err != nil {
		t.Fatal(err)
	}
	prefix, err := AppendEncrypted(nil, h, PayloadDelete, 10)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(prefix, want[:32]) {
		t.Errorf("prefix %x, want %x", prefix, want[:32])
	}
	for _, n := range []int{-1, MaxMessageLen - 31, 1 << 32} {
		if _, err := AppendEncrypted(nil, h, PayloadNone, n); err == nil {
			t.Errorf("appended the header of a body of %d bytes", n)
		}
	}
	if b, err := AppendEncrypted(nil, h, PayloadNone, MaxMessageLen-32); err != nil || len(b) != 32 {
		t.Errorf("header of the longest message: %x, %v", b, err)
	}
}

func TestEncryptedInside(t *testing.T) {
	for _, kind := range []PayloadType{PayloadSK, PayloadSKF} {
		wantParseError(t, kind, wrap(unhex(t, "0001 0001 00")))
	}
	for _, p := range []Payload{&Encrypted{}, &EncryptedFragment{Number: 1, Total: 1}} {
		if _, err := AppendPayloads(nil, []Payload{p}); err == nil {
			t.Errorf("appended %v inside an encrypted payload", p.Type())
		}
		m := Message{Header: Header{InitiatorSPI: 1}, Payloads: []Payload{p, &VendorID{}}}
		if _, err := m.Append(nil); err == nil {
			t.Errorf("appended a payload after %v", p.Type())
		}
	}
}

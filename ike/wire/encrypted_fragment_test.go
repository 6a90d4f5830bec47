package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Fragment 1 of 3 of an IKE_AUTH request that starts with IDi, RFC 7383 §2.5.
const goldenSKF = "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 35 20 23 08 00000001 0000002a 23 00 000e 0001 0003 001122334455"

func TestEncryptedFragment(t *testing.T) {
	b := unhex(t, goldenSKF)
	m, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	skf, ok := m.EncryptedFragment()
	if !ok {
		t.Fatalf("no SKF payload in %v", m.Summary())
	}
	want := EncryptedFragment{First: PayloadIDi, Number: 1, Total: 3, Offset: 36, Body: unhex(t, "001122334455")}
	if diff := cmp.Diff(want, *skf); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	if again, err := m.Append(nil); err != nil || !bytes.Equal(b, again) {
		t.Errorf("appended %x, %v, want %x", again, err, b)
	}
	prefix, err := AppendEncryptedFragment(nil, m.Header, PayloadIDi, 1, 3, 6)
	if err != nil || !bytes.Equal(prefix, b[:36]) {
		t.Errorf("prefix %x, %v, want %x", prefix, err, b[:36])
	}
	if m.Summary() != "SKF(1/3)" {
		t.Errorf("summary %q", m.Summary())
	}
}

func TestEncryptedFragmentNumbers(t *testing.T) {
	for _, c := range []struct {
		number, total uint16
		ok            bool
	}{{1, 1, true}, {65535, 65535, true}, {0, 1, false}, {0, 0, false}, {2, 1, false}} {
		p := &EncryptedFragment{Number: c.number, Total: c.total}
		_, err := p.AppendBody(nil)
		if (err == nil) != c.ok {
			t.Errorf("fragment %d of %d: append %v", c.number, c.total, err)
		}
		_, err = AppendEncryptedFragment(nil, Header{InitiatorSPI: 1}, PayloadSA, c.number, c.total, 0)
		if (err == nil) != c.ok {
			t.Errorf("fragment %d of %d: append header %v", c.number, c.total, err)
		}
		b := unhex(t, goldenSKF)
		copy(b[32:], []byte{byte(c.number >> 8), byte(c.number), byte(c.total >> 8), byte(c.total)})
		if _, err := ParseMessage(b); (err == nil) != c.ok {
			t.Errorf("fragment %d of %d: parse %v", c.number, c.total, err)
		}
	}
}

// Only the first fragment names the first payload, RFC 7383 §2.5.
func TestAppendEncryptedFragmentFirst(t *testing.T) {
	b, err := AppendEncryptedFragment(nil, Header{InitiatorSPI: 1}, PayloadIDi, 2, 3, 6)
	if err != nil || PayloadType(b[HeaderLen]) != PayloadNone {
		t.Errorf("fragment 2 starts with %v, %v", PayloadType(b[HeaderLen]), err)
	}
	for _, n := range []int{-1, -4, MaxMessageLen - 35} {
		if _, err := AppendEncryptedFragment(nil, Header{InitiatorSPI: 1}, PayloadNone, 1, 1, n); err == nil {
			t.Errorf("appended the header of a body of %d bytes", n)
		}
	}
}

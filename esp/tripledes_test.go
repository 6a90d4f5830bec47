package esp

import (
	"bytes"
	"testing"

	des "causeway/esp/tripledes"
)

// TestTripleDESChaining is CBC with the key of NIST SP 800-67 appendix B.1, as
// OpenSSL chains it.
func TestTripleDESChaining(t *testing.T) {
	block, err := des.NewCipher(unhex(t, "0123456789abcdef23456789abcdef01456789abcdef0123"))
	if err != nil {
		t.Fatal(err)
	}
	c := &tripleDES{block: block}
	b, iv := []byte("0123456789abcdef0123456789ABCDEF"), unhex(t, "f69f2445df4f9b17")
	c.encrypt(b, iv)
	if want := unhex(t, "2e9752f85bb8aaa562bd7671e64da00f6261f2b38bcb50e5566f07d1b7408acc"); !bytes.Equal(b, want) {
		t.Errorf("encrypts to %x, want %x", b, want)
	}
	c.decrypt(b, iv)
	if string(b) != "0123456789abcdef0123456789ABCDEF" {
		t.Errorf("decrypts to %q", b)
	}
}

// TestShortBlocksAreLimited: whatever was negotiated, a 3DES key is replaced in
// time, in both directions.
func TestShortBlocksAreLimited(t *testing.T) {
	c := suite{"3DES-SHA1", TripleDES, 24, HMACSHA1_96, 20}
	for _, negotiated := range []Limits{{}, {SoftBytes: 90e9, HardBytes: 100e9}} {
		out, in := newPair(t, c, Parameters{Limits: negotiated})
		if out.limits != in.limits || out.limits.HardBytes != des.VolumeLimit || out.limits.SoftBytes != des.VolumeLimit/2 {
			t.Errorf("%+v becomes %+v and %+v", negotiated, out.limits, in.limits)
		}
		if _, state, err := out.Reserve(1, des.VolumeLimit/2); state != Soft || err != nil {
			t.Errorf("half of the volume is %v, %v", state, err)
		}
		if _, state, err := out.Reserve(1, des.VolumeLimit/2+1); state != Hard || err != ErrExhausted {
			t.Errorf("more than the volume is %v, %v", state, err)
		}
	}
	out, _ := newPair(t, c, Parameters{Limits: Limits{SoftBytes: 10, HardBytes: 20}})
	if out.limits.SoftBytes != 10 || out.limits.HardBytes != 20 {
		t.Errorf("lower limits become %+v", out.limits)
	}
}

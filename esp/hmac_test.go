package esp

import (
	"bytes"
	stdhmac "crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestHMACVectors are RFC 2202 §3 cases 1 and 3, and of RFC 4868 §2.7.2 the
// first two cases of each hash, truncated.
func TestHMACVectors(t *testing.T) {
	hi, jefe := "4869205468657265", "7768617420646f2079612077616e7420666f72206e6f7468696e673f"
	for _, v := range []struct {
		integrity       Integrity
		key, data, want string
	}{
		{HMACSHA1_96, strings.Repeat("0b", 20), hi, "b617318655057264e28bc0b6"},
		{HMACSHA1_96, strings.Repeat("aa", 20), strings.Repeat("dd", 50), "125d7342b9ac11cd91a39af4"},
		{HMACSHA256_128, strings.Repeat("0b", 32), hi, "198a607eb44bfbc69903a0f1cf2bbdc5"},
		{HMACSHA256_128, strings.Repeat("4a656665", 8), jefe, "167f928588c5cc2eef8e3093caa0e87c"},
		{HMACSHA384_192, strings.Repeat("0b", 48), hi, "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
		{HMACSHA384_192, strings.Repeat("4a656665", 12), jefe, "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
		{HMACSHA512_256, strings.Repeat("0b", 64), hi, "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
		{HMACSHA512_256, strings.Repeat("4a656665", 16), jefe, "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
	} {
		h, err := newHMAC(Parameters{Integrity: v.integrity, IntegrityKey: unhex(t, v.key)})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.sum(NewScratch(), unhex(t, v.data), 7<<32); !bytes.Equal(got, unhex(t, v.want)) {
			t.Errorf("%v of %s is %x, want %s", v.integrity, v.data, got, v.want)
		}
	}
}

// TestHMACAgreesWithTheStandardLibrary at every length around block and padding
// boundaries, with one Scratch for all.
func TestHMACAgreesWithTheStandardLibrary(t *testing.T) {
	s := NewScratch()
	random := rand.NewChaCha8([32]byte{1})
	for _, c := range []struct {
		integrity Integrity
		hash      func() hash.Hash
		icvLen    int
	}{
		{HMACSHA1_96, sha1.New, 12},
		{HMACSHA256_128, sha256.New, 16},
		{HMACSHA384_192, sha512.New384, 24},
		{HMACSHA512_256, sha512.New, 32},
	} {
		key := make([]byte, c.hash().Size())
		random.Read(key)
		for _, esn := range []bool{false, true} {
			h, err := newHMAC(Parameters{Integrity: c.integrity, IntegrityKey: key, ESN: esn})
			if err != nil {
				t.Fatal(err)
			}
			for n := range 300 {
				data := make([]byte, n)
				random.Read(data)
				seq := random.Uint64()
				mac := stdhmac.New(c.hash, key)
				mac.Write(data)
				if esn {
					mac.Write(binary.BigEndian.AppendUint32(nil, uint32(seq>>32)))
				}
				if got, want := h.sum(s, data, seq), mac.Sum(nil)[:c.icvLen]; !bytes.Equal(got, want) {
					t.Fatalf("%v of %d bytes is %x, want %x", c.integrity, n, got, want)
				}
			}
		}
	}
}

func TestHMACStatesAreOverwritten(t *testing.T) {
	h, err := newHMAC(Parameters{Integrity: HMACSHA256_128, IntegrityKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	h.states.erase()
	for _, state := range [][]byte{h.states.inner, h.states.outer} {
		if !bytes.Equal(state, make([]byte, len(state))) {
			t.Errorf("the state is still %x", state)
		}
	}
}

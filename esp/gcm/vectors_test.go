package gcm

import (
	"bytes"
	"testing"

	"causeway/test/vectors"
)

// vector is one line of testdata.
type vector struct {
	at                       string
	key, nonce, aad, ct, tag []byte
	plaintext                []byte
	forged                   bool
}

func readVectors(t *testing.T, name string) (out []vector) {
	t.Helper()
	for at, fields := range vectors.Lines(t, name) {
		if len(fields) != 6 {
			t.Fatalf("%s: %d fields", at, len(fields))
		}
		v := vector{at: at, forged: fields[3] == "FAIL"}
		for i, to := range []*[]byte{&v.key, &v.nonce, &v.aad, &v.plaintext, &v.ct, &v.tag} {
			if fields[i] != "FAIL" {
				*to = vectors.Bytes(t, fields[i])
			}
		}
		out = append(out, v)
	}
	return out
}

// TestVectors seals and opens what NIST and Project Wycheproof worked out.
func TestVectors(t *testing.T) {
	for name, atLeast := range map[string]int{"testdata/nist.txt": 675, "testdata/wycheproof.txt": 197} {
		all := readVectors(t, name)
		if len(all) < atLeast {
			t.Fatalf("%s has %d vectors only", name, len(all))
		}
		eachForm(t, func(t *testing.T, f form) {
			for _, v := range all {
				v.check(t, f)
			}
		})
	}
}

func (v vector) check(t *testing.T, f form) {
	k := mustKey(t, v.key, len(v.tag), f)
	nonce := (*[NonceSize]byte)(v.nonce)
	sealed := append(bytes.Clone(v.ct), v.tag...)
	opened := bytes.Repeat([]byte{0xa5}, len(v.ct))
	err := k.Open(opened, nonce, sealed, v.aad)
	if v.forged {
		if err != ErrOpen || !bytes.Equal(opened, make([]byte, len(opened))) {
			t.Errorf("%s: forged, but opened as %x, %v", v.at, opened, err)
		}
		return
	}
	if err != nil || !bytes.Equal(opened, v.plaintext) {
		t.Errorf("%s: opened as %x, %v, want %x", v.at, opened, err, v.plaintext)
	}
	got := make([]byte, len(sealed))
	k.Seal(got, nonce, v.plaintext, v.aad)
	if !bytes.Equal(got, sealed) {
		t.Errorf("%s: sealed as %x, want %x", v.at, got, sealed)
	}
}

package gcm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// vector is one line of testdata.
type vector struct {
	line                     int
	key, nonce, aad, ct, tag []byte
	plaintext                []byte
	forged                   bool
}

func readVectors(t *testing.T, name string) []vector {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []vector
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 6 {
			t.Fatalf("%s:%d: %d fields", name, n, len(fields))
		}
		v := vector{line: n, forged: fields[3] == "FAIL"}
		for i, to := range []*[]byte{&v.key, &v.nonce, &v.aad, &v.plaintext, &v.ct, &v.tag} {
			if fields[i] == "-" || fields[i] == "FAIL" {
				continue
			}
			if *to, err = hex.DecodeString(fields[i]); err != nil {
				t.Fatalf("%s:%d: %v", name, n, err)
			}
		}
		out = append(out, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestVectors seals and opens what NIST and Project Wycheproof worked out.
func TestVectors(t *testing.T) {
	for name, atLeast := range map[string]int{"testdata/nist.txt": 675, "testdata/wycheproof.txt": 197} {
		vectors := readVectors(t, name)
		if len(vectors) < atLeast {
			t.Fatalf("%s has %d vectors only", name, len(vectors))
		}
		eachForm(t, func(t *testing.T, f form) {
			for _, v := range vectors {
				v.check(t, name, f)
			}
		})
	}
}

func (v vector) check(t *testing.T, name string, f form) {
	k := mustKey(t, v.key, len(v.tag), f)
	nonce := (*[NonceSize]byte)(v.nonce)
	sealed := append(bytes.Clone(v.ct), v.tag...)
	opened := bytes.Repeat([]byte{0xa5}, len(v.ct))
	err := k.Open(opened, nonce, sealed, v.aad)
	if v.forged {
		if err != ErrOpen || !bytes.Equal(opened, make([]byte, len(opened))) {
			t.Errorf("%s:%d: forged, but opened as %x, %v", name, v.line, opened, err)
		}
		return
	}
	if err != nil || !bytes.Equal(opened, v.plaintext) {
		t.Errorf("%s:%d: opened as %x, %v, want %x", name, v.line, opened, err, v.plaintext)
	}
	got := make([]byte, len(sealed))
	k.Seal(got, nonce, v.plaintext, v.aad)
	if !bytes.Equal(got, sealed) {
		t.Errorf("%s:%d: sealed as %x, want %x", name, v.line, got, sealed)
	}
}

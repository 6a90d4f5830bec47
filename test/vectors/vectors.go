// Package vectors reads the files of test vectors in testdata: one vector a line,
// fields apart by space, and after # what is for the reader only.
package vectors

import (
	"encoding/hex"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
)

// Lines yields the vectors of a file, each with where it stands.
func Lines(t testing.TB, name string) iter.Seq2[string, []string] {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string, []string) bool) {
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			vector, _, _ := strings.Cut(line, "#")
			if fields := strings.Fields(vector); len(fields) > 0 && !yield(fmt.Sprintf("%s:%d", name, n), fields) {
				return
			}
		}
	}
}

// Bytes is a field in hexadecimal; "-" is empty.
func Bytes(t testing.TB, field string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(field, "-"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

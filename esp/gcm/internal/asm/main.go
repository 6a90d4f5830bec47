// Command asm writes the assembly of package gcm: one file for each vector
// width, from one description. Run it by `go generate ./esp/gcm`.
//
// It emits AES in counter mode (FIPS 197, SP 800-38D §6.5) interleaved with
// GHASH by carry-less multiplication, for Go's ABI0.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// files returns the generated files by name.
func files() map[string]string {
	out := make(map[string]string)
	for name, f := range map[string]*form{"avx512_amd64.s": avx512(), "avx2_amd64.s": avx2()} {
		out[name] = strings.Join(f.file(), "\n") + "\n"
	}
	return out
}

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for name, text := range files() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "asm:", err)
			os.Exit(1)
		}
	}
}

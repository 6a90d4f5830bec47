package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCurrent fails when the assembly is not what this generator writes.
func TestCurrent(t *testing.T) {
	for name, want := range files() {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not current: run go generate ./esp/gcm", name)
		}
	}
}
